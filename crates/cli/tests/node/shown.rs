//! What is said of answers and matches, and to whom the policy lets them be laid.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::asking::{addresses, ends, import_customers, policy, three};
use crate::peers::{HOME, Peers};
use crate::place::{Test, stderr};
use crate::roster::Consortium;

fn all(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}

/// `b` and `c` serve addresses that `a` asks for under a rule with what is `added`.
fn under(added: &str) -> Result<Peers, Box<dyn std::error::Error>> {
    let asks = policy(&["ip"], &[], "") + added;
    let serves = policy(&[], &["ip"], "");
    Peers::new(
        &[("b", &addresses(20..60)), ("c", &addresses(30..80))],
        &[("a", &asks), ("b", &serves), ("c", &serves)],
    )
}

#[test]
fn how_many_hold_it_is_said_and_not_who_where_the_policy_says_so() -> Test {
    let peers = under("names = false\n")?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;
    let list = ends(place, "matches list", 0)?;
    let matches = all(&list["matches"]);
    assert_eq!(matches.len(), 30);
    assert!(matches.iter().all(|one| one["peer"].is_null()), "{list}");
    let held_by = |peers: u64| matches.iter().filter(|one| one["peers"] == peers).count();
    assert_eq!((held_by(1), held_by(2)), (10, 20));
    // No filter and no export brings out what is not shown.
    let of_b = ends(place, "matches list --peer b", 0)?;
    assert_eq!(of_b["matches"], json!([]));
    let table = place.ok(&format!("--home {HOME} matches list"))?;
    assert!(
        table.contains("one of 2") && !table.contains("  b "),
        "{table}"
    );
    for format in ["csv", "ndjson"] {
        let text = place.ok(&format!("--home {HOME} matches export --format {format}"))?;
        assert_eq!(text.matches("customer-39").count(), 2);
        assert!(!text.contains("\"b\"") && !text.contains(",b,"), "{text}");
    }
    place.write("one.txt", addresses(35..36) + &addresses(25..26))?;
    let answers = ends(place, "query --explain one.txt", 0)?;
    let answers = all(&answers["answers"]);
    // `d` serves nothing, which is of no row.
    let (named, answers): (Vec<&Value>, Vec<&Value>) =
        answers.into_iter().partition(|one| one["peer"] == "d");
    assert_eq!((named.len(), answers.len()), (2, 4));
    assert!(
        answers.iter().all(|one| one["peer"].is_null()),
        "{answers:?}"
    );
    let words: Vec<_> = answers.iter().map(|one| &one["answer"]).collect();
    assert_eq!(words, ["held", "held", "held", "not_held"]);
    let said = answers.iter().map(|one| one["explained"].to_string());
    assert!(
        said.into_iter()
            .all(|said| !said.contains("publication of 2"))
    );
    // An appeal needs names.
    let case = "matches confirm ID --case T-1 --reason seen";
    let id = matches[0]["id"].as_str().unwrap_or_default();
    ends(place, &case.replace("ID", id), 0)?;
    let trace = ends(place, "matches trace T-1", 0)?;
    let named = all(&trace["recipients"])
        .iter()
        .any(|one| one["who"] == "b" || one["who"] == "c");
    assert!(named, "{trace}");
    Ok(())
}

#[test]
fn what_is_withdrawn_by_its_reference_goes_out_of_every_source() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write(
        "one.csv",
        "ip,id\n8.8.8.10,F-1\n8.8.8.11,F-2\n8.8.8.12,F-3\n",
    )?;
    place.write(
        "two.csv",
        "email,id\nbad@example.com,F-1\nworse@example.com,F-4\n",
    )?;
    for (source, map) in [("one", "ip=ip"), ("two", "email=email")] {
        place.ok(&format!(
            "--home acme import --collection fraud --kind abuse --source {source} --map {map} --ref id \
             {source}.csv"
        ))?;
    }
    place.ok("--home acme import --collection accounts --map ip=ip --ref id one.csv")?;
    let values = || -> Result<Value, Box<dyn std::error::Error>> {
        let all = place.json("--home acme collections")?;
        let of = all["collections"].as_array().into_iter().flatten();
        let of: Vec<_> = of.filter(|one| one["collection"] == "fraud").collect();
        Ok(of.first().ok_or("no collection")?["values"].clone())
    };
    let before = values()?.as_u64();
    let line = "--home acme matches withdraw --collection fraud";
    let taken = place.json(&format!("{line} --ref F-1"))?;
    assert_eq!((&taken["entries"], &taken["cards"]), (&json!(2), &json!(0)));
    // The address, the mail, and what follows from that.
    assert!(taken["removed"].as_u64() >= Some(2), "{taken}");
    let left = before
        .zip(taken["removed"].as_u64())
        .map(|(before, gone)| before - gone);
    assert_eq!(values()?.as_u64(), left);
    for (line, says) in [
        (
            format!("{line} --ref F-1"),
            "no entry of fraud has such a reference",
        ),
        (
            "--home acme matches withdraw --collection accounts --ref F-2".to_owned(),
            "holds customers",
        ),
        (
            "--home acme matches withdraw --collection none --ref F-2".to_owned(),
            "none",
        ),
    ] {
        place.fails(&line, 1, &[says])?;
    }
    assert_eq!(
        place.json("--home acme doctor")?["schema"],
        "blindmatch.doctor.v1"
    );
    Ok(())
}

#[test]
fn an_answer_says_why_it_is_or_may_be() -> Test {
    let peers = three()?;
    let place = &peers.place;
    place.write("one.txt", addresses(20..21))?;
    let plain = ends(place, "query one.txt", 0)?;
    assert!(plain["answers"][0]["explained"].is_null());
    let answers = ends(place, "query --explain one.txt", 0)?;
    let said = |answers: &Value, peer: &str| -> String {
        let answers = all(&answers["answers"]);
        let of = answers.into_iter().filter(|one| one["peer"] == peer);
        of.map(|one| one["explained"].to_string()).collect()
    };
    let held = said(&answers, "b");
    assert!(held.contains("by rule 1 of policy.toml (line "), "{held}");
    let not_held = said(&answers, "c");
    for why in ["publication of 20", "entries", "fewer reports", "networks"] {
        assert!(not_held.contains(why), "{why}: {not_held}");
    }
    let table = place.ok(&format!("--home {HOME} query --explain one.txt"))?;
    assert!(
        table.contains("at c: it is not in the peer's publication"),
        "{table}"
    );
    place.write("mail.txt", "someone-3@mail-3.example.com\n")?;
    let mail = ends(place, "query --explain --type email mail.txt", 0)?;
    assert!(
        said(&mail, "c").contains("the view is not agreed"),
        "{mail}"
    );
    let refused = ends(
        place,
        "query --explain --type domain --value bad.example.com",
        3,
    )?;
    assert!(
        said(&refused, "b").contains("no rule of our own policy.toml"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_cap_of_the_policy_shows_in_the_report() -> Test {
    let peers = under("maximum_matches = 4\n")?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    let batch = ends(place, "batch", 0)?;
    for (pair, unopened) in all(&batch["pairs"]).into_iter().zip([16, 6]) {
        assert_eq!(
            (&pair["matches"], &pair["unopened"], &pair["gone"]),
            (&json!(4), &json!(unopened), &json!(0)),
            "{pair}"
        );
    }
    let table = place.ok(&format!("--home {HOME} batch"))?;
    assert!(
        table.contains("16 more not opened, by maximum_matches"),
        "{table}"
    );
    Ok(())
}

#[test]
fn who_asks_for_a_dense_range_is_refused_and_told_what_to_type() -> Test {
    let peers = under("")?;
    let place = &peers.place;
    let mut feed = "ip,id\n".to_owned();
    for n in 0..16 * 256_u32 {
        let _ = writeln!(feed, "{},customer-{n}", Ipv4Addr::from(0x2d00_0000 + n));
    }
    place.write("dense.csv", feed)?;
    place.ok(&format!(
        "--home {HOME} import --collection accounts --map ip=ip --ref id dense.csv"
    ))?;
    let output = place.run(&format!("--home {HOME} batch --peer b"))?;
    let (table, said) = (String::from_utf8_lossy(&output.stdout), stderr(&output));
    assert_eq!(output.status.code(), Some(3), "{table}{said}");
    assert!(
        table.contains("16 blocks of 256 neighbouring values"),
        "{table}"
    );
    assert!(
        !said.contains("policy explain"),
        "it would say that all is allowed: {said}"
    );
    // What it says is typed as it stands.
    let commands: Vec<_> = table.split(": blindmatch ").skip(1).collect();
    assert_eq!(commands.len(), 2, "{table}");
    for command in commands {
        let line = command.split([';', '\n']).next().unwrap_or_default();
        place.ok(line)?;
    }
    let batch = ends(place, "batch --peer b", 0)?;
    assert_eq!(batch["pairs"][0]["matches"], 40);
    Ok(())
}
