//! Runs: begun, stored of, ended and expired at random until killed, and a short script for faults
//! at each of its operations.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use blindmatch_audit::{
    Signature,
    codec::Writer,
    commitment::Part,
    receipt::{Input, Receipt, Side, SignedReceipt},
    record::{Event, Name},
};
use blindmatch_indicator::LabelFields;
use blindmatch_psi::{
    agreement::{Agreement, Direction, Party, Protocol, Role, RunId},
    session::{Debit, Record, State},
};
use blindmatch_store::{
    disk::{ASIDE, Disk},
    home::Home,
    ledger::{Ledger, LedgerError},
    merge::Rows,
    row::{Origin, References, Row},
    runs::{End, Head, Match, Outcome, Run, RunError, Runs, Taken},
};
use libtest_mimic::Failed;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say, seeded},
    ledger::settings,
    open_home,
};

/// Whether a run has ended, and its files do not say so.
static UNSETTLED: AtomicBool = AtomicBool::new(false);

/// When results expire of which some do.
const SOON: u64 = NOW + 100;

/// Random work on runs, until killed.
pub(crate) struct Random;

/// A run of each kind from its beginning to its end: the same each time.
pub(crate) struct RunScript;

/// What may be there of each run, by its id in hexadecimal.
#[derive(Default)]
pub(crate) struct Model(BTreeMap<String, Known>);

struct Known {
    /// Whether the run must be there.
    begun: bool,
    querier: bool,
    rows: u32,
    records: Vec<(String, Certainty)>,
    end: Option<(Ending, Certainty)>,
    expired: Option<Certainty>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Certainty {
    Acknowledged,
    Open,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ending {
    outcome: Outcome,
    matches: u32,
    expires: Option<u64>,
}

impl Workload for Random {
    const NAME: &'static str = "runs";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let (_home, runs) = open(disk, &mut rng).unwrap();
        say(format_args!("opened"));
        loop {
            random_step(&runs, &mut rng);
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

impl Workload for RunScript {
    const NAME: &'static str = "run_script";
    type Model = Model;

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        // Whatever fails, the script goes on with what can still be done.
        for round in 0..4 {
            let Ok((_home, runs)) = open(disk, &mut rng) else {
                continue;
            };
            let side = [Side::Querier, Side::Responder][round % 2];
            for id in runs.unfinished() {
                if let Ok(run) = runs.run(&id) {
                    work_on(&run, &mut rng, 2);
                    end(&run, &mut rng);
                }
            }
            if let Some(run) = begin(&runs, side, 3, &mut rng) {
                work_on(&run, &mut rng, 4);
                if round != 1 {
                    end(&run, &mut rng);
                }
            }
            expire(&runs);
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

/// Flips so many bits, one at a time, in all files of runs that are over and of one that is not.
pub(crate) fn flips(flips: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let place = tempfile::tempdir()?;
    let root = place.path().join("home");
    let disk = Disk::new(&root);
    let (home, runs) = open(&disk, &mut rng)?;
    let mut ids = Vec::new();
    for rows in [2, 900, 3] {
        let run = begin(&runs, Side::Querier, rows, &mut rng).ok_or("no run")?;
        work_on(&run, &mut rng, 5);
        if rows != 3 {
            receipts(&run, &mut rng, 2);
            conclude(&run, rows, None, &mut rng)?;
        }
        ids.push(run.id());
    }
    let served: Vec<_> = ids.iter().map(|id| everything(&runs, id)).collect();
    drop((runs, home));
    let mut files = Vec::new();
    for id in &ids {
        let directory = format!("runs/{}", hex(id));
        let names = disk.list(&directory)?;
        files.extend(names.into_iter().map(|name| format!("{directory}/{name}")));
    }
    let mut named = BTreeMap::<String, u64>::new();
    for flip in 0..flips {
        let path = &files[flip as usize % files.len()];
        let full = root.join(path);
        let whole = std::fs::read(&full)?;
        let mut flipped = whole.clone();
        let at = rng.random_range(0..whole.len());
        flipped[at] ^= 1 << rng.random_range(0..8);
        std::fs::write(&full, &flipped)?;
        let (home, runs) = open(&disk, &mut rng)?;
        for (id, served) in ids.iter().zip(&served) {
            let touched = path.contains(&hex(id));
            match everything(&runs, id) {
                Err(error) if touched && error.contains(path.as_str()) => {
                    let name = path.rsplit('/').next().unwrap_or_default();
                    *named.entry(name.to_owned()).or_default() += 1;
                }
                found if !touched && found == *served => {}
                other => {
                    let other = other.map(|lines| lines.len());
                    return Err(format!("seed {seed}: byte {at} of {path}: {other:?}").into());
                }
            }
        }
        drop((runs, home));
        if std::fs::read(&full)? != flipped {
            return Err(format!("seed {seed}: {path} was changed").into());
        }
        std::fs::write(&full, whole)?;
    }
    let (_home, runs) = open(&disk, &mut rng)?;
    let again: Vec<_> = ids.iter().map(|id| everything(&runs, id)).collect();
    if again != served {
        return Err("the runs are others".into());
    }
    println!("flips: {flips}; all found and named, none served: {named:?}");
    Ok(())
}

/// All that can be read of a run, or what is wrong with it.
fn everything(runs: &Runs, id: &RunId) -> Result<Vec<String>, String> {
    let text = |error: RunError| error.to_string();
    match runs.end(id) {
        Err(RunError::Missing) => {
            let run = runs.run(id).map_err(text)?;
            let mut lines = vec![format!("{:?}", run.head())];
            lines.extend(records(&run).map_err(text)?);
            lines.extend(asked(&run)?);
            Ok(lines)
        }
        Err(error) => Err(text(error)),
        Ok(end) => {
            let mut lines = vec![format!("{end:?}")];
            lines.extend(found(runs, id, NOW)?);
            Ok(lines)
        }
    }
}

pub(crate) fn open(
    disk: &Disk,
    rng: &mut StdRng,
) -> Result<(Home, Runs), Box<dyn std::error::Error>> {
    let home = open_home(disk)?;
    UNSETTLED.store(false, Ordering::Relaxed);
    let ledger = match Ledger::create(disk, settings()) {
        Err(LedgerError::Exists) => Ledger::open(disk, settings())?.0,
        created => created?.0,
    };
    let runs = Runs::open(&home, Arc::new(ledger), rng)?;
    for run in runs.left() {
        // All that it took is there to be read.
        for record in run.records()? {
            record?;
        }
        run.settle(rng)?;
    }
    Ok((home, runs))
}

fn random_step(runs: &Runs, rng: &mut StdRng) {
    let unfinished = runs.unfinished();
    if unfinished.is_empty() || (unfinished.len() < 3 && rng.random_ratio(1, 8)) {
        let side = if rng.random() {
            Side::Querier
        } else {
            Side::Responder
        };
        let rows = rng.random_range(0..40);
        _ = begin(runs, side, rows, rng);
        return;
    }
    let id = unfinished[rng.random_range(0..unfinished.len())];
    let run = runs.run(&id).unwrap();
    match rng.random_range(0..10) {
        0 => end(&run, rng),
        1 => expire(runs),
        _ => work_on(&run, rng, 1),
    }
}

fn begin(runs: &Runs, side: Side, rows: u32, rng: &mut StdRng) -> Option<Arc<Run>> {
    let rows = if side == Side::Querier { rows } else { 0 };
    let head = head(side, rng.random());
    let id = hex(&head.run().unwrap());
    say(format_args!("try begin {id} {} {rows}", side.code()));
    let begun = runs.begin(head, rng).and_then(|mut beginning| {
        for number in 0..rows {
            beginning.ask(&row(&key(number)), rng)?;
        }
        beginning.begin(rng)
    });
    answered(begun.as_ref());
    begun.ok()
}

/// Stores so many records.
fn work_on(run: &Run, rng: &mut StdRng, count: u32) {
    for _ in 0..count {
        let Ok(there) = records(run) else {
            return;
        };
        let line = if run.head().side == Side::Responder && rng.random() {
            let batch = there
                .iter()
                .filter(|line| line.starts_with("debit"))
                .count()
                + 1;
            // A charge that is asked for again is free.
            let batch = if batch > 1 && rng.random_ratio(1, 3) {
                let again = there.iter().find(|line| line.starts_with("debit")).unwrap();
                take(run, again, rng);
                continue;
            } else {
                batch
            };
            format!("debit,{batch},{}", rng.random::<u32>())
        } else if rng.random_ratio(1, 4) {
            let counters = there.iter().filter(|line| line.starts_with("attached"));
            format!("attached,{}", counters.count() + 1)
        } else {
            let length = [0, 3, 100, 5_000, 70_000][rng.random_range(0..5)];
            format!("state,{},{length}", rng.random::<u32>())
        };
        take(run, &line, rng);
    }
}

/// Ends a run in one of the ways.
fn end(run: &Run, rng: &mut StdRng) {
    let querier = run.head().side == Side::Querier;
    let both = rng.random_ratio(2, 3);
    receipts(run, rng, if both { 2 } else { 1 });
    let signatures = run
        .receipt()
        .ok()
        .flatten()
        .map_or(0, |signed| 1 + u32::from(signed.responder.is_some()));
    let expires = [None, Some(SOON), Some(SOON + 1_000)][rng.random_range(0..3)];
    let matches = rng.random_range(0..30);
    let _ = match (signatures, querier) {
        (2, _) => conclude(run, if querier { matches } else { 0 }, expires, rng),
        (1, true) => open_late(run, matches, expires, rng),
        _ => give_up(run, rng),
    };
}

/// Stores the receipt with so many signatures, one after the other.
fn receipts(run: &Run, rng: &mut StdRng, signatures: u32) {
    let there = run.receipt().ok().flatten();
    let there = there.map_or(0, |signed| 1 + u32::from(signed.responder.is_some()));
    for number in there + 1..=signatures {
        // The responder has no receipt that only the querier signed.
        if number == 2 || run.head().side == Side::Querier {
            take(run, &format!("receipt,{number}"), rng);
        }
    }
}

fn take(run: &Run, line: &str, rng: &mut StdRng) {
    say(format_args!("try take {} {line}", hex(&run.id())));
    let record = record(&run.id(), line);
    let taken = run.take(&record, &mut |_| true, rng);
    answered(taken.as_ref());
    assert!(!matches!(taken, Ok(Taken::Contradicted | Taken::Refused)));
}

fn conclude(
    run: &Run,
    matches: u32,
    expires: Option<u64>,
    rng: &mut StdRng,
) -> Result<(), RunError> {
    said_end(run, Outcome::Concluded, matches, expires);
    let ended = (run.head().side == Side::Querier)
        .then(|| results(run, matches, expires, rng))
        .transpose()
        .and_then(|results| run.conclude_ahead(results, rng));
    answered(ended.as_ref());
    ended?;
    settle(run, rng)
}

/// Behind the acknowledgement; what is left of it follows when the home is opened again.
fn settle(run: &Run, rng: &mut StdRng) -> Result<(), RunError> {
    let settled = run.settle(rng);
    UNSETTLED.store(settled.is_err(), Ordering::Relaxed);
    settled
}

fn open_late(
    run: &Run,
    matches: u32,
    expires: Option<u64>,
    rng: &mut StdRng,
) -> Result<(), RunError> {
    said_end(run, Outcome::OpenedLate, matches, expires);
    let results = results(run, matches, expires, rng);
    let ended = results.and_then(|results| run.open_late(results, rng));
    answered(ended.as_ref());
    ended?;
    settle(run, rng)
}

fn give_up(run: &Run, rng: &mut StdRng) -> Result<(), RunError> {
    said_end(run, Outcome::GivenUp, 0, None);
    let ended = run.give_up(rng);
    answered(ended.as_ref());
    ended
}

fn said_end(run: &Run, outcome: Outcome, matches: u32, expires: Option<u64>) {
    let (id, expires) = (hex(&run.id()), expires.unwrap_or(0));
    say(format_args!("try end {id} {outcome:?} {matches} {expires}"));
}

fn results(
    run: &Run,
    matches: u32,
    expires: Option<u64>,
    rng: &mut StdRng,
) -> Result<blindmatch_store::runs::ResultWriter, RunError> {
    let mut writer = run.results(expires, rng)?;
    writer.pad(512);
    for number in 0..matches {
        let key = key(number);
        let label = [number as u8; 24];
        let label = (number % 3 != 0).then_some(&label);
        let row = row(&key);
        writer.push(&Match { row, label })?;
    }
    Ok(writer)
}

fn expire(runs: &Runs) {
    if UNSETTLED.load(Ordering::Relaxed) {
        // There is a run that does not read as ended.
        return;
    }
    say(format_args!("try expire"));
    answered(runs.expire(SOON).as_ref());
}

pub(crate) fn answered<T>(outcome: Result<T, &RunError>) {
    match outcome {
        Ok(_) => say(format_args!("ack")),
        Err(_) => say(format_args!("failed")),
    }
}

fn check(
    model: &mut Model,
    root: &Path,
    said: &[String],
    repair: bool,
    counts: &mut Counts,
) -> Result<(), String> {
    model.take_in(said, counts)?;
    if !repair {
        return Ok(());
    }
    let mut rng = StdRng::seed_from_u64(1);
    let disk = Disk::new(root);
    let (home, runs) = open(&disk, &mut rng).map_err(|error| error.to_string())?;
    model.compare(&home, &runs, counts)
}

impl Model {
    fn take_in(&mut self, said: &[String], counts: &mut Counts) -> Result<(), String> {
        let mut tried: Option<&str> = None;
        for line in said.iter().map(String::as_str).chain(["failed"]) {
            match line {
                "ack" => {
                    *counts.entry("acknowledged").or_default() += 1;
                    self.happened(tried.take(), Certainty::Acknowledged)?;
                }
                "failed" => self.happened(tried.take(), Certainty::Open)?,
                line if line.starts_with("try ") => tried = Some(line),
                _ => {}
            }
        }
        Ok(())
    }

    fn happened(&mut self, tried: Option<&str>, certainty: Certainty) -> Result<(), String> {
        let words: Vec<_> = tried.unwrap_or_default().split(' ').collect();
        let acknowledged = certainty == Certainty::Acknowledged;
        match *words {
            ["try", "begin", id, side, rows] => {
                let known = Known {
                    // It is there with its first record.
                    begun: false,
                    querier: side == "0",
                    rows: rows.parse().unwrap(),
                    records: Vec::new(),
                    end: None,
                    expired: None,
                };
                self.0.insert(id.to_owned(), known);
            }
            ["try", "take", id, line] => {
                let known = self.0.get_mut(id).ok_or("a run that never began")?;
                known.begun |= acknowledged;
                // Of one that is tried again after it failed the later attempt counts; a debit that is
                // there already is not charged again.
                let is_debit = line.starts_with("debit");
                let mut there = known.records.iter_mut().filter(|(there, _)| there == line);
                match there.next() {
                    Some((_, certainty)) if is_debit && acknowledged => {
                        *certainty = Certainty::Acknowledged;
                    }
                    Some(_) if is_debit => {}
                    _ => {
                        let stays = |(there, sure): &(String, Certainty)| {
                            there != line || *sure == Certainty::Acknowledged
                        };
                        known.records.retain(stays);
                        known.records.push((line.to_owned(), certainty));
                    }
                }
            }
            ["try", "end", id, outcome, matches, expires] => {
                let known = self.0.get_mut(id).ok_or("a run that never began")?;
                let expires: u64 = expires.parse().unwrap();
                let all = [Outcome::Concluded, Outcome::OpenedLate, Outcome::GivenUp];
                let outcome = all.into_iter().find(|o| format!("{o:?}") == outcome);
                let ending = Ending {
                    outcome: outcome.unwrap(),
                    matches: matches.parse().unwrap(),
                    expires: (expires != 0).then_some(expires),
                };
                (known.end, known.expired) = (Some((ending, certainty)), None);
            }
            ["try", "expire"] => {
                for known in self.0.values_mut() {
                    // Of an end of which nobody knows, it is open too whether this has met it.
                    let (due, sure) = match known.end {
                        Some((ending, sure)) => (ending.expires == Some(SOON), sure),
                        None => (false, Certainty::Open),
                    };
                    if due && known.expired != Some(Certainty::Acknowledged) {
                        let both = acknowledged && sure == Certainty::Acknowledged;
                        known.expired = Some(if both { certainty } else { Certainty::Open });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn compare(&mut self, home: &Home, runs: &Runs, counts: &mut Counts) -> Result<(), String> {
        let ended = runs.ended().map_err(|e| e.to_string())?;
        let unfinished = runs.unfinished();
        let (mut keys, mut files) = (0, 0);
        // One that was cut short may have destroyed keys and left their files: it goes on.
        let cut = |known: &Known| known.expired == Some(Certainty::Open);
        let expired = self.0.values().any(cut);
        if expired {
            runs.expire(SOON).map_err(|e| e.to_string())?;
        }
        for id in &unfinished {
            let known = self.0.get_mut(&hex(id)).ok_or("an unknown run")?;
            if let Some((ending, Certainty::Acknowledged)) = known.end {
                return Err(format!("{id:?} had ended: {ending:?}"));
            }
            // What nobody knew of is known now.
            (known.begun, known.end) = (true, None);
            let run = runs.run(id).map_err(|e| e.to_string())?;
            known.compare_records(&run)?;
            keys += 1;
            files += 1;
            *counts.entry("unfinished runs compared").or_default() += 1;
        }
        for id in &ended {
            let known = self.0.get_mut(&hex(id)).ok_or("an unknown run")?;
            let end = runs.end(id).map_err(|e| e.to_string())?;
            let there = home.disk().exists(&format!("runs/{}/results", hex(id)));
            let there = there.map_err(|e| e.to_string())?;
            known.compare_end(runs, id, &end, there, expired)?;
            keys += usize::from(there);
            files += 1 + usize::from(there);
            *counts.entry("ended runs compared").or_default() += 1;
        }
        // What was never acknowledged and is not there never was.
        self.0.retain(|id, known| {
            let is = |other: &&RunId| hex(other) == *id;
            known.begun || ended.iter().any(|e| is(&e)) || unfinished.iter().any(|u| is(&u))
        });
        if self.0.len() != ended.len() + unfinished.len() {
            return Err(format!(
                "{} runs of {}",
                ended.len() + unfinished.len(),
                self.0.len()
            ));
        }
        let found = home.file_keys().list().map_err(|e| e.to_string())?.len();
        if found != keys {
            return Err(format!("{found} keys of {keys}"));
        }
        let mut listed = 0;
        for run in home.disk().list("runs").map_err(|e| e.to_string())? {
            let names = home.disk().list(&format!("runs/{run}"));
            listed += names.map_err(|e| e.to_string())?.len();
        }
        if listed != files {
            return Err(format!("{listed} files of {files}"));
        }
        let aside = home.disk().list(ASIDE).map_err(|e| e.to_string())?;
        if !aside.is_empty() {
            return Err(format!("half-visible: {aside:?}"));
        }
        check_ledger(home, counts)
    }
}

/// No debit twice, no run ended or committed to twice.
fn check_ledger(home: &Home, counts: &mut Counts) -> Result<(), String> {
    let log = blindmatch_store::ledger::Log::open(home.disk(), &[crate::ledger::key()]);
    let (log, _) = log.map_err(|e| e.to_string())?;
    let mut seen = std::collections::HashSet::new();
    for record in log.records(0..u64::MAX) {
        let (_, record) = record.map_err(|e| e.to_string())?;
        let once = match record.event {
            Event::Debit { run, batch, .. } => {
                *counts.entry("debits in ledgers").or_default() += 1;
                Some(("debit", run, batch))
            }
            Event::RunAgreed { run, .. } => Some(("agreed", run, 0)),
            Event::RunConcluded { run, .. } | Event::RunUnreceipted { run } => {
                Some(("ended", run, 0))
            }
            Event::Results { run, .. } => Some(("results", run, 0)),
            _ => None,
        };
        if let Some(once) = once
            && !seen.insert(once)
        {
            return Err(format!("twice in the ledger: {once:?}"));
        }
    }
    Ok(())
}

impl Known {
    fn compare_records(&mut self, run: &Run) -> Result<(), String> {
        let found = records(run).map_err(|e| e.to_string())?;
        // Debits come first, else the order is that in which they were taken.
        let (debits, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.records)
            .into_iter()
            .partition(|(line, _)| line.starts_with("debit"));
        let number = |line: &str| line.split(',').nth(1).unwrap().parse::<u64>().unwrap();
        let mut debits = debits;
        debits.sort_by_key(|(line, _)| number(line));
        let mut left = found.iter().peekable();
        let mut there = Vec::new();
        for (line, certainty) in debits.into_iter().chain(others) {
            if left.peek() == Some(&&line) {
                left.next();
                there.push((line, Certainty::Acknowledged));
            } else if certainty == Certainty::Acknowledged {
                return Err(format!("lost: {line}, of {found:?}"));
            }
        }
        if let Some(more) = left.next() {
            return Err(format!("nobody stored {more}"));
        }
        self.records = there;
        let asked = asked(run)?;
        let expected: Vec<_> = (0..self.rows).map(|n| shown(&row(&key(n)))).collect();
        if asked != expected {
            return Err(format!("{} rows of {}", asked.len(), self.rows));
        }
        Ok(())
    }

    fn compare_end(
        &mut self,
        runs: &Runs,
        id: &RunId,
        end: &End,
        there: bool,
        expired: bool,
    ) -> Result<(), String> {
        let (ending, _) = self.end.ok_or("nobody ended a run that is over")?;
        self.end = Some((ending, Certainty::Acknowledged));
        self.begun = true;
        let signatures = end
            .receipt
            .as_ref()
            .map(|signed| signed.responder.is_some());
        let expected = match ending.outcome {
            Outcome::Concluded => Some(true),
            Outcome::OpenedLate => Some(false),
            Outcome::GivenUp => None,
        };
        if end.outcome != ending.outcome || signatures != expected {
            return Err(format!("{end:?} for {ending:?}"));
        }
        let has_results = self.querier && ending.outcome != Outcome::GivenUp;
        if end.results.map(|r| r.expires) != has_results.then_some(ending.expires) {
            return Err(format!("{:?} for {ending:?}", end.results));
        }
        if expired && ending.expires == Some(SOON) {
            self.expired = Some(Certainty::Acknowledged);
        }
        match self.expired {
            Some(_) if there => return Err("not destroyed".to_owned()),
            None if there != has_results => return Err("results are lost".to_owned()),
            _ => {}
        }
        if !there {
            return Ok(());
        }
        let found = found(runs, id, NOW)?;
        let expected: Vec<_> = (0..ending.matches)
            .map(|n| format!("{} {}", shown(&row(&key(n))), n % 3 != 0))
            .collect();
        if found != expected {
            return Err(format!("{} matches of {}", found.len(), ending.matches));
        }
        if ending.matches > 0 {
            let (opening, row) = runs.open_match(id, 0, NOW).map_err(|e| e.to_string())?;
            if opening.leaves != 1_024 || row.value(Part::Indicator).is_none() {
                return Err("an opening of something else".to_owned());
            }
        }
        Ok(())
    }
}

fn found(runs: &Runs, id: &RunId, now: u64) -> Result<Vec<String>, String> {
    let mut matches = match runs.matches(id, now) {
        Err(RunError::Missing) => return Ok(Vec::new()),
        matches => matches.map_err(|e| e.to_string())?,
    };
    let mut found = Vec::new();
    let file = format!("runs/{}/results", hex(id));
    let next = |e: blindmatch_store::sealed::SealedError| format!("{file}: {e}");
    while let Some(one) = matches.next().map_err(next)? {
        let one = one.as_match();
        found.push(format!("{} {}", shown(&one.row), one.label.is_some()));
    }
    Ok(found)
}

fn asked(run: &Run) -> Result<Vec<String>, String> {
    let mut asked = run.asked().map_err(|e| e.to_string())?;
    let mut rows = Vec::new();
    while asked.advance().map_err(|e| e.to_string())? {
        rows.push(shown(&asked.row().unwrap()));
    }
    Ok(rows)
}

/// Debits by their number, then the others in their order.
fn records(run: &Run) -> Result<Vec<String>, RunError> {
    let mut lines = Vec::new();
    for record in run.records()? {
        lines.push(match record? {
            Record::Debit(debit) => {
                let tag = u32::from_be_bytes(debit.digest[..4].try_into().unwrap());
                format!("debit,{},{tag}", debit.batch)
            }
            Record::Spent { .. } => unreachable!("these runs have no setup"),
            Record::Receipt(signed) => {
                format!("receipt,{}", 1 + u32::from(signed.responder.is_some()))
            }
            Record::State(state) => {
                let bytes = state.as_bytes();
                if bytes.len() > 20 && bytes[1..].starts_with(b"blindmatch attached") {
                    let (_, counter) = bytes.split_last_chunk::<8>().unwrap();
                    format!("attached,{}", u64::from_be_bytes(*counter))
                } else {
                    let tag = u32::from_be_bytes(bytes[..4].try_into().unwrap());
                    let same = bytes[4..].iter().all(|byte| *byte == bytes[3]);
                    assert!(same, "a state that nobody stored");
                    format!("state,{tag},{}", bytes.len() - 4)
                }
            }
        });
    }
    Ok(lines)
}

fn record(run: &RunId, line: &str) -> Record {
    let words: Vec<_> = line.split(',').collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0] {
        "debit" => {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&(number(2) as u32).to_be_bytes());
            Record::Debit(Debit {
                batch: number(1),
                digest,
                evaluations: 8,
            })
        }
        "attached" => {
            let mut state = Writer::new("blindmatch attached state v1");
            let state = state.fixed(&run.0).u64(number(1)).finish();
            Record::State(State::from(state))
        }
        "state" => {
            let tag = (number(1) as u32).to_be_bytes();
            let mut bytes = tag.to_vec();
            bytes.resize(4 + number(2) as usize, tag[3]);
            Record::State(State::from(bytes))
        }
        _ => {
            let input = Input {
                commitment: [3; 32],
                class: 8,
            };
            let signature = Signature::from_bytes(&[5; 64]);
            Record::Receipt(Box::new(SignedReceipt {
                receipt: Receipt {
                    run: run.0,
                    querier: b"alpha".to_vec(),
                    responder: b"beta".to_vec(),
                    querier_input: input,
                    responder_input: input,
                    transcript: [4; 32],
                },
                querier: signature,
                responder: (number(1) == 2).then_some(signature),
            }))
        }
    }
}

pub(crate) fn head(side: Side, nonce: [u8; 32]) -> Head {
    let input = Input {
        commitment: [3; 32],
        class: 8,
    };
    let party = |identity: &[u8]| Party {
        identity: identity.to_vec(),
        nonce,
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

fn key(number: u32) -> Vec<u8> {
    [&[3, 1][..], format!("user{number}@example.com").as_bytes()].concat()
}

fn row(key: &[u8]) -> Row<'_> {
    let origin = Origin {
        given: true,
        derived: false,
    };
    Row {
        key,
        origin,
        fields: LabelFields::default(),
        handle: Some([key.len() as u8; 16]),
        since: 5,
        expires: None,
        references: References::default(),
    }
}

fn shown(row: &Row<'_>) -> String {
    let key = String::from_utf8_lossy(&row.key[2..]);
    format!("{key} {:?} {}", row.handle, row.since)
}

pub(crate) fn hex(id: &RunId) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
