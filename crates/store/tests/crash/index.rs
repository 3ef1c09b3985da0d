//! The index: killed while it is made and brought up to date, and damaged in every way; what it
//! then says is held against a second index, and against a plain reading of the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use blindmatch_audit::{
    record::{Class, Event, Name},
    tree::Hash,
};
use blindmatch_store::{
    disk::Disk,
    home::{Home, HomeError},
    index::{ASIDE, Charged, Doubt, Facts, INDEX, MemoryIndex, Opening, RunState, SledIndex},
    ledger::{Ledger, LedgerError, Log, SEGMENT, Settings},
};
use libtest_mimic::Failed;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    NOW,
    harness::{Counts, Workload, say, seeded},
    ledger::settings,
    open_home,
};

/// Appends and has the index follow, until killed.
pub(crate) struct Following;

/// Few, so that they meet often.
const NAMES: [&str; 3] = ["a", "bb", "view-c"];
const EPOCHS: u64 = 4;
const RUNS: u8 = 20;

impl Workload for Following {
    const NAME: &'static str = "following";
    type Model = ();

    fn work(disk: &Disk, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        say(format_args!("started"));
        let home = open_home(disk).unwrap();
        let ledger = open_ledger(disk).unwrap();
        if ledger.log().size() < 1_000 {
            append(&ledger, 2_000, &mut rng);
        }
        let (mut facts, opening) = Facts::open(&home, &ledger.log()).unwrap();
        if opening.rebuilt.is_some() {
            say(format_args!("rebuilt"));
        }
        say(format_args!("opened"));
        loop {
            let count = rng.random_range(1..200);
            append(&ledger, count, &mut rng);
            facts.catch_up(&ledger.log()).unwrap();
        }
    }

    /// Damages the index, so that it is made again.
    fn prepare(home: &Path, rng: &mut StdRng) {
        let directory = home.join(INDEX);
        if directory.exists() {
            let kind = KINDS[rng.random_range(0..KINDS.len())];
            damage(&directory, kind, rng).unwrap();
        }
    }

    fn check(
        (): &mut (),
        root: &Path,
        said: &[String],
        repair: bool,
        counts: &mut Counts,
    ) -> Result<(), String> {
        if said.iter().any(|line| line == "rebuilt") {
            *counts.entry("children that made it again").or_default() += 1;
        }
        if !repair {
            return Ok(());
        }
        let disk = Disk::new(root);
        let home = match Home::open(disk.clone(), NOW) {
            Err(HomeError::NotAHome(_)) => return Ok(()),
            home => home.map_err(|e| e.to_string())?,
        };
        let log = match Ledger::open(&disk, settings()) {
            Err(LedgerError::NoCheckpoint) => return Ok(()),
            opened => opened.map_err(|e| e.to_string())?.0.log(),
        };
        let (facts, opening) = Facts::open(&home, &log).map_err(|e| format!("{e:?}"))?;
        let outcome = match opening {
            Opening {
                rebuilt: Some(_), ..
            } => "made again by the parent",
            Opening { applied: 0, .. } => "whole",
            _ => "behind, and brought up to date",
        };
        *counts.entry(outcome).or_default() += 1;
        compare(&facts, &home, &log)
    }
}

/// So many random ledgers, each in an index on disk and in memory, in batches of random sizes.
pub(crate) fn parity(ledgers: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let mut records = 0;
    for _ in 0..ledgers {
        let (_place, home, ledger) = created()?;
        let (mut facts, _) = Facts::open(&home, &ledger.log()).map_err(failed)?;
        for _ in 0..rng.random_range(1..6) {
            let count = rng.random_range(1..300);
            append(&ledger, count, &mut rng);
            facts.catch_up(&ledger.log()).map_err(failed)?;
            compare(&facts, &home, &ledger.log()).map_err(|e| format!("seed {seed}: {e}"))?;
        }
        records += ledger.log().size();
    }
    println!(
        "index: {ledgers} ledgers of {records} records together, the same on disk, in memory and read plainly"
    );
    Ok(())
}

/// Damages an index so many times; it must come back with the same answers each time.
pub(crate) fn damages(times: u64) -> Result<(), Failed> {
    let (seed, mut rng) = seeded();
    let (place, home, ledger) = created()?;
    let directory = place.path().join("home").join(INDEX);
    append(&ledger, 500, &mut rng);
    drop(Facts::open(&home, &ledger.log()).map_err(failed)?);
    let old = place.path().join("old");
    copy(&directory, &old)?;
    append(&ledger, 500, &mut rng);
    drop(Facts::open(&home, &ledger.log()).map_err(failed)?);
    let foreign = [other_ledger(&mut rng)?, shorter_fork(&ledger.log())?];

    let log = ledger.log();
    let mut counts = BTreeMap::<(&str, String), u64>::new();
    for time in 0..times {
        let kind = ALL_KINDS[time as usize % ALL_KINDS.len()];
        match kind {
            "an old copy" => replace(&directory, &old)?,
            "another ledger's" => replace(&directory, &foreign[0].1)?,
            "a fork's" => replace(&directory, &foreign[1].1)?,
            kind => damage(&directory, kind, &mut rng)?,
        }
        let place = format!("seed {seed}, time {time}, {kind}");
        let (facts, opening) = Facts::open(&home, &log).map_err(|e| format!("{place}: {e:?}"))?;
        let right = match kind {
            "an old copy" => opening.rebuilt.is_none() && opening.applied == 500,
            "another ledger's" => {
                matches!(opening.rebuilt, Some(Doubt::Unstamped | Doubt::Entry))
            }
            "a fork's" => opening.rebuilt == Some(Doubt::OtherLedger),
            "no directory" | "an empty directory" => opening.rebuilt == Some(Doubt::Missing),
            "a file" => opening.rebuilt == Some(Doubt::Unreadable),
            // Dead bytes of its files change nothing, and sled may go back to an earlier batch.
            _ => opening.rebuilt.is_some() || opening.applied <= 500,
        };
        if !right {
            return Err(format!("{place}: {opening:?}").into());
        }
        if time % 16 < ALL_KINDS.len() as u64 {
            compare(&facts, &home, &log).map_err(|e| format!("{place}: {e}"))?;
        } else {
            same(&facts, &home, &log).map_err(|e| format!("{place}: {e}"))?;
        }
        let outcome = opening
            .rebuilt
            .map_or_else(|| "believed".to_owned(), |doubt| format!("{doubt:?}"));
        *counts.entry((kind, outcome)).or_default() += 1;
    }
    println!("index, damaged {times} times, the same answers each time:");
    for ((kind, outcome), count) in counts {
        println!("  {count:8} {kind}: {outcome}");
    }
    Ok(())
}

const KINDS: [&str; 8] = [
    "no directory",
    "an empty directory",
    "a file",
    "one file less",
    "a file cut",
    "a byte flipped",
    "a file of noise",
    "noise over a part",
];

const ALL_KINDS: [&str; 12] = [
    "no directory",
    "an empty directory",
    "a file",
    "one file less",
    "a file cut",
    "a byte flipped",
    "a file of noise",
    "noise over a part",
    "an old copy",
    "another ledger's",
    "a fork's",
    "a byte flipped",
];

fn damage(directory: &Path, kind: &str, rng: &mut StdRng) -> io::Result<()> {
    if kind == "no directory" || !directory.is_dir() {
        return remove(directory);
    }
    let mut files = Vec::new();
    list(directory, &mut files)?;
    if kind == "an empty directory" || kind == "a file" {
        remove(directory)?;
        return match kind {
            "a file" => fs::write(directory, b"no index"),
            _ => fs::create_dir(directory),
        };
    }
    files.retain(|file| fs::metadata(file).is_ok_and(|m| m.len() > 0));
    files.sort_unstable();
    let Some(file) = files.get(rng.random_range(0..files.len().max(1))) else {
        return Ok(());
    };
    let mut bytes = fs::read(file)?;
    // Half of the flips where sled has written anything.
    let written = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |at| at + 1);
    let bound = if rng.random() { written } else { bytes.len() };
    let at = rng.random_range(0..bound);
    match kind {
        "one file less" => return fs::remove_file(file),
        "a file cut" => bytes.truncate(at),
        "a byte flipped" => bytes[at] ^= 1 << rng.random_range(0..8),
        "a file of noise" => rng.fill(bytes.as_mut_slice()),
        "noise over a part" => {
            let end = bytes.len().min(at + rng.random_range(1..4_096));
            rng.fill(&mut bytes[at..end]);
        }
        other => panic!("no damage {other}"),
    }
    fs::write(file, bytes)
}

/// The index of another ledger, under another storage key.
fn other_ledger(rng: &mut StdRng) -> Result<(tempfile::TempDir, PathBuf), Failed> {
    let place = tempfile::tempdir()?;
    let root = place.path().join("home");
    let key = blindmatch_store::keys::StorageKey::new(&[2; 32]);
    let disk = Disk::new(&root);
    let home = Home::create(disk.clone(), &key, NOW)?;
    let ledger = open_ledger(&disk)?;
    append(&ledger, 100, rng);
    drop(Facts::open(&home, &ledger.log()).map_err(failed)?);
    Ok((place, root.join(INDEX)))
}

/// The index of a ledger with other records, under the same storage key.
fn shorter_fork(log: &Log) -> Result<(tempfile::TempDir, PathBuf), Failed> {
    let (place, home, ledger) = created()?;
    let mut rng = StdRng::seed_from_u64(log.size());
    append(&ledger, 200, &mut rng);
    drop(Facts::open(&home, &ledger.log()).map_err(failed)?);
    let directory = place.path().join("home").join(INDEX);
    Ok((place, directory))
}

fn created() -> Result<(tempfile::TempDir, Home, Ledger), Failed> {
    let place = tempfile::tempdir()?;
    let disk = Disk::new(&place.path().join("home"));
    let home = open_home(&disk)?;
    let ledger = open_ledger(&disk)?;
    Ok((place, home, ledger))
}

fn open_ledger(disk: &Disk) -> Result<Ledger, LedgerError> {
    let settings = || Settings {
        segment: SEGMENT,
        ..settings()
    };
    let opened = match Ledger::open(disk, settings()) {
        Err(LedgerError::NoCheckpoint) => Ledger::create(disk, settings()),
        opened => opened,
    };
    Ok(opened?.0)
}

fn append(ledger: &Ledger, count: usize, rng: &mut StdRng) {
    let events: Vec<_> = (0..count).map(|_| event(rng)).collect();
    for group in events.chunks(500) {
        ledger.append(group.to_vec()).unwrap();
    }
}

/// An event of those that the index knows, or one of the others.
pub(crate) fn event(rng: &mut StdRng) -> Event {
    let name = |rng: &mut StdRng| Name::new(NAMES[rng.random_range(0..NAMES.len())]).unwrap();
    let (view, peer) = (name(rng), name(rng));
    let epoch = rng.random_range(0..EPOCHS);
    let run = [rng.random_range(0..RUNS); 32];
    match rng.random_range(0..12) {
        0..4 => Event::Debit {
            peer,
            view,
            epoch,
            run,
            batch: rng.random_range(1..4),
            digest: [rng.random_range(0..4); 32],
            amount: Class::exactly(8 << rng.random_range(0..60_u32)).unwrap(),
        },
        4 => Event::RunAgreed {
            run,
            peer,
            side: blindmatch_audit::receipt::Side::Querier,
            agreement: [7; 32],
        },
        5 => Event::RunConcluded {
            run,
            receipt: blindmatch_audit::record::Salted([8; 32]),
        },
        6 => Event::RunUnreceipted { run },
        7 => Event::RunOpenedLate { run },
        8 => Event::Publication {
            view,
            sequence: rng.random(),
            manifest: [9; 32],
            root: [10; 32],
            class: Class::exactly(1_024).unwrap(),
        },
        9 => Event::EpochOpened {
            view,
            epoch,
            key: [11; 32],
        },
        10 => Event::EpochClosed { view, epoch },
        _ => Event::Witnessed {
            origin: Name::new(&format!("{peer}/{}", rng.random_range(1..4))).unwrap(),
            size: rng.random(),
            root: [rng.random(); 32],
        },
    }
}

/// Holds an index against one in memory, and its answers against the ledger.
fn compare(facts: &Facts<SledIndex>, home: &Home, log: &Log) -> Result<(), String> {
    same(facts, home, log)?;
    plainly(facts, log).map_err(|e| format!("{e:?}"))?
}

fn same(facts: &Facts<SledIndex>, home: &Home, log: &Log) -> Result<(), String> {
    let memory = Facts::over(MemoryIndex::default(), home.storage_key(), log);
    let (memory, _) = memory.map_err(|e| format!("{e:?}"))?;
    let dumps = (facts.dump(), memory.dump());
    let (Ok(found), Ok(right)) = dumps else {
        return Err(format!("{dumps:?}"));
    };
    if found == right && facts.applied() == log.size() {
        Ok(())
    } else {
        Err(format!(
            "{} entries of {} records, not {} of {}",
            found.len(),
            facts.applied(),
            right.len(),
            log.size()
        ))
    }
}

/// Answers every question by reading all records.
fn plainly(facts: &Facts<SledIndex>, log: &Log) -> Result<Result<(), String>, Doubt> {
    let records = log.records(0..u64::MAX).collect::<Result<Vec<_>, _>>();
    let records = match records {
        Ok(records) => records,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let sum = |of: &dyn Fn(&str, &str, u64) -> bool| {
        records
            .iter()
            .fold(0_u64, |sum, (_, record)| match &record.event {
                Event::Debit {
                    peer,
                    view,
                    epoch,
                    amount,
                    ..
                } if of(view.as_str(), peer.as_str(), *epoch) => sum.saturating_add(amount.count()),
                _ => sum,
            })
    };
    for view in NAMES {
        for epoch in 0..EPOCHS {
            for peer in NAMES {
                let found = facts.charged(view, peer, epoch, NOW)?;
                let right = Charged {
                    day: sum(&|v, p, _| v == view && p == peer),
                    epoch: sum(&|v, p, e| v == view && p == peer && e == epoch),
                };
                if found != right {
                    return Ok(Err(format!("{view}, {peer}: {found:?}, not {right:?}")));
                }
            }
            let found = facts.charged_in_all(view, epoch)?;
            if found != sum(&|v, _, e| v == view && e == epoch) {
                return Ok(Err(format!("{view} in all: {found}")));
            }
        }
        let published = records.iter().rev().find(|(_, record)| {
            matches!(&record.event, Event::Publication { view: v, .. } if v.as_str() == view)
        });
        if facts.publication(view)? != published.map(|(number, _)| *number) {
            return Ok(Err(format!("{view}: publication")));
        }
        let mut last = None;
        let mut witnessed = None;
        for (_, record) in &records {
            match &record.event {
                Event::EpochOpened { view: v, epoch, .. } if v.as_str() == view => {
                    last = Some((*epoch, true));
                }
                Event::EpochClosed { view: v, epoch }
                    if v.as_str() == view && last.is_none_or(|(opened, _)| opened <= *epoch) =>
                {
                    last = Some((*epoch, false));
                }
                Event::Witnessed { origin, size, root } => {
                    let (ledger, incarnation) = origin.as_str().rsplit_once('/').unwrap();
                    if ledger == view {
                        witnessed = Some((incarnation.parse().unwrap(), *size, *root));
                    }
                }
                _ => {}
            }
        }
        if facts.last_epoch(view)? != last {
            return Ok(Err(format!("{view}: last epoch")));
        }
        if facts
            .witnessed(view)?
            .map(|w| (w.incarnation, w.size, w.root))
            != witnessed
        {
            return Ok(Err(format!("{view}: witnessed")));
        }
    }
    for peer in NAMES {
        let mut most = Charged::default();
        for view in NAMES {
            let of = |number: u64| {
                let charged = records.iter().any(|(_, record)| {
                    matches!(&record.event, Event::Debit { view: v, peer: p, epoch, .. }
                        if v.as_str() == view && p.as_str() == peer && *epoch == number)
                });
                Ok::<_, Doubt>(
                    charged || facts.last_epoch(view)?.map(|(last, _)| last) == Some(number),
                )
            };
            let mut last = 0;
            for epoch in 0..EPOCHS {
                if of(epoch)? {
                    last = epoch;
                }
            }
            most.day = most.day.max(sum(&|v, p, _| v == view && p == peer));
            let epoch = sum(&|v, p, e| v == view && p == peer && e == last);
            most.epoch = most.epoch.max(epoch);
        }
        let found = facts.charged_at_most(peer, NOW)?;
        if found != most {
            return Ok(Err(format!("{peer} at most: {found:?}, not {most:?}")));
        }
        let (mut with, mut charged) = (BTreeMap::new(), BTreeSet::new());
        let mut broken_off = 0;
        for (_, record) in &records {
            match &record.event {
                Event::RunAgreed { run, peer, .. } => {
                    with.insert(*run, peer.as_str());
                }
                Event::Debit { run, .. } => {
                    charged.insert(*run);
                }
                Event::RunUnreceipted { run } if with.get(run) == Some(&peer) => {
                    broken_off += u64::from(charged.contains(run));
                }
                Event::RunOpenedLate { run } if with.get(run) == Some(&peer) => broken_off += 1,
                Event::RunConcluded { run, .. } if with.get(run) == Some(&peer) => broken_off = 0,
                _ => {}
            }
        }
        if facts.unreceipted_in_a_row(peer)? != broken_off {
            return Ok(Err(format!("{peer}: not {broken_off} without a receipt")));
        }
    }
    for seed in 0..RUNS {
        let run = [seed; 32];
        let state = records.iter().rev().find_map(|(number, record)| {
            let state = match &record.event {
                Event::RunAgreed { run: r, .. } if *r == run => RunState::Agreed,
                Event::RunConcluded { run: r, .. } if *r == run => RunState::Concluded,
                Event::RunUnreceipted { run: r } if *r == run => RunState::Unreceipted,
                Event::RunOpenedLate { run: r } if *r == run => RunState::OpenedLate,
                _ => return None,
            };
            Some((state, *number))
        });
        if facts.run(&run)? != state {
            return Ok(Err(format!("run {seed}")));
        }
        for number in 1..4 {
            for digest in 0..4 {
                let digest: Hash = [digest; 32];
                let debit = records.iter().rev().find(|(_, record)| {
                    matches!(&record.event, Event::Debit { run: r, batch: b, digest: d, .. }
                        if (*r, *b, *d) == (run, number, digest))
                });
                if facts.debit(&run, number, &digest)? != debit.map(|(number, _)| *number) {
                    return Ok(Err(format!("debit of run {seed}")));
                }
            }
        }
    }
    Ok(Ok(()))
}

fn failed(error: impl std::fmt::Debug) -> Failed {
    format!("{error:?}").into()
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn replace(directory: &Path, with: &Path) -> io::Result<()> {
    remove(directory)?;
    // What was moved aside before must not be in the way either.
    let _ = remove(&directory.with_file_name(ASIDE));
    copy(with, directory)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}
