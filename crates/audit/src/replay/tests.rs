#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::{
    checkpoint::ledger_origin,
    tree::{self, Hash},
};

fn record(time: u64, event: Event) -> Vec<u8> {
    let nonce = [u8::try_from(time % 251).unwrap(); 32];
    Record { time, nonce, event }.encode()
}

fn incarnation(number: u64, size: u64, root: Hash) -> Event {
    Event::Incarnation { number, size, root }
}

/// A ledger of `count` records with a restored node's incarnation at 7.
fn ledger(count: u64) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    for index in 0..count {
        let event = match index {
            0 | 7 => incarnation(1 + index / 7, index, head(&records).root),
            _ => Event::Filler,
        };
        records.push(record(100 + index / 3, event));
    }
    records
}

fn head(records: &[Vec<u8>]) -> Checkpoint {
    let leaves: Vec<Hash> = records.iter().map(|r| leaf_hash(r)).collect();
    Checkpoint {
        origin: ledger_origin("c", "alpha").unwrap(),
        size: records.len() as u64,
        root: tree::root(&leaves),
    }
}

fn replay<'a>(
    expected: Vec<Checkpoint>,
    records: impl IntoIterator<Item = (u64, &'a Vec<u8>)>,
) -> Result<CompactRange, ReplayError> {
    let mut replay = Replay::new(expected);
    for (index, record) in records {
        replay.record(index, record)?;
    }
    replay.finish()
}

#[test]
fn an_honest_ledger_is_what_its_checkpoints_say() {
    let records = ledger(20);
    let heads = [20, 0, 13, 13, 5].map(|size| head(&records[..size]));
    let tree = replay(heads.to_vec(), (0..).zip(&records)).unwrap();
    assert_eq!((tree.size(), tree.root()), (20, head(&records).root));
    // One that has grown since.
    assert!(replay(heads[1..].to_vec(), (0..).zip(&records)).is_ok());
    assert_eq!(replay(Vec::new(), []).map(|tree| tree.size()), Ok(0));
}

#[test]
fn each_missing_record_is_named() {
    let records = ledger(20);
    let all: Vec<(u64, &Vec<u8>)> = (0..).zip(&records).collect();
    for from in 0..20 {
        for to in from + 1..=20 {
            let (first, last) = (&all[..from], &all[to..]);
            let kept = first.iter().chain(last).copied();
            assert_eq!(
                replay(vec![head(&records)], kept),
                Err(ReplayError::Missing {
                    from: from as u64,
                    to: to as u64
                })
            );
        }
    }
}

#[test]
fn each_repeated_record_is_named() {
    let records = ledger(20);
    for twice in 0..20 {
        for at in twice + 1..=20 {
            let mut all: Vec<(u64, &Vec<u8>)> = (0..).zip(&records).collect();
            all.insert(at, all[twice]);
            let repeated = Err(ReplayError::Repeated(twice as u64));
            assert_eq!(replay(vec![head(&records)], all), repeated);
        }
    }
}

#[test]
fn a_changed_record_lies_between_two_checkpoints() {
    let records = ledger(20);
    let heads = [3, 10, 20].map(|size| head(&records[..size]));
    for index in [1, 2, 3, 6, 8, 9, 10, 19] {
        let mut changed = records.clone();
        changed[index] = record(
            100 + index as u64 / 3,
            Event::RunUnreceipted { run: [1; 32] },
        );
        let (from, to) = match index {
            0..3 => (0, 3),
            3..10 => (3, 10),
            _ => (10, 20),
        };
        let mut expected = ReplayError::Fork { from, to };
        // The restored node's incarnation names the root before it, and tells first.
        if (3..7).contains(&index) {
            expected = ReplayError::Incarnation(7);
        }
        assert_eq!(replay(heads.to_vec(), (0..).zip(&changed)), Err(expected));
    }
    // Left out and renumbered: the next checkpoint, or the end, tells.
    let mut shorter = records.clone();
    shorter.remove(12);
    assert_eq!(
        replay(heads.to_vec(), (0..).zip(&shorter)),
        Err(ReplayError::Missing { from: 19, to: 20 })
    );
    shorter.push(record(200, Event::Filler));
    assert_eq!(
        replay(heads.to_vec(), (0..).zip(&shorter)),
        Err(ReplayError::Fork { from: 10, to: 20 })
    );
    // Two checkpoints of one size cannot both hold.
    let mut other = heads[1].clone();
    other.root = [1; 32];
    assert_eq!(
        replay(vec![heads[1].clone(), other], (0..).zip(&records)),
        Err(ReplayError::Fork { from: 10, to: 10 })
    );
}

#[test]
fn malformed_and_older_records_are_named() {
    let mut records = ledger(20);
    records[9].push(0);
    assert_eq!(
        replay(Vec::new(), (0..).zip(&records)),
        Err(ReplayError::Record(9, DecodeError::Trailing))
    );
    records[9] = record(101, Event::Filler);
    assert_eq!(
        replay(Vec::new(), (0..).zip(&records)),
        Err(ReplayError::Time(9))
    );
}

#[test]
fn incarnations_go_on_from_what_stands_before() {
    let empty = CompactRange::default().root();
    let started = |events: Vec<Event>| {
        let records: Vec<Vec<u8>> = events.into_iter().map(|event| record(1, event)).collect();
        replay(Vec::new(), (0..).zip(&records)).map(|tree| tree.size())
    };
    let first = || incarnation(1, 0, empty);
    let root = head(&[record(1, first())]).root;
    assert_eq!(started(vec![first()]), Ok(1));
    assert_eq!(started(vec![first(), incarnation(3, 1, root)]), Ok(2));
    // A restored node that begins anew names what it had before.
    assert_eq!(started(vec![incarnation(2, 5, [7; 32])]), Ok(1));
    for (events, index) in [
        (vec![Event::Filler], 0),
        (vec![incarnation(0, 0, empty)], 0),
        (vec![incarnation(1, 5, [7; 32])], 0),
        (vec![incarnation(1, 0, [7; 32])], 0),
        (vec![first(), incarnation(1, 1, root)], 1),
        (vec![first(), incarnation(2, 1, empty)], 1),
        (vec![first(), incarnation(2, 0, empty)], 1),
        (vec![first(), incarnation(2, 2, root)], 1),
    ] {
        assert_eq!(started(events), Err(ReplayError::Incarnation(index)));
    }
}
