//! `import`: canonicalise and de-duplicate IPv4 lines, without keeping any and into a collection of
//! a home, against `LC_ALL=C sort -u --parallel=2` to nowhere.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use blindmatch_feeds::{Intake, Options, Refused, Row, Sieve, read};
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
use blindmatch_node::import::import;
use blindmatch_store::collection::{CollectionKind, Collections, ImportPlan, Mode, Ttl};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::Scale;
use crate::machine::peak_memory_mib;
use crate::report::Report;

/// Each contender runs this often, in turns; the best of each counts.
const ROUNDS: usize = 5;

/// What one import in its own process measured.
#[derive(Serialize, Deserialize)]
struct Once {
    seconds: f64,
    distinct: u64,
    peak_memory_mib: Option<f64>,
    /// What the source takes on disk, where there is one.
    bytes: u64,
}

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let lines: u32 = if scale == Scale::Full {
        10_000_000
    } else {
        300_000
    };
    let folder = tempfile::tempdir()?;
    let feed = folder.path().join("ipv4.txt");
    let distinct = generate(&feed, lines)?;

    let mut report = Report::new("import");
    let mut best = [Best::default(), Best::default(), Best::default()];
    let [check, abuse, customers] = &mut best;
    let mut sort = None;
    for _ in 0..ROUNDS {
        check.take(import_once(&feed, None, distinct)?);
        for (kind, best) in [
            (CollectionKind::Abuse, &mut *abuse),
            (CollectionKind::Customers, &mut *customers),
        ] {
            best.take(import_once(&feed, Some(kind), distinct)?);
        }
        match sort_once(&feed) {
            Ok(seconds) => sort = Some(sort.map_or(seconds, |best: f64| best.min(seconds))),
            Err(error) => report.note(format!("sort: {error:#}")),
        }
    }
    report.figure("lines", lines.into());
    report.figure("distinct", distinct as f64);
    if let Some(sort) = sort {
        report.figure("sort_s", sort);
    }
    for (names, best) in [(CHECK, check), (ABUSE, abuse), (CUSTOMERS, customers)] {
        let [seconds, rate, peak, per_item] = names;
        let Some(best_seconds) = best.seconds else {
            continue;
        };
        report.figure(seconds, best_seconds);
        report.figure(rate, f64::from(lines) / best_seconds);
        if let Some(mib) = best.peak_memory_mib {
            report.figure(peak, mib);
        }
        if best.bytes > 0 {
            report.figure(per_item, best.bytes as f64 / distinct as f64);
        }
    }
    let against_sort = |best: &Best| Some(best.seconds? / sort?);
    let [check, abuse, customers] = &best;
    report.ratio("import_vs_sort", against_sort(check));
    report.ratio("store_import_vs_sort", against_sort(abuse));
    report.ratio("customers_import_vs_sort", against_sort(customers));
    Ok(report)
}

/// Names of the figures of each contender: seconds, rate, peak memory, bytes on disk.
type Names = [&'static str; 4];

const CHECK: Names = [
    "import_s",
    "import_lines_per_s",
    "import_peak_memory_mib",
    "import_bytes_per_item",
];
const ABUSE: Names = [
    "store_import_s",
    "store_import_lines_per_s",
    "store_import_peak_memory_mib",
    "bytes_per_item",
];
const CUSTOMERS: Names = [
    "customers_import_s",
    "customers_import_lines_per_s",
    "customers_import_peak_memory_mib",
    "customers_bytes_per_item",
];

/// The best time of a contender, its greatest memory, and the bytes that it wrote.
#[derive(Default)]
struct Best {
    seconds: Option<f64>,
    peak_memory_mib: Option<f64>,
    bytes: u64,
}

impl Best {
    fn take(&mut self, once: Once) {
        let seconds = self
            .seconds
            .map_or(once.seconds, |best| best.min(once.seconds));
        self.seconds = Some(seconds);
        let (before, now) = (self.peak_memory_mib, once.peak_memory_mib);
        self.peak_memory_mib = now.map(|mib| before.map_or(mib, |peak| peak.max(mib)));
        self.bytes = once.bytes;
    }
}

/// Imports `file` in this process, into a collection of `kind` in `home` or into nothing, and prints
/// what that took.
pub(crate) fn once(file: &Path, home: &Path, kind: Option<CollectionKind>) -> anyhow::Result<()> {
    let started = Instant::now();
    // Addresses need no table; the shortest list keeps its parsing out of the figure.
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n";
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list)?);
    let (distinct, bytes) = match kind {
        None => (check(file, &canonicaliser)?, 0),
        Some(kind) => store(file, &canonicaliser, home, kind)?,
    };
    let once = Once {
        seconds: started.elapsed().as_secs_f64(),
        distinct,
        peak_memory_mib: peak_memory_mib(),
        bytes,
    };
    println!("{}", serde_json::to_string(&once)?);
    Ok(())
}

fn check(file: &Path, canonicaliser: &Canonicaliser) -> anyhow::Result<u64> {
    let mut intake = Intake::new(canonicaliser, rand::random());
    let mut refused = |_: &Refused<'_>| {};
    let mut sink = |row: &Row<'_>| intake.take(row, &mut refused);
    let file = File::open(file)?;
    read(file, &Options::default(), canonicaliser, &mut sink)?;
    Ok(intake.tally().accepted_total())
}

/// Imports into the home; gives distinct indicators and bytes on disk.
fn store(
    file: &Path,
    canonicaliser: &Canonicaliser,
    home: &Path,
    kind: CollectionKind,
) -> anyhow::Result<(u64, u64)> {
    let home = Home::open(Disk::new(home), now()?)?;
    let plan = ImportPlan {
        collection: "bench".parse()?,
        kind: Some(kind),
        source: "lines".parse()?,
        mode: Mode::Replace,
        now: now()?,
        ttl: Ttl::default(),
        allow_shrink: false,
        discard_damaged: false,
        payment_key: None,
    };
    let feed = File::open(file)?;
    let (report, _) = import(
        &Collections::open(&home)?,
        plan,
        canonicaliser,
        Sieve::new(canonicaliser),
        |sink| read(feed, &Options::default(), canonicaliser, sink),
        &mut |_| {},
        &mut rand::rng(),
    )?;
    let bytes = report.contents.sources.values().map(|source| source.bytes);
    Ok((report.tally.accepted_total(), bytes.sum()))
}

fn now() -> anyhow::Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

fn import_once(feed: &Path, kind: Option<CollectionKind>, distinct: u64) -> anyhow::Result<Once> {
    // A new home beside the feed, on the same disk; making one is no part of an import.
    let beside = feed.parent().context("a file in a folder")?;
    let folder = tempfile::tempdir_in(beside)?;
    let home = folder.path().join("home");
    if kind.is_some() {
        let key = StorageKey::random(&mut rand::rng());
        drop(Home::create(Disk::new(&home), &key, now()?)?);
    }
    let started = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .arg("import-once")
        .args([feed, &home])
        .args(kind.map(CollectionKind::name))
        .stderr(Stdio::inherit())
        .output()?;
    // The whole process counts, as it does for sort.
    let seconds = started.elapsed().as_secs_f64();
    ensure!(output.status.success(), "import failed: {}", output.status);
    let once: Once = serde_json::from_slice(&output.stdout)?;
    ensure!(
        once.distinct == distinct,
        "counted {} of {distinct} distinct",
        once.distinct
    );
    Ok(Once { seconds, ..once })
}

fn sort_once(feed: &Path) -> anyhow::Result<f64> {
    let started = Instant::now();
    let status = Command::new("sort")
        .args(["-u", "--parallel=2", "-o", "/dev/null"])
        .arg(feed)
        .env("LC_ALL", "C")
        .status()
        .context("GNU sort is not installed")?;
    ensure!(status.success(), "sort failed: {status}");
    Ok(started.elapsed().as_secs_f64())
}

/// Writes `lines` public IPv4 addresses, about one in ten a repetition, and returns how many
/// different ones there are.
fn generate(path: &Path, lines: u32) -> anyhow::Result<u64> {
    let mut rng = SmallRng::seed_from_u64(u64::from(lines));
    let mut file = BufWriter::new(File::create(path)?);
    let mut drawn: Vec<u32> = Vec::with_capacity(lines as usize);
    for i in 0..lines {
        // 11.0.0.0 to 99.255.255.255: no special block lies there.
        let repeat = i > 0 && rng.random_ratio(1, 10);
        let address = if repeat {
            drawn
                .get(rng.random_range(0..i as usize))
                .copied()
                .unwrap_or_default()
        } else {
            rng.random_range(11 << 24..100 << 24)
        };
        drawn.push(address);
        let [a, b, c, d] = address.to_be_bytes();
        writeln!(file, "{a}.{b}.{c}.{d}")?;
    }
    file.flush()?;
    drawn.sort_unstable();
    drawn.dedup();
    Ok(drawn.len() as u64)
}
