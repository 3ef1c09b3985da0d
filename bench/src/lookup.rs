//! `lookup`: builds a view's file and looks queries up in it.
//!
//! Three processes, so that the peak memory of each is its own: a set that is evaluated and
//! published, the same number of synthetic outputs, and ten times as many. A synthetic output is
//! 64 random bytes in the place of an evaluation, which takes most of the time of a set and none
//! of its memory: `set_build_per_s` is measured with evaluation, on all threads.
//!
//! Files and sorted runs are temporary files, opened like any other: what they take of the page
//! cache is not counted as memory. Queries are looked up there too; half of them are in the set.

use std::io::BufWriter;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use anyhow::{bail, ensure};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use blindmatch_oprf::{MAX_BATCH, Output, SecretKey, voprf};
use blindmatch_psi::publication::{
    Domain, DummySeed, Edition, Epoch, FirstPublication, LABEL_LENGTH, Publication,
};
use blindmatch_testkit::{OnDisk, TemporaryFiles};
use rand::rngs::{SmallRng, StdRng};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::Scale;
use crate::machine::peak_memory_mib;
use crate::report::Report;

/// What each sort may hold, and what memory follows.
const WORKING_SET: usize = 8 << 20;

/// The queries of an epoch, which tags are long enough for: those on IP addresses.
const BUDGET: u64 = 1 << 23;

/// The set that one process builds.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Set {
    items: u64,
    /// Evaluates the items; otherwise their outputs are synthetic.
    #[arg(long)]
    evaluate: bool,
}

/// 1.0.0.0, from which on some ten million addresses are somebody's.
const FIRST_ADDRESS: u64 = 1 << 24;

/// What one process measured.
#[derive(Serialize, Deserialize)]
struct Once {
    build_s: f64,
    build_peak_memory_mib: Option<f64>,
    /// Items and dummies.
    entries: u64,
    file_bytes: u64,
    label_bytes: u64,
    tag_bits: u8,
    verify_s: f64,
    merge_per_s: f64,
    single_per_s: f64,
}

impl Once {
    fn without_labels_per_entry(&self) -> f64 {
        (self.file_bytes - self.label_bytes) as f64 / self.entries as f64
    }

    /// Bits of an entry without its label, over those that no code of its kind goes below:
    /// f + 1.44, where 2^-f is the share of all tags that an entry takes up.
    fn vs_limit(&self) -> f64 {
        let f = f64::from(self.tag_bits) - (self.entries as f64).log2();
        self.without_labels_per_entry() * 8.0 / (f + 1.44)
    }
}

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let items = if scale == Scale::Full {
        1_000_000
    } else {
        20_000
    };
    let set = |items, evaluate| once_in_a_process(Set { items, evaluate });
    let evaluated = set(items, true)?;
    let published = set(items, false)?;
    let tenfold = set(10 * items, false)?;

    let mut report = Report::new("lookup");
    report.figure("items", items as f64);
    report.figure("working_set_mib", (WORKING_SET >> 20) as f64);
    report.figure("set_build_per_s", items as f64 / evaluated.build_s);
    report.figure("publish_per_s", items as f64 / published.build_s);
    report.figure("publish_10x_per_s", (10 * items) as f64 / tenfold.build_s);
    report.figure(
        "verify_10x_per_s",
        tenfold.entries as f64 / tenfold.verify_s,
    );
    report.figure("lookup_merge_per_s", published.merge_per_s);
    report.figure("lookup_merge_10x_per_s", tenfold.merge_per_s);
    report.figure("lookup_single_per_s", published.single_per_s);
    report.figure("lookup_single_10x_per_s", tenfold.single_per_s);
    let bytes = tenfold.without_labels_per_entry();
    report.figure("file_bytes_per_entry", bytes);
    let labels = tenfold.label_bytes as f64 / tenfold.entries as f64;
    report.figure("label_bytes_per_entry", labels);
    for (name, peak) in [
        ("set_build_peak_memory_mib", evaluated.build_peak_memory_mib),
        ("publish_peak_memory_mib", published.build_peak_memory_mib),
        ("publish_10x_peak_memory_mib", tenfold.build_peak_memory_mib),
    ] {
        if let Some(peak) = peak {
            report.figure(name, peak);
        }
    }

    let vs_limit = published.vs_limit().max(tenfold.vs_limit());
    report.ratio("file_bytes_vs_limit", Some(vs_limit));
    let flat = published
        .build_peak_memory_mib
        .zip(tenfold.build_peak_memory_mib)
        .map(|(one, ten)| ten / one);
    report.ratio("memory_10x_vs_1x", flat);
    report.note(
        "publish, lookup and the figures of 10x are of synthetic outputs; set_build evaluates"
            .to_owned(),
    );
    Ok(report)
}

/// The seconds from the text of so many addresses to the file that answers queries, on all threads.
pub(crate) fn prepared_set(items: u64) -> anyhow::Result<f64> {
    let set = Set {
        items,
        evaluate: true,
    };
    Ok(once_in_a_process(set)?.build_s)
}

/// Builds one set in this process, looks queries up in it, and prints what that took.
pub(crate) fn once(set: Set) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut epoch = Epoch::begin(domain(), BUDGET, 1)?;
    let mut publication = FirstPublication::new(&TemporaryFiles, WORKING_SET)?;
    let evaluator = Evaluator::new()?;
    if set.evaluate {
        push_evaluated(set.items, &evaluator, &mut publication)?;
    } else {
        for number in 0..set.items {
            publication.push(&synthetic(number), &label(number))?;
        }
    }
    let reservation = epoch.reserve()?.stored();
    let (file, roll) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let published = publication.publish(
        &mut epoch,
        reservation,
        &DummySeed::new([3; 32]),
        &mut StdRng::seed_from_u64(2),
        BufWriter::new(&file),
        BufWriter::new(&roll),
    )?;
    let build_s = started.elapsed().as_secs_f64();
    let build_peak_memory_mib = peak_memory_mib();
    ensure!(published.items == set.items, "items were lost");

    let edition = published.edition;
    let file_bytes = file.metadata()?.len();
    let started = Instant::now();
    let publication = Publication::verify(OnDisk(file), edition, published.root)?;
    let verify_s = started.elapsed().as_secs_f64();

    let mut queries = queries(set, &evaluator)?;
    let single_per_s = single(&publication, &queries)?;
    queries.sort_unstable();
    let merge_per_s = merge(&publication, &queries)?;
    let measured = Once {
        build_s,
        build_peak_memory_mib,
        entries: edition.class().entries(),
        file_bytes,
        label_bytes: Edition::labels_length(&edition),
        tag_bits: edition.tag_length().bits(),
        verify_s,
        merge_per_s,
        single_per_s,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn once_in_a_process(set: Set) -> anyhow::Result<Once> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("lookup-once").arg(set.items.to_string());
    if set.evaluate {
        command.arg("--evaluate");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "lookup failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Evaluates the items in batches on all threads and pushes the outputs as they come.
fn push_evaluated(
    items: u64,
    evaluator: &Evaluator,
    publication: &mut FirstPublication<'_, TemporaryFiles>,
) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads);
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let first = next.fetch_add(MAX_BATCH as u64, Ordering::Relaxed);
                    let batch = first..items.min(first + MAX_BATCH as u64);
                    let numbers = batch.clone().collect::<Vec<_>>();
                    let outputs = evaluator.outputs(&numbers);
                    // The receiver is gone after an error; so are we then.
                    if batch.is_empty() || sender.send((batch.start, outputs)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (first, outputs) in receiver {
            for (number, output) in (first..).zip(outputs?) {
                publication.push(output.as_bytes(), &label(number))?;
            }
        }
        anyhow::Ok(())
    })
}

/// Goes from the text of addresses to their outputs.
struct Evaluator {
    canonicaliser: Canonicaliser,
    key: SecretKey,
}

impl Evaluator {
    fn new() -> anyhow::Result<Self> {
        // Addresses need no table; the shortest list keeps its parsing out of the figure.
        let suffixes = PublicSuffixes::parse("// ===BEGIN ICANN DOMAINS===\ncom\n")?;
        Ok(Self {
            canonicaliser: Canonicaliser::new(suffixes),
            key: SecretKey::random(&mut StdRng::seed_from_u64(1)),
        })
    }

    fn outputs(&self, numbers: &[u64]) -> anyhow::Result<Vec<Output>> {
        let items = numbers.iter().map(|number| {
            let address = Ipv4Addr::from(u32::try_from(FIRST_ADDRESS + number)?);
            let text = address.to_string();
            let indicator = self.canonicaliser.parse(IndicatorType::Ip, &text)?;
            Ok(indicator.encode())
        });
        let items = items.collect::<anyhow::Result<Vec<_>>>()?;
        let items = items.iter().map(|item| item.as_slice()).collect::<Vec<_>>();
        Ok(voprf::evaluate_batch(&self.key, &items)?)
    }
}

/// Outputs to look up in random order, every other of them of an item of the set.
fn queries(set: Set, evaluator: &Evaluator) -> anyhow::Result<Vec<[u8; 64]>> {
    let count = set.items.min(if set.evaluate { 4_096 } else { 100_000 });
    let stride = set.items / count.div_ceil(2);
    let mut numbers: Vec<u64> = (0..count / 2)
        .flat_map(|query| [query * stride, set.items + query])
        .collect();
    numbers.shuffle(&mut StdRng::seed_from_u64(3));
    if !set.evaluate {
        return Ok(numbers.into_iter().map(synthetic).collect());
    }
    let outputs = evaluator.outputs(&numbers)?;
    Ok(outputs.iter().map(|output| *output.as_bytes()).collect())
}

fn single(publication: &Publication<OnDisk>, queries: &[[u8; 64]]) -> anyhow::Result<f64> {
    let queries = queries.iter().take(20_000).collect::<Vec<_>>();
    let started = Instant::now();
    for query in &queries {
        std::hint::black_box(publication.find(query)?);
    }
    Ok(queries.len() as f64 / started.elapsed().as_secs_f64())
}

fn merge(publication: &Publication<OnDisk>, queries: &[[u8; 64]]) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut matches = 0;
    publication.lookup(queries, |_| matches += 1)?;
    let seconds = started.elapsed().as_secs_f64();
    if 2 * matches != queries.len() {
        bail!("{matches} of {} queries matched", queries.len());
    }
    Ok(queries.len() as f64 / seconds)
}

fn domain() -> Domain {
    Domain {
        consortium: b"bench".to_vec(),
        responder: b"responder".to_vec(),
        view: b"abuse/ip/fraud".to_vec(),
        indicator_type: b"ip".to_vec(),
        epoch: 1,
    }
}

fn label(number: u64) -> [u8; LABEL_LENGTH] {
    let mut label = [0; LABEL_LENGTH];
    SmallRng::seed_from_u64(number).fill_bytes(&mut label);
    label
}

/// 64 bytes that stand for the OPRF output of an item.
fn synthetic(number: u64) -> [u8; 64] {
    let mut output = [0; 64];
    SmallRng::seed_from_u64(!number).fill_bytes(&mut output);
    output
}
