//! `backup` and `restore`.

use std::fs;

use serde_json::json;

use crate::place::{Place, Test, files, stderr};
use crate::roster::Consortium;

#[test]
fn a_node_comes_back_as_a_new_incarnation() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.write("feed", "8.8.8.10\n8.8.8.11\n")?;
    place.ok("--home acme import --collection fraud --kind abuse feed")?;
    place.ok("--home acme keys payment new")?;
    place.ok("--home acme exclusions add public-resolvers")?;
    place.ok("--home acme keys export storage --to storage")?;
    let head = place.json("--home acme ledger checkpoint")?;
    let card = place.json("--home acme card")?;
    place.ok("--home acme backup acme.backup")?;
    fs::remove_dir_all(place.path("acme"))?;

    let restored = place.json("--home acme restore --storage-key storage acme.backup")?;
    assert_eq!(restored["schema"], "blindmatch.restore.v1");
    assert_eq!(
        (&restored["incarnation"], &restored["records"]),
        (&json!(2), &head["size"])
    );
    let ledger = place.json("--home acme ledger verify")?;
    assert_eq!(ledger["incarnation"], 2);
    assert_eq!(place.json("--home acme card")?, card);
    assert_eq!(place.json("--home acme roster show")?["number"], 1);
    let collections = place.json("--home acme collections")?;
    assert_eq!(collections["collections"][0]["values"], 2);
    let same = place.json("--home acme import --collection fraud feed")?;
    assert_eq!((&same["added"], &same["removed"]), (&json!(0), &json!(0)));
    place.ok("--home acme keys payment wrap --to bank w")?;
    assert_eq!(place.json("--home acme doctor")?["ok"], true);
    place.ok("--home acme keys rotate")?;
    Ok(())
}

#[test]
fn a_backup_is_of_no_use_without_its_storage_key() -> Test {
    let place = Place::with_acme()?;
    let output = place.run("--home acme backup b")?;
    assert!(
        stderr(&output).contains("keys export storage"),
        "{}",
        stderr(&output)
    );
    let key = fs::read(place.path("acme/keys/storage"))?;
    let mut identity = fs::read(place.path("acme/keys/identity"))?;
    // Behind it stands its MAC.
    identity.truncate(32);
    let backup = fs::read(place.path("b"))?;
    for secret in [key, identity] {
        assert!(!backup.windows(secret.len()).any(|window| window == secret));
    }
    place.init("bank", "provider")?;
    place.ok("--home bank keys export storage --to other")?;
    let says = [
        "another storage key",
        "blindmatch --home new restore --storage-key KEY BACKUP",
    ];
    place.fails("--home new restore --storage-key other b", 1, &says)?;
    let says = [
        "b holds no such key",
        "`blindmatch keys export storage --to FILE`",
    ];
    place.fails("--home new restore --storage-key b b", 1, &says)?;
    place.ok("--home acme keys export identity --to identity")?;
    place.fails(
        "--home new restore --storage-key identity b",
        1,
        &["`blindmatch keys export storage --to FILE`"],
    )?;
    assert!(!place.path("new/version").exists());
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home new restore --storage-key storage b")?;
    Ok(())
}

#[test]
fn a_roster_that_is_gone_is_not_left_out_silently() -> Test {
    let consortium = Consortium::new()?;
    let place = &consortium.place;
    place.ok("--home acme backup whole")?;
    fs::remove_file(place.path("acme/roster/trust"))?;
    let says = [
        "roster/trust is gone",
        "roster number 1",
        "blindmatch --home acme roster trust WORDS",
    ];
    place.fails("--home acme backup less", 1, &says)?;
    assert!(!place.path("less").exists());
    let output = place.run("--home acme doctor")?;
    let found = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert!(found.contains("roster/trust is gone"), "{found}");
    Ok(())
}

#[test]
fn nothing_is_written_over() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup b")?;
    place.fails("--home acme backup b", 1, &["nothing is written over"])?;
    let before = files(&place.path("acme"))?;
    place.fails(
        "--home acme restore --storage-key storage b",
        1,
        &["there is a home here"],
    )?;
    assert_eq!(files(&place.path("acme"))?, before);
    fs::create_dir(place.path("y"))?;
    place.write("y/restoring", "")?;
    place.fails(
        "--home y card",
        1,
        &["did not finish", "blindmatch --home y restore"],
    )?;
    place.fails(
        "--home x restore --storage-key storage nothing",
        1,
        &["nothing"],
    )
}

#[test]
fn a_damaged_backup_is_named_and_restores_nothing() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup b")?;
    let whole = fs::read(place.path("b"))?;
    for at in (0..whole.len()).step_by(whole.len() / 12) {
        let mut changed = whole.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        place.write("changed", &changed)?;
        place.fails(
            "--home new restore --storage-key storage changed",
            1,
            &["changed: ", "hint: ", "restore --storage-key KEY BACKUP"],
        )?;
        assert!(!place.path("new/version").exists(), "byte {at}");
    }
    place.write("changed", whole.get(..whole.len() - 1).unwrap_or_default())?;
    place.fails(
        "--home new restore --storage-key storage changed",
        1,
        &["changed: "],
    )
}
