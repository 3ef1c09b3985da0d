#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use blindmatch_audit::{
    checkpoint::{CheckpointError, witness_name},
    cosignature::{Quorum, cosign},
    note::NoteError,
    record::Salted,
    tree::{leaf_hash, verify_consistency, verify_inclusion},
};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{scan::path, *};
use crate::disk::{Faults, Operation, Verdict};

const START: u64 = 1_763_798_400;

fn name() -> KeyName {
    KeyName::new("blindmatch/test/a/ledger").unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn note_key(seed: u8) -> NoteKey {
    NoteKey::new(name(), key(seed).verifying_key())
}

fn settings() -> Settings {
    Settings {
        ledger: name(),
        key: key(1),
        earlier: Vec::new(),
        clock: Box::new(|| START),
        random: Box::new(StdRng::seed_from_u64(1)),
        segment: SEGMENT,
    }
}

/// Small files, so that there are many.
fn small() -> Settings {
    Settings {
        segment: 3_000,
        ..settings()
    }
}

fn event(number: u64) -> Event {
    let mut run = [0; 32];
    run[..8].copy_from_slice(&number.to_be_bytes());
    Event::RunUnreceipted { run }
}

fn created(settings: Settings) -> (TempDir, Disk, Ledger) {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let (ledger, tail) = Ledger::create(&disk, settings).unwrap();
    assert_eq!(tail, Tail::default());
    (home, disk, ledger)
}

fn events(log: &Log) -> Vec<Event> {
    let records = log.records(1..u64::MAX);
    records.map(|record| record.unwrap().1.event).collect()
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(event).collect()
}

#[test]
fn what_was_appended_is_there_again() {
    let (_home, disk, ledger) = created(settings());
    for number in 0..10 {
        let appended = ledger.append(numbered(3 * number..3 * number + 3)).unwrap();
        assert_eq!(appended.first, 1 + 3 * number);
        assert_eq!(appended.time, START);
    }
    assert_eq!(events(&ledger.log()), numbered(0..30));
    let head = ledger.log().head().clone();
    assert_eq!(head.verify(&note_key(1)).unwrap().size, 31);
    drop(ledger);
    let (ledger, tail) = Ledger::open(&disk, settings()).unwrap();
    assert_eq!(tail, Tail::default());
    assert_eq!(events(&ledger.log()), numbered(0..30));
    assert_eq!(*ledger.log().head(), head);
    assert_eq!(ledger.append(vec![event(30)]).unwrap().first, 31);
    assert_eq!(ledger.log().record(31).unwrap().event, event(30));
    assert!(matches!(
        ledger.log().record(32),
        Err(LedgerError::NoSuchRecord(32))
    ));
}

#[test]
fn records_go_on_in_the_next_file() {
    let (_home, disk, ledger) = created(small());
    for number in 0..100 {
        ledger.append(numbered(7 * number..7 * number + 7)).unwrap();
    }
    assert!(disk.list(LEDGER).unwrap().len() > 20);
    assert_eq!(events(&ledger.log()), numbered(0..700));
    drop(ledger);
    let (log, tail) = Log::open(&disk, &[note_key(1)]).unwrap();
    assert_eq!(tail, Tail::default());
    assert_eq!(events(&log), numbered(0..700));
    let some: Vec<_> = log
        .records(300..305)
        .map(|record| record.unwrap().0)
        .collect();
    assert_eq!(some, [300, 301, 302, 303, 304]);
}

#[test]
fn proofs_hold_for_what_is_there_and_what_was() {
    let (_home, _disk, ledger) = created(small());
    let mut roots = vec![ledger.log().root_at(0).unwrap()];
    roots.push(ledger.log().root());
    for number in 0..30 {
        let first = 20 * number;
        ledger.append(numbered(first..first + 20)).unwrap();
        roots.resize(ledger.log().size() as usize, [0; 32]);
        roots.push(ledger.log().root());
    }
    let log = ledger.log();
    for size in (1..=601).step_by(20) {
        assert_eq!(log.root_at(size).unwrap(), roots[size as usize]);
        for index in [0, size / 3, size / 2, size - 1] {
            let leaf = leaf_hash(&log.record(index).unwrap().encode());
            let proof = log.inclusion_proof(index, size).unwrap();
            verify_inclusion(&leaf, index, size, &proof, &roots[size as usize]).unwrap();
        }
        let (old, new) = (roots[size as usize], log.root());
        let proof = log.consistency_proof(size, 601).unwrap();
        verify_consistency(size, &old, 601, &new, &proof).unwrap();
    }
    assert!(log.inclusion_proof(601, 602).is_err());
    assert!(log.inclusion_proof(5, 602).is_err());
    assert!(log.consistency_proof(3, 602).is_err());
    assert!(log.root_at(602).is_err());

    let proof = log.prove(7, log.head()).unwrap();
    let read = blindmatch_audit::proof::RecordProof::parse(proof.to_string().as_bytes()).unwrap();
    let none = Quorum::new(Vec::new(), 0).unwrap();
    let proven = read.verify(&[note_key(1)], &none).unwrap();
    assert_eq!(proven.record.event, event(6));
    assert_eq!(proven.index, 7);
}

#[test]
fn time_that_runs_backwards_is_refused() {
    let now = Arc::new(AtomicU64::new(START));
    let clock = {
        let now = now.clone();
        move || now.load(Ordering::Relaxed)
    };
    let (_home, disk, ledger) = created(Settings {
        clock: Box::new(clock),
        ..settings()
    });
    now.store(START + 10, Ordering::Relaxed);
    ledger.append(vec![event(0)]).unwrap();
    now.store(START + 9, Ordering::Relaxed);
    let refused = ledger.append(vec![event(1)]);
    assert!(matches!(
        refused,
        Err(LedgerError::Time { last, now }) if last == START + 10 && now == START + 9
    ));
    now.store(START + 10, Ordering::Relaxed);
    ledger.append(vec![event(1)]).unwrap();
    drop(ledger);
    // The last time is known again behind a restart.
    let (ledger, _) = Ledger::open(&disk, settings()).unwrap();
    assert!(matches!(
        ledger.append(vec![event(2)]),
        Err(LedgerError::Time { .. })
    ));
    assert_eq!(events(&ledger.log()), numbered(0..2));
}

#[test]
fn only_the_ledger_itself_begins_an_incarnation() {
    let (_home, disk, mut ledger) = created(settings());
    ledger.append(vec![event(0)]).unwrap();
    for events in [
        vec![],
        vec![incarnation(2, &CompactRange::default())],
        vec![event(0); MAX_GROUP + 1],
    ] {
        assert!(matches!(ledger.append(events), Err(LedgerError::Events)));
    }
    ledger.append(vec![event(0); MAX_GROUP]).unwrap();
    ledger.begin_incarnation(&[]).unwrap();
    ledger.begin_incarnation(&[]).unwrap();
    drop(ledger);
    let (ledger, _) = Ledger::open(&disk, settings()).unwrap();
    assert_eq!(ledger.log().incarnation(), 3);
}

#[test]
fn an_event_that_is_salted_with_its_nonce_stands_under_it() {
    let (_home, _, ledger) = created(settings());
    let event = |nonce: &[u8; 32]| Event::Policy {
        policy: Salted::new(nonce, b"policy"),
        config: Salted::new(nonce, b"config"),
    };
    let drawn = [[1; 32], [2; 32]];
    let events = drawn.map(|nonce| (nonce, event(&nonce)));
    let appended = ledger.append_drawn(events.into()).unwrap();
    for (number, nonce) in (appended.first..).zip(drawn) {
        let record = ledger.log().record(number).unwrap();
        assert_eq!((record.nonce, record.event), (nonce, event(&nonce)));
    }
    let begun = incarnation(2, &CompactRange::default());
    let refused = ledger.append_drawn(vec![([3; 32], begun)]);
    assert!(matches!(refused, Err(LedgerError::Events)));
}

#[test]
fn a_ledger_that_its_owner_does_not_want_is_left_as_it_is() {
    let (home, disk) = with_tail(settings(), 3, b"torn");
    let files = || {
        let read = |path: &Path| fs::read(home.path().join(path)).unwrap();
        [read(&PathBuf::from(path(0))), read(Path::new(HEAD))]
    };
    let before = files();
    let new_key = Settings {
        key: key(2),
        earlier: vec![note_key(1)],
        ..settings()
    };
    let refused = Ledger::open_checked(&disk, new_key, |log| {
        assert_eq!(log.size(), 6);
        Err::<(), _>(LedgerError::Exists)
    });
    assert!(matches!(refused, Err(LedgerError::Exists)));
    assert_eq!(files(), before);
    let (_, tail) = Ledger::open(&disk, settings()).unwrap();
    assert!(tail.torn.is_some() && files() != before);
}

#[test]
fn a_ledger_is_created_once() {
    let (_home, disk, ledger) = created(settings());
    ledger.append(vec![event(0)]).unwrap();
    let again = Ledger::create(&disk, settings());
    assert!(matches!(again, Err(LedgerError::Exists)));
    // Not even where the checkpoint was lost.
    fs::remove_file(disk.root().join(HEAD)).unwrap();
    let again = Ledger::create(&disk, settings());
    assert!(matches!(again, Err(LedgerError::Exists)));
    let opened = Ledger::open(&disk, settings());
    assert!(matches!(opened, Err(LedgerError::NoCheckpoint)));
}

#[test]
fn an_unfinished_ledger_is_created_again() {
    let (_home, disk, ledger) = created(settings());
    drop(ledger);
    fs::remove_file(disk.root().join(HEAD)).unwrap();
    let (ledger, _) = Ledger::create(&disk, settings()).unwrap();
    assert_eq!(ledger.log().size(), 1);
}

#[test]
fn threads_that_wait_together_share_a_checkpoint() {
    struct Renames(AtomicU64);
    impl Faults for Renames {
        fn before(&self, operation: Operation, _: &Path) -> Verdict {
            match operation {
                Operation::Rename => {
                    self.0.fetch_add(1, Ordering::Relaxed);
                }
                // So slow is a disk, on which threads come to wait together.
                Operation::Sync => thread::sleep(Duration::from_millis(2)),
                _ => {}
            }
            Verdict::Proceed
        }
    }
    const THREADS: u64 = 32;
    let home = tempfile::tempdir().unwrap();
    let renames = Arc::new(Renames(AtomicU64::new(0)));
    let disk = Disk::with_faults(home.path(), renames.clone());
    let (ledger, _) = Ledger::create(&disk, settings()).unwrap();
    let before = renames.0.load(Ordering::Relaxed);
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (ledger, barrier) = (&ledger, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for number in 0..8 {
                    let number = 8 * thread + number;
                    let appended = ledger.append(vec![event(number)]).unwrap();
                    let log = ledger.log();
                    assert!(log.head().unverified().size > appended.first);
                    assert_eq!(log.record(appended.first).unwrap().event, event(number));
                }
            });
        }
    });
    let checkpoints = renames.0.load(Ordering::Relaxed) - before;
    // At worst each of the eight rounds takes one checkpoint for its first thread and one for the
    // others; with room for threads that come late.
    assert!(checkpoints < THREADS * 8 / 2, "{checkpoints}");
    let mut found = events(&ledger.log());
    let number = |event: &Event| match event {
        Event::RunUnreceipted { run } => u64::from_be_bytes(run[..8].try_into().unwrap()),
        _ => panic!("an event that nobody appended"),
    };
    found.sort_unstable_by_key(number);
    assert_eq!(found, numbered(0..THREADS * 8));
}

/// A ledger of `events` behind which `tail` stands without a checkpoint.
fn with_tail(settings: Settings, events: u64, tail: &[u8]) -> (TempDir, Disk) {
    let (home, disk, ledger) = created(settings);
    for number in (0..events).step_by(5) {
        ledger.append(numbered(number..number + 5)).unwrap();
    }
    drop(ledger);
    let name = disk.list(LEDGER).unwrap();
    let last = name.iter().rfind(|name| name.ends_with(".log")).unwrap();
    let path = disk.root().join(LEDGER).join(last);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(tail);
    fs::write(path, bytes).unwrap();
    (home, disk)
}

fn frames(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(9);
    let records: Vec<_> = numbers
        .map(|number| Record {
            time: START,
            nonce: nonce(&mut random),
            event: event(number),
        })
        .map(|record| record.encode())
        .collect();
    let mut bytes = Vec::new();
    for (number, record) in records.iter().enumerate() {
        segment::write(record, number + 1 == records.len(), &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn a_torn_tail_is_noted_read_only_and_cut_by_the_owner() {
    let whole = frames(5..8);
    for length in (1..whole.len()).step_by(11) {
        let (_home, disk) = with_tail(settings(), 5, &whole[..length]);
        let file = disk.root().join("ledger/0000000000000000.log");
        let before = fs::read(&file).unwrap();
        let (log, noted) = Log::open(&Disk::read_only(disk.root()), &[note_key(1)]).unwrap();
        assert_eq!(events(&log), numbered(0..5));
        assert_eq!(fs::read(&file).unwrap(), before);
        let torn = noted.torn.clone().unwrap();
        assert_eq!(torn.path, "ledger/0000000000000000.log");
        assert_eq!(torn.offset, (before.len() - length) as u64);
        assert_eq!((torn.bytes, torn.record), (length as u64, 6));
        let (ledger, tail) = Ledger::open(&disk, settings()).unwrap();
        assert_eq!(tail, noted);
        assert_eq!(fs::read(&file).unwrap(), before[..before.len() - length]);
        ledger.append(vec![event(5)]).unwrap();
        assert_eq!(events(&ledger.log()), numbered(0..6));
        drop(ledger);
        let (_, tail) = Ledger::open(&disk, settings()).unwrap();
        assert_eq!(tail, Tail::default());
    }
}

#[test]
fn a_whole_tail_is_kept_and_covered() {
    let (_home, disk) = with_tail(settings(), 5, &frames(5..8));
    let (_, noted) = Log::open(&disk, &[note_key(1)]).unwrap();
    assert_eq!((noted.uncovered, &noted.torn), (3, &None));
    let (ledger, tail) = Ledger::open(&disk, settings()).unwrap();
    assert_eq!(tail, noted);
    assert_eq!(events(&ledger.log()), numbered(0..8));
    assert_eq!(ledger.log().head().unverified().size, 9);
    drop(ledger);
    assert_eq!(Ledger::open(&disk, settings()).unwrap().1, Tail::default());
}

#[test]
fn damage_that_a_checkpoint_covers_is_never_cut() {
    let (_home, disk) = with_tail(settings(), 5, &[]);
    let path = disk.root().join("ledger/0000000000000000.log");
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = Ledger::open(&disk, settings()).unwrap_err();
        assert!(
            matches!(
                error,
                LedgerError::Damaged { .. } | LedgerError::Missing { .. }
            ),
            "{length}: {error}"
        );
        assert_eq!(fs::read(&path).unwrap().len(), length);
    }
    fs::write(&path, &bytes).unwrap();
    Ledger::open(&disk, settings()).unwrap();
}

#[test]
fn a_missing_or_a_strange_file_is_named() {
    let (_home, disk) = with_tail(small(), 100, &[]);
    let names = disk.list(LEDGER).unwrap();
    let second = names[1].clone();
    let path = disk.root().join(LEDGER).join(&second);
    let moved = disk.root().join("moved");
    fs::rename(&path, &moved).unwrap();
    let error = Ledger::open(&disk, small()).unwrap_err();
    let LedgerError::Missing { from, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(second, format!("{from:016}.log"));
    fs::copy(disk.root().join(LEDGER).join(&names[0]), &path).unwrap();
    let error = Ledger::open(&disk, small()).unwrap_err();
    assert!(
        matches!(&error, LedgerError::Damaged { path, flaw: segment::Flaw::Header, .. } if *path == format!("ledger/{second}")),
        "{error}"
    );
    fs::rename(&moved, &path).unwrap();
    fs::write(disk.root().join("ledger/7.log"), "").unwrap();
    let error = Ledger::open(&disk, small()).unwrap_err();
    assert!(matches!(&error, LedgerError::Stray(path) if path == "ledger/7.log"));
}

#[test]
fn a_rewritten_record_is_found_by_the_checkpoint() {
    let (_home, disk) = with_tail(settings(), 0, &[]);
    let path = disk.root().join("ledger/0000000000000000.log");
    let (ledger, _) = Ledger::open(&disk, settings()).unwrap();
    let length = fs::metadata(&path).unwrap().len() as usize;
    ledger.append(vec![event(1)]).unwrap();
    drop(ledger);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(length);
    bytes.extend(frames(2..3));
    fs::write(&path, bytes).unwrap();
    let error = Ledger::open(&disk, settings()).unwrap_err();
    assert!(
        matches!(error, LedgerError::Fork { from: 0, to: 2 }),
        "{error}"
    );
}

#[test]
fn what_changes_under_an_open_ledger_is_not_served() {
    let (_home, disk, ledger) = created(settings());
    ledger.append(numbered(0..300)).unwrap();
    let path = disk.root().join("ledger/0000000000000000.log");
    let bytes = fs::read(&path).unwrap();
    let log = ledger.log();
    let first = log.record(1).unwrap();
    for at in (41..bytes.len()).step_by(97) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        fs::write(&path, flipped).unwrap();
        let all: Result<Vec<_>, _> = log.records(0..301).collect();
        assert!(matches!(all, Err(LedgerError::Damaged { .. })), "{at}");
    }
    // Even where the checksum was made to fit.
    let at = 41 + 8 + log.record(0).unwrap().encode().len();
    let mut other = first.clone();
    other.nonce = [0; 32];
    let mut frame = Vec::new();
    segment::write(&other.encode(), true, &mut frame).unwrap();
    let mut forged = bytes.clone();
    forged[at..at + frame.len()].copy_from_slice(&frame);
    fs::write(&path, forged).unwrap();
    assert!(matches!(
        log.record(1),
        Err(LedgerError::Damaged {
            flaw: segment::Flaw::Changed,
            ..
        })
    ));
    fs::write(&path, bytes).unwrap();
    assert_eq!(log.record(1).unwrap(), first);
}

#[test]
fn another_key_signs_on_and_the_earlier_one_still_counts() {
    let (_home, disk, ledger) = created(settings());
    ledger.append(vec![event(0)]).unwrap();
    drop(ledger);
    let other = |earlier| Settings {
        key: key(2),
        earlier,
        ..settings()
    };
    let error = Ledger::open(&disk, other(Vec::new())).unwrap_err();
    assert!(matches!(
        error,
        LedgerError::Checkpoint(CheckpointError::Note(NoteError::Unsigned))
    ));
    let (ledger, _) = Ledger::open(&disk, other(vec![note_key(1)])).unwrap();
    ledger.log().head().verify(&note_key(2)).unwrap();
    ledger.replace_key(key(3)).unwrap();
    ledger.log().head().verify(&note_key(3)).unwrap();
    ledger.append(vec![event(1)]).unwrap();
    drop(ledger);
    let (log, _) = Log::open(&disk, &[note_key(3)]).unwrap();
    assert_eq!(events(&log), numbered(0..2));
}

#[test]
fn no_ledger_opens_without_what_was_cosigned() {
    let (_home, disk, ledger) = created(settings());
    for number in 0..5 {
        ledger.append(vec![event(number)]).unwrap();
    }
    let path = disk.root().join("ledger/0000000000000000.log");
    let old = (
        fs::read(&path).unwrap(),
        fs::read(disk.root().join(HEAD)).unwrap(),
    );
    let older = ledger.log().head().clone();
    ledger.append(vec![event(5)]).unwrap();
    let cosigned = ledger.log().head().clone();
    ledger.keep_cosigned(&cosigned).unwrap();
    ledger.keep_cosigned(&older).unwrap();
    assert_eq!(ledger.log().cosigned().unwrap().unwrap(), cosigned);
    let foreign = Checkpoint {
        origin: Origin::first(name()),
        size: 3,
        root: [3; 32],
    };
    let kept = ledger.keep_cosigned(&foreign.sign(&key(1)));
    assert!(matches!(kept, Err(LedgerError::NotOurs(_))));
    drop(ledger);
    fs::write(&path, old.0).unwrap();
    fs::write(disk.root().join(HEAD), old.1).unwrap();
    let error = Ledger::open(&disk, settings()).unwrap_err();
    assert!(
        matches!(error, LedgerError::Missing { from: 6, to: 7 }),
        "{error}"
    );
}

/// Fails every rename from now on.
struct NoRenames(std::sync::atomic::AtomicBool);

impl Faults for NoRenames {
    fn before(&self, operation: Operation, _: &Path) -> Verdict {
        if operation == Operation::Rename && self.0.load(Ordering::Relaxed) {
            Verdict::Fail(io::ErrorKind::Other.into())
        } else {
            Verdict::Proceed
        }
    }
}

#[test]
fn an_append_that_may_be_on_disk_stops_the_ledger_until_it_is_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let faults = Arc::new(NoRenames(false.into()));
    let disk = Disk::with_faults(home.path(), faults.clone());
    let (ledger, _) = Ledger::create(&disk, settings()).unwrap();
    ledger.append(vec![event(0)]).unwrap();
    faults.0.store(true, Ordering::Relaxed);
    let stopped = ledger.append(vec![event(1)]);
    assert!(matches!(stopped, Err(LedgerError::Stopped(_))));
    faults.0.store(false, Ordering::Relaxed);
    let still = ledger.append(vec![event(2)]);
    assert!(matches!(still, Err(LedgerError::Stopped(_))));
    // A checkpoint over less than may be on disk is not put in its place.
    let still = ledger.replace_key(key(2));
    assert!(matches!(still, Err(LedgerError::Stopped(_))));
    assert_eq!(events(&ledger.log()), numbered(0..1));
    drop(ledger);
    let (ledger, tail) = Ledger::open(&disk, settings()).unwrap();
    assert_eq!(tail.uncovered, 1);
    assert_eq!(events(&ledger.log()), numbered(0..2));
}

/// The node's signature does not cover the lines of witnesses, the checksum does.
#[test]
fn no_byte_of_what_was_cosigned_changes_unseen() {
    let (_home, disk, ledger) = created(settings());
    ledger.append(vec![event(0)]).unwrap();
    let mut cosigned = ledger.log().head().clone();
    let name = witness_name("cloudshield", "bank").unwrap();
    let line = cosign(cosigned.unverified(), &name, &key(9), 1_000).unwrap();
    cosigned.add(&line).unwrap();
    ledger.keep_cosigned(&cosigned).unwrap();
    drop(ledger);
    let path = disk.root().join(COSIGNED);
    let kept = fs::read(&path).unwrap();
    for at in 0..kept.len() {
        let mut flipped = kept.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let error = Ledger::open(&disk, settings()).unwrap_err();
        assert!(
            matches!(error, LedgerError::CosignedChecksum),
            "{at}: {error}"
        );
        fs::write(&path, &kept[..at]).unwrap();
        assert!(Ledger::open(&disk, settings()).is_err(), "{at}");
    }
    fs::write(&path, &kept).unwrap();
    let (ledger, _) = Ledger::open(&disk, settings()).unwrap();
    assert_eq!(ledger.log().cosigned().unwrap().unwrap(), cosigned);
}
