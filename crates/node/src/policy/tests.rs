#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::{Class, Event, Name, Salted};
use blindmatch_store::index::{ASIDE, INDEX};

use super::*;
use crate::{config, init};

const ALL: u64 = u64::MAX;

#[test]
fn what_a_decision_rests_on_is_the_same_from_every_index() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("acme");
    let who = config::Node {
        member: "acme".parse().unwrap(),
        role: membership::Role::Provider,
        consortium: "cloudshield".parse().unwrap(),
        address: "acme.example:7443".parse().unwrap(),
    };
    let node = init::init(&home, &who).unwrap();
    // On disk by its owner, and in memory by anybody.
    let facts = |peer: &str| {
        let files: &NodeFiles = &node;
        let (owner, reader) = (
            node.ledger_facts(peer).unwrap(),
            files.ledger_facts(peer).unwrap(),
        );
        assert_eq!(owner, reader);
        (
            owner.charged.day,
            owner.charged.epoch,
            owner.one_sided_aborts,
        )
    };
    let name = |text: &str| Name::new(text).unwrap();
    let debit = |peer: &str, view: &str, count| Event::Debit {
        peer: name(peer),
        view: name(view),
        epoch: 1,
        run: [1; 32],
        batch: 1,
        digest: [2; 32],
        amount: Class::exactly(count).unwrap(),
    };
    let agreed = |run| Event::RunAgreed {
        run: [run; 32],
        peer: name("bank"),
        side: Side::Responder,
        agreement: [0; 32],
    };
    let append = |events| {
        let (ledger, _) = node.ledger().unwrap();
        ledger.append(events).unwrap();
    };
    assert_eq!(facts("bank"), (0, 0, 0));
    append(vec![
        debit("bank", "v", 8),
        debit("bank", "v", 16),
        debit("bank", "w", 20),
        debit("shop", "v", 64),
        agreed(1),
        agreed(2),
        Event::RunUnreceipted { run: [1; 32] },
        Event::RunUnreceipted { run: [2; 32] },
    ]);
    assert_eq!(facts("bank"), (24, 24, 2));
    assert_eq!(facts("shop"), (64, 64, 0));

    // Whatever becomes of the index.
    let files = || fs::read_dir(home.join(INDEX)).unwrap();
    for entry in files() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(path, b"garbage").unwrap();
        }
    }
    assert_eq!(facts("bank"), (24, 24, 2));
    assert!(home.join(ASIDE).exists());
    fs::remove_dir_all(home.join(INDEX)).unwrap();
    assert_eq!(facts("bank"), (24, 24, 2));
    assert!(files().next().is_some());

    append(vec![
        agreed(3),
        Event::RunConcluded {
            run: [3; 32],
            receipt: Salted([0; 32]),
        },
    ]);
    assert_eq!(facts("bank"), (24, 24, 0));
    let (mut ledger, _) = node.ledger().unwrap();
    ledger.begin_incarnation(&[]).unwrap();
    // Of whomever, and although the clock still shows the same day.
    assert_eq!(facts("bank"), (ALL, ALL, 0));
    assert_eq!(facts("gov"), (ALL, ALL, 0));
}
