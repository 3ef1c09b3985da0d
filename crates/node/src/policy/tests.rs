#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::{Class, Event, Name, Salted};
use blindmatch_indicator::IndicatorType;
use blindmatch_store::index::{ASIDE, INDEX};
use blindmatch_store::ledger::Ledger;

use super::*;
use crate::ledger::settings;
use crate::{Node, config, init};

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
    let facts = |peer: &str| charged(&node, peer);
    let name = |text: &str| Name::new(text).unwrap();
    let debit = |peer: &str, view: &str, count| Event::Debit {
        peer: name(peer),
        view: name(view),
        epoch: 1,
        run: [if view == "w" { 2 } else { 1 }; 32],
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
    drop(node);
    let node = Node::open(&home).unwrap();
    let settings = settings(&node, &node.home().named_keys()).unwrap();
    let (mut ledger, _) = Ledger::open(node.disk(), settings).unwrap();
    ledger.begin_incarnation(&[]).unwrap();
    drop(ledger);
    // Of whomever, and although the clock still shows the same day.
    assert_eq!(charged(&node, "bank"), (ALL, ALL, 0));
    assert_eq!(charged(&node, "gov"), (ALL, ALL, 0));
}

/// What was charged to a peer on this day and in this epoch, and its aborts; on disk by the owner of
/// the home, and in memory by anybody.
fn charged(node: &Node, peer: &str) -> (u64, u64, u32) {
    let files: &NodeFiles = node;
    let question = Question {
        peer,
        indicator_type: IndicatorType::Ip,
        purpose: "fraud",
        direction: None,
        protocol: None,
        set_size: None,
    };
    let owner = node.ledger_facts(&question).unwrap();
    assert_eq!(owner, files.ledger_facts(&question).unwrap());
    let Charged { day, epoch } = owner.charged;
    (day, epoch, owner.one_sided_aborts)
}
