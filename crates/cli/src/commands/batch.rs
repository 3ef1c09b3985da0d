//! `blindmatch batch`.

mod foreseen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use blindmatch_node::Error as NodeError;
use blindmatch_node::demo::{Outcome, PairResult};
use blindmatch_node::exchange::batch::{Batch, Progress as Reached, Watch};
use serde::Serialize;

use self::foreseen::Foreseen;
use super::at_work::AtWork;
use crate::args::Global;
use crate::args::exchange::BatchArguments;
use crate::error::{Error, Exit, named};
use crate::output::{self, Report, Side, Table, grouped};
use crate::progress::Progress;

pub(crate) fn run(arguments: &BatchArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let batch = Batch {
        peers: arguments.peers.iter().cloned().collect(),
        collections: arguments.collections.iter().cloned().collect(),
        sweep: arguments.sweep,
        protocol: arguments.protocol.map(Into::into),
        occasion: work.occasion(None),
    };
    if arguments.dry_run {
        let foreseen = work.daemon.foresee(&batch)?;
        let exit = Exit::of(foreseen.iter().map(|one| &one.outcome));
        output::show("batch_dry_run", &Foreseen::of(&foreseen), global)?;
        return tell_gone(&work, exit, global);
    }
    let progress = Progress::of_things(global);
    let watch: Watch = Arc::new(move |reached: Reached<'_>| match reached {
        Reached::Planned(pairs) => progress.is_of(u64::try_from(pairs).unwrap_or(0)),
        Reached::Ended(pair) => {
            progress.is_past(format!("{} {}", pair.responder, pair.indicator_type));
        }
    });
    let pairs = work.wait(work.asker().batch(&batch, &watch));
    // With it the bar goes.
    drop(watch);
    let pairs = pairs?;
    let exit = Exit::of(pairs.iter().map(|pair| &pair.outcome));
    let asked = Asked::of(&pairs, exit, global.named_home());
    output::show("batch", &asked, global)?;
    advise(&asked, arguments.sweep, global);
    tell_gone(&work, exit, global)
}

/// What is gone of the home asked for nothing, and is no success.
fn tell_gone(work: &AtWork, exit: Exit, global: &Global) -> Result<Exit, Error> {
    match work.daemon.node().files_gone()? {
        0 => Ok(exit),
        gone => {
            Error::from(NodeError::FilesGone(gone)).print(global);
            Ok(if exit == Exit::Done {
                Exit::Partly
            } else {
                exit
            })
        }
    }
}

#[derive(Serialize)]
struct Asked {
    pairs: Vec<Pair>,
    /// Whether every run that is done has a receipt that both sides signed.
    verified: bool,
    /// Whether every peer answered.
    ok: bool,
}

#[derive(Serialize)]
struct Pair {
    querier: String,
    responder: String,
    collection: String,
    r#type: &'static str,
    purpose: String,
    protocol: &'static str,
    status: &'static str,
    reason: Option<String>,
    /// Rows of the collection that ask for something of this type.
    items: u64,
    /// Items that were asked for now.
    asked: u64,
    /// What the budget was charged.
    charged: u64,
    /// Items of customers that did not change, of which nothing is known in this epoch.
    left_out: u64,
    matches: usize,
    /// Those that were left alone: more than the policy has opened of one run.
    unopened: u64,
    /// Those that the run before did not find.
    new: u64,
    /// Those of the run before that are no longer found; 0 where not all was asked for.
    gone: u64,
    /// Those of which the peer says something else now.
    changed: u64,
    seconds: f64,
    bytes: u64,
}

impl Asked {
    fn of(pairs: &[PairResult], exit: Exit, home: Option<&Path>) -> Self {
        let mut done = pairs.iter().filter(|pair| pair.outcome == Outcome::Done);
        Self {
            verified: done.all(|pair| pair.receipted),
            ok: exit == Exit::Done,
            pairs: pairs.iter().map(|pair| Pair::of(pair, home)).collect(),
        }
    }
}

impl Pair {
    fn of(pair: &PairResult, home: Option<&Path>) -> Self {
        Self {
            querier: pair.querier.to_string(),
            responder: pair.responder.to_string(),
            collection: pair.collection.to_string(),
            r#type: pair.indicator_type.name(),
            purpose: pair.purpose.clone(),
            protocol: pair.protocol.name(),
            status: pair.outcome.name(),
            reason: pair.outcome.reason().map(|why| named(&why, home)),
            items: pair.items,
            asked: pair.asked,
            charged: pair.charged,
            left_out: pair.left_out,
            matches: pair.found.len(),
            unopened: pair.unopened,
            new: pair.fresh,
            gone: pair.gone,
            changed: pair.changed,
            seconds: pair.took.as_secs_f64(),
            bytes: pair.bytes,
        }
    }

    /// Whether the peer has nothing for us.
    fn is_idle(&self) -> bool {
        self.status == Outcome::NotServed.name()
    }
}

impl Asked {
    /// Peers at which everything failed for the same reason, with how many that are and why.
    fn failed_at_once(&self) -> BTreeMap<&str, (usize, String)> {
        let mut of_peers: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for pair in &self.pairs {
            let why = (pair.status, pair.reason.as_deref());
            of_peers.entry(&pair.responder).or_default().insert(why);
            *counts.entry(&pair.responder).or_default() += 1;
        }
        let alike = of_peers.into_iter().filter_map(|(peer, reasons)| {
            let count = *counts.get(peer)?;
            let (status, reason) = reasons.first().copied()?;
            let of_all = ["unreachable", Outcome::Nothing.name()];
            let is_one = reasons.len() == 1 && count > 1 && of_all.contains(&status);
            is_one.then(|| {
                (
                    peer,
                    (count, format!("{status}: {}", reason.unwrap_or_default())),
                )
            })
        });
        alike.collect()
    }
}

impl Report for Asked {
    fn table(&self) -> String {
        let mut table = Table::headed(&[
            ("peer", Side::Left),
            ("collection", Side::Left),
            ("type", Side::Left),
            ("purpose", Side::Left),
            ("protocol", Side::Left),
            ("asked", Side::Right),
            ("matches", Side::Right),
            ("new", Side::Right),
            ("gone", Side::Right),
            ("changed", Side::Right),
            ("bytes", Side::Right),
            ("state", Side::Left),
        ]);
        let failed = self.failed_at_once();
        for (peer, (count, why)) in &failed {
            let count = format!("all {count}");
            table.row(&[peer, &count, "", "", "", "", "", "", "", "", "", why]);
        }
        let shown = |pair: &&Pair| !pair.is_idle() && !failed.contains_key(pair.responder.as_str());
        for pair in self.pairs.iter().filter(shown) {
            let mut state = pair.status.to_owned();
            if let Some(reason) = &pair.reason {
                state = format!("{state}: {reason}");
            }
            if pair.left_out > 0 {
                let left_out = grouped(pair.left_out);
                state = format!("{state}; {left_out} unchanged not asked for");
            }
            if pair.unopened > 0 {
                let unopened = grouped(pair.unopened);
                state = format!(
                    "{state}; {unopened} more not opened, by maximum_matches of the policy"
                );
            }
            table.row(&[
                &pair.responder,
                &pair.collection,
                pair.r#type,
                &pair.purpose,
                pair.protocol,
                &grouped(pair.asked),
                &grouped(u64::try_from(pair.matches).unwrap_or(u64::MAX)),
                &grouped(pair.new),
                &grouped(pair.gone),
                &grouped(pair.changed),
                &grouped(pair.bytes),
                &state,
            ]);
        }
        let idle = self.pairs.iter().filter(|pair| pair.is_idle()).count();
        let mut text = match self.pairs.len() - idle {
            0 => "nobody was asked for anything\n".to_owned(),
            _ => table.render(),
        };
        if idle > 0 {
            text.push_str(&format!("and {idle} that the peers do not serve\n"));
        }
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.pairs.iter().collect()
    }
}

/// What to do next about what did not go well.
fn advise(asked: &Asked, sweep: bool, global: &Global) {
    let has = |status: &str| asked.pairs.iter().find(|pair| pair.status == status);
    // Where what is asked for was looked at, the reason has what to type.
    let is_ours = |pair: &&Pair| {
        let reason = pair.reason.as_deref();
        !reason.is_some_and(|why| why.contains("policy override"))
    };
    if asked.pairs.is_empty() {
        output::next(
            global,
            "no collection has rows of a type that a rule of policy.toml with the direction `ask` \
             names; see: blindmatch policy check",
        );
    }
    if let Some(pair) = has("refused").filter(is_ours) {
        output::next(
            global,
            &format!(
                "why it is refused: blindmatch policy explain --peer {} --type {} --purpose {} \
                 --direction ask",
                pair.responder, pair.r#type, pair.purpose
            ),
        );
    }
    if sweep && has("budget").is_some() {
        output::next(
            global,
            "it goes on where it stopped, night by night, with the same command: blindmatch batch --sweep",
        );
    }
    if asked.pairs.iter().any(|pair| pair.left_out > 0) {
        output::next(
            global,
            "to ask for what did not change as well: blindmatch batch --sweep",
        );
    }
}
