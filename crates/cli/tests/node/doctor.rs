//! `doctor`: what it finds, and that its advice helps.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::place::{Place, Test};
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
