//! What an error says to type next, and that it works when it is typed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::place::{Place, Test};
use crate::roster::Consortium;

#[test]
fn an_edited_roster_is_asked_for_again() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    consortium.next("2.roster", "1.roster", 1)?;
    let edited = place
        .read("2.roster")?
        .replace("shop.example", "evil.example");
    place.write("edited.roster", edited)?;
    let says = [
        "edited.roster: a signature of a known key does not hold",
        "ask one of them for it again",
        "blindmatch --home acme roster verify edited.roster",
    ];
    for command in ["install", "verify"] {
        place.fails(
            &format!("--home acme roster {command} edited.roster"),
            1,
            &says,
        )?;
    }
    // Asked for again.
    place.write("edited.roster", place.read("2.roster")?)?;
    place.ok("--home acme roster verify edited.roster")?;
    place.ok("--home acme roster install edited.roster")?;
    place.write("feed", "shop@example.com\n")?;
    let line = "--home acme roster install feed";
    place.fails(line, 1, &["feed is no roster", "right file?"])
}

#[test]
fn a_checkpoint_that_a_ledger_does_not_go_on_from_is_explained() -> Test {
    let place = Place::with_acme()?;
    place.init("bank", "provider")?;
    place.save("--home bank ledger checkpoint", "bank.checkpoint")?;
    place.ok("--home acme ledger export old.ledger")?;
    place.ok("--home acme ledger export twin.ledger")?;
    // A twin of the home goes another way.
    let status = std::process::Command::new("cp")
        .args(["-rp", "acme", "twin"])
        .current_dir(place.path("."))
        .status()?;
    assert!(status.success());
    let keys = |home: &str| -> Result<String, Box<dyn std::error::Error>> {
        let head = place.json(&format!("--home {home} ledger checkpoint"))?;
        Ok(format!(
            "--key {}",
            head["key"].as_str().unwrap_or_default()
        ))
    };
    let old = keys("acme")?;
    place.ok("--home acme keys rotate")?;
    place.ok("--home twin keys rotate")?;
    place.save("--home acme ledger checkpoint", "acme.checkpoint")?;
    place.save("--home twin ledger checkpoint", "twin.checkpoint")?;

    let other = [
        "bank.checkpoint: ",
        "another ledger",
        "a checkpoint of this ledger",
    ];
    place.fails(
        "--home acme ledger verify --known bank.checkpoint",
        1,
        &other,
    )?;
    let later = ["twin.checkpoint: ", "ledger checkpoint --output json"];
    place.fails(
        "--home acme ledger verify --known twin.checkpoint",
        1,
        &later,
    )?;
    place.write("feed", "shop@example.com\n")?;
    let none = ["feed: ", "right file?", "`blindmatch ledger checkpoint`"];
    place.fails("--home acme ledger verify --known feed", 1, &none)?;

    // Behind: with what the hint asks for it goes on.
    let both = format!("{old} {}", keys("acme")?);
    let behind = format!("ledger verify {both} --known acme.checkpoint old.ledger");
    let says = [
        "acme.checkpoint",
        "`blindmatch ledger export --all FILE`",
        "administrators",
    ];
    place.fails(&behind, 1, &says)?;
    place.ok("--home acme ledger export --all new.ledger")?;
    place.ok(&behind.replace("old.ledger", "new.ledger"))?;
    // Two ledgers: it does not.
    let all = format!("{both} {}", keys("twin")?);
    place.fails(
        &format!("ledger verify {all} --known twin.checkpoint new.ledger"),
        1,
        &["twin.checkpoint", "wrote two ledgers"],
    )?;
    // Other files than those that are verified.
    let line = format!("ledger verify {old} feed");
    place.fails(&line, 1, &["feed: ", "`blindmatch ledger export FILE`"])
}

#[test]
fn a_file_that_is_no_payment_key_is_called_that() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme keys payment new")?;
    place.ok("--home acme keys payment wrap --to bank wrapped")?;
    let install = "--home bank keys payment install --from";
    let again = "`blindmatch keys payment wrap --to MEMBER FILE`";
    for file in ["1.roster", "acme.card", "ada.pub"] {
        place.fails(
            &format!("{install} acme {file}"),
            1,
            &[file, "right file?", again],
        )?;
    }
    let changed = place.read("wrapped")?.replacen("sealed ", "sealed A", 1);
    place.write("changed", changed)?;
    place.fails(&format!("{install} acme changed"), 1, &["changed: ", again])?;
    let says = ["wrapped is not signed by that member", "--from MEMBER"];
    place.fails(&format!("{install} shop wrapped"), 1, &says)?;
    place.ok(&format!("{install} acme wrapped"))?;
    Ok(())
}

#[test]
fn files_of_another_kind_say_which_is_wanted() -> Test {
    let place = Place::with_acme()?;
    place.write("feed", "shop@example.com\n")?;
    fs::set_permissions(place.path("feed"), fs::Permissions::from_mode(0o600))?;
    fs::create_dir(place.path("folder"))?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup backup")?;
    let restore = "--home new restore --storage-key";
    for (line, says) in [
        (
            "--home acme keys rotate --delegation feed",
            "blindmatch keys sign",
        ),
        ("--home acme keys rotate --delegation folder", "right file?"),
        (
            "--home acme exclusions add --name n feed",
            "exclusions add --help",
        ),
        (
            &format!("{restore} feed backup"),
            "`blindmatch keys export storage --to FILE`",
        ),
        (&format!("{restore} storage feed"), "another backup"),
        (
            &format!("{restore} storage --witnessed feed backup"),
            "`blindmatch ledger checkpoint`",
        ),
        ("--home acme ledger verify feed", "ledger proof NUMBER FILE"),
    ] {
        let output = place.run(line)?;
        let stderr = crate::place::stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {stderr}");
        assert!(
            stderr.contains("hint: ") && stderr.contains(says),
            "{line}: {stderr}"
        );
    }
    let output = place.run("--home acme restore --storage-key storage backup")?;
    assert!(crate::place::stderr(&output).contains("--home DIR"));
    place.ok(&format!("{restore} storage backup"))?;
    Ok(())
}

#[test]
fn what_is_not_what_it_should_be_is_said_to_be_that() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    // A backup has no place in the home.
    for file in ["acme/b", "acme/ledger/b", "./acme/../acme/roster/b"] {
        let says = [
            "in the home that it is to be a backup of",
            "outside of the home",
        ];
        place.fails(&format!("--home acme backup {file}"), 1, &says)?;
        assert!(!place.path(file).exists());
    }
    // A public key is no secret that others may read.
    place.ok("roster new --after 1.roster 2.roster")?;
    let says = ["ada.pub holds no such key", "keygen --name NAME FILE"];
    place.fails("roster sign --key ada.pub 2.roster", 1, &says)?;
    // Whose roster it is that has no such member.
    place.fails(
        "roster remove 2.roster nobody",
        1,
        &[
            "2.roster has no member nobody",
            "blindmatch roster show 2.roster",
        ],
    )?;
    // A policy that is gone.
    let policy = place.path("acme/policy.toml");
    fs::remove_file(&policy)?;
    let check = "--home acme policy check";
    place.fails(
        check,
        1,
        &[
            "policy.toml is gone",
            "install -m 600 /dev/null acme/policy.toml",
        ],
    )?;
    let made = std::process::Command::new("install")
        .args(["-m", "600", "/dev/null"])
        .arg(&policy)
        .status()?;
    assert!(made.success());
    place.ok(check)?;
    // A directory in the place of a file.
    for file in [
        "roster/trust",
        "keys/tls-1",
        "ledger/checkpoint",
        "blindmatch.toml",
    ] {
        let path = place.path(&format!("acme/{file}"));
        let away = place.path("away");
        fs::rename(&path, &away)?;
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        place.fails("--home acme backup b", 1, &["hint: "])?;
        fs::remove_dir(&path)?;
        fs::rename(&away, &path)?;
    }
    place.ok("--home acme backup b")?;
    Ok(())
}
