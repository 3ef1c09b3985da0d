#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use blindmatch_membership::Role;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;

use super::*;
use crate::init::init;
use crate::node_keys::sign_delegation;

fn who() -> config::Node {
    config::Node {
        member: "acme".parse().unwrap(),
        role: Role::Provider,
        consortium: "cloudshield".parse().unwrap(),
        address: "acme.example:7443".parse().unwrap(),
    }
}

fn made() -> (TempDir, Node) {
    let place = tempfile::tempdir().unwrap();
    let node = init(&place.path().join("acme"), &who()).unwrap();
    (place, node)
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(3)
}

fn rotate(node: &Node) -> u64 {
    let (ledger, _) = node.ledger().unwrap();
    let rotated = node.rotate(Some(&ledger), None, 30, false, &mut rng());
    rotated.unwrap().number
}

/// The first steps of a rotation: keys, and the delegation in its place.
fn rotate_in_part(place: &Path, node: &Node) {
    let [identity, request, signed] = ["identity", "request", "signed"].map(|f| place.join(f));
    let exported = node.export(crate::exported::Kind::Identity).unwrap();
    crate::files::write_secret(&identity, &exported.to_text()).unwrap();
    let text = node.request_delegation(30, false, &mut rng()).unwrap();
    fs::write(&request, text).unwrap();
    let delegation = sign_delegation(&request, &identity, &signed).unwrap();
    let path = format!("roster/delegation-{}", delegation.number);
    node.publish(&path, delegation.to_string().as_bytes())
        .unwrap();
}

fn events(node: &Node) -> Vec<Event> {
    let (log, _) = node.log().unwrap();
    log.records(0..log.size())
        .map(|record| record.unwrap().1.event)
        .collect()
}

/// Makes the files of one directory those of another.
fn copy(from: &Path, to: &Path) {
    let files = |directory: &Path| {
        let paths = fs::read_dir(directory).unwrap();
        let paths = paths.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    fs::create_dir_all(to).unwrap();
    for file in files(to) {
        fs::remove_file(file).unwrap();
    }
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_rotation_that_was_cut_short_is_ended_by_whoever_opens_the_ledger() {
    let (place, node) = made();
    rotate_in_part(place.path(), &node);
    let secret = fs::read(node.disk().root().join("keys/checkpoints-1")).unwrap();
    let half_done = |node: &Node| node.verify_ledger().unwrap().2;
    assert_eq!(half_done(&node), [HalfDone::Delegation(2)]);
    assert_eq!(node.idle_keys().unwrap().0.len(), 4);
    assert!(!events(&node).contains(&delegated(&node.delegation().unwrap()).unwrap()));

    node.ledger().unwrap();
    assert_eq!(half_done(&node), []);
    let recorded = delegated(&node.delegation().unwrap()).unwrap();
    let count = |node: &Node| events(node).iter().filter(|e| **e == recorded).count();
    assert_eq!(count(&node), 1);
    assert_eq!(node.idle_keys().unwrap(), (Vec::new(), None));
    for name in node.key_names().unwrap() {
        assert!(!name.ends_with("-1"), "{name}");
        let key = fs::read(node.disk().root().join("keys").join(name)).unwrap();
        assert_ne!(key, secret);
    }
    // Once.
    node.ledger().unwrap();
    assert_eq!(count(&node), 1);
    assert_eq!(rotate(&node), 3);
}

#[test]
fn keys_that_were_made_in_part_are_destroyed_and_those_of_a_request_wait_for_it() {
    let (_place, node) = made();
    let keys = node.home().named_keys();
    node.request_delegation(30, false, &mut rng()).unwrap();
    node.ledger().unwrap();
    assert_eq!(node.idle_keys().unwrap(), (Vec::new(), Some(2)));
    keys.destroy("receipts-2").unwrap();
    keys.store("tls-7", &[1; 32]).unwrap();
    keys.store("payment", &[1; 32]).unwrap();
    assert_eq!(node.idle_keys().unwrap().1, None);
    node.ledger().unwrap();
    assert_eq!(node.idle_keys().unwrap(), (Vec::new(), None));
    let names = node.key_names().unwrap();
    let ours = [
        "checkpoints-1",
        "hpke",
        "identity",
        "node-hpke-1",
        "payment",
    ];
    assert_eq!(names.get(..5).unwrap(), ours);
    assert_eq!(names.len(), 7);
}

#[test]
fn a_ledger_that_is_an_older_copy_of_itself_is_not_opened() {
    let (place, node) = made();
    let ledger = node.disk().root().join("ledger");
    let older = |number: u64| place.path().join(format!("ledger-{number}"));
    copy(&ledger, &older(1));
    for number in 2..5 {
        assert_eq!(rotate(&node), number);
        copy(&ledger, &older(number));
    }
    for number in 1..4 {
        copy(&older(number), &ledger);
        let before = fs::read(ledger.join("checkpoint")).unwrap();
        let unknown = Unknown::Delegation(4);
        for error in [node.ledger().err(), node.verify_ledger().err()] {
            assert!(
                matches!(error, Some(Error::LedgerOlder(found)) if found == unknown),
                "{number}: {error:?}"
            );
        }
        assert_eq!(fs::read(ledger.join("checkpoint")).unwrap(), before);
    }
    // Nor one that lacks more than a command that was cut short could have left out.
    copy(&older(4), &ledger);
    rotate_in_part(place.path(), &node);
    copy(&older(3), &ledger);
    assert!(matches!(node.ledger(), Err(Error::LedgerOlder(_))));
    copy(&older(4), &ledger);
    node.ledger().unwrap();
}

#[test]
fn a_roster_directory_that_is_older_than_the_ledger_is_not_used() {
    let (place, node) = made();
    let roster = node.disk().root().join("roster");
    copy(&roster, &place.path().join("older"));
    rotate_in_part(place.path(), &node);
    let keys = node.disk().root().join("keys");
    copy(&keys, &place.path().join("keys"));
    node.ledger().unwrap();
    // With its keys back, the delegation before would sign on.
    copy(&place.path().join("keys"), &keys);
    copy(&place.path().join("older"), &roster);
    node.ledger().err().unwrap();
    node.verify_ledger().err().unwrap();
}

#[test]
fn a_policy_is_recorded_once_it_is_another() {
    let (_place, node) = made();
    let count = || {
        let policies = events(&node).into_iter();
        let policies = policies.filter(|event| matches!(event, Event::Policy { .. }));
        policies.count()
    };
    let path = node.disk().root().join(policy::FILE);
    node.ledger().unwrap();
    assert_eq!(count(), 1);
    node.ledger().unwrap();
    assert_eq!(count(), 1);
    let text = format!("{}\n# another\n", fs::read_to_string(&path).unwrap());
    fs::write(&path, &text).unwrap();
    node.ledger().unwrap();
    assert_eq!(count(), 2);
    let (log, _) = node.log().unwrap();
    let record = log.record(log.size() - 1).unwrap();
    let config = fs::read(node.disk().root().join(config::FILE)).unwrap();
    let expected = Event::Policy {
        policy: Salted::new(&record.nonce, text.as_bytes()),
        config: Salted::new(&record.nonce, &config),
    };
    assert_eq!(record.event, expected);
    // What is no policy is not in force.
    fs::write(&path, "[[allow]]\n").unwrap();
    node.ledger().unwrap();
    fs::remove_file(&path).unwrap();
    node.ledger().unwrap();
    assert_eq!(count(), 2);
    fs::write(&path, policy::FIRST).unwrap();
    node.ledger().unwrap();
    assert_eq!(count(), 3);
}

#[test]
fn an_init_that_was_cut_short_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("acme");
    let node = init(&home, &who()).unwrap();
    let card = node.card().unwrap();
    rotate(&node);
    drop(node);
    // Without its configuration a node looks like one that was not finished; nothing is lost.
    fs::remove_file(home.join(config::FILE)).unwrap();
    let other = config::Node {
        member: "bank".parse().unwrap(),
        ..who()
    };
    let error = init(&home, &other).unwrap_err();
    assert!(matches!(error, Error::BegunAs { .. }), "{error}");
    let node = init(&home, &who()).unwrap();
    assert_eq!(node.card().unwrap(), card);
    assert_eq!(node.delegation().unwrap().number, 2);
    drop(node);
    assert!(matches!(
        init(&home, &who()),
        Err(Error::Home(HomeError::Exists))
    ));
}

/// As many were lost with the home before as there are; whichever was written last, a crash before its
/// record leaves a home that opens.
#[test]
fn lost_delegations_that_are_not_recorded_yet_are_recorded_by_whoever_opens_the_ledger() {
    let (place, node) = made();
    let home = node.disk().root();
    let copies = ["roster", "keys", "ledger"];
    for part in copies {
        copy(&home.join(part), &place.path().join(part));
    }
    let lost: Vec<_> = (2..4)
        .map(|number| {
            assert_eq!(rotate(&node), number);
            fs::read(home.join(format!("roster/delegation-{number}"))).unwrap()
        })
        .collect();
    for part in copies {
        copy(&place.path().join(part), &home.join(part));
    }
    for (number, delegation) in (2..).zip(&lost) {
        let path = format!("roster/delegation-{number}");
        node.publish(&path, delegation).unwrap();
    }
    assert_eq!(
        node.verify_ledger().unwrap().2,
        [HalfDone::Delegation(3)],
        "{:?}",
        node.delegations()
    );
    node.ledger().unwrap();
    for delegation in node.delegations().unwrap() {
        let recorded = delegated(&delegation).unwrap();
        assert!(events(&node).contains(&recorded), "{}", delegation.number);
    }
    assert_eq!(node.verify_ledger().unwrap().2, []);
    assert_eq!(node.delegation().unwrap().number, 1);
    assert_eq!(rotate(&node), 4);
}
