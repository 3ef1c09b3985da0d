//! `import` and `collections`: what a node takes in.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::place::{Place, Test, files, stderr};
use crate::roster::Consortium;

const IMPORT: &str = "--home acme import --collection fraud";

#[test]
fn the_report_adds_up_and_says_what_changed() -> Test {
    let place = Place::with_acme()?;
    place.write(
        "feed",
        "8.8.8.8\n8[.]8.8.8\n8.8.4.4\n10.0.0.1\n1.0.0.0/23\n",
    )?;
    let report = place.json(&format!("{IMPORT} --kind abuse feed"))?;
    let mut expected = json!({
        "schema": "blindmatch.import.v1",
        "collection": "fraud",
        "kind": "abuse",
        "source": "main",
        "mode": "replace",
        "files": [{ "file": "feed", "format": "plain", "rows": 5, "columns": [] }],
        "read": 5,
        "accepted": { "ip": 2, "network": 1 },
        "duplicates": 1,
        "refused": { "not_global": 1 },
        "not_matchable": {},
        "derived": { "network": 2 },
        "refanged": 1,
        "added": 3,
        "removed": 0,
        "discarded": [],
        "expired": 0,
        // Of a plain list nothing says how often.
        "held_back": [
            { "type": "ip", "lacks": "reports", "minimum_reports": 2, "rows": 2 },
            { "type": "network", "lacks": "reports", "minimum_reports": 2, "rows": 3 },
        ],
    });
    expected["snapshot"] = report["snapshot"].clone();
    assert_eq!(report, expected);
    Ok(())
}

#[test]
fn a_source_is_replaced_and_the_others_stay() -> Test {
    let place = Place::with_acme()?;
    place.write("a", "8.8.8.8\n8.8.4.4\n")?;
    place.write("b", "1.1.1.1\n8.8.8.8\n")?;
    place.ok(&format!("{IMPORT} --source a a"))?;
    place.ok(&format!("{IMPORT} --source b b"))?;
    let same = place.json(&format!("{IMPORT} --source a a"))?;
    assert_eq!((&same["added"], &same["removed"]), (&json!(0), &json!(0)));
    place.write("a", "8.8.8.8\n9.9.9.9\n")?;
    let replaced = place.json(&format!("{IMPORT} --source a a"))?;
    assert_eq!(
        (&replaced["added"], &replaced["removed"]),
        (&json!(1), &json!(1))
    );
    let shown = place.json("--home acme collections show fraud")?;
    let sources = shown["sources"].as_array().cloned().unwrap_or_default();
    let values: Vec<_> = sources
        .iter()
        .map(|s| (&s["source"], &s["values"]))
        .collect();
    let two = json!({ "ip": 2 });
    assert_eq!(values, [(&json!("a"), &two), (&json!("b"), &two)]);
    Ok(())
}

#[test]
fn values_are_appended_and_removed() -> Test {
    let place = Place::with_acme()?;
    place.write("a", "8.8.8.8\n8.8.4.4\n")?;
    place.ok(&format!("{IMPORT} a"))?;
    place.write("b", "8.8.4.4\n9.9.9.9\n")?;
    let appended = place.json(&format!("{IMPORT} --append b"))?;
    assert_eq!(
        (&appended["added"], &appended["removed"]),
        (&json!(1), &json!(0))
    );
    let removed = place.json(&format!("{IMPORT} --remove b"))?;
    assert_eq!(
        (&removed["added"], &removed["removed"]),
        (&json!(0), &json!(2))
    );
    let shown = place.json("--home acme collections show fraud")?;
    assert_eq!(shown["sources"][0]["values"], json!({ "ip": 1 }));
    place.fails(&format!("{IMPORT} --append --remove b"), 2, &[])?;
    place.fails(
        &format!("{IMPORT} --source x --remove b"),
        1,
        &["no such source"],
    )
}

#[test]
fn a_source_does_not_shrink_by_accident() -> Test {
    let place = Place::with_acme()?;
    let ten: String = (1..=10).map(|i| format!("8.8.8.{i}\n")).collect();
    place.write("ten", &ten)?;
    place.write("seven", ten.lines().take(7).collect::<Vec<_>>().join("\n"))?;
    place.write("four", ten.lines().take(4).collect::<Vec<_>>().join("\n"))?;
    place.ok(&format!("{IMPORT} ten"))?;
    place.ok(&format!("{IMPORT} seven"))?;
    let says = ["from 7 values to 4", "--allow-shrink", "--append"];
    place.fails(&format!("{IMPORT} four"), 1, &says)?;
    let shown = place.json("--home acme collections show fraud")?;
    assert_eq!(shown["sources"][0]["values"], json!({ "ip": 7 }));
    place.ok(&format!("{IMPORT} --allow-shrink four"))?;
    Ok(())
}

#[test]
fn an_empty_feed_empties_its_source_on_the_operator_s_word() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n8.8.4.4\n")?;
    place.write("empty", "")?;
    place.ok(&format!("{IMPORT} feed"))?;
    place.fails(&format!("{IMPORT} empty"), 1, &["empty", "--allow-shrink"])?;
    place.fails(
        &format!("{IMPORT} --append --allow-shrink empty"),
        1,
        &["empty"],
    )?;
    let report = place.json(&format!("{IMPORT} --allow-shrink empty"))?;
    assert_eq!(
        (&report["read"], &report["added"], &report["removed"]),
        (&json!(0), &json!(0), &json!(2))
    );
    let shown = place.json("--home acme collections show fraud")?;
    assert_eq!(shown["sources"][0]["values"], json!({}));
    // It is there still, and fills again.
    assert_eq!(place.json(&format!("{IMPORT} feed"))?["added"], 2);
    Ok(())
}

#[test]
fn a_collection_never_changes_its_kind() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok(&format!("{IMPORT} feed"))?;
    let says = ["holds customers", "leave --kind out"];
    place.fails(&format!("{IMPORT} --kind abuse feed"), 1, &says)?;
    let listed = place.json("--home acme collections")?;
    assert_eq!(listed["collections"][0]["kind"], "customers");
    assert_eq!(listed["collections"][0]["values"], 1);
    Ok(())
}

#[test]
fn nothing_changes_when_a_feed_breaks_off() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok(&format!("{IMPORT} feed"))?;
    let before = place.json("--home acme collections show fraud")?;
    place.write(
        "broken",
        r#"{"type":"bundle","id":"bundle--1","objects":[{"type":"#,
    )?;
    place.fails(
        &format!("{IMPORT} broken"),
        1,
        &["broken: ", "nothing of it was kept"],
    )?;
    place.fails(
        &format!("{IMPORT} nowhere"),
        1,
        &["nowhere", "check the spelling"],
    )?;
    place.fails(
        &format!("{IMPORT} --type email feed"),
        1,
        &["look like ip", "--type ip"],
    )?;
    assert_eq!(place.json("--home acme collections show fraud")?, before);
    Ok(())
}

#[test]
fn feeds_come_by_standard_input() -> Test {
    let place = Place::with_acme()?;
    let mut child = place
        .command(format!("{IMPORT} --output json -").split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no stdin")?
        .write_all(b"8.8.8.8\n")?;
    let output = child.wait_with_output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["accepted"], json!({ "ip": 1 }));
    Ok(())
}

#[test]
fn refused_rows_count_when_that_is_asked_for() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n10.0.0.1\n")?;
    let output = place.run(&format!("{IMPORT} --strict --refused refused feed"))?;
    assert_eq!(output.status.code(), Some(6));
    assert!(place.read("refused")?.contains("\"not_global\""));
    Ok(())
}

#[test]
fn card_numbers_need_the_payment_key() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("cards.csv", "id,pan\n1,4111111111111111\n")?;
    let import = "import --collection cards --map pan=pan --ref id cards.csv";
    let says = ["no payment key", "keys payment install", "keys payment new"];
    place.fails(&format!("--home bank {import}"), 1, &says)?;
    assert_eq!(
        place.json("--home bank collections")?["collections"],
        json!([])
    );
    place.ok("--home acme keys payment new")?;
    place.ok("--home acme keys payment wrap --to bank w")?;
    place.ok("--home bank keys payment install --from acme w")?;
    let report = place.json(&format!("--home bank {import}"))?;
    assert_eq!(report["accepted"], json!({ "pan": 1 }));
    // Parts of the same numbers do not stand beside their hashes.
    place.write("weak.csv", "id,card\n1,411111*1111 2027-12\n")?;
    let says = ["card_weak", "PCI DSS"];
    let weak = "import --collection weak --map card_weak=card weak.csv";
    place.fails(&format!("--home bank {weak}"), 1, &says)?;
    place.ok(&format!("--home shop {weak}"))?;
    Ok(())
}

#[test]
fn card_numbers_under_another_payment_key_are_told_of_and_not_mixed() -> Test {
    let place = Place::with_acme()?;
    let show = |place: &Place| place.json("--home acme collections show cards");
    place.write("cards.csv", "pan\n4111111111111111\n4000000000000002\n")?;
    place.write("more.csv", "pan\n5555555555554444\n")?;
    place.write("ips", "8.8.8.8\n")?;
    place.ok("--home acme keys payment new")?;
    let import = "--home acme import --collection cards --source s --map pan=pan";
    place.ok(&format!("{import} cards.csv"))?;
    let shown = show(&place)?;
    assert_eq!(shown["under_other_payment_key"], json!([]));
    place.ok("--home acme keys payment new --replace")?;
    for how in ["--append more.csv", "--remove cards.csv"] {
        let says = ["another payment key", "without --append"];
        place.fails(&format!("{import} {how}"), 1, &says)?;
    }
    place.ok("--home acme import --collection cards --source s --append ips")?;
    let stale = show(&place)?;
    assert_eq!(stale["under_other_payment_key"], json!(["s"]));
    let key = |shown: &Value| shown["sources"][0]["payment_key"].clone();
    assert_eq!(key(&stale), key(&shown));
    assert!(
        place
            .ok("--home acme collections show cards")?
            .contains("import all of s again")
    );
    let examined = place.json("--home acme doctor")?.to_string();
    assert!(examined.contains("import --collection cards --source s FILE"));
    place.ok(&format!("{import} --allow-shrink cards.csv"))?;
    place.ok(&format!("{import} --append more.csv"))?;
    let renewed = show(&place)?;
    assert_eq!(renewed["under_other_payment_key"], json!([]));
    assert_ne!(key(&renewed), key(&shown));
    assert!(
        !place
            .json("--home acme doctor")?
            .to_string()
            .contains("payment key")
    );
    Ok(())
}

#[test]
fn a_damaged_source_is_replaced_on_the_operator_s_word() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n9.9.9.9\n")?;
    let import = "--home acme import --collection c --kind abuse --source s";
    place.ok(&format!("{import} feed"))?;
    let folder = place.path("acme/collections/c");
    let damage = |what: &dyn Fn(&Path) -> std::io::Result<()>| -> Test {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !path.ends_with("current") {
                what(&path)?;
            }
        }
        Ok(())
    };
    let flip = |path: &Path| {
        let mut bytes = fs::read(path)?;
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        fs::write(path, bytes)
    };
    let remove = |path: &Path| fs::remove_file(path);
    for what in [&flip as &dyn Fn(&Path) -> std::io::Result<()>, &remove] {
        damage(what)?;
        let says = ["--source SOURCE --discard-damaged FILE", "--collection NEW"];
        place.fails(&format!("{import} feed"), 1, &says)?;
        place.fails(&format!("{import} --append feed"), 1, &says)?;
        place.fails(&format!("{import} --append --discard-damaged feed"), 2, &[])?;
        let report = place.json(&format!("{import} --discard-damaged feed"))?;
        assert_eq!(
            (&report["discarded"], &report["added"], &report["removed"]),
            (&json!(["s"]), &json!(2), &json!(2))
        );
        let doctor = place.json("--home acme doctor")?;
        assert_eq!(doctor["ok"], true, "{doctor}");
        assert_eq!(fs::read_dir(&folder)?.count(), 2);
    }
    // Where nothing is damaged, the word changes nothing.
    let report = place.json(&format!("{import} --discard-damaged feed"))?;
    assert_eq!(
        (&report["discarded"], &report["added"]),
        (&json!([]), &json!(0))
    );
    // A damaged list is not replaced, and the hint does not say so.
    flip(&folder.join("current"))?;
    let output = place.run(&format!("{import} --discard-damaged feed"))?;
    let said = stderr(&output);
    assert!(
        !output.status.success() && !said.contains("--discard-damaged"),
        "{said}"
    );
    place.ok("--home acme import --collection d feed")?;
    Ok(())
}

#[test]
fn a_liaison_contributes_nothing() -> Test {
    let place = Place::new()?;
    place.init("gov", "liaison")?;
    place.write("feed", "8.8.8.8\n")?;
    place.fails("--home gov import --collection x feed", 1, &["a liaison"])
}

#[test]
fn nothing_that_was_imported_is_readable_at_rest() -> Test {
    let place = Place::with_acme()?;
    let (value, reference) = ("marked.person@example.com", "CUSTOMER-REFERENCE-4711");
    place.write("customers.csv", format!("id,mail\n{reference},{value}\n"))?;
    place.ok(&format!("{IMPORT} --map email=mail --ref id customers.csv"))?;
    let hex = |text: &str| -> String { text.bytes().map(|byte| format!("{byte:02x}")).collect() };
    let marks = [
        value.to_owned(),
        reference.to_owned(),
        hex(value),
        hex(reference),
    ];
    let found = files(&place.path("acme"))?;
    assert!(found.len() > 10);
    for file in found {
        let content = fs::read(&file)?;
        for mark in &marks {
            let mut windows = content.windows(mark.len());
            assert!(!windows.any(|window| window == mark.as_bytes()), "{file:?}");
        }
    }
    Ok(())
}

#[test]
fn names_are_told_apart_from_paths() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    for name in ["../x", "A", "a/b", ""] {
        let words = ["--home", "acme", "import", "--collection", name, "feed"];
        let output = place.command(words).output()?;
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    place.fails(
        "--home acme collections show nothing",
        1,
        &["no such collection"],
    )
}
