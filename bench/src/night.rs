//! `night`: two nodes publish what they hold, have it cosigned and ask each other for all of it; and
//! a day later, by a clock that is set, once more after one item in a hundred has changed.
//!
//! A publication has room for one change in 256 of its entries, so that only a part of what changed is
//! served the day after; the rest waits for its turn (`spec/32 §6.3`). What has to be found is computed
//! from both sets by that rule.
//!
//! A night begins with what was imported and ends with what was found, in both directions at once,
//! held against the intersection in the clear. Both nodes are in this process and share its cores: two
//! machines have twice as many. Bytes are those of publications and frames. Peak memory is that of the
//! process in that night, what the nights before left included.
//!
//! With `--customers` one of them holds customers and publishes nothing, so that its second night asks
//! for what changed and nothing else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, ensure};
use blindmatch_node::demo::{Outcome, PairResult};
use blindmatch_node::exchange::batch::{Batch, Progress, Watch};
use blindmatch_store::collection::CollectionKind;
use tokio::runtime::Runtime;

use crate::Scale;
use crate::machine::{cpu_seconds, forget_peak_memory, peak_memory_mib};
use crate::pair::{Node, Number, Pair};
use crate::report::Report;

const DAY: u64 = 86_400;

/// The stages of a night, as a querier goes through them: what is to be asked is counted; the
/// publication comes; it is accepted, and what is known already is looked up; the run is agreed on;
/// items are evaluated, what came is kept and looked up, and the run ends; it is reported.
const STAGES: [&str; 6] = [
    "count_s",
    "download_s",
    "plan_s",
    "agree_s",
    "ask_s",
    "finish_s",
];

/// What is measured.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Scenario {
    /// One node holds ten times as many customers, and serves nothing.
    #[arg(long)]
    customers: bool,
    /// So many items on the side that holds more, 1,000 at least, in place of what the scale says.
    #[arg(long, value_parser = clap::value_parser!(Number).range(1_000..))]
    items: Option<Number>,
}

/// What both hold on one night, or serve.
#[derive(Clone)]
struct Sets {
    a: Vec<Number>,
    b: Vec<Number>,
}

/// What a night took.
struct Night {
    wall_s: f64,
    cpu_s: f64,
    peak_memory_mib: Option<f64>,
    publish_s: f64,
    cosign_s: f64,
    /// Of each direction that asked something: how long its [`STAGES`] took.
    stages: Vec<[f64; STAGES.len()]>,
    pairs: Vec<PairResult>,
}

pub(crate) fn run(scale: Scale, scenario: Scenario) -> anyhow::Result<Report> {
    let items = match (scale, scenario.customers) {
        (Scale::Full, false) => 1_000_000,
        (Scale::Full, true) => 10_000_000,
        (Scale::Small, false) => 20_000,
        (Scale::Small, true) => 100_000,
    };
    let items = scenario.items.unwrap_or(items);
    Runtime::new()?.block_on(nights(items, scenario))
}

async fn nights(items: Number, scenario: Scenario) -> anyhow::Result<Report> {
    let pair = Pair::found()?;
    let sets = [sets(items, scenario), changed(items, scenario)];
    let mut report = Report::new(if scenario.customers {
        "night --customers"
    } else {
        "night"
    });
    report.figure("items", f64::from(items));
    let changes = items / 100;
    report.figure("changed_items", f64::from(changes));
    let mut nights: Vec<Night> = Vec::new();
    let mut served: Option<Sets> = None;
    for (sets, name) in sets.iter().zip(["night1", "night2"]) {
        let started = Instant::now();
        pair.import(&pair.a, scenario.kind(), &sets.a)?;
        pair.import(&pair.b, CollectionKind::Abuse, &sets.b)?;
        report.figure(format!("{name}_import_s"), started.elapsed().as_secs_f64());
        if !nights.is_empty() {
            pair.pass(DAY);
        }
        let night = Night::pass(&pair).await?;
        let now = match &served {
            None => sets.clone(),
            Some(before) => Sets {
                a: pair.served(&pair.a, &before.a, &sets.a)?,
                b: pair.served(&pair.b, &before.b, &sets.b)?,
            },
        };
        night.check(&pair, sets, &now, scenario).context(name)?;
        served = Some(now);
        night.tell(&mut report, name);
        nights.push(night);
    }
    let [first, second] = nights.try_into().ok().context("two nights")?;
    let bytes = |night: &Night| night.bytes() as f64;
    report.ratio("night2_vs_night1", Some(second.wall_s / first.wall_s));
    let bytes = bytes(&second) / bytes(&first);
    report.ratio("night2_vs_night1_bytes", Some(bytes));
    let cpu = second.cpu_s / first.cpu_s;
    report.ratio("night2_vs_night1_cpu", Some(cpu));
    if scenario.customers {
        let asked = second.pairs.iter().map(|pair| pair.asked).sum::<u64>();
        let of_changes = asked as f64 / f64::from(changes);
        report.ratio("asked_vs_changes", Some(of_changes));
    }
    let place = pair.place().path().display();
    report.note(format!("homes on the file system of {place}"));
    Ok(report)
}

impl Scenario {
    const fn kind(self) -> CollectionKind {
        if self.customers {
            CollectionKind::Customers
        } else {
            CollectionKind::Abuse
        }
    }

    /// So many of each side are on the other side too, one in a hundred.
    const fn shared(self, items: Number) -> Number {
        items / 100
    }

    /// What the second node holds, where the first has so many.
    const fn held_by_b(self, items: Number) -> Number {
        if self.customers { items / 10 } else { items }
    }
}

/// Both hold the last of the first node's items.
fn sets(items: Number, scenario: Scenario) -> Sets {
    let first = items - scenario.shared(items);
    Sets {
        a: (0..items).collect(),
        b: (first..first + scenario.held_by_b(items)).collect(),
    }
}

/// Of each set one item in a hundred, among them one in a hundred of those in common, is another one;
/// of the new ones, one in a hundred are in common again.
fn changed(items: Number, scenario: Scenario) -> Sets {
    let Sets { mut a, mut b } = sets(items, scenario);
    for set in [&mut a, &mut b] {
        set.retain(|number| number % 100 != 0);
    }
    let fresh = items + scenario.held_by_b(items);
    let came = items - u32::try_from(a.len()).unwrap_or(items);
    a.extend(fresh..fresh + came);
    let held = scenario.held_by_b(items);
    let came_to_b = held - u32::try_from(b.len()).unwrap_or(held);
    let first = fresh + came - came_to_b / 100;
    b.extend(first..first + came_to_b);
    Sets { a, b }
}

impl Night {
    async fn pass(pair: &Pair) -> anyhow::Result<Self> {
        forget_peak_memory();
        let (started, cpu) = (Instant::now(), cpu_seconds());
        pair.publish().await?;
        let published = Instant::now();
        pair.cosign().await?;
        let cosigned = Instant::now();
        let (one, other) = tokio::join!(ask(&pair.a, &pair.b), ask(&pair.b, &pair.a));
        let (mut stages, mut pairs) = (Vec::new(), Vec::new());
        for (of_one, result) in [one?, other?].into_iter().flatten() {
            stages.push(of_one);
            pairs.push(result);
        }
        Ok(Self {
            wall_s: started.elapsed().as_secs_f64(),
            cpu_s: cpu_seconds() - cpu,
            peak_memory_mib: peak_memory_mib(),
            publish_s: (published - started).as_secs_f64(),
            cosign_s: (cosigned - published).as_secs_f64(),
            stages,
            pairs,
        })
    }

    fn bytes(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.bytes).sum()
    }

    fn check(
        &self,
        pair: &Pair,
        held: &Sets,
        served: &Sets,
        scenario: Scenario,
    ) -> anyhow::Result<()> {
        let by_a = pair.in_common(&held.a, &served.b)?;
        let by_b = pair.in_common(&held.b, &served.a)?;
        let directions = if scenario.customers { 1 } else { 2 };
        ensure!(self.pairs.len() == directions, "{:?}", self.pairs);
        for pair in &self.pairs {
            let expected = if pair.querier.as_str() == "a" {
                &by_a
            } else {
                &by_b
            };
            ensure!(pair.outcome == Outcome::Done, "{pair:?}");
            ensure!(pair.receipted, "a run has no receipt");
            ensure!(
                pair.found == *expected,
                "{} found {} of {}, and {} others",
                pair.querier,
                pair.found.intersection(expected).count(),
                expected.len(),
                pair.found.difference(expected).count()
            );
        }
        Ok(())
    }

    fn tell(&self, report: &mut Report, name: &str) {
        let mut figure = |what: &str, value| report.figure(format!("{name}_{what}"), value);
        figure("wall_s", self.wall_s);
        figure("cpu_s", self.cpu_s);
        figure("publish_s", self.publish_s);
        figure("cosign_s", self.cosign_s);
        figure("mib", self.bytes() as f64 / f64::from(1 << 20));
        let sum = |of: fn(&PairResult) -> u64| self.pairs.iter().map(of).sum::<u64>() as f64;
        figure("asked", sum(|pair| pair.asked));
        figure("found", sum(|pair| pair.found.len() as u64));
        if let Some(peak) = self.peak_memory_mib {
            figure("peak_memory_mib", peak);
        }
        // Of the direction that took longer.
        for (number, stage) in STAGES.into_iter().enumerate() {
            let of_all = self.stages.iter().map(|of_one| of_one[number]);
            figure(stage, of_all.fold(0.0, f64::max));
        }
    }
}

/// Asks the peer for everything; gives what came of each view that it serves.
async fn ask(
    querier: &Node,
    responder: &Node,
) -> anyhow::Result<Vec<([f64; STAGES.len()], PairResult)>> {
    let ended = Arc::new(Mutex::new(Vec::new()));
    let (began, noting) = (Instant::now(), Arc::clone(&ended));
    let watch: Watch = Arc::new(move |progress| {
        if let Progress::Ended(pair) = progress
            && pair.outcome.is_served()
        {
            let mut ended = noting.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push(Instant::now());
        }
    });
    let mut pairs = querier.asker().batch(&Batch::default(), &watch).await?;
    pairs.retain(|pair| pair.outcome.is_served());
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
    // There is one view with something in it at most.
    let stages = ended
        .iter()
        .map(|ended| responder.asked.stages(began, *ended));
    Ok(stages.zip(pairs).collect())
}
