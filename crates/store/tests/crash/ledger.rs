//! The home and its ledger: appends of several threads until killed, and a short script for
//! faults at each of its operations.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    thread,
};

use blindmatch_audit::{
    SigningKey,
    note::{KeyName, NoteKey},
    record::Event,
};
use blindmatch_store::{
    disk::{ASIDE, Disk},
    home::{Home, HomeError},
    ledger::{HEAD, LEDGER, Ledger, LedgerError, Log, Settings, segment},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say},
    open_home,
};

/// Appends by one to four threads, until killed.
pub(crate) struct Appends;

/// A ledger created, appended to, opened again: one thread, the same each time.
pub(crate) struct Script;

/// The appends that were tried, by number; and what was once covered, which stays.
#[derive(Default)]
pub(crate) struct Model {
    tried: BTreeMap<u64, Tried>,
    covered: Vec<(u64, u32)>,
}

struct Tried {
    count: u32,
    outcome: Outcome,
}

enum Outcome {
    Open,
    /// There, and not acknowledged.
    Seen,
    /// At this record.
    Acknowledged(u64),
    /// With the word that nothing was recorded.
    Refused,
}

impl Workload for Appends {
    const NAME: &'static str = "appends";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let home = open_home(disk).unwrap();
        let ledger = open_ledger(disk).unwrap();
        say(format_args!("opened"));
        thread::scope(|scope| {
            for _ in 0..rng.random_range(1..=4) {
                let mut rng = StdRng::seed_from_u64(rng.random());
                let ledger = &ledger;
                scope.spawn(move || {
                    loop {
                        let count = rng.random_range(1..=5);
                        append(ledger, rng.random(), count).unwrap();
                        if rng.random_ratio(1, 10) {
                            ledger.cover().unwrap();
                        }
                        if rng.random_ratio(1, 10) {
                            let head = ledger.log().head().clone();
                            ledger.keep_cosigned(&head).unwrap();
                        }
                    }
                });
            }
        });
        drop(home);
    }

    /// Puts the beginning of an append behind the last segment, or noise.
    fn prepare(home: &Path, rng: &mut StdRng) {
        // Before there is a checkpoint nobody appends.
        let Ok(files) = fs::read_dir(home.join(LEDGER)) else {
            return;
        };
        if !home.join(HEAD).exists() {
            return;
        }
        let paths = files.map(|file| file.unwrap().path());
        let segments = paths.filter(|path| path.extension().is_some_and(|e| e == "log"));
        let Some(last) = segments.max() else {
            return;
        };
        let mut tail = Vec::new();
        if rng.random() {
            for _ in 0..rng.random_range(1..=3) {
                let record: [u8; 80] = rng.random();
                segment::write(&record, false, &mut tail).unwrap();
            }
        } else {
            tail = rng.random::<[u8; 64]>().to_vec();
        }
        tail.truncate(rng.random_range(1..=tail.len()));
        let mut bytes = fs::read(&last).unwrap();
        bytes.extend(tail);
        fs::write(last, bytes).unwrap();
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(model, home, said, repair, counts)
    }
}

impl Workload for Script {
    const NAME: &'static str = "script";
    type Model = Model;

    fn work(disk: &Disk, _: u64) {
        // Whatever fails, the script goes on with what can still be done.
        for round in 0..3 {
            let Ok(_home) = open_home(disk) else {
                continue;
            };
            let Ok(ledger) = open_ledger(disk) else {
                continue;
            };
            for step in 0..4 {
                let _ = append(&ledger, 10 * round + step, 1 + step as u32);
            }
            let head = ledger.log().head().clone();
            let _ = ledger.keep_cosigned(&head);
            let _ = ledger.cover();
        }
    }

    fn check(
        model: &mut Model,
        home: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        check(model, home, said, repair, counts)
    }
}

fn open_ledger(disk: &Disk) -> Result<Ledger, LedgerError> {
    let opened = match Ledger::open(disk, settings()) {
        Err(LedgerError::NoCheckpoint) => Ledger::create(disk, settings()),
        opened => opened,
    };
    let (ledger, tail) = opened?;
    if tail.torn.is_some() {
        say(format_args!("cut"));
    }
    Ok(ledger)
}

pub(crate) fn settings() -> Settings {
    Settings {
        ledger: ledger_name(),
        key: SigningKey::from_bytes(&[1; 32]),
        earlier: Vec::new(),
        clock: Box::new(|| NOW),
        random: Box::new(rand::make_rng::<StdRng>()),
        // Small files, so that new ones are begun all the time.
        segment: 1_000,
    }
}

pub(crate) fn ledger_name() -> KeyName {
    KeyName::new("blindmatch/test/a/ledger").unwrap()
}

pub(crate) fn key() -> NoteKey {
    let key = SigningKey::from_bytes(&[1; 32]);
    NoteKey::new(ledger_name(), key.verifying_key())
}

/// The event `nth` of the append `number`.
pub(crate) fn event(number: u64, nth: u32) -> Event {
    let mut run = [0; 32];
    run[..8].copy_from_slice(&number.to_be_bytes());
    run[8..12].copy_from_slice(&nth.to_be_bytes());
    Event::RunUnreceipted { run }
}

fn append(ledger: &Ledger, number: u64, count: u32) -> Result<(), LedgerError> {
    say(format_args!("try {number} {count}"));
    let events = (0..count).map(|nth| event(number, nth));
    let appended = if number.is_multiple_of(2) {
        ledger.append(events.collect())
    } else {
        let nonced = events.zip(1..).map(|(event, nth)| ([nth; 32], event));
        ledger.append_ahead(nonced.collect())
    };
    match appended {
        Ok(appended) => {
            say(format_args!("ack {number} {}", appended.first));
            Ok(())
        }
        Err(error) => {
            if matches!(error, LedgerError::Disk(_)) {
                say(format_args!("refused {number} 0"));
            }
            Err(error)
        }
    }
}

fn check(
    model: &mut Model,
    root: &Path,
    said: &[String],
    repair: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    model.take_in(said, counts);
    let disk = if repair {
        Disk::new(root)
    } else {
        Disk::read_only(root)
    };
    let home = if repair {
        open_home(&disk).map(Some)
    } else {
        Home::read_only(root).map(|_| None)
    };
    let home = match home {
        Err(HomeError::NotAHome(_)) if !model.knows_of_any() => return Ok(()),
        home => home.map_err(|e| e.to_string())?,
    };
    let log = if repair {
        let opened = Ledger::open(&disk, settings());
        opened.map(|(ledger, tail)| {
            *counts.entry("torn tails cut").or_default() += u64::from(tail.torn.is_some());
            ledger.log()
        })
    } else {
        Log::open(&disk, &[key()]).map(|(log, _)| log.into())
    };
    let log = match log {
        Err(LedgerError::NoCheckpoint) if !model.knows_of_any() => return Ok(()),
        log => log.map_err(|e| e.to_string())?,
    };
    if home.is_some() {
        let aside = disk.list(ASIDE).map_err(|e| e.to_string())?;
        if !aside.is_empty() {
            return Err(format!("half-visible: {aside:?}"));
        }
    }
    // What stands behind the last checkpoint is covered by whoever opens the ledger to write it.
    let covered = if repair {
        log.head().unverified().size
    } else {
        log.size()
    };
    model.compare(&log, covered, counts)
}

impl Model {
    fn knows_of_any(&self) -> bool {
        let acknowledged = |tried: &Tried| matches!(tried.outcome, Outcome::Acknowledged(_));
        self.tried.values().any(acknowledged) || !self.covered.is_empty()
    }

    fn take_in(&mut self, said: &[String], counts: &mut Counts) {
        for line in said {
            if line == "cut" {
                *counts.entry("torn tails cut").or_default() += 1;
            }
            let words: Vec<_> = line.split(' ').collect();
            let [verb, number, value] = words[..] else {
                continue;
            };
            let (number, value) = (number.parse().unwrap(), value.parse().unwrap());
            let outcome = match verb {
                "try" => {
                    let tried = Tried {
                        count: value as u32,
                        outcome: Outcome::Open,
                    };
                    self.tried.insert(number, tried);
                    continue;
                }
                "ack" => {
                    *counts.entry("appends acknowledged").or_default() += 1;
                    Outcome::Acknowledged(value)
                }
                "refused" => {
                    *counts.entry("appends refused").or_default() += 1;
                    Outcome::Refused
                }
                other => panic!("{other}"),
            };
            self.tried.get_mut(&number).unwrap().outcome = outcome;
        }
    }

    fn compare(&mut self, log: &Log, head: u64, counts: &mut Counts) -> Result<(), String> {
        let mut found = Vec::new();
        for record in log.records(1..u64::MAX) {
            match record.map_err(|e| e.to_string())?.1.event {
                Event::RunUnreceipted { run } => found.push((
                    u64::from_be_bytes(run[..8].try_into().unwrap()),
                    u32::from_be_bytes(run[8..12].try_into().unwrap()),
                )),
                _ => return Err("a record that nobody appended".to_owned()),
            }
        }
        if !found.starts_with(&self.covered) {
            return Err("lost: what a checkpoint covered is not there any more".to_owned());
        }

        // Every append whole, each once, and none that nobody tried or that was refused.
        let mut seen = HashSet::new();
        let mut rest = found.as_slice();
        while let Some((number, _)) = rest.first() {
            let tried = self
                .tried
                .get(number)
                .ok_or("an append that nobody tried")?;
            let whole: Vec<_> = (0..tried.count).map(|nth| (*number, nth)).collect();
            rest = rest
                .strip_prefix(whole.as_slice())
                .ok_or_else(|| format!("half-visible: append {number}"))?;
            if !seen.insert(*number) {
                return Err(format!("doubled: append {number}"));
            }
            if matches!(tried.outcome, Outcome::Refused) {
                return Err(format!("append {number} is there, and was refused"));
            }
        }

        for (number, tried) in &mut self.tried {
            match tried.outcome {
                Outcome::Acknowledged(first) => {
                    let place = first as usize - 1;
                    let last = first + u64::from(tried.count);
                    if found.get(place) != Some(&(*number, 0)) || last > head {
                        return Err(format!("lost: append {number}, record {first}"));
                    }
                }
                Outcome::Open if seen.contains(number) => {
                    *counts
                        .entry("unacknowledged appends that are there")
                        .or_default() += 1;
                    tried.outcome = Outcome::Seen;
                }
                _ => {}
            }
        }
        let covered = (head as usize).saturating_sub(1).min(found.len());
        found.truncate(covered);
        self.covered = found;
        *counts.entry("checks").or_default() += 1;
        Ok(())
    }
}
