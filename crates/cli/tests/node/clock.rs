//! A clock that was ahead once, and is behind what was recorded then.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use blindmatch_feeds::Exclusions;
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_node::audit::SigningKey;
use blindmatch_node::audit::checkpoint::ledger_name;
use blindmatch_node::audit::record::Event;
use blindmatch_node::store::ledger::{Ledger, SEGMENT, Settings};
use blindmatch_node::store::moment::Moment;
use blindmatch_node::{Node, clock};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::place::{Place, Test, files};

/// Records something more in the ledger of a home, at a time.
fn record_at(place: &Place, home: &str, time: u64) -> Test {
    let node = Node::open(&place.path(home))?;
    let keys = node.home().named_keys();
    let number = node.delegation()?.number;
    let seed = keys.load(&format!("checkpoints-{number}"))?;
    let key = SigningKey::from_bytes(&<[u8; 32]>::try_from(seed.as_slice())?);
    let own = &node.config().node;
    let settings = Settings {
        ledger: ledger_name(own.consortium.as_str(), own.member.as_str())?,
        key,
        earlier: node.ledger_keys()?,
        clock: Box::new(move || time),
        random: Box::new(StdRng::seed_from_u64(time)),
        segment: SEGMENT,
    };
    let (ledger, _) = Ledger::open(node.disk(), settings)?;
    ledger.append(vec![Event::Filler])?;
    Ok(())
}

#[test]
fn a_clock_that_is_ahead_is_not_borne_out_by_what_it_recorded() -> Test {
    const DAY: u64 = 86_400;
    let place = Place::with_acme()?;
    place.write("feed", "8.8.8.8\n")?;
    place.ok("--home acme import --collection c feed")?;
    let began = clock::now();
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list)?);
    let expire = |day: u64| {
        let node = Node::open(&place.path("acme"))?;
        let (collections, lists) = (node.collections()?, Exclusions::default());
        let now = began + day * DAY;
        let expired = node.expire(&collections, &canonicaliser, &lists, now, false)?;
        Ok::<_, blindmatch_node::Error>(expired.values)
    };
    for day in [1_000, 1_001, 1_029] {
        record_at(&place, "acme", began + day * DAY)?;
        let expired = expire(day);
        let is_asked = matches!(expired, Err(blindmatch_node::Error::Pause { .. }));
        assert!(is_asked, "{day}: {expired:?}");
    }
    // It has gone on for a month without another jump.
    record_at(&place, "acme", began + 1_031 * DAY)?;
    assert_eq!(expire(1_032)?, 1);
    Ok(())
}

#[test]
fn a_clock_that_is_behind_the_last_record_changes_nothing() -> Test {
    let place = Place::with_acme()?;
    place.ok("--home acme keys export storage --to storage")?;
    place.ok("--home acme backup before")?;
    place.ok("--home acme keys export identity --to identity")?;
    place.ok("--home acme keys rotate --request request")?;
    place.ok("keys sign --identity identity request delegation")?;
    // Further ahead than this test takes: the clock is behind from here on.
    let ahead = clock::now() + 3600;
    record_at(&place, "acme", ahead)?;
    let until = format!("nothing more is recorded before {}", Moment(ahead));
    let says = [
        "set the clock right",
        "see: date",
        &until,
        "older than that record",
        "blindmatch --home DIR restore --storage-key KEY BACKUP",
    ];
    let before = files(&place.path("acme"))?;
    let writes = [
        "keys rotate",
        "keys rotate --request b",
        "keys rotate --delegation delegation",
        "keys revoke --yes",
        "backup b",
    ];
    let lost = place.path("acme/keys/checkpoints-1");
    for is_lost in [false, true] {
        let key = fs::read(&lost)?;
        if is_lost {
            fs::remove_file(&lost)?;
        }
        // A backup needs the key that was lost.
        for line in writes.iter().take(writes.len() - usize::from(is_lost)) {
            place.fails(&format!("--home acme {line}"), 1, &says)?;
        }
        fs::write(&lost, key)?;
        fs::set_permissions(&lost, fs::Permissions::from_mode(0o600))?;
        assert_eq!(files(&place.path("acme"))?, before);
    }
    assert!(!place.path("b").exists());
    // What reads goes on, and says so.
    place.ok("--home acme ledger verify")?;
    let output = place.run("--home acme doctor")?;
    assert_eq!(output.status.code(), Some(1));
    let found = String::from_utf8(output.stdout)?;
    for text in says {
        assert!(found.contains(text), "{text}: {found}");
    }
    // The way out works as it is typed.
    place.ok("--home other restore --storage-key storage before")?;
    place.ok("--home other keys rotate")?;
    place.ok("--home other backup b")?;
    assert_eq!(place.json("--home other doctor")?["ok"], true);
    Ok(())
}
