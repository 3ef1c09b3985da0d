//! `doctor`: what it finds, and that its advice helps.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, Test, files};
use crate::roster::Consortium;

/// How `about` is.
fn state<'a>(examined: &'a Value, about: &str) -> Vec<&'a str> {
    let findings = examined["findings"].as_array().into_iter().flatten();
    findings
        .filter(|finding| finding["about"] == about)
        .filter_map(|finding| finding["state"].as_str())
        .collect()
}

/// The findings where something does not work.
fn wrong(place: &Place, home: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let output = place.run(&format!("--home {home} doctor --output json"))?;
    assert_eq!(output.status.code(), Some(1));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn the_storage_key_is_asked_for_until_it_was_exported() -> Test {
    let place = Place::with_acme()?;
    assert_eq!(
        state(&place.json("--home acme doctor")?, "storage key"),
        ["warning"]
    );
    // Not confirmed is not exported.
    place.fails("--home acme keys export storage", 1, &[])?;
    assert_eq!(
        state(&place.json("--home acme doctor")?, "storage key"),
        ["warning"]
    );
    place.ok("--home acme keys export storage --to storage")?;
    assert_eq!(
        state(&place.json("--home acme doctor")?, "storage key"),
        ["ok"]
    );
    Ok(())
}

#[test]
fn a_node_in_order_has_nothing_to_warn_of() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme keys export identity --to identity --remove")?;
    let examined = place.json("--home acme doctor")?;
    assert_eq!(examined["ok"], true);
    for about in [
        "home",
        "storage key",
        "keys",
        "identity",
        "delegation",
        "roster",
        "tables",
        "ledger",
    ] {
        assert_eq!(state(&examined, about), ["ok"], "{about}: {examined}");
    }
    // A policy that allows nothing may be meant.
    assert_eq!(state(&examined, "policy"), ["warning"]);
    Ok(())
}

#[test]
fn a_node_that_the_roster_does_not_list_is_told_so() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let config = place.read("shop/blindmatch.toml")?;
    place.write(
        "shop/blindmatch.toml",
        config.replace("shop.example", "new.example"),
    )?;
    let examined = place.json("--home shop doctor")?;
    assert_eq!(state(&examined, "roster"), ["ok", "warning"]);
    assert_eq!(state(&examined, "identity"), ["warning", "warning"]);
    fs::remove_dir_all(place.path("bank"))?;
    place.init("bank", "provider")?;
    let words = place.json("roster show 1.roster")?;
    let words = words["fingerprint"].as_str().unwrap_or_default();
    place.ok(&format!("--home bank roster trust {words}"))?;
    place.ok("--home bank roster install 1.roster")?;
    assert_eq!(state(&wrong(place, "bank")?, "roster"), ["ok", "wrong"]);
    Ok(())
}

#[test]
fn damage_is_found_and_named() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok("--home acme import --collection c feed")?;
    let current = place.path("acme/collections/c/current");
    let mut bytes = fs::read(&current)?;
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    fs::write(&current, bytes)?;
    place.write("acme/policy.toml", "[[allow]]\n")?;
    let examined = wrong(&place, "acme")?;
    assert_eq!(state(&examined, "collections"), ["wrong"], "{examined}");
    assert_eq!(state(&examined, "policy"), ["wrong"]);
    assert_eq!(state(&examined, "ledger"), ["ok"]);
    Ok(())
}

/// Flips a bit of a file.
fn flip(path: &Path, at: usize) -> std::io::Result<Vec<u8>> {
    let whole = fs::read(path)?;
    let mut flipped = whole.clone();
    if let Some(byte) = flipped.get_mut(at) {
        *byte ^= 1;
    }
    fs::write(path, flipped)?;
    Ok(whole)
}

#[test]
fn a_key_that_changed_is_named_and_not_used() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme keys payment new")?;
    place.ok("--home acme keys payment wrap --to bank first")?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home bank keys payment install --from acme first")?;
    place.ok("--home bank keys payment wrap --to acme back")?;
    place.write("feed", "4000000000000002\n")?;
    let names = [
        "payment",
        "checkpoints-1",
        "tls-1",
        "receipts-1",
        "hpke",
        "node-hpke-1",
        "identity",
        "storage-exported",
    ];
    let keys = fs::read_dir(place.path("acme/keys"))?;
    let files = keys.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file()));
    assert_eq!(files.count(), names.len() + 1, "and the storage key");
    for name in names {
        let path = place.path(&format!("acme/keys/{name}"));
        let length = fs::metadata(&path)?.len();
        for at in [0, usize::try_from(length)? - 1] {
            let whole = flip(&path, at)?;
            let examined = wrong(place, "acme")?;
            assert_eq!(state(&examined, "keys"), ["wrong"], "{name}: {examined}");
            assert!(examined.to_string().contains(&format!("keys/{name}: ")));
            let named = format!("keys/{name}: ");
            place.fails("--home acme backup b", 1, &[&named])?;
            assert!(!place.path("b").exists());
            fs::write(&path, whole)?;
        }
    }
    assert_eq!(place.json("--home acme doctor")?["ok"], true);

    // Nothing is recorded with another key, and the ledger holds.
    let path = place.path("acme/keys/checkpoints-1");
    let whole = flip(&path, 5)?;
    let says = [
        "keys/checkpoints-1: ",
        "make new node keys",
        "into another: blindmatch --home DIR restore",
    ];
    place.fails("--home acme roster install 1.roster", 1, &says)?;
    place.ok("--home acme ledger verify")?;
    fs::write(&path, whole)?;
    place.ok("--home acme ledger verify")?;

    let path = place.path("acme/keys/payment");
    flip(&path, 5)?;
    let says = ["keys/payment: ", "keys payment install"];
    place.fails("--home acme import --collection c feed", 1, &says)?;
    place.fails("--home acme keys payment wrap --to bank w", 1, &says)?;
    place.fails(
        "--home acme keys payment install --from bank back",
        1,
        &says,
    )?;
    place.ok("--home acme keys payment install --from bank --replace back")?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);

    flip(&place.path("acme/keys/tls-1"), 5)?;
    place.ok("--home acme keys rotate")?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    Ok(())
}

#[test]
fn a_key_that_is_gone_is_missed_and_made_anew() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    let (rotate, renew) = ("keys rotate", "card --new-key");
    for (key, number, command) in [
        ("tls-", 1, rotate),
        ("receipts-", 2, rotate),
        ("node-hpke-", 3, rotate),
        ("checkpoints-", 4, rotate),
        ("hpke", 5, renew),
    ] {
        let key = match key {
            "hpke" => key.to_owned(),
            kind => format!("{kind}{number}"),
        };
        fs::remove_file(place.path(&format!("acme/keys/{key}")))?;
        let named = format!("keys/{key}: the key is not there");
        let examined = wrong(&place, "acme")?;
        assert_eq!(state(&examined, "keys"), ["wrong"], "{key}: {examined}");
        assert!(examined.to_string().contains(&named), "{key}: {examined}");
        let next = format!("blindmatch --home acme {command}");
        place.fails("--home acme backup b", 1, &[&named, &next])?;
        assert!(!place.path("b").exists());
        place.ok(&format!("--home acme {command}"))?;
        let examined = place.json("--home acme doctor")?;
        assert_eq!(state(&examined, "keys"), ["ok"], "{key}: {examined}");
        place.ok(&format!("--home acme backup {number}.backup"))?;
    }
    // Another key than the one that is named, under its name and the storage key of the home, is none.
    let home = blindmatch_node::Node::open(&place.path("acme"))?;
    let keys = home.home().named_keys();
    for key in [
        "tls-5",
        "receipts-5",
        "node-hpke-5",
        "checkpoints-5",
        "hpke",
    ] {
        let own = keys.load(key)?;
        keys.store(key, &[7; 32])?;
        let (_, refused) = home.check_keys()?;
        let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(refused.len(), 1, "{key}: {refused:?}");
        assert!(refused.concat().starts_with(&format!("keys/{key}: ")));
        keys.store(key, &own)?;
    }
    assert!(home.check_keys()?.1.is_empty());
    Ok(())
}

#[test]
fn a_delegation_whose_file_is_gone_is_named_and_put_back() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    for number in 1..=2 {
        if number == 2 {
            place.ok("--home acme keys rotate")?;
        }
        place.ok(&format!("--home acme backup {number}.backup"))?;
        let file = place.path(&format!("acme/roster/delegation-{number}"));
        fs::rename(&file, place.path("copy"))?;
        let missing = format!("roster/delegation-{number} is missing");
        let put_back = format!("cp COPY acme/roster/delegation-{number}");
        let says = [
            missing.as_str(),
            &put_back,
            "restore --storage-key KEY BACKUP",
        ];
        // Nobody is told to rotate: the number would be given out twice.
        for line in [
            "keys rotate",
            "keys rotate --request request",
            "ledger verify",
            "backup b",
        ] {
            place.fails(&format!("--home acme {line}"), 1, &says)?;
        }
        let output = place.run("--home acme doctor")?;
        let found = String::from_utf8(output.stdout)?;
        assert_eq!(output.status.code(), Some(1));
        assert!(found.contains(&missing), "{found}");
        assert!(!found.contains("keys rotate"), "{found}");
        // Both ways on work as they are typed.
        place.ok(&format!(
            "--home restored-{number} restore --storage-key storage {number}.backup"
        ))?;
        fs::copy(place.path("copy"), &file)?;
        place.json("--home acme ledger verify")?;
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
    }
    Ok(())
}

#[test]
fn a_lost_checkpoint_key_is_replaced_by_whoever_has_the_identity() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme keys export identity --to identity --remove")?;
    let records = |place: &Place| -> Result<u64, Box<dyn std::error::Error>> {
        let verified = place.json("--home acme ledger verify")?;
        Ok(verified["records"].as_u64().unwrap_or_default())
    };
    let before = records(&place)?;
    for number in 1..=2 {
        let path = place.path(&format!("acme/keys/checkpoints-{number}"));
        if number == 1 {
            flip(&path, 5)?;
        } else {
            fs::remove_file(&path)?;
        }
        // Whoever has the home alone cannot make another.
        place.fails(
            "--home acme keys rotate",
            1,
            &["identity key is not in the home"],
        )?;
        assert_eq!(records(&place)?, before + number - 1);
        place.ok("--home acme keys rotate --identity identity")?;
        assert_eq!(
            records(&place)?,
            before + number,
            "the delegation is recorded"
        );
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
    }
    // And where the identity key is on a machine of its own.
    flip(&place.path("acme/keys/checkpoints-3"), 5)?;
    place.ok("--home acme keys rotate --request request")?;
    place.ok("keys sign --identity identity request delegation")?;
    place.ok("--home acme keys rotate --delegation delegation")?;
    assert_eq!(records(&place)?, before + 3);
    place.ok("--home acme backup b")?;
    // A ledger that is damaged too is not gone on with.
    flip(&place.path("acme/keys/checkpoints-4"), 5)?;
    flip(&place.path("acme/ledger/0000000000000000.log"), 100)?;
    place.fails(
        "--home acme keys rotate --identity identity",
        1,
        &["ledger/"],
    )?;
    assert!(!place.path("acme/roster/delegation-5").exists());
    Ok(())
}

#[test]
fn a_damaged_card_key_is_replaced_with_the_card() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme keys payment new")?;
    place.ok("--home acme keys payment wrap --to bank first")?;
    flip(&place.path("bank/keys/hpke"), 5)?;
    let install = "--home bank keys payment install --from acme";
    let says = ["keys/hpke: ", "card --new-key"];
    place.fails(&format!("{install} first"), 1, &says)?;
    place.save("--home bank card --new-key", "bank.card")?;
    let examined = place.json("--home bank doctor")?;
    assert_eq!(state(&examined, "keys"), ["ok"]);
    // What was sealed to the key before stays closed; the roster has to say the new one.
    place.fails(&format!("{install} first"), 1, &["first"])?;
    place.ok("roster new --after 1.roster 2.roster")?;
    place.ok("roster add --replace 2.roster bank.card")?;
    for key in ["ada", "bob"] {
        place.ok(&format!("roster sign --key {key}.key 2.roster"))?;
    }
    for home in ["acme", "bank"] {
        place.ok(&format!("--home {home} roster install 2.roster"))?;
    }
    place.ok("--home acme keys payment wrap --to bank second")?;
    place.ok(&format!("{install} second"))?;
    Ok(())
}

/// What damages a file: a bit of it is flipped, all of it is cut away, or it is gone.
const DAMAGES: [fn(&Path) -> std::io::Result<()>; 3] = [
    |path| flip(path, 30).map(drop),
    |path| fs::write(path, ""),
    |path| fs::remove_file(path),
];

#[test]
fn a_card_that_is_damaged_or_gone_is_signed_anew() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    let card = place.ok("--home acme card")?;
    let path = place.path("acme/roster/card");
    place.ok("--home acme keys export storage --to storage")?;
    for at_home in [true, false] {
        let command = if at_home {
            "card"
        } else {
            place.ok("--home acme keys export identity --to identity --remove")?;
            "card --identity identity"
        };
        for damage in DAMAGES {
            damage(&path)?;
            let says = [
                "acme/roster/card is damaged or gone",
                "blindmatch --home acme card",
                "blindmatch --home acme card --identity FILE",
            ];
            place.fails("--home acme backup b", 1, &says)?;
            let examined = wrong(place, "acme")?;
            assert_eq!(state(&examined, "identity"), ["wrong"], "{examined}");
            for text in says {
                assert!(examined.to_string().contains(text), "{examined}");
            }
            if !at_home {
                place.fails("--home acme card", 1, &["--identity FILE"])?;
                place.ok("--home bank keys export identity --to others")?;
                let other = "--home acme card --identity others";
                place.fails(other, 1, &["not the identity key"])?;
            }
            // The same, to the byte: the roster's is this one.
            assert_eq!(place.ok(&format!("--home acme {command}"))?, card);
            assert_eq!(place.read("acme/roster/card")?, card);
            assert_eq!(place.json("--home acme doctor")?["ok"], true);
        }
    }
    // Its key is lost with it.
    fs::remove_file(&path)?;
    fs::remove_file(place.path("acme/keys/hpke"))?;
    let says = ["keys/hpke: ", "card --new-key"];
    place.fails("--home acme card --identity identity", 1, &says)?;
    place.ok("--home acme card --new-key --identity identity")?;
    place.ok("--home acme backup b")?;
    Ok(())
}

#[test]
fn a_damaged_trust_is_removed_and_given_anew() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    consortium.next("2.roster", "1.roster", 1)?;
    place.ok("--home acme roster install 2.roster")?;
    place.ok("--home acme keys export storage --to storage")?;
    let path = place.path("acme/roster/trust");
    for damage in DAMAGES.iter().take(2) {
        damage(&path)?;
        let remove = format!("rm {}", path.display());
        let output = place.run(&format!("--home {} backup b", place.path("acme").display()))?;
        assert!(crate::place::stderr(&output).contains(&remove));
        let says = [
            "acme/roster/trust is damaged",
            "remove it: rm ",
            "blindmatch --home acme roster trust WORDS, then: blindmatch --home acme roster install FILE",
        ];
        place.fails("--home acme backup b", 1, &says)?;
        let examined = wrong(place, "acme")?;
        assert_eq!(state(&examined, "roster"), ["wrong"], "{examined}");
        assert!(examined.to_string().contains(says[2]), "{examined}");
        // As it is typed.
        fs::remove_file(&path)?;
        let older = consortium.words("1.roster")?;
        place.ok(&format!("--home acme roster trust {older}"))?;
        let older = "--home acme roster install 1.roster";
        place.fails(older, 1, &["ask for roster number 2"])?;
        let words = consortium.words("2.roster")?;
        place.ok(&format!("--home acme roster trust {words}"))?;
        place.ok("--home acme roster install 2.roster")?;
        assert_eq!(place.json("--home acme doctor")?["ok"], true);
        assert_eq!(place.json("--home acme roster show")?["number"], 2);
    }
    Ok(())
}

#[test]
fn a_source_that_changed_anywhere_is_named() -> Test {
    let place = Place::with_acme()?;
    let lines = |first: u8| {
        let all = (0..u16::MAX).map(|n| format!("{first}.1.{}.{}\n", n / 256, n % 256));
        all.collect::<String>()
    };
    place.write("feed", lines(8))?;
    place.ok("--home acme import --collection c feed")?;
    let mut entries = fs::read_dir(place.path("acme/collections/c"))?;
    let source = entries
        .find_map(|entry| Some(entry.ok()?.path()).filter(|path| !path.ends_with("current")))
        .ok_or("a source")?;
    let length = usize::try_from(fs::metadata(&source)?.len())?;
    assert!(length > 3 << 16, "several blocks");
    let whole = flip(&source, length / 2)?;
    let examined = wrong(&place, "acme")?;
    assert_eq!(state(&examined, "collections"), ["wrong"], "{examined}");
    let name = source.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    assert!(examined.to_string().contains(&name), "{examined}");
    place.fails("--home acme backup b", 1, &[&name])?;
    assert!(!place.path("b").exists());
    place.fails(
        "--home acme import --collection c feed",
        1,
        &[&name, "--collection NEW"],
    )?;
    place.ok("--home acme import --collection d feed")?;
    fs::write(&source, whole)?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    place.ok("--home acme backup b")?;
    Ok(())
}

#[test]
fn a_key_that_others_can_read_stops_everything() -> Test {
    let place = Place::with_acme()?;
    let key = place.path("acme/keys/identity");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    let examined = wrong(&place, "acme")?;
    assert_eq!(state(&examined, "home"), ["wrong"]);
    place.fails("--home acme keys rotate", 1, &["chmod 600"])
}

#[test]
fn one_process_at_a_time_owns_a_home() -> Test {
    let place = Place::with_acme()?;
    // An import that waits for its feed.
    let mut child = place
        .command("--home acme import --collection c -".split(' '))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let lock = place.path("acme/home.lock");
    let pid = format!("{} ", child.id());
    while !fs::read_to_string(&lock)?.starts_with(&pid) {
        std::thread::yield_now();
    }
    let says = format!("process {} has this home open", child.id());
    place.fails("--home acme keys rotate", 1, &[&says])?;
    // What only reads goes on.
    place.ok("--home acme ledger verify")?;
    place.ok("--home acme card")?;
    drop(child.stdin.take());
    child.wait()?;
    place.ok("--home acme keys rotate")?;
    Ok(())
}

#[test]
fn what_is_moved_away_is_missed_and_its_keys_stay() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok("--home acme import --collection abuse --kind abuse feed")?;
    let keys = files(&place.path("acme/keys/files"))?;
    let away = place.path("away");
    for folder in ["collections", "runs", "views", "roster", "ledger", "keys"] {
        let path = place.path(&format!("acme/{folder}"));
        fs::rename(&path, &away)?;
        let gone = format!("acme/{folder} is gone");
        let examined = wrong(&place, "acme")?.to_string();
        assert!(examined.contains(&gone), "{folder}: {examined}");
        for line in [
            "import --collection abuse --append feed",
            "doctor --repair",
            "doctor --repair --discard-damaged",
            "backup b",
            "card",
        ] {
            place.fails(
                &format!("--home acme {line}"),
                1,
                &[&gone, "hint: put it back"],
            )?;
        }
        fs::rename(&away, &path)?;
        assert_eq!(place.json("--home acme doctor")?["ok"], true, "{folder}");
    }
    // One collection, of which no list says that it is to be there.
    let path = place.path("acme/collections/abuse");
    fs::rename(&path, &away)?;
    let examined = wrong(&place, "acme")?;
    assert_eq!(state(&examined, "file keys"), ["wrong"], "{examined}");
    assert!(
        examined
            .to_string()
            .contains("are gone that 1 of the keys here open")
    );
    assert_eq!(
        place.run("--home acme doctor --repair")?.status.code(),
        Some(1)
    );
    assert_eq!(files(&place.path("acme/keys/files"))?, keys);
    // Nothing is begun in its place, and a backup says that it lacks it.
    let says = [
        "are gone that 1 of the keys here open",
        "hint: put them back",
    ];
    for line in [
        "import --collection abuse --append feed",
        "import --collection fresh --kind abuse feed",
    ] {
        place.fails(&format!("--home acme {line}"), 1, &says)?;
    }
    place.fails("--home acme backup none", 1, &says)?;
    assert!(!place.path("none").exists());
    let partly = place.run("--home acme backup --without-damaged partly")?;
    assert_eq!(partly.status.code(), Some(6));
    let said = String::from_utf8(partly.stderr)?;
    assert!(said.contains(says[0]), "{said}");
    // Nor where another's list does not read, so that its files alone say what is theirs.
    fs::rename(&away, &path)?;
    place.ok("--home acme import --collection other feed")?;
    fs::rename(&path, &away)?;
    let list = place.path("acme/collections/other/current");
    let whole = fs::read(&list)?;
    fs::write(&list, b"damaged")?;
    let examined = wrong(&place, "acme")?;
    assert_eq!(state(&examined, "file keys"), ["wrong"], "{examined}");
    let append = "--home acme import --collection abuse --append feed";
    place.fails(append, 1, &["hint: "])?;
    let partly = place.run("--home acme backup --without-damaged both")?;
    let said = String::from_utf8(partly.stderr)?;
    assert!(said.contains(says[0]) && said.contains("other"), "{said}");
    fs::write(&list, whole)?;
    fs::rename(&away, &path)?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    place.ok("--home acme backup whole")?;
    place.ok("--home acme import --collection abuse --append feed")?;
    // It is to be gone.
    fs::rename(&path, &away)?;
    place.ok("--home acme doctor --repair --discard-damaged")?;
    let left = files(&place.path("acme/keys/files"))?;
    assert_eq!(left.len(), 1, "that of the other collection: {left:?}");
    Ok(())
}
