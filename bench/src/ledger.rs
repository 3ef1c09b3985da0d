//! `ledger`: durable appends a second with group commit, against a bare write and `fdatasync` of
//! as many bytes, one behind the other, to a file beside it.
//!
//! An append returns when its record and a signed checkpoint that covers it are on disk: that takes
//! three more syncs, which all appends that wait at the same time share. Both write to the
//! directory for temporary files (`TMPDIR`), which should not be one in memory. Each figure is the
//! median of the rounds, each ratio that of the ratios: disks have good and bad seconds.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use blindmatch_audit::SigningKey;
use blindmatch_audit::checkpoint::ledger_name;
use blindmatch_audit::record::{Class, Event, Name, Record};
use blindmatch_store::disk::Disk;
use blindmatch_store::ledger::{Ledger, SEGMENT, Settings, segment};
use rand::rngs::StdRng;

use crate::Scale;
use crate::report::Report;

/// As many runs as a busy responder serves at a time.
const THREADS: u64 = 64;

const SHARED: &str = "group_commit_vs_fdatasync";
const SINGLE: &str = "single_append_vs_fdatasync";

/// Any time will do.
const NOW: u64 = 1_763_798_400;

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let (rounds, span) = if scale == Scale::Full {
        (5, Duration::from_secs(5))
    } else {
        (3, Duration::from_secs(2))
    };
    let mut report = Report::new("ledger");
    let folder = tempfile::tempdir()?;
    let frame = frame()?;
    let mut measured: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let place = folder.path().join(round.to_string());
        let bare = write_and_sync(&folder.path().join("bare"), &frame, span)?;
        let one = append(&place.join("one"), 1, span)?;
        let many = append(&place.join("many"), THREADS, span)?;
        for (name, value) in [
            ("fdatasync_per_s", bare),
            ("appends_1_thread_per_s", one.per_second),
            ("appends_64_threads_per_s", many.per_second),
            ("appends_a_checkpoint", many.group),
            ("opened_records_per_s", many.opened_per_second),
            (SHARED, many.per_second / bare),
            (SINGLE, one.per_second / bare),
        ] {
            measured.entry(name).or_default().push(value);
        }
    }
    report.figure("record_bytes", frame.len() as f64);
    for (name, mut values) in measured {
        values.sort_unstable_by(f64::total_cmp);
        let median = values[values.len() / 2];
        if name == SHARED || name == SINGLE {
            report.ratio(name, Some(median));
        } else {
            report.figure(name, median);
        }
    }
    report.note(format!(
        "both on the file system of {}",
        folder.path().display()
    ));
    Ok(report)
}

struct Appends {
    per_second: f64,
    /// How many appends shared a checkpoint.
    group: f64,
    /// How many records a second are read and checked when the ledger is opened again.
    opened_per_second: f64,
}

/// Appends one debit at a time on each thread.
fn append(home: &Path, threads: u64, span: Duration) -> anyhow::Result<Appends> {
    let disk = Disk::new(home);
    let (ledger, _) = Ledger::create(&disk, settings()?)?;
    let started = Instant::now();
    let work = || -> anyhow::Result<Vec<u64>> {
        let mut heads = Vec::new();
        while started.elapsed() < span {
            ledger.append(vec![debit()?])?;
            heads.push(ledger.log().head().unverified().size);
        }
        Ok(heads)
    };
    let heads = thread::scope(|scope| {
        let handles = (0..threads).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        let heads = handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|_| unreachable!()));
        heads.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let mut heads = heads.concat();
    let appends = heads.len() as u64;
    drop(ledger);
    let opening = Instant::now();
    let (ledger, _) = Ledger::open(&disk, settings()?)?;
    let opened_per_second = ledger.log().size() as f64 / opening.elapsed().as_secs_f64();
    ensure!(
        ledger.log().size() == appends + 1,
        "{appends} appends were acknowledged, and {} records are there",
        ledger.log().size()
    );
    heads.sort_unstable();
    heads.dedup();
    Ok(Appends {
        per_second: appends as f64 / seconds,
        group: appends as f64 / heads.len() as f64,
        opened_per_second,
    })
}

/// Writes and syncs the same bytes again and again: how often a second.
fn write_and_sync(path: &Path, bytes: &[u8], span: Duration) -> anyhow::Result<f64> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let started = Instant::now();
    let mut writes = 0;
    while started.elapsed() < span {
        file.write_all(bytes)?;
        file.sync_data()?;
        writes += 1;
    }
    Ok(f64::from(writes) / started.elapsed().as_secs_f64())
}

fn settings() -> anyhow::Result<Settings> {
    Ok(Settings {
        ledger: ledger_name("bench", "a")?,
        key: SigningKey::from_bytes(&[1; 32]),
        earlier: Vec::new(),
        clock: Box::new(|| NOW),
        random: Box::new(rand::make_rng::<StdRng>()),
        segment: SEGMENT,
    })
}

fn debit() -> anyhow::Result<Event> {
    Ok(Event::Debit {
        peer: Name::new("example-provider")?,
        view: Name::new("abuse/ip/fraud")?,
        epoch: 7,
        run: [1; 32],
        batch: 1,
        digest: [2; 32],
        amount: Class::exactly(4_096).context("a class")?,
    })
}

/// The bytes of a record as it stands in a segment.
fn frame() -> anyhow::Result<Vec<u8>> {
    let record = Record {
        time: NOW,
        nonce: [3; 32],
        event: debit()?,
    };
    let mut frame = Vec::new();
    let written = segment::write(&record.encode(), true, &mut frame);
    written.map_err(|flaw| anyhow::anyhow!("{flaw}"))?;
    Ok(frame)
}
