//! `keys`: exports, delegations, the payment key.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;

use crate::place::{Place, Test, files, stderr};
use crate::roster::Consortium;

#[test]
fn the_storage_key_is_shown_only_when_confirmed() -> Test {
    let place = Place::with_acme()?;
    place.fails(
        "--home acme keys export storage",
        1,
        &["not confirmed", "--yes"],
    )?;
    let shown = place.json("--home acme keys export storage --yes")?;
    let words = shown["words"].as_str().unwrap_or_default();
    assert_eq!(
        words.lines().last().unwrap_or_default().split(' ').count(),
        1 + 24
    );
    Ok(())
}

#[test]
fn an_exported_key_is_in_a_file_for_its_owner_alone() -> Test {
    let place = Place::with_acme()?;
    let exported = place.json("--home acme keys export storage --to s")?;
    assert_eq!(exported["words"], json!(null));
    assert_eq!(fs::metadata(place.path("s"))?.mode() & 0o777, 0o600);
    // The same key again is no other; what else is there stays.
    place.ok("--home acme keys export storage --to s")?;
    place.init("bank", "provider")?;
    let says = ["exists", "nothing is written over"];
    place.fails("--home bank keys export storage --to s", 1, &says)?;
    place.fails("--home acme keys export identity --to s", 1, &says)?;
    place.ok("--home acme keys export identity --to id --remove")?;
    place.ok("--home acme keys export identity --to id --remove")?;
    place.fails(
        "--home bank keys export identity --to id --remove",
        1,
        &says,
    )
}

#[test]
fn a_storage_key_that_is_lost_or_garbled_is_put_back_from_its_export() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to s")?;
    place.ok("--home acme keys export identity --to id")?;
    place.init("bank", "provider")?;
    place.ok("--home bank keys export storage --to other")?;
    let key = place.path("acme/keys/storage");
    let good = fs::read(&key)?;
    let import = "--home acme keys import storage --from s";
    for garbled in [None, Some(&b""[..]), Some(&[7; 32]), Some(&[7; 70_000])] {
        fs::remove_file(&key)?;
        if let Some(garbled) = garbled {
            fs::write(&key, garbled)?;
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        }
        // Whatever meets it names the command that helps.
        let command = "blindmatch --home acme keys import storage --from FILE";
        place.fails("--home acme keys rotate", 1, &[command])?;
        let output = place.run("--home acme doctor --output json")?;
        assert_eq!(output.status.code(), Some(1));
        let found = String::from_utf8(output.stdout)?;
        assert!(found.contains(command), "{found}");

        let before = fs::read(&key).ok();
        let text = place.read("s")?;
        place.write("swapped", swapped(&text))?;
        place.write(
            "cut",
            text.trim_end().rsplit_once(' ').unwrap_or_default().0,
        )?;
        place.write("public", &text)?;
        for name in ["swapped", "cut"] {
            fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600))?;
        }
        for (file, says) in [
            ("other", "other holds the storage key of another home"),
            ("id", "id holds no such key"),
            (
                "swapped",
                "swapped: the checksum of the words does not hold",
            ),
            ("cut", "cut: it has 23 words"),
            ("public", "chmod 600 public"),
        ] {
            let line = format!("--home acme keys import storage --from {file}");
            place.fails(&line, 1, &[says, "hint: "])?;
            assert_eq!(fs::read(&key).ok(), before, "{file}");
        }

        assert_eq!(place.json(import)?["put_back"], true);
        assert_eq!(fs::read(&key)?, good);
        assert_eq!(fs::metadata(&key)?.mode() & 0o777, 0o600);
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
        // A good one stays, whatever is given.
        assert_eq!(place.json(import)?["put_back"], false);
        place.fails(
            "--home acme keys import storage --from other",
            1,
            &["of another home: nothing was changed"],
        )?;
        assert_eq!(fs::read(&key)?, good);
    }
    place.fails(
        "--home nowhere keys import storage --from s",
        1,
        &["is no home of blindmatch"],
    )
}

/// The same with the last two words in each other's place.
fn swapped(text: &str) -> String {
    let mut words: Vec<_> = text.trim_end().split(' ').collect();
    let last = words.len() - 1;
    words.swap(last - 1, last);
    words.join(" ")
}

#[test]
fn a_storage_key_that_was_written_down_is_typed() -> Test {
    let place = Place::with_acme()?;
    let shown = place.json("--home acme keys export storage --yes")?;
    let shown = shown["words"].as_str().unwrap_or_default();
    let words = shown
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("words: "));
    let words = words.ok_or("words")?;
    let typed = words.to_uppercase().replacen(' ', "\n", 5);
    let wrong = words.replacen(' ', " blindmatch ", 1);
    let key = place.path("acme/keys/storage");
    let good = fs::read(&key)?;
    for (typed, exit, says) in [
        (wrong.as_str(), 1, "what was typed: it has 25 words"),
        ("", 1, "what was typed: it has 0 words"),
        (shown, 0, "put back"),
        (typed.as_str(), 0, "put back"),
    ] {
        fs::remove_file(&key).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        let mut command = place.command("--home acme keys import storage --from -".split(' '));
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(typed.as_bytes())?;
        drop(writer);
        let output = command.stdin(reader).output()?;
        let all = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(exit), "{all}");
        assert!(all.contains(says), "{all}");
        assert_eq!(fs::read(&key).is_ok_and(|key| key == good), exit == 0);
    }
    Ok(())
}

#[test]
fn an_identity_key_that_is_offline_is_needed_by_name() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export identity --to id --remove")?;
    assert!(!place.path("acme/keys/identity").exists());
    place.fails(
        "--home acme keys rotate",
        1,
        &["not in the home", "--identity FILE"],
    )?;
    let rotated = place.json("--home acme keys rotate --identity id --days 7")?;
    assert_eq!(rotated["number"], 2);
    place.init("bank", "provider")?;
    place.ok("--home bank keys export identity --to other")?;
    place.fails(
        "--home acme keys rotate --identity other",
        1,
        &["not the identity key", "with --identity FILE"],
    )?;
    place.ok("--home acme keys export storage --to s")?;
    place.fails(
        "--home acme keys rotate --identity s",
        1,
        &["holds no such key"],
    )
}

#[test]
fn an_identity_key_signs_on_a_machine_of_its_own() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export identity --to id --remove")?;
    place.ok("--home acme keys rotate --request 2.request")?;
    // Until the delegation is here, the node works with the keys before.
    place.ok("--home acme ledger verify")?;
    place.ok("--home acme ledger checkpoint")?;
    let signed = place.json("keys sign --identity id 2.request 2.delegation")?;
    assert_eq!(signed["number"], 2);
    let adopted = place.json("--home acme keys rotate --delegation 2.delegation")?;
    assert_eq!(adopted["number"], 2);
    // It began, delegated, has a policy.
    assert_eq!(place.json("--home acme ledger verify")?["records"], 4);
    // It is adopted once, and only what was requested last.
    let again = "--home acme keys rotate --delegation 2.delegation";
    assert_eq!(place.json(again)?["number"], 2);
    assert_eq!(place.json("--home acme ledger verify")?["records"], 4);
    place.ok("--home acme keys rotate --request 3.request")?;
    place.ok("--home acme keys rotate --request 3b.request")?;
    place.ok("keys sign --identity id 3.request 3.delegation")?;
    let early = "--home acme keys rotate --delegation 3.delegation";
    place.fails(early, 1, &["requested last"])?;
    place.ok("keys sign --identity id 3b.request 3b.delegation")?;
    place.ok("--home acme keys rotate --delegation 3b.delegation")?;
    place.fails(again, 1, &["requested last", "--request"])?;
    // Nobody else's identity signs.
    place.init("bank", "provider")?;
    place.ok("--home bank keys export identity --to other")?;
    place.ok("--home acme keys revoke --yes --request 4.request")?;
    place.fails(
        "keys sign --identity other 4.request 4.delegation",
        1,
        &["4.request"],
    )?;
    place.ok("keys sign --identity id 4.request 4.delegation")?;
    let revoked = place.json("--home acme keys rotate --delegation 4.delegation")?;
    assert_eq!(
        (&revoked["number"], &revoked["first_valid"]),
        (&json!(4), &json!(4))
    );
    Ok(())
}

#[test]
fn a_revocation_takes_the_earlier_delegations_with_it() -> Test {
    let place = Place::with_acme()?;
    let rotated = place.json("--home acme keys rotate")?;
    assert_eq!(
        (&rotated["number"], &rotated["first_valid"]),
        (&json!(2), &json!(1))
    );
    place.fails("--home acme keys revoke", 1, &["not confirmed"])?;
    let revoked = place.json("--home acme keys revoke --yes")?;
    assert_eq!(
        (&revoked["number"], &revoked["first_valid"]),
        (&json!(3), &json!(3))
    );
    // Of the keys before nothing is left.
    let names = files(&place.path("acme/keys"))?;
    let numbered = |name: &str| names.iter().any(|path| path.ends_with(name));
    assert!(numbered("receipts-3") && !numbered("receipts-2") && !numbered("receipts-1"));
    Ok(())
}

#[test]
fn a_payment_key_reaches_the_member_that_it_is_wrapped_for_and_nobody_else() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let made = place.json("--home acme keys payment new")?;
    place.fails(
        "--home bank keys payment wrap --to acme w",
        1,
        &["no payment key", "new"],
    )?;
    place.ok("--home acme keys payment wrap --to bank w")?;
    let installed = place.json("--home bank keys payment install --from acme w")?;
    assert_eq!(installed["key"], made["key"]);
    place.fails(
        "--home shop keys payment install --from acme w",
        1,
        &["for bank"],
    )?;
    place.fails(
        "--home bank keys payment install --from shop w",
        1,
        &["not signed", "--from"],
    )?;
    place.fails("--home acme keys payment wrap --to gov g", 1, &["liaison"])?;
    place.fails(
        "--home acme keys payment wrap --to nobody g",
        1,
        &["no member nobody"],
    )?;
    let changed = place.read("w")?.replace("to bank", "to shop");
    place.write("changed", changed)?;
    place.fails(
        "--home shop keys payment install --from acme changed",
        1,
        &["not signed"],
    )
}

#[test]
fn a_payment_key_is_replaced_only_where_that_is_asked_for() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let first = place.json("--home acme keys payment new")?;
    assert_eq!(first["made"], true);
    let stored = fs::read(place.path("acme/keys/payment"))?;
    let again = place.json("--home acme keys payment new")?;
    assert_eq!(
        (&again["key"], &again["made"]),
        (&first["key"], &json!(false))
    );
    assert_eq!(fs::read(place.path("acme/keys/payment"))?, stored);
    let shown = place.run("--home acme keys payment new")?;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("was there already, and stays"));
    assert!(stderr(&shown).contains("--replace"), "{}", stderr(&shown));
    let second = place.json("--home acme keys payment new --replace")?;
    assert_ne!(first["key"], second["key"]);
    Ok(())
}

#[test]
fn a_payment_key_is_nowhere_in_clear_but_in_the_home() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let made = place.ok("--home acme keys payment new")?;
    place.ok("--home acme keys payment wrap --to bank w")?;
    let mut key = fs::read(place.path("acme/keys/payment"))?;
    // Behind it stands its MAC.
    key.truncate(32);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let wrapped = place.read("w")?;
    for shown in [&made, &wrapped] {
        assert!(!shown.contains(&hex));
    }
    assert!(
        !wrapped
            .as_bytes()
            .windows(key.len())
            .any(|window| window == key)
    );
    Ok(())
}
