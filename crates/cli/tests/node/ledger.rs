//! `ledger`: what a node recorded, checked at home and by third parties.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::place::{Place, Test, files, stderr};
use crate::roster::Consortium;

/// The key that a member's ledger is verified with.
fn key(place: &Place, home: &str) -> Result<String, Box<dyn std::error::Error>> {
    let head = place.json(&format!("--home {home} ledger checkpoint"))?;
    Ok(head["key"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn what_a_node_does_is_in_its_ledger() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    // It began, delegated to its keys, had a policy, accepted a roster.
    let own = place.json("--home acme ledger verify")?;
    assert_eq!(own["schema"], "blindmatch.ledger_verify.v1");
    assert_eq!(
        (&own["records"], &own["incarnation"]),
        (&json!(4), &json!(1))
    );
    place.ok("--home acme keys rotate")?;
    assert_eq!(place.json("--home acme ledger verify")?["records"], 5);
    place.ok("--home acme ledger proof 2 policy.proof")?;
    let proven = place.json("--home acme ledger verify policy.proof")?;
    assert_eq!(proven["event"], "policy_in_force");
    place.ok("--home acme ledger proof 3 roster.proof")?;
    let proven = place.json("--home acme ledger verify roster.proof")?;
    assert_eq!(proven["event"], "roster_accepted");
    assert_eq!(proven["fields"]["number"], 1);
    let digest = proven["fields"]["digest"].as_str().unwrap_or_default();
    assert_eq!(digest.len(), 64);
    let shown = place.ok("--home acme ledger verify roster.proof")?;
    for says in ["roster accepted", digest] {
        assert!(shown.contains(says), "{shown}");
    }
    Ok(())
}

#[test]
fn a_proof_convinces_somebody_without_the_home() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme ledger proof 1 1.proof")?;
    let key = key(&place, "acme")?;
    let proven = place.json(&format!("ledger verify --key {key} 1.proof"))?;
    assert_eq!((&proven["record"], &proven["size"]), (&json!(1), &json!(2)));
    assert_eq!(proven["origin"], "blindmatch/cloudshield/acme/ledger/1");

    place.fails("ledger verify 1.proof", 1, &["no key", "--key KEY"])?;
    place.init("bank", "provider")?;
    let other = crate::ledger::key(&place, "bank")?;
    place.fails(
        &format!("ledger verify --key {other} 1.proof"),
        1,
        &["1.proof: ", "--key KEY"],
    )?;
    let proof = fs::read(place.path("1.proof"))?;
    for at in (0..proof.len()).step_by(7) {
        let mut changed = proof.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        place.write("changed.proof", changed)?;
        let output = place.run(&format!("ledger verify --key {key} changed.proof"))?;
        assert_eq!(output.status.code(), Some(1), "byte {at}");
    }
    place.fails(
        "--home acme ledger proof 2 2.proof",
        1,
        &["no record 2", "ledger verify"],
    )?;
    assert!(!place.path("2.proof").exists());
    Ok(())
}

#[test]
fn witnesses_are_asked_for_by_key() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme ledger proof 0 0.proof")?;
    let key = key(&place, "acme")?;
    // The public key of RFC 8032 §7.1, test 1, which cosigned nothing here.
    let witness = "witness.example.com/w1+7e6f4aaa+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
    let line = format!("ledger verify --key {key} --witness {witness}");
    place.fails(
        &format!("{line} 0.proof"),
        1,
        &["0.proof: ", "0 of the 1 witnesses"],
    )?;
    place.ok(&format!("{line} --quorum 0 0.proof"))?;
    place.ok("--home acme ledger export acme.ledger")?;
    place.fails(&format!("{line} acme.ledger"), 1, &["0 of the 1 witnesses"])?;
    place.fails(&format!("{line} --quorum 2 0.proof"), 2, &[])
}

#[test]
fn an_exported_ledger_is_verified_line_by_line() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys rotate")?;
    place.ok("--home acme ledger export acme.ledger")?;
    let key = key(&place, "acme")?;
    let verify = format!("ledger verify --key {key}");
    assert_eq!(place.json(&format!("{verify} acme.ledger"))?["size"], 4);
    let exported = place.read("acme.ledger")?;
    let lines: Vec<_> = exported.lines().collect();
    let [head, first, second, third, last] = lines.as_slice() else {
        panic!("{exported}");
    };
    for (changed, says) in [
        (vec![*head, first, third, last], "missing"),
        (vec![*head, first, second, third], "missing"),
        (vec![*head, first, second, second, last], "there"),
        (vec![*head, second, first, third, last], "missing"),
        (vec![*head, first, second, third, last, last], "twice"),
        (vec![*first], "line 1"),
    ] {
        place.write("changed", changed.join("\n") + "\n")?;
        place.fails(&format!("{verify} changed"), 1, &["changed: ", says])?;
    }
    // Another ledger's records under this one's checkpoint.
    place.init("bank", "provider")?;
    place.ok("--home bank ledger export bank.ledger")?;
    let bank = place.read("bank.ledger")?;
    let bank: Vec<_> = bank.lines().skip(1).collect();
    let mixed = [vec![*head], bank].concat().join("\n");
    place.write("changed", mixed)?;
    place.fails(&format!("{verify} changed"), 1, &["changed: "])
}

#[test]
fn what_a_crash_left_is_noted_and_not_repaired_by_looking() -> Test {
    let place = Place::with_acme()?;
    let ledger = fs::read_dir(place.path("acme/ledger"))?;
    let segments: Vec<_> = ledger
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    let [segment] = segments.as_slice() else {
        panic!("{segments:?}");
    };
    let whole = fs::read(segment)?;
    fs::OpenOptions::new()
        .append(true)
        .open(segment)?
        .write_all(&[0, 0, 0, 90, 1, 2, 3])?;
    let output = place.run("--home acme ledger verify")?;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("7 bytes"), "{}", stderr(&output));
    assert_eq!(fs::read(segment)?.len(), whole.len() + 7);
    // The next command that writes cuts it, and says so.
    let output = place.run("--home acme keys rotate")?;
    assert!(output.status.success(), "{}", stderr(&output));
    let says = "they were cut off";
    assert!(stderr(&output).contains("7 bytes"), "{}", stderr(&output));
    assert!(stderr(&output).contains(says), "{}", stderr(&output));
    let output = place.run("--home acme ledger verify")?;
    assert!(!stderr(&output).contains("bytes"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn a_damaged_ledger_refuses_and_says_where() -> Test {
    let place = Place::with_acme()?;
    let ledger = place.path("acme/ledger");
    for entry in fs::read_dir(&ledger)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = fs::read(&path)?;
            if let Some(byte) = bytes.iter_mut().rev().nth(40) {
                *byte ^= 1;
            }
            fs::write(&path, bytes)?;
        }
    }
    for line in ["--home acme ledger verify", "--home acme keys rotate"] {
        place.fails(line, 1, &["record 1", "blindmatch --home DIR restore"])?;
    }
    Ok(())
}

/// Makes the files of the folder `from` those of the folder `to`.
fn put(from: &Path, to: &Path) -> std::io::Result<()> {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to)?;
    for file in files(from)? {
        fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

#[test]
fn an_older_copy_of_the_ledger_is_noticed_by_roster_and_delegation() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let (ledger, older) = (place.path("acme/ledger"), place.path("older"));
    put(&ledger, &older)?;
    consortium.next("2.roster", "1.roster", 1)?;
    place.ok("--home acme roster install 2.roster")?;
    put(&ledger, &place.path("newest"))?;
    for (change, says) in [
        ("roster install 2.roster", "roster number 2"),
        ("keys rotate", "delegation number 2"),
    ] {
        if change == "keys rotate" {
            put(&place.path("newest"), &ledger)?;
            put(&ledger, &older)?;
            place.ok(&format!("--home acme {change}"))?;
            put(&ledger, &place.path("newest"))?;
        }
        put(&older, &ledger)?;
        let says = [says, "older copy", "newest copy", "restore"];
        for line in [
            "ledger verify",
            "ledger export older.ledger",
            "ledger checkpoint",
            "ledger proof 0 older.proof",
            "keys rotate",
            "backup b",
            "roster install 2.roster",
            "doctor --repair",
        ] {
            place.fails(&format!("--home acme {line}"), 1, &says)?;
        }
        for written in ["older.ledger", "older.proof", "b"] {
            assert!(!place.path(written).exists(), "{written}");
        }
        let doctor = place.run("--home acme doctor")?;
        let shown = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert_eq!(doctor.status.code(), Some(1));
        assert!(says.iter().all(|text| shown.contains(text)), "{shown}");
        // Nothing was signed, cut or recorded.
        for file in files(&older)? {
            let name = file.file_name().unwrap_or_default();
            assert_eq!(fs::read(&file)?, fs::read(ledger.join(name))?);
        }
    }
    put(&place.path("newest"), &ledger)?;
    place.ok("--home acme ledger verify")?;
    place.ok("--home acme keys rotate")?;
    Ok(())
}

#[test]
fn a_roster_that_was_lost_beside_its_ledger_is_trusted_and_installed_again() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    consortium.next("2.roster", "1.roster", 1)?;
    place.ok("--home acme roster install 2.roster")?;
    let records = place.json("--home acme ledger verify")?["records"].clone();
    fs::remove_file(place.path("acme/roster/trust"))?;
    let says = "roster trust WORDS, then: blindmatch --home acme roster install FILE";
    let output = place.run("--home acme ledger verify")?;
    assert!(stderr(&output).contains(says), "{}", stderr(&output));
    let doctor = place.run("--home acme doctor")?;
    let shown = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(shown.contains(says), "{shown}");
    place.fails("--home acme roster show", 1, &[says])?;

    // As it says; with an older roster it says which one is needed.
    let words = consortium.words("1.roster")?;
    place.ok(&format!("--home acme roster trust {words}"))?;
    place.fails(
        "--home acme roster install 1.roster",
        1,
        &["number 2", "roster install FILE"],
    )?;
    let words = consortium.words("2.roster")?;
    place.ok(&format!("--home acme roster trust {words}"))?;
    place.ok("--home acme roster install 2.roster")?;
    assert_eq!(place.json("--home acme ledger verify")?["records"], records);
    Ok(())
}

#[test]
fn a_roster_that_was_recorded_and_is_not_held_is_installed_again() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let trust = place.path("acme/roster/trust");
    let before = fs::read(&trust)?;
    consortium.next("2.roster", "1.roster", 1)?;
    // One of the same number that says something else, and the one behind it.
    consortium.next("other.roster", "1.roster", 2)?;
    consortium.next("3.roster", "2.roster", 1)?;
    place.ok("--home acme roster install 2.roster")?;
    let records = place.json("--home acme ledger verify")?["records"].clone();
    // As it is where the command died between its two steps.
    fs::write(&trust, &before)?;
    let output = place.run("--home acme ledger verify")?;
    assert!(stderr(&output).contains("roster number 2"));
    assert!(stderr(&output).contains("roster install"));
    let doctor = place.run("--home acme doctor")?;
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("roster number 2 is recorded"));
    place.fails(
        "--home acme roster install other.roster",
        1,
        &["administrators signed two"],
    )?;
    place.ok("--home acme roster install 2.roster")?;
    assert_eq!(place.json("--home acme ledger verify")?["records"], records);
    assert_eq!(place.json("--home acme roster show")?["number"], 2);
    // A roster that is older than what the ledger knows is not taken, whatever is held.
    place.ok("--home acme roster install 3.roster")?;
    fs::write(&trust, &before)?;
    place.fails(
        "--home acme roster install 2.roster",
        1,
        &["never goes back"],
    )?;
    place.ok("--home acme roster install 3.roster")?;
    Ok(())
}
