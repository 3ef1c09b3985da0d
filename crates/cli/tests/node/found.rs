//! `matches`, `epoch list` and `status`: what came of asking.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use blindmatch_node::exchange::Daemon;
use blindmatch_node::{Node, clock};
use serde_json::{Value, json};

use crate::asking::{addresses, ends, import_customers, three};
use crate::peers::{HOME, Peers, canonicaliser};
use crate::place::{Test, files, stderr};

/// Address and reference of each match at a peer, by the lines of an export.
fn found_at(export: &str, peer: &str) -> Result<BTreeSet<(String, String)>, serde_json::Error> {
    let lines: Result<Vec<Value>, _> = export.lines().map(serde_json::from_str).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = lines?.into_iter().filter(|line| line["peer"] == peer);
    Ok(lines
        .map(|line| (text(&line["indicator"]), text(&line["references"][0])))
        .collect())
}

/// What has to be found, of customers of these numbers.
fn shared(numbers: std::ops::Range<u32>) -> BTreeSet<(String, String)> {
    let listed = addresses(numbers.clone());
    let listed = listed.lines().map(str::to_owned);
    let references = numbers.map(|number| format!("customer-{number}"));
    listed.zip(references).collect()
}

#[test]
fn matches_are_kept_once_with_the_owners_references() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;
    let export = format!("--home {HOME} matches export --format ndjson");
    let first = place.ok(&export)?;
    assert_eq!(found_at(&first, "b")?, shared(20..40));
    assert_eq!(found_at(&first, "c")?, shared(30..40));

    // However many runs find it, it is the same match, and first found when it was.
    let list = ends(place, "matches list", 0)?;
    ends(place, "batch", 0)?;
    let again = ends(place, "matches list", 0)?;
    let named = |list: &Value| -> BTreeSet<(String, String)> {
        let matches = list["matches"].as_array().into_iter().flatten();
        let named = matches.map(|one| (one["id"].to_string(), one["first_found"].to_string()));
        named.collect()
    };
    assert_eq!(named(&list).len(), 30);
    assert_eq!(named(&again), named(&list));
    assert_eq!(
        list["matches"][0]["indicator"],
        Value::Null,
        "not without --values"
    );
    let id = list["matches"][0]["id"].as_str().unwrap_or_default();
    let shown = ends(place, &format!("matches show {id}"), 0)?;
    let of = (shown["indicator"].as_str(), shown["references"][0].as_str());
    let of = (
        of.0.unwrap_or_default().to_owned(),
        of.1.unwrap_or_default().to_owned(),
    );
    assert!(shared(20..40).contains(&of), "{of:?}");
    let table = place.ok(&format!("--home {HOME} matches list --peer c"))?;
    assert!(
        table.contains("customer-30") && !table.contains("45.0."),
        "{table}"
    );

    // A file appears whole, for its owner alone, and takes nobody's place.
    let csv = "matches export --format csv --peer b --out found.csv";
    let line = format!("--home {HOME} {csv}");
    place.ok(&line)?;
    let rows = place.read("found.csv")?;
    assert_eq!(rows.lines().count(), 21);
    assert!(rows.starts_with("id,peer,collection,type,view,purpose,indicator,references,"));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&place.path("found.csv").metadata()?.permissions());
    assert_eq!(mode & 0o777, 0o600);
    place.fails(&line, 1, &["found.csv"])?;

    // A list that came later takes what it has out, and says why.
    let excluded = addresses(20..23);
    let listed: Vec<_> = excluded.lines().collect();
    let list = json!({
        "name": "offices", "version": 1, "description": "our own", "type": "cidr",
        "list": listed, "matching_attributes": ["ip-src"]
    });
    place.write("offices.json", list.to_string())?;
    place.ok(&format!("--home {HOME} exclusions add offices.json"))?;
    let without = ends(place, "matches list --peer b", 0)?;
    assert_eq!(without["matches"].as_array().map(Vec::len), Some(17));
    let left_out: u64 = without["excluded"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    assert_eq!(left_out, 3);
    let all = ends(place, "matches list --peer b --all", 0)?;
    let reasons = all["matches"].as_array().into_iter().flatten();
    let reasons = reasons.filter(|one| {
        one["excluded"]
            .as_str()
            .is_some_and(|why| why.contains("offices"))
    });
    assert_eq!(reasons.count(), 3);
    place.fails(
        &format!("--home {HOME} matches show 0123456789abcdef"),
        1,
        &["no match", "matches list"],
    )
}

#[test]
fn what_an_operator_decides_is_kept_shown_and_traced() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;
    let list = ends(place, "matches list --peer b --state new", 0)?;
    assert_eq!(list["matches"].as_array().map(Vec::len), Some(20));
    let id = |at: usize| list["matches"][at]["id"].as_str().unwrap_or_default();
    assert_eq!(list["matches"][0]["stays"], "undecided");

    ends(
        place,
        &format!("matches confirm {} --case T-1 --reason seen", id(0)),
        0,
    )?;
    ends(
        place,
        &format!("matches dispute {} --case T-2 --reason ours", id(1)),
        0,
    )?;
    let confirmed = ends(place, &format!("matches show {}", id(0)), 0)?;
    assert_eq!(
        (&confirmed["state"], &confirmed["stays"]),
        (&json!("confirmed"), &json!(null))
    );
    let decided = &confirmed["decided"];
    assert_eq!(
        (&decided["case"], &decided["reason"]),
        (&json!("T-1"), &json!("seen"))
    );
    assert!(
        decided["by"]
            .as_str()
            .is_some_and(|by| by.starts_with("uid ")),
        "{decided}"
    );
    let disputed = ends(place, &format!("matches show {}", id(1)), 0)?;
    assert_eq!(
        (&disputed["state"], &disputed["stays"]),
        (&json!("disputed"), &json!("disputed"))
    );
    for (state, count) in [("confirmed", 1), ("disputed", 1), ("new", 18)] {
        let of = ends(place, &format!("matches list --peer b --state {state}"), 0)?;
        assert_eq!(
            of["matches"].as_array().map(Vec::len),
            Some(count),
            "{state}"
        );
    }
    // No run takes the place of what a person said.
    let batch = ends(place, "batch", 0)?;
    assert_eq!(
        (&batch["pairs"][0]["gone"], &batch["pairs"][0]["changed"]),
        (&json!(0), &json!(0))
    );
    let again = ends(place, &format!("matches show {}", id(0)), 0)?;
    assert_eq!(again["state"], "confirmed");
    let found_again = ends(place, &format!("matches show {}", id(2)), 0)?;
    assert_eq!(found_again["state"], "seen");

    // To tell the contributor would show it the match, which no rule here allows.
    place.fails(
        &format!("--home {HOME} matches feedback {} agree", id(0)),
        3,
        &["feedback", "policy.toml"],
    )?;
    let trace = ends(place, "matches trace T-1", 0)?;
    let recipients = trace["recipients"].as_array().into_iter().flatten();
    let who: BTreeSet<_> = recipients.map(|one| one["who"].to_string()).collect();
    assert!(who.contains("\"b\"") && who.len() == 2, "{trace}");
    assert_eq!(trace["unknown"].as_array().map(Vec::len), Some(4));
    Ok(())
}

/// Ends what is over in the home of `a` at a time that is some days from now.
fn tidy(peers: &Peers, days: u64) -> Test {
    let node = Node::open(&peers.place.path(HOME))?;
    let daemon = Daemon::open(node, canonicaliser()?, Arc::new(clock::now))?;
    daemon.tidy(clock::now() + days * 86_400)?;
    Ok(())
}

#[test]
fn what_was_decided_outlives_the_machine() -> Test {
    let mut peers = three()?;
    import_customers(&peers.place, 0..40, "")?;
    let place = &peers.place;
    ends(place, "batch", 0)?;
    let list = ends(place, "matches list --peer b", 0)?;
    let id = |at: usize| list["matches"][at]["id"].as_str().unwrap_or_default();
    for (at, what) in [(0, "confirm"), (1, "dispute")] {
        let line = format!("matches {what} {} --case T-1 --reason seen", id(at));
        ends(place, &line, 0)?;
    }
    let traced = ends(place, "matches trace T-1", 0)?;
    place.ok(&format!("--home {HOME} keys export storage --to storage"))?;
    place.ok(&format!("--home {HOME} backup a.backup"))?;
    fs::remove_dir_all(place.path(HOME))?;
    place.ok(&format!(
        "--home {HOME} restore --storage-key storage a.backup"
    ))?;

    // What was found is not there; what was decided is, and nothing of that goes before it is found.
    let none = ends(place, "matches list --all", 0)?;
    assert_eq!(none["matches"], json!([]));
    tidy(&peers, 1)?;
    let place = &peers.place;
    let kept = ends(place, "matches trace T-1", 0)?;
    let decided = |trace: &Value| -> BTreeSet<String> {
        let all = trace["recipients"].as_array().into_iter().flatten();
        let decided = all.filter(|one| one["what"] == "decided here");
        decided.map(Value::to_string).collect()
    };
    assert_eq!(decided(&kept).len(), 2, "{kept}");
    assert_eq!(decided(&kept), decided(&traced));
    assert_eq!(place.json(&format!("--home {HOME} doctor"))?["ok"], true);

    // Peers that a restore finds again hold what they held, and it is the same match.
    ends(place, "batch --sweep", 0)?;
    for (at, state) in [(0, "confirmed"), (1, "disputed"), (2, "new")] {
        let shown = ends(place, &format!("matches show {}", id(at)), 0)?;
        assert_eq!(shown["state"], state, "{shown}");
    }
    // What does not read is in no backup without the operator's word, and is named.
    let entries = place.path(&format!("{HOME}/matches"));
    let mut entries = files(&entries)?;
    entries.retain(|path| path.extension().is_none());
    entries.sort();
    assert_eq!(entries.len(), 2);
    let mut bytes = fs::read(&entries[0])?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&entries[0], &bytes)?;
    let named = entries[0]
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    place.fails(&format!("--home {HOME} backup b.backup"), 1, &[named])?;
    let output = place.run(&format!("--home {HOME} backup --without-damaged b.backup"))?;
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains(named), "{}", stderr(&output));
    fs::remove_file(&entries[0])?;

    // Two months later, what no result has is gone.
    peers.stop("b");
    fs::remove_dir_all(peers.place.path(&format!("{HOME}/runs")))?;
    fs::create_dir(peers.place.path(&format!("{HOME}/runs")))?;
    tidy(&peers, 59)?;
    assert_eq!(
        fs::read_dir(peers.place.path(&format!("{HOME}/matches")))?.count(),
        3
    );
    tidy(&peers, 61)?;
    assert_eq!(
        fs::read_dir(peers.place.path(&format!("{HOME}/matches")))?.count(),
        1
    );
    Ok(())
}

#[test]
fn what_a_query_finds_is_kept_with_its_case() -> Test {
    let peers = three()?;
    let place = &peers.place;
    place.write("one.txt", addresses(20..21))?;
    ends(place, "query --case T-9 one.txt", 0)?;
    let kept = ends(place, "matches list --values", 0)?;
    let one = &kept["matches"][0];
    assert_eq!(
        (&one["case"], &one["collection"]),
        (&json!("T-9"), &json!(""))
    );
    assert_eq!(one["indicator"], addresses(20..21).trim());
    assert!(
        one["operator"]
            .as_str()
            .is_some_and(|who| who.starts_with("uid "))
    );
    Ok(())
}

#[test]
fn an_epoch_is_begun_by_hand() -> Test {
    let mut peers = three()?;
    let none = "no view of this node's";
    let at_a = "--home nodes/a epoch rotate abuse/ip/abuse-prevention";
    peers.place.fails(at_a, 1, &[none, "epoch list"])?;
    peers.stop("b");
    let place = &peers.place;
    let begun = place.json("--home nodes/b epoch rotate abuse/ip/abuse-prevention")?;
    assert_eq!(begun["epoch"], 2);
    let epochs = place.json("--home nodes/b epoch list")?;
    let views = epochs["views"].as_array().ok_or("a list")?;
    let own = views.iter().filter(|view| view["own"] == true);
    let newest = own.map(|view| view["epoch"].as_u64()).max();
    assert_eq!(newest, Some(Some(2)));
    Ok(())
}

#[test]
fn how_a_node_stands_and_its_epochs() -> Test {
    let mut peers = three()?;
    import_customers(&peers.place, 0..40, "")?;
    let place = &peers.place;
    let none = ends(place, "epoch list", 0)?;
    assert_eq!(none["views"], json!([]));
    ends(place, "batch", 0)?;
    let epochs = ends(place, "epoch list", 0)?;
    let views: Vec<_> = epochs["views"].as_array().into_iter().flatten().collect();
    assert_eq!(views.len(), 2, "the addresses of two peers");
    assert!(
        views
            .iter()
            .all(|view| view["view"] == "abuse/ip/abuse-prevention" && view["own"] == false)
    );

    peers.stop("c");
    let place = &peers.place;
    ends(place, "batch", 6)?;
    let status = ends(place, "status", 0)?;
    assert_eq!(status["schema"], "blindmatch.status.v1");
    assert_eq!(status["roster"]["number"], 1);
    assert!(status["roster"]["days_left"].as_u64() > Some(100));
    assert!(status["ledger"]["records"].as_u64() > Some(5));
    let (b, c) = (&status["peers"][0], &status["peers"][1]);
    assert!(
        b["last_success"].is_string() && b["last_failure"].is_null(),
        "{b}"
    );
    assert!(
        c["last_success"].is_string() && c["last_failure"].is_string(),
        "{c}"
    );
    assert_eq!(status["policy"]["ask_rules"], 1);
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("storage key"), "{warnings}");
    let text = place.ok(&format!("--home {HOME} status"))?;
    for shown in ["roster", "delegation", "ledger", "peers", "to be seen to"] {
        assert!(text.contains(shown), "{text}");
    }
    // Where nothing works yet it says whose node it is, and what to do.
    place.ok(
        "--home new init --member new --role provider --consortium demo --address new.example:7443",
    )?;
    let output = place.run("--home new status")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("roster trust"),
        "{}",
        stderr(&output)
    );
    Ok(())
}
