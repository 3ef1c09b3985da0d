//! `import`: canonicalise and de-duplicate IPv4 lines, against `LC_ALL=C sort -u --parallel=2`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use blindmatch_feeds::{Intake, Options, Refused, Row, read};
use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
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
    let (mut ours, mut sort, mut peak) = (f64::INFINITY, None::<f64>, None::<f64>);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let once = import_once(&feed)?;
        // The whole process counts, as it does for sort.
        ours = ours.min(started.elapsed().as_secs_f64());
        ensure!(
            once.distinct == distinct,
            "counted {} of {distinct} distinct",
            once.distinct
        );
        peak = once
            .peak_memory_mib
            .map(|mib| peak.map_or(mib, |peak| peak.max(mib)));
        match sort_once(&feed) {
            Ok(seconds) => sort = Some(sort.map_or(seconds, |best| best.min(seconds))),
            Err(error) => report.note(format!("sort: {error:#}")),
        }
    }
    report.figure("lines", lines.into());
    report.figure("distinct", distinct as f64);
    report.figure("import_s", ours);
    report.figure("import_lines_per_s", f64::from(lines) / ours);
    if let Some(peak) = peak {
        report.figure("import_peak_memory_mib", peak);
    }
    if let Some(sort) = sort {
        report.figure("sort_s", sort);
    }
    report.ratio("import_vs_sort", sort.map(|sort| ours / sort));
    Ok(report)
}

/// Imports `file` in this process and prints what that took.
pub(crate) fn once(file: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    // Addresses need no table; the shortest list keeps its parsing out of the figure.
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n";
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list)?);
    let mut intake = Intake::new(&canonicaliser, rand::random());
    let mut refused = |_: &Refused<'_>| {};
    let mut sink = |row: &Row<'_>| intake.take(row, &mut refused);
    read(
        File::open(file)?,
        &Options::default(),
        &canonicaliser,
        &mut sink,
    )?;
    let distinct = intake.tally().accepted_total();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::to_string(&Once {
            seconds,
            distinct,
            peak_memory_mib: peak_memory_mib()
        })?
    );
    Ok(())
}

fn import_once(feed: &Path) -> anyhow::Result<Once> {
    let output = Command::new(std::env::current_exe()?)
        .arg("import-once")
        .arg(feed)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "import failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
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
