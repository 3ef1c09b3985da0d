//! `query`: one indicator asked of one peer that holds many, over mutual TLS on loopback, with every
//! record durable as always, beside `fdatasync` on the same disk in the same run.
//!
//! An answer counts from the question to the label or "not held", with the receipt of both sides and
//! the result in the ledger. Every other indicator is held, and none was asked before. The publication
//! is here already, as `serve` and an earlier query see to. Between two queries there is a pause.
//!
//! `fdatasync` is timed behind an append of a record's size to a file of its own, before the queries,
//! half-way and behind them, when both nodes rest.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use blindmatch_node::demo::Outcome;
use blindmatch_node::exchange::ask::{Asker, Occasion};
use blindmatch_node::exchange::query::Query;
use blindmatch_store::collection::CollectionKind;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::Scale;
use crate::pair::{Number, Pair};
use crate::report::Report;

/// What a query may take beside the syncs.
const ALLOWED: f64 = 2.0;
/// So many syncs, one behind the other.
const SYNCS: f64 = 5.0;
/// A peer takes a hundred calls a second of a member, and a query is some six: an analyst pauses too.
const PAUSE: Duration = Duration::from_millis(80);
/// As many bytes as a record of the ledger has.
const RECORD: [u8; 256] = [7; 256];

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let (items, queries) = if scale == Scale::Full {
        (1_000_000, 400)
    } else {
        (20_000, 40)
    };
    Runtime::new()?.block_on(measure(items, queries))
}

async fn measure(items: Number, queries: Number) -> anyhow::Result<Report> {
    let pair = Pair::found()?;
    let held: Vec<Number> = (0..items).collect();
    pair.import(&pair.b, CollectionKind::Abuse, &held)?;
    pair.publish().await?;
    pair.cosign().await?;
    let asker = pair.a.asker();
    let beside = pair.place().path().join("fdatasync");
    let batch = queries / 2;
    ensure!(
        ask(&pair, &asker, 0, true).await?.1 > 0,
        "nothing was fetched"
    );

    let (mut took, mut bytes) = (Vec::new(), 0);
    let mut syncs = sync(&beside, batch)?;
    for half in [1..=batch, batch + 1..=queries] {
        for number in half {
            // Every other one is behind the last that is held.
            let is_held = number % 2 == 0;
            let number = if is_held { number } else { items + number };
            sleep(PAUSE).await;
            let (one, came) = ask(&pair, &asker, number, is_held).await?;
            took.push(one);
            bytes += came;
        }
        syncs.extend(sync(&beside, batch)?);
    }
    let (query, sync) = (Spread::of(took)?, Spread::of(syncs)?);
    let mut report = Report::new("query");
    report.figure("items", f64::from(items));
    report.figure("queries", f64::from(queries));
    report.figure("query_p50_ms", query.p50);
    report.figure("query_p99_ms", query.p99);
    report.figure("query_bytes", bytes as f64 / f64::from(queries));
    report.figure("fdatasync_p50_ms", sync.p50);
    report.figure("fdatasync_p99_ms", sync.p99);
    let limit = ALLOWED + SYNCS * sync.p50;
    report.figure("limit_p50_ms", limit);
    report.ratio("query_p50_vs_limit", Some(query.p50 / limit));
    let place = pair.place().path().display();
    report.note(format!("homes on the file system of {place}"));
    Ok(report)
}

/// Asks about one item, and checks the answer; how long it took, and the bytes.
pub(crate) async fn ask(
    pair: &Pair,
    asker: &Asker,
    number: Number,
    is_held: bool,
) -> anyhow::Result<(Duration, u64)> {
    let query = Query {
        indicators: vec![pair.indicator(number)?],
        peers: BTreeSet::from([pair.b.daemon.id().member().clone()]),
        purpose: None,
        occasion: Occasion::default(),
    };
    let started = Instant::now();
    let answers = asker.query(query).await?;
    let took = started.elapsed();
    let mut answers = answers.into_iter();
    let answer = answers.find(|answer| answer.outcome != Outcome::NotServed);
    let answer = answer.context("no answer")?;
    ensure!(answer.outcome == Outcome::Done, "{answer:?}");
    let found = answer.found.iter().filter(|found| found.label.is_some());
    ensure!(found.count() == usize::from(is_held), "a wrong answer");
    Ok((took, answer.bytes))
}

/// Appends and syncs so often.
fn sync(path: &Path, often: Number) -> anyhow::Result<Vec<Duration>> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut took = Vec::new();
    for _ in 0..often {
        let started = Instant::now();
        file.write_all(&RECORD)?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    Ok(took)
}

/// Of so many times, in milliseconds.
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn of(mut times: Vec<Duration>) -> anyhow::Result<Self> {
        times.sort_unstable();
        let at = |hundredths: usize| {
            let time = times.get((times.len() * hundredths / 100).min(times.len() - 1));
            anyhow::Ok(time.context("nothing was timed")?.as_secs_f64() * 1e3)
        };
        Ok(Self {
            p50: at(50)?,
            p99: at(99)?,
        })
    }
}
