#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::{
    checkpoint::{Origin, ledger_name},
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
    let begun = |r: &Vec<u8>| match Record::decode(r).map(|r| r.event) {
        Ok(Event::Incarnation { number, .. }) => Some(number),
        _ => None,
    };
    Checkpoint {
        origin: Origin {
            ledger: ledger_name("c", "alpha").unwrap(),
            incarnation: records.iter().rev().find_map(begun).unwrap_or(1),
        },
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

/// A ledger of 7 records and more that was restored from 7 records, and says which later states of
/// it are lost.
fn restored(lost: &[Checkpoint], count: usize) -> Vec<Vec<u8>> {
    let mut records = ledger(8);
    let named = lost.iter().map(|lost| Event::Lost {
        incarnation: lost.origin.incarnation,
        size: lost.size,
        root: lost.root,
    });
    records.extend(named.map(|event| record(110, event)));
    while records.len() < count {
        records.push(record(111, Event::Filler));
    }
    records
}

#[test]
fn states_of_earlier_incarnations_are_kept_or_named() {
    let old = {
        let mut old = ledger(7);
        old.extend((7..30).map(|time| record(100 + time, Event::Filler)));
        old
    };
    // Smaller and larger than the restored ledger, which passes some of them by before it names
    // them.
    let lost = [8, 9, 10, 15, 30].map(|size| head(&old[..size]));
    let kept = [1, 4, 7].map(|size| head(&old[..size]));
    let named = restored(&lost, 20);
    let all = || [&lost[..], &kept, &[head(&named)]].concat();
    assert!(replay(all(), (0..).zip(&named)).is_ok());
    for (left_out, checkpoint) in lost.iter().enumerate() {
        let mut others = lost.to_vec();
        others.remove(left_out);
        let silent = restored(&others, 20);
        let unnamed = ReplayError::Unnamed {
            incarnation: 1,
            size: checkpoint.size,
        };
        let expected = [&lost[..], &kept].concat();
        assert_eq!(replay(expected, (0..).zip(&silent)), Err(unnamed));
    }
    // Of another root than was named, and of an incarnation that is not there at all.
    let mut other = lost[3].clone();
    other.root = [1; 32];
    let unnamed = |incarnation, size| Err(ReplayError::Unnamed { incarnation, size });
    assert_eq!(replay(vec![other], (0..).zip(&named)), unnamed(1, 15));
    let mut later = head(&named);
    later.origin.incarnation = 3;
    assert_eq!(
        replay(vec![later.clone()], (0..).zip(&named)),
        unnamed(3, 20)
    );
    later.size = 21;
    let missing = ReplayError::Missing { from: 20, to: 21 };
    assert_eq!(replay(vec![later], (0..).zip(&named)), Err(missing));
    // What is here is not made lost by saying so.
    let mut forked = head(&named[..5]);
    forked.root = [1; 32];
    let denied = restored(std::slice::from_ref(&forked), 20);
    let fork = ReplayError::Fork { from: 0, to: 5 };
    assert_eq!(replay(vec![forked], (0..).zip(&denied)), Err(fork));
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
    // Restored to what it had when it began, all of which was lost: the first that is there.
    assert_eq!(started(vec![incarnation(2, 0, empty)]), Ok(1));
    let lost = |incarnation| Event::Lost {
        incarnation,
        size: 9,
        root,
    };
    let second = || incarnation(2, 1, root);
    assert_eq!(started(vec![first(), second(), lost(1), lost(1)]), Ok(4));
    for (events, index) in [
        (vec![Event::Filler], 0),
        (vec![incarnation(1, 5, [7; 32])], 0),
        (vec![incarnation(2, 5, [7; 32])], 0),
        (vec![first(), lost(1)], 1),
        (vec![first(), lost(7)], 1),
        (vec![first(), second(), lost(2)], 2),
        (vec![incarnation(1, 0, [7; 32])], 0),
        (vec![first(), incarnation(1, 1, root)], 1),
        (vec![first(), incarnation(2, 1, empty)], 1),
        (vec![first(), incarnation(2, 0, empty)], 1),
        (vec![first(), incarnation(2, 2, root)], 1),
    ] {
        assert_eq!(started(events), Err(ReplayError::Incarnation(index)));
    }
}
