//! `matches export` for other programs, and what comes back from them.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::asking::{addresses, ends, import_customers, three};
use crate::network::Serving;
use crate::peers::HOME;
use crate::place::{Test, stderr};

/// The objects of a bundle that are of one type.
fn of_type<'v>(bundle: &'v Value, kind: &str) -> Vec<&'v Value> {
    let objects = bundle["objects"].as_array().into_iter().flatten();
    objects.filter(|object| object["type"] == kind).collect()
}

#[test]
fn matches_leave_for_other_programs_and_opinions_come_back() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;

    // 20 to 40 are held by `b`, 30 to 40 by `c` too: an indicator each, a sighting a match.
    place.ok(&format!(
        "--home {HOME} matches export --format stix --out found.stix.json"
    ))?;
    place.ok(&format!(
        "--home {HOME} matches export --format misp --out found.misp.json"
    ))?;
    let text = place.read("found.stix.json")?;
    let bundle: Value = serde_json::from_str(&text)?;
    let (indicators, sightings) = (of_type(&bundle, "indicator"), of_type(&bundle, "sighting"));
    assert_eq!((indicators.len(), sightings.len()), (20, 30));
    let event = place.read("found.misp.json")?;
    for secret in ["customer-", "\"b\"", "\"c\""] {
        assert!(
            !text.contains(secret) && !event.contains(secret),
            "{secret}"
        );
    }
    let mode = fs::metadata(place.path("found.stix.json"))?
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for file in ["found.stix.json", "found.misp.json"] {
        let checked = place.json(&format!("indicators check {file}"))?;
        assert_eq!(checked["accepted"]["ip"], 20, "{checked}");
    }
    checked_by_others(place)?;

    // Another night it is the same, but for when; and to the screen as to a file.
    let printed = place.ok(&format!("--home {HOME} matches export --format stix"))?;
    assert_eq!(printed, text);
    let clear = place.ok(&format!(
        "--home {HOME} matches export --format stix --tlp green"
    ))?;
    assert!(
        clear.contains("TLP:GREEN") && !clear.contains("amber"),
        "{clear}"
    );

    // Nobody has decided anything, so nothing goes where it is acted upon.
    let output = place.run(&format!(
        "--home {HOME} matches export --format stix --for enforcement"
    ))?;
    let said = stderr(&output);
    assert!(
        said.contains("30 matches stay here: no operator has confirmed it"),
        "{said}"
    );
    let none: Value = serde_json::from_slice(&output.stdout)?;
    assert!(of_type(&none, "indicator").is_empty(), "{none}");

    // What we wrote says nothing; what others say of it does.
    let nothing = ends(place, "matches opinions found.stix.json", 0)?;
    assert_eq!(
        (&nothing["opinions"], &nothing["others"]),
        (&json!([]), &json!(0))
    );
    let nothing = ends(place, "matches opinions found.misp.json", 0)?;
    assert_eq!(
        (&nothing["opinions"], &nothing["others"]),
        (&json!([]), &json!(0))
    );
    let held_by = |ref_: &Value| {
        let of = sightings
            .iter()
            .filter(|one| one["sighting_of_ref"] == *ref_);
        of.count()
    };
    let twice = indicators.iter().find(|one| held_by(&one["id"]) == 2);
    let twice = twice.ok_or("one that both hold")?;
    let said = json!({"type": "bundle", "id": "bundle--1", "objects": [
        {"type": "opinion", "id": "opinion--1", "object_refs": [twice["id"]],
         "opinion": "strongly-disagree"},
        {"type": "sighting", "id": "sighting--2", "sighting_of_ref": sightings[0]["id"]},
        {"type": "sighting", "id": "sighting--3",
         "sighting_of_ref": "indicator--0b2f1c9e-6f0e-5c53-9d0c-6f0b5b0f4a11"},
    ]});
    place.write("said.json", said.to_string())?;
    let heard = ends(place, "matches opinions said.json", 0)?;
    assert_eq!(heard["others"], 1);
    let heard: Vec<_> = heard["opinions"].as_array().into_iter().flatten().collect();
    let of = |opinion: &str| -> BTreeSet<&str> {
        let of = heard.iter().filter(|one| one["opinion"] == opinion);
        of.filter_map(|one| one["peer"].as_str()).collect()
    };
    assert_eq!(of("disagree"), ["b", "c"].into());
    assert_eq!(of("agree").len(), 1);
    assert_eq!(heard.len(), 3);

    // What people say there stands beside what was decided here.
    assert!(
        heard
            .iter()
            .all(|one| one["decided"].is_null() && one["state"] == "new")
    );
    let disagree = heard.iter().find(|one| one["opinion"] == "disagree");
    let id = disagree.and_then(|one| one["id"].as_str()).ok_or("an id")?;
    place.ok(&format!(
        "--home {HOME} matches confirm {id} --case T-1 --reason seen"
    ))?;
    let again = ends(place, "matches opinions said.json", 0)?;
    let decided: Vec<_> = again["opinions"].as_array().into_iter().flatten().collect();
    let of_it = decided.iter().filter(|one| one["id"] == id);
    for one in of_it {
        assert_eq!(
            (&one["state"], &one["decided"]),
            (&json!("confirmed"), &json!("confirmed"))
        );
        assert_eq!(one["contradicts"], one["opinion"] == "disagree", "{one}");
    }
    let output = place.run(&format!("--home {HOME} matches opinions said.json"))?;
    let said = stderr(&output);
    assert!(
        said.contains(&format!("blindmatch --home {HOME} matches dispute {id}")),
        "{said}"
    );
    place.fails(
        &format!("--home {HOME} matches opinions customers.csv"),
        1,
        &["customers.csv", "STIX 2.1 bundle or a MISP event"],
    )
}

#[test]
fn own_programs_are_told_once_and_an_assessor_gets_evidence() -> Test {
    let peers = three()?;
    let place = &peers.place;
    import_customers(place, 0..40, "")?;
    ends(place, "batch", 0)?;

    place.fails(
        &format!("--home {HOME} notify send"),
        1,
        &["names nobody to tell", "[notify]"],
    )?;
    let spool = place.path("spool.ndjson");
    let config = format!("{HOME}/blindmatch.toml");
    let text = place.read(&config)?;
    place.write(
        &config,
        format!("{text}\n[notify]\nspool = {spool:?}\nvalues = true\n"),
    )?;
    // What a list has says nothing of anybody, and is told to nobody.
    let listed = addresses(20..22);
    let list = json!({
        "name": "offices", "version": 1, "description": "our own", "type": "cidr",
        "list": listed.lines().collect::<Vec<_>>(), "matching_attributes": ["ip-src"]
    });
    place.write("offices.json", list.to_string())?;
    place.ok(&format!("--home {HOME} exclusions add offices.json"))?;
    let sent = ends(place, "notify send", 0)?;
    assert_eq!(sent["sinks"][0]["told"], 28, "{sent}");
    place.ok(&format!("--home {HOME} exclusions remove offices"))?;
    for told in [2, 0] {
        let sent = ends(place, "notify send", 0)?;
        assert_eq!(sent["sinks"][0]["told"], told, "{sent}");
    }
    let spooled = place.read("spool.ndjson")?;
    assert_eq!(spooled.lines().count(), 30);
    // Values are wanted, and nobody has confirmed a match.
    assert!(
        spooled.contains("customer-39") && !spooled.contains("45.0."),
        "{spooled}"
    );
    let secret = place.ok(&format!("--home {HOME} notify secret"))?;
    assert_eq!(secret.trim().len(), 64);
    assert_eq!(place.ok(&format!("--home {HOME} notify secret"))?, secret);
    assert_ne!(
        place.ok(&format!("--home {HOME} notify secret --new"))?,
        secret
    );
    place.ok(&format!("--home {HOME} doctor"))?;

    // A node that serves tells by itself.
    place.write(
        &config,
        format!(
            "{text}\n[notify]\nspool = {:?}\n",
            place.path("served.ndjson")
        ),
    )?;
    fs::remove_file(place.path(&format!("{HOME}/notified")))?;
    let node = Serving::start(place, &place.path(HOME))?;
    node.said("own programs told of matches sink=\"spool\" told=30")?;
    assert_eq!(place.read("served.ndjson")?.lines().count(), 30);
    drop(node);

    // `b` serves meanwhile.
    place.ok("--home nodes/b evidence b.json")?;
    let text = place.read("b.json")?;
    assert_eq!(place.ok("--home nodes/b evidence")?, text);
    let evidence: Value = serde_json::from_str(&text)?;
    assert_eq!(evidence["schema"], "blindmatch.evidence.v1");
    assert_eq!(
        evidence["roster"]["members"].as_array().map(Vec::len),
        Some(4)
    );
    assert_eq!(evidence["ledger"]["verified"], true);
    assert!(
        evidence["policy"]
            .as_str()
            .is_some_and(|text| text.contains("valid_until"))
    );
    assert_eq!(
        evidence["policies_in_force"].as_array().map(Vec::len),
        Some(2)
    );
    let charged = &evidence["charged"][0];
    assert_eq!(
        (&charged["peer"], &charged["evaluations"]),
        (&json!("a"), &json!(40))
    );
    let runs = evidence["counters"]["run_concluded"].as_u64();
    assert!(runs > Some(0), "{evidence}");
    let records: u64 = evidence["counters"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    assert_eq!(evidence["ledger"]["records"], records);
    for value in ["45.0.", "someone-", "customer-"] {
        assert!(!text.contains(value), "{value}");
    }
    place.fails("--home nodes/b evidence b.json", 1, &["b.json"])
}

/// By stix2-validator, stix2 and pymisp, which `tests/formats/install.sh` installs.
fn checked_by_others(place: &crate::place::Place) -> Test {
    let Some(python) = env::var_os("FORMATS_PYTHON") else {
        println!("skipped: FORMATS_PYTHON names no python, see tests/formats/install.sh");
        return Ok(());
    };
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/formats/check.py");
    let output = Command::new(python)
        .arg(check)
        .args([place.path("found.stix.json"), place.path("found.misp.json")])
        .output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (&found["stix"]["indicator"], &found["stix"]["sighting"]),
        (&json!(20), &json!(30))
    );
    assert_eq!(
        (&found["misp"]["attribute"], &found["misp"]["sighting"]),
        (&json!(20), &json!(30))
    );
    Ok(())
}
