//! `init` and `card`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::place::{Place, Test, files};

#[test]
fn a_node_is_for_its_owner_alone() -> Test {
    let place = Place::with_acme()?;
    assert_eq!(fs::metadata(place.path("acme"))?.mode() & 0o777, 0o700);
    for file in files(&place.path("acme"))? {
        assert_eq!(fs::metadata(&file)?.mode() & 0o777, 0o600, "{file:?}");
    }
    Ok(())
}

#[test]
fn init_says_what_it_made_and_what_to_do_next() -> Test {
    let place = Place::new()?;
    let line = "--home h init --member acme --role liaison --consortium c --address a.example:1";
    let output = place.run(&format!("{line} --output json"))?;
    let made: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(made["schema"], "blindmatch.init.v1");
    assert_eq!(
        (&made["member"], &made["role"]),
        (&"acme".into(), &"liaison".into())
    );
    let words = made["fingerprint"].as_str().unwrap_or_default();
    assert_eq!(words.split(' ').count(), 12);
    let stderr = String::from_utf8(output.stderr)?;
    for next in ["--home h keys export storage", "--home h card > acme.card"] {
        assert!(stderr.contains(next), "{stderr}");
    }
    // A home is never made twice.
    place.fails(
        line,
        1,
        &["there is a home here already", "--home h doctor"],
    )
}

#[test]
fn names_and_addresses_are_checked_before_anything_is_made() -> Test {
    let place = Place::new()?;
    let line = "--home h init --role provider --consortium c";
    place.fails(
        &format!("{line} --member Acme --address a:1"),
        2,
        &["lower-case"],
    )?;
    place.fails(
        &format!("{line} --member acme --address a"),
        2,
        &["HOST:PORT"],
    )?;
    assert!(!place.path("h").exists());
    Ok(())
}

#[test]
fn a_folder_that_others_may_enter_is_refused_and_fixed_as_said() -> Test {
    let place = Place::new()?;
    fs::create_dir(place.path("h"))?;
    fs::set_permissions(place.path("h"), fs::Permissions::from_mode(0o755))?;
    let line = "--home h init --member acme --role provider --consortium c --address a:1";
    place.fails(line, 1, &["chmod 700"])?;
    fs::set_permissions(place.path("h"), fs::Permissions::from_mode(0o700))?;
    place.ok(line)?;
    Ok(())
}

#[test]
fn without_a_home_the_next_command_is_init() -> Test {
    let place = Place::new()?;
    for line in [
        "--home none card",
        "--home none roster show",
        "--home none keys rotate",
    ] {
        place.fails(line, 1, &["blindmatch --home none init --member NAME"])?;
    }
    Ok(())
}

#[test]
fn a_card_is_checked_by_whoever_gets_it() -> Test {
    let place = Place::with_acme()?;
    place.save("--home acme card", "acme.card")?;
    let own = place.json("--home acme card")?;
    let got = place.json("card acme.card")?;
    assert_eq!(own, got);
    assert_eq!(own["address"], "acme.example:7443");
    let changed = place
        .read("acme.card")?
        .replace("acme.example", "evil.example");
    place.write("changed.card", changed)?;
    place.fails(
        "card changed.card",
        1,
        &["changed.card is no card", "blindmatch card"],
    )
}

#[test]
fn a_changed_address_is_on_the_next_card() -> Test {
    let place = Place::with_acme()?;
    let before = place.json("--home acme card")?;
    let config = place.read("acme/blindmatch.toml")?;
    place.write(
        "acme/blindmatch.toml",
        config.replace("acme.example:7443", "new.example:1"),
    )?;
    let after = place.json("--home acme card")?;
    assert_eq!(after["address"], "new.example:1");
    assert_ne!(before["fingerprint"], after["fingerprint"]);
    Ok(())
}
