#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use blindmatch_audit::{
    Signature, SigningKey,
    codec::Writer,
    commitment::Part,
    note::KeyName,
    receipt::{Input, Receipt, SignedReceipt},
    record::{Name, Salted},
};
use blindmatch_indicator::{Day, LabelFields};
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Role},
    lookup::Items,
    session::{Record, State},
};
use rand::{SeedableRng, rngs::StdRng};

mod setups;

use sha2::{Digest, Sha256};

use super::*;
use crate::{
    disk::Disk,
    keys::{KeyError, StorageKey},
    ledger::Settings,
    merge::Rows,
    row::References,
    row::{Origin, Row, append},
};

const NOW: u64 = 1_763_798_400;

/// A home with a ledger, that can be opened again.
struct World {
    _place: tempfile::TempDir,
    root: PathBuf,
    storage: u8,
    rng: StdRng,
}

impl World {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        Self {
            root: place.path().join("home"),
            _place: place,
            storage: 1,
            rng: StdRng::seed_from_u64(5),
        }
    }

    fn root(&self) -> &Path {
        &self.root
    }

    fn open(&mut self) -> (Home, Arc<Ledger>, Runs) {
        let disk = Disk::new(self.root());
        let storage = StorageKey::new(&[self.storage; 32]);
        let home = Home::open(disk.clone(), NOW)
            .or_else(|_| Home::create(disk.clone(), &storage, NOW))
            .unwrap();
        let name = KeyName::new("blindmatch/test/a/ledger").unwrap();
        let settings = || Settings {
            ledger: name.clone(),
            key: SigningKey::from_bytes(&[1; 32]),
            earlier: Vec::new(),
            clock: Box::new(|| NOW),
            random: Box::new(rand::make_rng::<StdRng>()),
            segment: 1 << 20,
        };
        let ledger = match Ledger::create(&disk, settings()) {
            Err(LedgerError::Exists) => Ledger::open(&disk, settings()),
            created => created,
        };
        let ledger = Arc::new(ledger.unwrap().0);
        let runs = Runs::open(&home, Arc::clone(&ledger), &mut self.rng).unwrap();
        for run in runs.left() {
            run.settle(&mut self.rng).unwrap();
        }
        (home, ledger, runs)
    }

    fn begin(&mut self, runs: &Runs, side: Side, nonce: u8, keys: &[Vec<u8>]) -> Arc<Run> {
        let mut beginning = runs.begin(head(side, nonce), &mut self.rng).unwrap();
        for key in keys {
            beginning.ask(&row(key, b""), &mut self.rng).unwrap();
        }
        let run = beginning.begin(&mut self.rng).unwrap();
        run.agree(&mut self.rng).unwrap();
        run
    }

    fn take(&mut self, run: &Run, record: &Record) -> Taken {
        run.take(record, &mut |_| true, &mut self.rng).unwrap()
    }

    /// Concludes with a match on each of these keys.
    fn conclude(&mut self, run: &Run, keys: &[Vec<u8>], expires: Option<u64>) {
        self.take(run, &receipt(run, false));
        self.take(run, &receipt(run, true));
        let mut results = run.results(expires, &mut self.rng).unwrap();
        for key in keys {
            let label = Some(&[9; 24]);
            let reference = [&[0, 15][..], b"CASE-MARKED-771"].concat();
            let row = row(key, &reference);
            results.push(&Match { row, label }).unwrap();
        }
        run.conclude(Some(results), &mut self.rng).unwrap();
    }
}

fn head(side: Side, nonce: u8) -> Head {
    let input = Input {
        commitment: [3; 32],
        class: 8,
    };
    let party = |identity: &[u8]| Party {
        identity: identity.to_vec(),
        nonce: [nonce; 32],
    };
    Head {
        side,
        peer: Name::new("beta").unwrap(),
        agreement: Agreement {
            consortium: b"testing".to_vec(),
            roster: 1,
            protocol: Protocol::Lookup,
            parties: [party(b"alpha"), party(b"beta")],
            directions: vec![Direction {
                querier: Role::First,
                view: b"abuse/email/fraud".to_vec(),
                indicator_type: b"email".to_vec(),
                canonicalisation: 1,
                purpose: b"fraud".to_vec(),
                querier_input: input,
                responder_input: input,
                payment_key: Vec::new(),
                setup: [0; 32],
            }],
        },
        direction: 0,
        epoch: 7,
        until: NOW + 1_000,
        began: NOW,
        collection: "clients".to_owned(),
        imports: 3,
        case: "case 7".to_owned(),
        operator: "jo".to_owned(),
    }
}

fn row<'a>(key: &'a [u8], reference: &'a [u8]) -> Row<'a> {
    let origin = Origin {
        given: true,
        derived: false,
    };
    let day = Day::from_unix_seconds(NOW.cast_signed());
    let fields = LabelFields {
        first_seen: day,
        last_seen: day,
        ..LabelFields::default()
    };
    Row {
        key,
        origin,
        fields,
        handle: None,
        since: 3,
        expires: None,
        references: References::one(reference),
    }
}

fn key(number: u32) -> Vec<u8> {
    [
        &[3, 1][..],
        format!("marked{number}@example.com").as_bytes(),
    ]
    .concat()
}

fn keys(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(key).collect()
}

fn attached(run: &Run, counter: u64) -> Record {
    let mut state = Writer::new("blindmatch attached state v1");
    let state = state.fixed(&run.id().0).u64(counter).finish();
    Record::State(State::from(state))
}

fn debit(batch: u64, digest: u8) -> Record {
    Record::Debit(Debit {
        batch,
        digest: [digest; 32],
        evaluations: 8,
    })
}

fn receipt(run: &Run, both: bool) -> Record {
    let input = Input {
        commitment: [3; 32],
        class: 8,
    };
    let signature = Signature::from_bytes(&[5; 64]);
    Record::Receipt(Box::new(SignedReceipt {
        receipt: Receipt {
            run: run.id().0,
            querier: b"alpha".to_vec(),
            responder: b"beta".to_vec(),
            querier_input: input,
            responder_input: input,
            transcript: [4; 32],
        },
        querier: signature,
        responder: both.then_some(signature),
    }))
}

fn all(run: &Run) -> Vec<Record> {
    run.records().unwrap().map(Result::unwrap).collect()
}

fn debits(ledger: &Ledger) -> usize {
    let log = ledger.log();
    let debit = |event| matches!(event, Event::Debit { .. });
    log.records(0..u64::MAX)
        .filter(|record| debit(record.as_ref().unwrap().1.event.clone()))
        .count()
}

#[test]
fn a_run_goes_on_where_it_was() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(5_000));
    let records = [
        attached(&run, 1),
        Record::State(vec![7; 200_000].into()),
        Record::State(Vec::new().into()),
        receipt(&run, false),
    ];
    for record in &records {
        assert_eq!(world.take(&run, record), Taken::Stored);
    }
    let id = run.id();
    assert_eq!(runs.unfinished(), [id]);
    drop((run, runs, ledger, home));

    let (_home, _ledger, runs) = world.open();
    let run = runs.run(&id).unwrap();
    assert_eq!(*run.head(), head(Side::Querier, 1));
    assert_eq!(all(&run), records);
    let mut asked = run.asked().unwrap();
    assert_eq!(asked.count(), 5_000);
    // As a session does that goes on in the middle, and one that begins again.
    for first in [4_096, 0, 17, 18] {
        let items = asked.read(first, 800).unwrap();
        let expected = (u32::try_from(first).unwrap()..).map(key).take(800);
        assert!(items.iter().map(|item| item.to_vec()).eq(expected));
    }
    assert!(asked.read(4_900, 101).is_none());
    assert_eq!(run.receipt().unwrap().unwrap().responder, None);
}

#[test]
fn a_batch_is_charged_once_and_contradictions_are_not_stored() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Responder, 1, &[]);
    let mut asked = 0;
    let mut take = |run: &Run, record: &Record, covers: bool, rng: &mut StdRng| {
        let mut reserve = |_: &Debit| {
            asked += 1;
            covers
        };
        run.take(record, &mut reserve, rng).unwrap()
    };
    assert_eq!(
        take(&run, &debit(1, 1), false, &mut world.rng),
        Taken::Refused
    );
    assert_eq!(debits(&ledger), 0);
    assert_eq!(
        take(&run, &debit(1, 1), true, &mut world.rng),
        Taken::Stored
    );
    assert_eq!(
        take(&run, &debit(1, 1), true, &mut world.rng),
        Taken::Stored
    );
    assert_eq!(
        take(&run, &debit(1, 2), true, &mut world.rng),
        Taken::Contradicted
    );
    assert_eq!(asked, 2);
    assert_eq!(debits(&ledger), 1);
    assert_eq!(world.take(&run, &attached(&run, 3)), Taken::Stored);
    let id = run.id();
    drop((run, runs, ledger, home));

    // What the ledger has is known again, though the run's own file never had it.
    let (_home, ledger, runs) = world.open();
    let run = runs.run(&id).unwrap();
    assert_eq!(all(&run), [debit(1, 1), attached(&run, 3)]);
    assert_eq!(world.take(&run, &debit(1, 1)), Taken::Stored);
    assert_eq!(world.take(&run, &debit(1, 2)), Taken::Contradicted);
    assert_eq!(world.take(&run, &attached(&run, 3)), Taken::Contradicted);
    assert_eq!(world.take(&run, &attached(&run, 4)), Taken::Stored);
    assert_eq!(debits(&ledger), 1);
    assert_eq!(world.take(&run, &receipt(&run, true)), Taken::Stored);
    let Record::Receipt(mut other) = receipt(&run, true) else {
        unreachable!()
    };
    other.receipt.transcript = [8; 32];
    assert_eq!(
        world.take(&run, &Record::Receipt(other)),
        Taken::Contradicted
    );
}

#[test]
fn records_that_are_stored_at_once_are_there_together_or_not_at_all() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(1));
    let first = attached(&run, 1);
    assert_eq!(world.take(&run, &first), Taken::Stored);
    let path = world.root().join(home_path(&run, "log"));
    let before = fs::read(&path).unwrap();
    let state = Record::State(vec![7; 300].into());
    let (second, signed) = (attached(&run, 2), receipt(&run, false));
    let taken = run.take_states(&[&second, &first, &state, &signed], &mut world.rng);
    let expected = [
        Taken::Stored,
        Taken::Contradicted,
        Taken::Stored,
        Taken::Stored,
    ];
    assert_eq!(taken.unwrap().unwrap(), expected);
    // What one of them contradicts within the group is not stored either, and a debit is none of them.
    let taken = run.take_states(&[&attached(&run, 3), &attached(&run, 3)], &mut world.rng);
    assert_eq!(
        taken.unwrap().unwrap(),
        [Taken::Stored, Taken::Contradicted]
    );
    let fourth = attached(&run, 4);
    let mixed = run.take_states(&[&fourth, &debit(1, 1)], &mut world.rng);
    assert_eq!(mixed.unwrap(), None);
    assert_eq!(world.take(&run, &fourth), Taken::Stored);
    let all_of_them = [first, second, state, signed, attached(&run, 3), fourth];
    assert_eq!(all(&run), all_of_them);
    let after = fs::read(&path).unwrap();
    let id = run.id();
    drop((run, runs, ledger, home));

    let (home, ledger, runs) = world.open();
    let run = runs.run(&id).unwrap();
    assert_eq!(all(&run), all_of_them);
    assert!(run.receipt().unwrap().is_some());
    assert_eq!(world.take(&run, &attached(&run, 4)), Taken::Contradicted);
    drop((run, runs, ledger, home));
    // Of a group that was cut nothing is there.
    for cut in [before.len() + 1, before.len() + 200, before.len() + 500] {
        fs::write(&path, &after[..cut]).unwrap();
        let (_home, _ledger, runs) = world.open();
        assert_eq!(all(&runs.run(&id).unwrap()), all_of_them[..1]);
    }
}

/// Whether the ledger has it of a run that it was agreed, and how often.
fn agreed(ledger: &Ledger, run: &Run) -> usize {
    let log = ledger.log();
    let is = |event: Event| matches!(event, Event::RunAgreed { run: id, .. } if id == run.id().0);
    log.records(0..u64::MAX)
        .filter(|record| is(record.as_ref().unwrap().1.event.clone()))
        .count()
}

#[test]
fn a_run_is_there_with_its_first_record_and_in_the_ledger_with_what_it_records_first() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let size = ledger.log().size();
    let begin = |runs: &Runs, nonce, rng: &mut StdRng| {
        let beginning = runs.begin(head(Side::Responder, nonce), rng).unwrap();
        beginning.begin(rng).unwrap()
    };
    // Nothing is left of one in which nothing was said, whether or not it is on disk.
    for (nonce, is_stored) in [(1, false), (2, true)] {
        let run = begin(&runs, nonce, &mut world.rng);
        assert_eq!(runs.unfinished(), [run.id()]);
        if is_stored {
            run.store(&mut world.rng).unwrap();
        }
        assert_eq!(
            world.root().join(home_path(&run, "log")).exists(),
            is_stored
        );
        run.give_up(&mut world.rng).unwrap();
        assert!(runs.unfinished().is_empty() && runs.ended().unwrap().is_empty());
        assert!(!world.root().join(home_path(&run, "log")).exists());
        assert!(matches!(run.store(&mut world.rng), Err(RunError::Ended)));
    }
    let [unsaid, stored, said, charged] =
        [3, 4, 5, 6].map(|nonce| begin(&runs, nonce, &mut world.rng));
    stored.store(&mut world.rng).unwrap();
    world.take(&said, &attached(&said, 1));
    assert_eq!(ledger.log().size(), size);
    world.take(&charged, &attached(&charged, 1));
    for batch in 1..=2 {
        world.take(&charged, &debit(batch, 1));
    }
    assert_eq!(agreed(&ledger, &charged), 1);
    assert_eq!(ledger.log().size(), size + 3);
    let asides = home.disk().list("aside").unwrap();
    assert_eq!(asides.len(), 1, "{asides:?}");
    let ids = [&said, &charged].map(|run| run.id());
    drop((unsaid, stored, said, charged, runs, ledger, home));

    let (home, ledger, runs) = world.open();
    let mut expected = ids;
    expected.sort();
    assert_eq!(runs.unfinished(), expected);
    assert_eq!(home.disk().list("runs").unwrap().len(), 2);
    assert_eq!(home.file_keys().list().unwrap().len(), 2);
    let [said, charged] = ids.map(|id| runs.run(&id).unwrap());
    assert_eq!(all(&said), [attached(&said, 1)]);
    assert_eq!(all(&charged).len(), 3);
    for run in [&said, &charged] {
        run.give_up(&mut world.rng).unwrap();
        assert_eq!(agreed(&ledger, run), 1);
        assert_eq!(runs.end(&run.id()).unwrap().outcome, Outcome::GivenUp);
    }
}

#[test]
fn what_nobody_is_told_of_is_durable_with_what_comes_next() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(2));
    world.take(&run, &receipt(&run, false));
    let path = world.root().join(home_path(&run, "log"));
    let before = fs::read(&path).unwrap();
    assert_eq!(run.take_ahead(&receipt(&run, true)).unwrap(), Taken::Stored);
    assert!(run.receipt().unwrap().unwrap().responder.is_some());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(run.take_ahead(&debit(1, 1)).is_err());
    let state = Record::State(vec![7; 300].into());
    world.take(&run, &state);
    let id = run.id();
    drop((run, runs, ledger, home));
    let (_home, _ledger, runs) = world.open();
    let run = runs.run(&id).unwrap();
    assert_eq!(
        all(&run),
        [receipt(&run, false), receipt(&run, true), state]
    );
}

/// As a crash leaves it behind the ledger's record of the end: what was found is in the log alone.
#[test]
fn few_results_are_in_the_log_until_they_appear() {
    for is_flipped in [false, true] {
        let mut world = World::new();
        let (home, ledger, runs) = world.open();
        let run = world.begin(&runs, Side::Querier, 1, &keys(3));
        world.take(&run, &receipt(&run, false));
        run.take_ahead(&receipt(&run, true)).unwrap();
        let mut results = run.results(Some(NOW + 9), &mut world.rng).unwrap();
        for key in keys(2) {
            let row = row(&key, b"");
            results.push(&Match { row, label: None }).unwrap();
        }
        run.conclude_ahead(Some(results), &mut world.rng).unwrap();
        let (id, log) = (run.id(), world.root().join(home_path(&run, "log")));
        assert!(!world.root().join(home_path(&run, "results")).exists());
        assert!(matches!(runs.end(&id).err(), Some(RunError::Missing)));
        assert!(examine(&home, &ledger.log(), NOW).unwrap().is_empty());
        drop((run, runs, ledger, home));
        if is_flipped {
            let at = fs::read(&log).unwrap().len() - 100;
            flip(&log, at);
        }
        let (home, ledger, runs) = world.open();
        if is_flipped {
            assert_eq!(runs.unfinished(), [id]);
            assert_eq!(examine(&home, &ledger.log(), NOW).unwrap().len(), 1);
            continue;
        }
        let found = runs.matches(&id, NOW).unwrap().finish().unwrap();
        assert_eq!(found.0.count, 2);
        let end = runs.end(&id).unwrap();
        assert_eq!(end.results.unwrap().expires, Some(NOW + 9));
        assert!(end.receipt.unwrap().responder.is_some());
        assert!(!log.exists());
        assert_eq!(home.file_keys().list().unwrap().len(), 1);
    }
}

#[test]
fn what_a_run_was_answered_is_there_until_it_is_settled() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(2));
    let state = Record::State(vec![7; 300].into());
    world.take(&run, &state);
    world.take(&run, &receipt(&run, false));
    world.take(&run, &receipt(&run, true));
    let results = run.results(None, &mut world.rng).unwrap();
    run.conclude_ahead(Some(results), &mut world.rng).unwrap();
    assert_eq!(runs.unfinished(), []);
    assert_eq!(all(&run)[0], state);
    let id = run.id();
    drop((run, runs, ledger, home));

    // As a crash leaves it before its end is written, and behind that.
    let rng = &mut world.rng;
    for _ in 0..2 {
        let home = Home::open(Disk::new(&world.root), NOW).unwrap();
        let name = KeyName::new("blindmatch/test/a/ledger").unwrap();
        let settings = Settings {
            ledger: name,
            key: SigningKey::from_bytes(&[1; 32]),
            earlier: Vec::new(),
            clock: Box::new(|| NOW),
            random: Box::new(rand::make_rng::<StdRng>()),
            segment: 1 << 20,
        };
        let ledger = Ledger::open(home.disk(), settings).unwrap().0;
        let runs = Runs::open(&home, Arc::new(ledger), rng).unwrap();
        assert_eq!(runs.unfinished(), []);
        assert!(runs.end(&id).is_ok() && runs.matches(&id, NOW).is_ok());
        let left = runs.left();
        assert_eq!(left[0].id(), id);
        assert_eq!(all(&left[0])[0], state);
        assert_eq!(left[0].asked().unwrap().count(), 2);
        assert!(matches!(
            left[0].take(&state, &mut |_| true, rng),
            Err(RunError::Ended)
        ));
    }
    let (home, _ledger, runs) = world.open();
    assert!(runs.left().is_empty());
    assert!(
        !world
            .root
            .join(format!("{}/log", Files::directory(&id)))
            .exists()
    );
    assert!(
        !home
            .file_keys()
            .list()
            .unwrap()
            .contains(&Files::state_key(&id))
    );
}

#[test]
fn two_threads_of_one_run_are_charged_for_one_batch() {
    let mut world = World::new();
    let (_home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Responder, 1, &[]);
    let stored = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|digest| {
                let run = &run;
                scope.spawn(move || {
                    let mut rng = StdRng::seed_from_u64(digest.into());
                    let taken = run.take(&debit(1, digest), &mut |_| true, &mut rng);
                    taken.unwrap() == Taken::Stored
                })
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.filter(|stored| *stored).count()
    });
    assert_eq!((stored, debits(&ledger)), (1, 1));
}

#[test]
fn a_run_ends_once_and_as_it_may() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(3));
    let rng = &mut StdRng::seed_from_u64(1);
    assert!(matches!(run.conclude(None, rng), Err(RunError::Side)));
    let results = |rng: &mut StdRng| run.results(None, rng).unwrap();
    assert!(matches!(
        run.conclude(Some(results(rng)), rng),
        Err(RunError::Receipt)
    ));
    assert!(matches!(
        run.open_late(results(rng), rng),
        Err(RunError::Receipt)
    ));
    world.conclude(&run, &keys(2), None);
    assert!(run.is_over() && runs.unfinished().is_empty());
    assert!(matches!(runs.run(&run.id()), Err(RunError::Missing)));
    assert!(matches!(run.give_up(rng), Err(RunError::Ended)));
    assert!(matches!(run.records().err(), Some(RunError::Ended)));
    assert!(matches!(
        runs.begin(head(Side::Querier, 1), rng).err(),
        Some(RunError::Exists)
    ));

    let end = runs.end(&run.id()).unwrap();
    assert_eq!((end.outcome, end.ended), (Outcome::Concluded, NOW));
    let signed = end.receipt.unwrap();
    assert!(signed.responder.is_some());
    // Whoever has the receipt sees that the ledger's record is about it.
    let log = ledger.log();
    let records: Vec<_> = log.records(0..u64::MAX).map(|r| r.unwrap().1).collect();
    let concluded = records.iter().find_map(|record| match record.event {
        Event::RunConcluded { receipt, .. } => Some((record.nonce, receipt)),
        _ => None,
    });
    let (nonce, salted) = concluded.unwrap();
    assert_eq!(salted, Salted::new(&nonce, &signed.encode()));
    let root = records.iter().find_map(|record| match record.event {
        Event::Results { root, .. } => Some(root),
        _ => None,
    });
    for number in 0..2 {
        let (opening, row) = runs.open_match(&run.id(), number, NOW).unwrap();
        assert_eq!(opening.verify(&row.row(), &root.unwrap()), Ok(()));
        let (indicator, label) = (key(u32::try_from(number).unwrap()), [9; 24]);
        let parts = [
            (Part::Indicator, indicator.as_slice()),
            (Part::Contributor, b"beta"),
            (Part::Assessment, &label[16..18]),
            (Part::Seen, &label[18..]),
        ];
        for (part, value) in parts {
            assert_eq!(row.value(part), Some(value));
        }
    }
    let opened = runs.open_match(&run.id(), 2, NOW);
    assert!(matches!(opened.err(), Some(RunError::Missing)));

    let mut matches = runs.matches(&run.id(), NOW).unwrap();
    for number in 0..2 {
        let found = matches.next().unwrap().unwrap();
        let found = found.as_match();
        assert_eq!(found.row.key, key(number));
        assert!(found.row.references.iter().eq(["CASE-MARKED-771"]));
        assert_eq!(found.label, Some(&[9; 24]));
        assert_eq!(found.row.since, 3);
    }
    assert!(matches.next().unwrap().is_none());
    drop((run, runs, ledger, home));
    let (home, ..) = world.open();
    assert_eq!(home.file_keys().list().unwrap().len(), 1);
}

#[test]
fn late_results_and_runs_given_up() {
    let mut world = World::new();
    let (home, _ledger, runs) = world.open();
    let late = world.begin(&runs, Side::Querier, 1, &keys(1));
    world.take(&late, &receipt(&late, false));
    let results = late.results(None, &mut world.rng).unwrap();
    late.open_late(results, &mut world.rng).unwrap();
    late.settle(&mut world.rng).unwrap();
    let end = runs.end(&late.id()).unwrap();
    assert_eq!(end.outcome, Outcome::OpenedLate);
    assert_eq!(end.receipt.unwrap().responder, None);

    let given_up = world.begin(&runs, Side::Responder, 2, &[]);
    given_up.give_up(&mut world.rng).unwrap();
    let end = runs.end(&given_up.id()).unwrap();
    assert_eq!((end.outcome, end.receipt), (Outcome::GivenUp, None));
    assert!(matches!(
        runs.matches(&given_up.id(), NOW).err(),
        Some(RunError::Missing)
    ));
    let signed = world.begin(&runs, Side::Responder, 3, &[]);
    world.take(&signed, &receipt(&signed, true));
    let refused = signed.give_up(&mut world.rng);
    assert!(matches!(refused, Err(RunError::Receipt)));
    // One key of results, one of a run that is not over.
    assert_eq!(home.file_keys().list().unwrap().len(), 2);
}

#[test]
fn results_expire_with_their_key() {
    let mut world = World::new();
    let (home, _ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(1));
    world.conclude(&run, &keys(1), Some(NOW + 10));
    let results = world.root().join(home_path(&run, "results"));
    let sealed = fs::read(&results).unwrap();
    assert_eq!(runs.expire(NOW + 9).unwrap(), 0);
    assert!(runs.matches(&run.id(), NOW + 9).is_ok());
    // Shown no more from then on, destroyed when somebody says so.
    let expired = runs.matches(&run.id(), NOW + 10).err();
    assert!(matches!(expired, Some(RunError::Expired)));
    assert_eq!(runs.expire(NOW + 10).unwrap(), 1);
    assert_eq!(runs.expire(NOW + 10).unwrap(), 0);
    assert!(home.file_keys().list().unwrap().is_empty());
    assert!(!results.exists());
    assert!(runs.end(&run.id()).is_ok());
    // Who kept a copy of the file has lost its key.
    fs::write(&results, sealed).unwrap();
    let read = runs.matches(&run.id(), NOW).err();
    assert!(matches!(
        read,
        Some(RunError::Key {
            error: KeyError::Missing,
            ..
        })
    ));
}

/// Flips a bit of a file, and gives what it was.
fn flip(path: &Path, at: usize) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    fs::write(path, flipped).unwrap();
    whole
}

/// A run whose end is in the ledger and not in its file, as a crash leaves it between the two.
fn conclude_halfway(world: &mut World, runs: &Runs, nonce: u8) -> RunId {
    let run = world.begin(runs, Side::Querier, nonce, &keys(3));
    let log = world.root().join(home_path(&run, "log"));
    let key = Files::state_key(&run.id());
    let key = world.root().join(format!("keys/files/{key}"));
    world.take(&run, &receipt(&run, false));
    world.take(&run, &receipt(&run, true));
    let kept = [&log, &key].map(|path| fs::read(path).unwrap());
    world.conclude(&run, &keys(2), None);
    for (path, bytes) in [&log, &key].into_iter().zip(kept) {
        fs::write(path, bytes).unwrap();
    }
    fs::remove_file(world.root().join(home_path(&run, "end"))).unwrap();
    run.id()
}

#[test]
fn every_damaged_run_is_named_without_a_change() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let ended = world.begin(&runs, Side::Querier, 1, &keys(1));
    world.conclude(&ended, &keys(1), Some(NOW + 10));
    world.begin(&runs, Side::Querier, 2, &keys(3_000));
    conclude_halfway(&mut world, &runs, 3);
    drop((ended, runs));
    let examine = |now| examine(&home, &ledger.log(), now).unwrap();
    assert!(examine(NOW).is_empty());
    let mut count = 0;
    for id in Files::of(&home).list().unwrap() {
        let directory = world.root().join(Files::directory(&id));
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let length = fs::read(&path).unwrap().len();
            for at in [0, length / 2, length - 1] {
                let whole = flip(&path, at);
                let damaged = examine(NOW);
                let [(found, error)] = damaged.as_slice() else {
                    panic!("byte {at} of {}: {damaged:?}", path.display());
                };
                assert_eq!(*found, id);
                let says = error.to_string();
                assert!(says.contains(path.to_str().unwrap()), "{says}");
                fs::write(&path, whole).unwrap();
                count += 1;
            }
        }
    }
    assert_eq!(count, 3 * 5);
    // Whose time is over is as good as destroyed.
    let ended = Files::of(&home);
    let results = ended.results(&head(Side::Querier, 1).run().unwrap());
    flip(&world.root().join(results), 100);
    assert_eq!(examine(NOW + 9).len(), 1);
    assert!(examine(NOW + 10).is_empty());
}

#[test]
fn results_damaged_before_the_run_s_end_was_written_do_not_stay_in_doubt() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let id = conclude_halfway(&mut world, &runs, 1);
    let whole = conclude_halfway(&mut world, &runs, 2);
    let results = world.root().join(runs.home.results(&id));
    drop((runs, ledger, home));
    flip(&results, 100);
    let (home, ledger, runs) = world.open();
    assert_eq!(
        runs.matches(&whole, NOW).unwrap().finish().unwrap().0.count,
        2
    );
    assert_eq!(runs.unfinished(), [id]);
    assert!(runs.run(&id).is_err());
    drop(runs);
    let size = ledger.log().size();
    let discarded = discard_damaged(&home, &ledger, NOW, &mut world.rng).unwrap();
    assert!(matches!(discarded.as_slice(), [(found, RunError::File(_))] if *found == id));
    assert_eq!(ledger.log().size(), size, "its end is recorded already");
    assert!(examine(&home, &ledger.log(), NOW).unwrap().is_empty());
    assert!(!results.exists());
    drop((ledger, home));

    let (_home, _ledger, runs) = world.open();
    assert_eq!(runs.unfinished(), []);
    let end = runs.end(&id).unwrap();
    assert_eq!((end.outcome, end.results), (Outcome::Concluded, None));
    assert!(end.receipt.is_some());
    assert!(matches!(
        runs.matches(&id, NOW).err(),
        Some(RunError::Missing)
    ));
    assert!(runs.matches(&whole, NOW).is_ok());
}

#[test]
fn a_run_that_does_not_read_is_given_up_on_the_operator_s_word() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let open = world.begin(&runs, Side::Querier, 1, &keys(3));
    let other = world.begin(&runs, Side::Responder, 2, &[]);
    let ended = world.begin(&runs, Side::Querier, 3, &keys(1));
    world.conclude(&ended, &keys(1), None);
    let kept = world.begin(&runs, Side::Querier, 4, &keys(1));
    world.conclude(&kept, &keys(1), None);
    for (run, file) in [(&open, "log"), (&ended, "end"), (&kept, "results")] {
        flip(&world.root().join(home_path(run, file)), 40);
    }
    let [open, other, ended, kept] = [open, other, ended, kept].map(|run| run.id());
    drop((runs, ledger, home));

    let (home, ledger, runs) = world.open();
    assert_eq!(runs.unfinished().len(), 2);
    drop(runs);
    let discarded = discard_damaged(&home, &ledger, NOW, &mut world.rng).unwrap();
    let discarded: Vec<_> = discarded.into_iter().map(|(id, _)| id).collect();
    let mut expected = [open, ended, kept];
    expected.sort();
    assert_eq!(discarded, expected);
    let given_up = |run: &RunId| {
        let event = Event::RunUnreceipted { run: run.0 };
        let log = ledger.log();
        let records = log.records(0..u64::MAX);
        records
            .filter(|record| record.as_ref().unwrap().1.event == event)
            .count()
    };
    assert_eq!(
        [open, other, ended, kept].map(|id| given_up(&id)),
        [1, 0, 0, 0]
    );
    for id in [open, ended] {
        let left = fs::read_dir(world.root().join(Files::directory(&id))).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["discarded"]);
        for key in [Files::state_key(&id), Files::results_key(&id)] {
            assert!(!home.file_keys().list().unwrap().contains(&key));
        }
    }
    assert!(
        discard_damaged(&home, &ledger, NOW, &mut world.rng)
            .unwrap()
            .is_empty()
    );
    drop((ledger, home));
    let (_home, _ledger, runs) = world.open();
    assert_eq!(runs.unfinished(), [other]);
    assert!(runs.end(&kept).unwrap().receipt.is_some());
    assert!(matches!(runs.end(&ended).err(), Some(RunError::Missing)));
}

fn home_path(run: &Run, file: &str) -> String {
    format!("{}/{file}", Files::directory(&run.id()))
}

/// What a crash tears is cut, and the rest goes on; anything else is damage, and named.
#[test]
fn only_what_a_crash_tears_is_cut() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(3));
    let path = world.root().join(home_path(&run, "log"));
    world.take(&run, &attached(&run, 1));
    let before = fs::read(&path).unwrap();
    world.take(&run, &Record::State(vec![7; 300].into()));
    let after = fs::read(&path).unwrap();
    let id = run.id();
    drop((run, runs, ledger, home));
    let mut records = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (_home, _ledger, runs) = world.open();
        runs.run(&id).map(|run| all(&run).len())
    };

    assert_eq!(records(&after).unwrap(), 2);
    for cut in before.len()..after.len() {
        // Short, and filled up with zeros.
        assert_eq!(records(&after[..cut]).unwrap(), 1, "{cut}");
        let mut zeros = after[..cut].to_vec();
        zeros.resize(after.len(), 0);
        assert_eq!(records(&zeros).unwrap(), 1, "{cut}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    // A sector in the middle that was not written.
    let mut hole = after.clone();
    let at = before.len().next_multiple_of(16) + 64;
    hole[at..at + 32].fill(0);
    assert_eq!(records(&hole).unwrap(), 1);

    for at in 0..after.len() {
        let mut flipped = after.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = {
            fs::write(&path, &flipped).unwrap();
            let (_home, _ledger, runs) = world.open();
            let run = runs.run(&id).and_then(|run| {
                for record in run.records()? {
                    record?;
                }
                let mut asked = run.asked()?;
                while asked.advance().map_err(RunError::File)? {}
                Ok(())
            });
            run.unwrap_err().to_string()
        };
        assert!(error.starts_with(path.to_str().unwrap()), "{at}: {error}");
        assert_eq!(fs::read(&path).unwrap(), flipped);
    }
    // A cut within what was acknowledged before the last frame.
    let error = {
        let mut spliced = before.clone();
        spliced.truncate(before.len() - 16);
        spliced.extend_from_slice(&after[before.len()..]);
        fs::write(&path, &spliced).unwrap();
        let (_home, _ledger, runs) = world.open();
        runs.run(&id).err().unwrap()
    };
    assert!(matches!(error, RunError::Damaged { .. }), "{error}");
}

#[test]
fn a_run_that_is_over_has_no_file_open_once_another_begins() {
    let mut world = World::new();
    let (_home, _ledger, runs) = world.open();
    let held = |runs: &Runs| runs.lock().len();
    for nonce in 0..4 {
        let run = world.begin(&runs, Side::Responder, nonce, &[]);
        assert_eq!(held(&runs), 1);
        run.give_up(&mut world.rng).unwrap();
        assert!(matches!(runs.run(&run.id()).err(), Some(RunError::Missing)));
    }
    // One of which the end is not written yet stays.
    let run = world.begin(&runs, Side::Responder, 4, &[]);
    world.take(&run, &receipt(&run, false));
    world.take(&run, &receipt(&run, true));
    run.conclude_ahead(None, &mut world.rng).unwrap();
    world.begin(&runs, Side::Responder, 5, &[]);
    assert_eq!(held(&runs), 2);
}

/// Whatever is gone of a run, all of it included, is missed, until the operator says that it may be gone.
#[test]
fn a_run_that_is_gone_is_missed_whether_or_not_it_has_ended() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let open = world.begin(&runs, Side::Responder, 1, &[]);
    let concluded = world.begin(&runs, Side::Querier, 2, &keys(1));
    world.conclude(&concluded, &keys(1), None);
    let given_up = world.begin(&runs, Side::Responder, 3, &[]);
    given_up.give_up(&mut world.rng).unwrap();
    let mut ids = [open, concluded, given_up].map(|run| run.id());
    ids.sort();
    drop(runs);
    assert!(examine(&home, &ledger.log(), NOW).unwrap().is_empty());
    for id in ids {
        fs::remove_dir_all(world.root().join(Files::directory(&id))).unwrap();
    }
    let damaged = examine(&home, &ledger.log(), NOW).unwrap();
    assert!(
        damaged
            .iter()
            .all(|(_, error)| matches!(error, RunError::Lost { .. }))
    );
    let missed: Vec<_> = damaged.into_iter().map(|(id, _)| id).collect();
    assert_eq!(missed, ids);
    let discarded = discard_damaged(&home, &ledger, NOW, &mut world.rng).unwrap();
    assert_eq!(discarded.len(), 3);
    assert!(examine(&home, &ledger.log(), NOW).unwrap().is_empty());
    drop((ledger, home));
    let (_home, _ledger, runs) = world.open();
    assert_eq!((runs.unfinished(), runs.ended().unwrap()), (vec![], vec![]));
}

/// A run that is not in the ledger never began, and its removal destroys the key before the log: a
/// crash between the two leaves a log that does not read.
#[test]
fn a_log_without_key_that_the_ledger_does_not_know_is_removed() {
    let mut agreed = World::new();
    let (_home, _ledger, runs) = agreed.open();
    let run = agreed.begin(&runs, Side::Querier, 1, &keys(3));
    let log = home_path(&run, "log");

    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let path = world.root().join(&log);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(agreed.root().join(&log), &path).unwrap();
    assert!(examine(&home, &ledger.log(), NOW).unwrap().is_empty());
    drop((runs, ledger, home));
    let (_home, _ledger, runs) = world.open();
    assert_eq!(runs.unfinished(), []);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn another_run_s_file_or_key_is_refused() {
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    let [one, other] = [1, 2].map(|nonce| world.begin(&runs, Side::Querier, nonce, &keys(2)));
    let [done, expired] = [3, 4].map(|nonce| {
        let run = world.begin(&runs, Side::Querier, nonce, &keys(2));
        world.conclude(&run, &keys(2), None);
        run
    });
    let full = |run: &Run, file| world.root().join(home_path(run, file));
    for file in ["end", "results"] {
        fs::copy(full(&done, file), full(&expired, file)).unwrap();
    }
    fs::copy(full(&one, "log"), full(&other, "log")).unwrap();
    let ids = [&one, &other, &done, &expired].map(|run| run.id());
    drop((one, other, done, expired, runs, ledger, home));

    let (home, ledger, runs) = world.open();
    assert!(runs.run(&ids[0]).is_ok());
    assert!(matches!(
        runs.run(&ids[1]).err(),
        Some(RunError::Damaged { .. })
    ));
    assert_eq!(runs.unfinished().len(), 2);
    assert!(runs.verify(&ids[2], NOW).is_ok());
    assert!(matches!(runs.end(&ids[3]), Err(RunError::File(_))));
    assert!(runs.verify(&ids[3], NOW).is_err());
    drop((runs, ledger));

    // The key of a run that is not over is lost: it is not taken for one that never began.
    let key = Files::state_key(&ids[0]);
    home.file_keys().destroy(key).unwrap();
    drop(home);
    let (_home, _ledger, runs) = world.open();
    let error = runs.run(&ids[0]).err().unwrap();
    assert!(matches!(error, RunError::Key { .. }));
    assert!(error.to_string().contains("log"), "{error}");
}

#[test]
fn files_of_another_home_do_not_open() {
    let mut here = World::new();
    let mut there = World::new();
    there.storage = 2;
    let (home, ledger, runs) = here.open();
    let run = here.begin(&runs, Side::Querier, 1, &keys(2));
    let done = here.begin(&runs, Side::Querier, 2, &keys(2));
    here.conclude(&done, &keys(1), None);
    let (ids, paths) = (
        [run.id(), done.id()],
        [
            home_path(&run, "log"),
            home_path(&done, "end"),
            home_path(&done, "results"),
        ],
    );
    drop((run, done, runs, ledger, home));
    drop(there.open());
    for path in &paths {
        let to = there.root().join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(here.root().join(path), to).unwrap();
    }
    for key in fs::read_dir(here.root().join("keys/files")).unwrap() {
        let key = key.unwrap();
        let to = there.root().join("keys/files").join(key.file_name());
        fs::copy(key.path(), to).unwrap();
    }
    let (_home, _ledger, runs) = there.open();
    assert!(matches!(
        runs.run(&ids[0]).err(),
        Some(RunError::Key {
            error: KeyError::Foreign,
            ..
        })
    ));
    assert!(matches!(runs.end(&ids[1]), Err(RunError::File(_))));
}

/// Every form in which a value could be found again.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<_> = value.iter().map(u8::to_string).collect();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Of each of the three ways in which the value may lie in base64, what its neighbours do not
    // change.
    let base64 = (0..3).map(|skipped| {
        let groups = value[skipped..].chunks_exact(3).flat_map(|group| {
            let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
            [18, 12, 6, 0].map(|shift| alphabet[(bits >> shift & 63) as usize])
        });
        groups.collect()
    });
    let text = [
        hex.to_uppercase(),
        hex,
        decimal.join(","),
        decimal.join(", "),
    ];
    let text = text.into_iter().map(String::into_bytes);
    let digest = Sha256::digest(value).to_vec();
    text.chain(base64).chain([value.to_vec(), digest]).collect()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, plain): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let inside = folders.iter().flat_map(|folder| files(folder));
    let plain = plain.iter().map(|path| fs::read(path).unwrap());
    plain.chain(inside).collect()
}

#[test]
fn nothing_of_a_run_is_readable_at_rest() {
    let mut world = World::new();
    let (_home, _ledger, runs) = world.open();
    let run = world.begin(&runs, Side::Querier, 1, &keys(3));
    let done = world.begin(&runs, Side::Querier, 2, &keys(3));
    world.take(
        &run,
        &Record::State(b"blind-marked-4711-blind".to_vec().into()),
    );
    world.conclude(&done, &keys(3), None);
    let mut wanted: Vec<_> = [
        "CASE-MARKED-771",
        "blind-marked-4711-blind",
        "abuse/email/fraud",
    ]
    .iter()
    .flat_map(|text| forms(text.as_bytes()))
    .collect();
    for key in keys(3) {
        wanted.extend(forms(&key));
        wanted.extend(forms(&key[2..]));
    }
    let all = files(&world.root().join("runs"));
    assert_eq!(all.len(), 3);
    for file in all {
        for form in &wanted {
            assert!(!file.windows(form.len()).any(|part| part == form));
        }
    }
    // The search finds what is there.
    let mut encoded = Vec::new();
    append(&mut encoded, "CASE-MARKED-771");
    assert!(encoded.windows(15).any(|part| part == wanted[7]));
}

/// A backup holds the ledger, which says what was charged and how runs ended, and nothing of runs.
#[test]
fn nothing_of_a_run_is_in_a_backup() {
    use crate::{backup, collection::Collections};
    let mut world = World::new();
    let (home, ledger, runs) = world.open();
    world.begin(&runs, Side::Querier, 1, &keys(3));
    let done = world.begin(&runs, Side::Querier, 2, &keys(3));
    world.conclude(&done, &keys(3), None);
    assert_eq!(home.file_keys().list().unwrap().len(), 2);
    let collections = Collections::open(&home).unwrap();
    let to = world.root().with_extension("backup");
    let rng = &mut world.rng;
    backup::backup(&home, &ledger, &collections, &|_| true, &to, NOW, rng).unwrap();
    let mut paths = Vec::new();
    backup::read(
        fs::File::open(&to).unwrap(),
        None,
        &mut |path, _, content| {
            paths.push(path.to_owned());
            io::copy(content, &mut io::sink())?;
            Ok(())
        },
    )
    .unwrap();
    assert!(paths.iter().any(|path| path.starts_with("ledger/")));
    let inside = |path: &String| {
        ["runs", "views", "keys"]
            .iter()
            .any(|d| path.starts_with(d))
    };
    assert!(!paths.iter().any(inside), "{paths:?}");
}
