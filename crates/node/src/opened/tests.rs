#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use blindmatch_membership::Role;
use blindmatch_store::home::HomeError;

use crate::init::init;
use crate::node::Node;
use crate::{Error, config};

#[test]
fn what_is_open_of_a_home_is_open_once() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("acme");
    let who = config::Node {
        member: "acme".parse().unwrap(),
        role: Role::Provider,
        consortium: "cloudshield".parse().unwrap(),
        address: "acme.example:7443".parse().unwrap(),
    };
    let node = init(&home, &who).unwrap();
    let again = node.read_again().unwrap();
    let (ledger, _) = node.ledger().unwrap();
    let (same, _) = again.ledger().unwrap();
    assert!(Arc::ptr_eq(&ledger, &same));
    let log = ledger.log();
    assert!(Arc::ptr_eq(
        &node.index(&log).unwrap(),
        &again.index(&log).unwrap()
    ));
    let (collections, runs) = (node.collections().unwrap(), node.runs().unwrap());
    assert!(Arc::ptr_eq(&collections, &again.collections().unwrap()));
    assert!(Arc::ptr_eq(&runs, &again.runs().unwrap()));
    assert!(Arc::ptr_eq(&node.views().unwrap(), &again.views().unwrap()));

    // The home has its owner for as long as any of them is there.
    drop(node);
    let locked = |opened| matches!(opened, Err(Error::Home(HomeError::Locked(Some(_)))));
    assert!(locked(Node::open(&home)));
    drop((again, ledger, same, collections, runs));
    Node::open(&home).unwrap();
}
