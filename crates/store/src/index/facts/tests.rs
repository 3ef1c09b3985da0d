#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use blindmatch_audit::{
    SigningKey,
    note::KeyName,
    receipt::Side,
    record::{Class, Event, Level, Name, Salted, Signal},
};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::*;
use crate::{
    disk::Disk,
    index::MemoryIndex,
    ledger::{Ledger, SEGMENT, Settings},
};

const NOW: u64 = 1_763_798_400;

fn ledger() -> (TempDir, Ledger) {
    let place = tempfile::tempdir().unwrap();
    let settings = Settings {
        ledger: KeyName::new("blindmatch/test/a/ledger").unwrap(),
        key: SigningKey::from_bytes(&[1; 32]),
        earlier: Vec::new(),
        clock: Box::new(|| NOW),
        random: Box::new(StdRng::seed_from_u64(1)),
        segment: SEGMENT,
    };
    let (ledger, _) = Ledger::create(&Disk::new(place.path()), settings).unwrap();
    (place, ledger)
}

fn debit(batch: u64, count: u64) -> Event {
    Event::Debit {
        peer: Name::new("b").unwrap(),
        view: Name::new("v").unwrap(),
        epoch: 1,
        run: [1; 32],
        batch,
        digest: [2; 32],
        amount: Class::exactly(count).unwrap(),
    }
}

fn opened() -> Event {
    Event::EpochOpened {
        view: Name::new("v").unwrap(),
        epoch: 1,
        key: [3; 32],
    }
}

fn over(index: MemoryIndex, log: &Log) -> Result<Facts<MemoryIndex>, Doubt> {
    match Facts::over(index, &StorageKey::new(&[1; 32]), log) {
        Ok((facts, _)) => Ok(facts),
        Err(FactsError::Doubt(doubt)) => Err(doubt),
        Err(error) => panic!("{error:?}"),
    }
}

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// What is in the index, to be put into another.
fn parts(facts: &Facts<MemoryIndex>) -> (Entries, Vec<u8>) {
    let mut entries = Entries::new();
    let visited = facts.index.visit(&mut |key, entry| {
        entries.insert(key.to_vec(), entry.to_vec());
        Ok(())
    });
    visited.unwrap();
    (entries, facts.index.stamp().unwrap().unwrap())
}

fn index(entries: &Entries, stamp: &[u8]) -> MemoryIndex {
    let index = MemoryIndex::default();
    index.write(entries, stamp).unwrap();
    index
}

#[test]
fn charges_saturate_and_are_made_once() {
    let (_place, ledger) = ledger();
    ledger
        .append(vec![opened(), debit(1, 8), debit(2, 7 << 61)])
        .unwrap();
    let mut facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    let most = 8 + (7 << 61);
    let charged = |facts: &Facts<_>| facts.charged("v", "b", 1, NOW).unwrap();
    assert_eq!(
        charged(&facts),
        Charged {
            day: most,
            epoch: most
        }
    );
    assert_eq!(facts.debit(&[1; 32], 2, &[2; 32]), Ok(Some(3)));
    assert_eq!(facts.debit(&[1; 32], 3, &[2; 32]), Ok(None));
    ledger.append(vec![debit(3, 7 << 61)]).unwrap();
    assert_eq!(facts.catch_up(&ledger.log()).unwrap(), 1);
    assert_eq!(facts.catch_up(&ledger.log()).unwrap(), 0);
    assert_eq!(charged(&facts).day, u64::MAX);
    assert_eq!(facts.charged("v", "b", 1, NOW + 86_400).unwrap().day, 0);
    assert_eq!(facts.charged("v", "c", 1, NOW).unwrap(), Charged::default());
}

#[test]
fn every_entry_stands_or_falls_with_the_stamp() {
    let (_place, ledger) = ledger();
    ledger.append(vec![opened(), debit(1, 8)]).unwrap();
    let (old, old_stamp) = parts(&over(MemoryIndex::default(), &ledger.log()).unwrap());
    ledger.append(vec![debit(2, 8)]).unwrap();
    let log = ledger.log();
    let (entries, stamp) = parts(&over(MemoryIndex::default(), &log).unwrap());
    assert!(over(index(&entries, &stamp), &log).is_ok());
    // Behind, and caught up.
    let caught_up = over(index(&old, &old_stamp), &log).unwrap();
    assert_eq!(parts(&caught_up), (entries.clone(), stamp.clone()));
    for (key, entry) in &entries {
        let mut less = entries.clone();
        less.remove(key);
        assert_eq!(over(index(&less, &stamp), &log).err(), Some(Doubt::Entries));
        for at in 0..entry.len() {
            let mut flipped = entries.clone();
            *flipped.get_mut(key).unwrap().get_mut(at).unwrap() ^= 1;
            let doubt = over(index(&flipped, &stamp), &log).err();
            assert_eq!(doubt, Some(Doubt::Entry));
        }
        if let Some(before) = old.get(key).filter(|before| *before != entry) {
            let mut older = entries.clone();
            older.insert(key.clone(), before.clone());
            assert_eq!(
                over(index(&older, &stamp), &log).err(),
                Some(Doubt::Entries)
            );
        }
        let moved = Entries::from([(b"elsewhere".to_vec(), entry.clone())]);
        assert_eq!(over(index(&moved, &stamp), &log).err(), Some(Doubt::Entry));
    }
    for at in 0..stamp.len() {
        let mut flipped = stamp.clone();
        *flipped.get_mut(at).unwrap() ^= 1;
        let doubt = over(index(&entries, &flipped), &log).err();
        assert_eq!(doubt, Some(Doubt::Unstamped));
    }
    let doubt = over(index(&entries, &old_stamp), &log).err();
    assert_eq!(doubt, Some(Doubt::Entries));
}

#[test]
fn an_index_of_more_records_or_of_others_is_not_believed() {
    let (_place, ledger) = ledger();
    let short = ledger.log();
    ledger.append(vec![debit(1, 8)]).unwrap();
    let (entries, stamp) = parts(&over(MemoryIndex::default(), &ledger.log()).unwrap());
    let doubt = over(index(&entries, &stamp), &short).err();
    assert_eq!(doubt, Some(Doubt::Ahead));
    let (_other, other) = self::ledger();
    other.append(vec![debit(2, 8), debit(3, 8)]).unwrap();
    let doubt = over(index(&entries, &stamp), &other.log()).err();
    assert_eq!(doubt, Some(Doubt::OtherLedger));
    let other = StorageKey::new(&[2; 32]);
    let opened = Facts::over(index(&entries, &stamp), &other, &ledger.log());
    assert!(matches!(opened, Err(FactsError::Doubt(Doubt::Entry))));
}

#[test]
fn what_was_before_a_restore_counts_as_spent() {
    let (_place, mut ledger) = ledger();
    ledger.append(vec![opened(), debit(1, 8)]).unwrap();
    ledger.begin_incarnation(&[]).unwrap();
    let mut facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    let restored = Restored {
        record: 3,
        time: NOW,
        incarnation: 2,
    };
    assert_eq!(facts.restored(), Ok(Some(restored)));
    let all = Charged {
        day: u64::MAX,
        epoch: u64::MAX,
    };
    // Above all that incarnation 1 can have given out behind the backup.
    assert_eq!(facts.least_number(), Ok((2 << 32) + NOW));
    assert_eq!(ledger.log().least_number(), (2 << 32) + NOW);
    // Also of views and peers that the ledger does not know.
    for (view, peer, epoch) in [("v", "b", 1), ("v", "c", 2), ("w", "b", 1)] {
        assert_eq!(facts.charged(view, peer, epoch, NOW), Ok(all));
        assert_eq!(facts.charged(view, peer, epoch, NOW - 86_400), Ok(all));
        assert_eq!(facts.charged_in_all(view, epoch), Ok(u64::MAX));
        assert_eq!(facts.is_epoch_lost(view, epoch), Ok(true));
    }
    let Event::EpochOpened { view, key, .. } = opened() else {
        unreachable!()
    };
    let epoch = 2;
    ledger
        .append(vec![Event::EpochOpened { view, epoch, key }])
        .unwrap();
    facts.catch_up(&ledger.log()).unwrap();
    assert_eq!(facts.is_epoch_lost("v", 2), Ok(false));
    let next = facts.charged("v", "b", 2, NOW + 86_400);
    assert_eq!(next, Ok(Charged::default()));
    assert_eq!(facts.charged("v", "b", 2, NOW).unwrap().day, u64::MAX);
    assert_eq!(facts.charged("v", "b", 1, NOW).unwrap().epoch, u64::MAX);
}

#[test]
fn the_most_that_a_view_has_charged_a_peer() {
    let (_place, mut ledger) = ledger();
    let debit = |peer: &str, view: &str, epoch, count| Event::Debit {
        peer: Name::new(peer).unwrap(),
        view: Name::new(view).unwrap(),
        epoch,
        run: [1; 32],
        batch: 1,
        digest: [2; 32],
        amount: Class::exactly(count).unwrap(),
    };
    let opened = |view: &str, epoch| Event::EpochOpened {
        view: Name::new(view).unwrap(),
        epoch,
        key: [3; 32],
    };
    let most = |ledger: &Ledger, peer, time| {
        let facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
        let charged = facts.charged_at_most(peer, time).unwrap();
        (charged.day, charged.epoch)
    };
    assert_eq!(most(&ledger, "b", NOW), (0, 0));
    let events = vec![
        debit("b", "v", 1, 8),
        debit("b", "v", 1, 16),
        debit("b", "w", 4, 16),
        debit("c", "v", 1, 64),
        debit("c", "bv", 1, 128),
    ];
    ledger.append(events).unwrap();
    assert_eq!(most(&ledger, "b", NOW), (24, 24));
    assert_eq!(most(&ledger, "c", NOW), (128, 128));
    assert_eq!(most(&ledger, "d", NOW), (0, 0));
    assert_eq!(most(&ledger, "b", NOW + DAY), (0, 24));
    // Another epoch gives the day nothing back.
    ledger.append(vec![opened("v", 2)]).unwrap();
    assert_eq!(most(&ledger, "b", NOW), (24, 16));
    ledger.begin_incarnation(&[]).unwrap();
    assert_eq!(most(&ledger, "d", NOW), (u64::MAX, u64::MAX));
    ledger.append(vec![opened("v", 3), opened("w", 5)]).unwrap();
    assert_eq!(most(&ledger, "c", NOW), (u64::MAX, u64::MAX), "of bv");
    assert_eq!(most(&ledger, "b", NOW), (u64::MAX, 0));
    assert_eq!(most(&ledger, "b", NOW + DAY), (0, 0));
}

#[test]
fn runs_without_a_receipt_are_counted_in_a_row() {
    let (_place, ledger) = ledger();
    let mut facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    let mut after = |events| {
        ledger.append(events).unwrap();
        facts.catch_up(&ledger.log()).unwrap();
        let count = |peer| facts.unreceipted_in_a_row(peer).unwrap();
        (count("b"), count("c"))
    };
    let unreceipted = |run| Event::RunUnreceipted { run: [run; 32] };
    let concluded = |run| Event::RunConcluded {
        run: [run; 32],
        receipt: Salted([0; 32]),
    };
    let runs = [(1, "b"), (2, "b"), (3, "c"), (4, "b"), (5, "b"), (6, "b")];
    let runs = runs.map(|(run, peer)| Event::RunAgreed {
        run: [run; 32],
        peer: Name::new(peer).unwrap(),
        side: Side::Responder,
        agreement: [0; 32],
    });
    assert_eq!(after(runs.to_vec()), (0, 0));
    // Nothing was evaluated in the sixth, and of our own that was opened late all was.
    let debits = [1, 3, 5].map(|run| Event::Debit {
        peer: Name::new("b").unwrap(),
        view: Name::new("v").unwrap(),
        epoch: 1,
        run: [run; 32],
        batch: 1,
        digest: [run; 32],
        amount: Class::exactly(8).unwrap(),
    });
    assert_eq!(after(debits.to_vec()), (0, 0));
    assert_eq!(after(vec![unreceipted(1), unreceipted(6)]), (1, 0));
    let late = Event::RunOpenedLate { run: [2; 32] };
    assert_eq!(after(vec![unreceipted(2), late]), (2, 0));
    assert_eq!(after(vec![unreceipted(3)]), (2, 1));
    assert_eq!(after(vec![concluded(4)]), (0, 1));
    assert_eq!(after(vec![unreceipted(5), unreceipted(9)]), (1, 1));
}

#[test]
fn publications_and_closings_are_found_by_their_view() {
    let (_place, ledger) = ledger();
    let view = || Name::new("v").unwrap();
    let publication = |sequence| Event::Publication {
        view: view(),
        sequence,
        manifest: [4; 32],
        root: [5; 32],
        class: Class::exactly(1_024).unwrap(),
    };
    let second = Event::EpochOpened {
        view: view(),
        epoch: 2,
        key: [3; 32],
    };
    let events = vec![opened(), publication(1), publication(2), second];
    let first = ledger.append(events).unwrap().first;
    let mut facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    assert_eq!(facts.publication("v"), Ok(Some(first + 2)));
    assert_eq!(facts.publication_before("v"), Ok(Some(first + 1)));
    assert_eq!(facts.publication_before("w"), Ok(None));
    let unclosed = |facts: &Facts<_>| [1, 2, 3].map(|epoch| facts.is_unclosed("v", epoch).unwrap());
    assert_eq!(unclosed(&facts), [true, true, false]);
    let close = |epoch| Event::EpochClosed {
        view: view(),
        epoch,
    };
    ledger.append(vec![close(1)]).unwrap();
    facts.catch_up(&ledger.log()).unwrap();
    assert_eq!(unclosed(&facts), [false, true, false]);
    assert_eq!(facts.last_epoch("v"), Ok(Some((2, true))));
    ledger.append(vec![close(2)]).unwrap();
    facts.catch_up(&ledger.log()).unwrap();
    assert_eq!(unclosed(&facts), [false, false, false]);
}

#[test]
fn an_equivocation_stands_until_an_operator_has_the_peer_asked_again() {
    let (_place, ledger) = ledger();
    let name = |name| Name::new(name).unwrap();
    let tells = || Event::Equivocation {
        peer: name("b"),
        accepted: [1; 32],
        shown: [2; 32],
    };
    let at = |ledger: &Ledger| {
        let facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
        (
            facts.equivocation("b").unwrap(),
            facts.equivocation("c").unwrap(),
        )
    };
    assert_eq!(at(&ledger), (None, None));
    ledger.append(vec![tells(), Event::Filler]).unwrap();
    assert_eq!(at(&ledger), (Some(1), None));
    let readmitted = Event::Readmitted {
        peer: name("b"),
        operator: name("ada"),
    };
    ledger.append(vec![readmitted]).unwrap();
    assert_eq!(at(&ledger), (None, None));
    ledger.append(vec![tells()]).unwrap();
    assert_eq!(at(&ledger), (Some(4), None));
}

#[test]
fn what_a_peer_asked_is_known_by_its_days() {
    let (_place, ledger) = ledger();
    let name = |name: &str| Name::new(name).unwrap();
    let debit = |run: u8, batch, count| Event::Debit {
        peer: name("b"),
        view: name("v"),
        epoch: 1,
        run: [run; 32],
        batch,
        digest: [9; 32],
        amount: Class::exactly(count).unwrap(),
    };
    let probing = |side, level| Event::Probing {
        peer: name("b"),
        view: name("v"),
        side,
        level,
        signal: Signal::Week,
        counted: 310,
        limit: 300,
    };
    let of = |ledger: &Ledger, time| {
        let facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
        facts.activity("v", "b", time, [7, 35, 28]).unwrap()
    };
    assert_eq!(of(&ledger, NOW), Activity::default());
    // Two runs, of which one is charged twice.
    ledger
        .append(vec![debit(1, 1, 8), debit(1, 2, 8), debit(2, 1, 32)])
        .unwrap();
    let today = of(&ledger, NOW);
    assert_eq!((today.runs, today.week, today.largest), (2, 0, 0));
    let tomorrow = of(&ledger, NOW + DAY);
    assert_eq!((tomorrow.runs, tomorrow.week), (0, 48));
    assert_eq!((tomorrow.largest, tomorrow.days), (48, 1));
    let at = |days| of(&ledger, NOW + days * DAY);
    assert_eq!((at(6).week, at(7).week), (48, 0));
    assert_eq!((at(35).largest, at(36).largest), (48, 0));

    // A warning slows nobody, and what this node asks is its own.
    ledger
        .append(vec![
            probing(Side::Responder, Level::Warn),
            probing(Side::Querier, Level::Stop),
        ])
        .unwrap();
    let warned = of(&ledger, NOW);
    assert_eq!((warned.recorded, warned.stopped), (1, None));
    assert_eq!(of(&ledger, NOW + DAY).slowed, 0);
    let slow = vec![
        probing(Side::Responder, Level::Slow),
        probing(Side::Responder, Level::Warn),
    ];
    ledger.append(slow).unwrap();
    assert_eq!(of(&ledger, NOW).recorded, 2);
    let at = |days| of(&ledger, NOW + days * DAY).slowed;
    assert_eq!((at(0), at(1), at(27), at(28)), (0, 1, 1, 0));

    // Stopped until somebody vouches for it, and stopped again by a later record.
    let record = ledger
        .append(vec![probing(Side::Responder, Level::Stop)])
        .unwrap()
        .first;
    let stopped = of(&ledger, NOW + 100 * DAY).stopped.unwrap();
    assert_eq!((stopped.record, stopped.counted), (record, 310));
    let vouched = Event::Vouched {
        peer: name("b"),
        operator: name("ada"),
        until: NOW + 5,
        why: name("ticket 1"),
    };
    ledger.append(vec![vouched]).unwrap();
    assert_eq!(of(&ledger, NOW).stopped, None);
    let facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    assert_eq!(facts.vouched("b"), Ok(NOW + 5));
    assert_eq!(facts.vouched("c"), Ok(0));
    ledger
        .append(vec![probing(Side::Responder, Level::Stop)])
        .unwrap();
    assert!(of(&ledger, NOW).stopped.is_some());
}

#[test]
fn what_was_revealed_is_listed_by_peer_view_and_epoch() {
    let (_place, ledger) = ledger();
    let name = |name: &str| Name::new(name).unwrap();
    let debit = |peer, epoch, batch| Event::Debit {
        peer: name(peer),
        view: name("v"),
        epoch,
        run: [1; 32],
        batch,
        digest: [9; 32],
        amount: Class::exactly(8).unwrap(),
    };
    let asked = |epoch, count| Event::Asked {
        run: [2; 32],
        peer: name("b"),
        view: name("w"),
        epoch,
        items: Class::exactly(count).unwrap(),
    };
    let events = vec![
        debit("b", 1, 1),
        debit("b", 1, 2),
        debit("b", 2, 3),
        debit("c", 2, 4),
        asked(4, 16),
        asked(4, 32),
    ];
    ledger.append(events).unwrap();
    let facts = over(MemoryIndex::default(), &ledger.log()).unwrap();
    let found = facts.revealed().unwrap().into_iter();
    let found: Vec<_> = found
        .map(|one| (one.side, one.peer, one.view, one.epoch, one.evaluations))
        .collect();
    let of = |side, peer: &str, view: &str, epoch, evaluations| {
        (side, peer.to_owned(), view.to_owned(), epoch, evaluations)
    };
    assert_eq!(
        found,
        [
            of(Side::Querier, "b", "w", 4, 48),
            of(Side::Responder, "b", "v", 1, 16),
            of(Side::Responder, "b", "v", 2, 8),
            of(Side::Responder, "c", "v", 2, 8),
        ]
    );
    assert_eq!(facts.asked("w", "b", 4), Ok(48));
}
