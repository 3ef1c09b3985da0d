//! The exchange of a demonstration: every member's node at work, in one process.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_audit::receipt::{Side, SignedReceipt};
use blindmatch_indicator::Canonicaliser;
use blindmatch_membership::Name;
use blindmatch_psi::agreement::RunId;
use blindmatch_transport::{Endpoint, Limits, Server};
use tokio::runtime;
use tokio::task::JoinSet;

use super::ask::{Asker, Occasion};
use super::batch::{Batch, Watch};
use super::daemon::Daemon;
use super::query::Query;
use super::respond::Serving;
use crate::clock;
use crate::demo::{Consortium, Exchanged, Member, PairResult, Question, Step};
use crate::error::Error;
use crate::node::Node;

/// How long calls may take to end when all is done.
const DRAIN: Duration = Duration::from_secs(3);

/// A member's node at work.
struct Working {
    daemon: Arc<Daemon>,
    endpoint: Endpoint,
    serving: Serving,
    server: Server,
}

/// Lets all members publish what they hold and ask each other for it, and one of them the question.
///
/// # Errors
///
/// Those of the nodes; what happens between them stands in the results.
pub fn exchange(
    consortium: &mut Consortium,
    canonicaliser: &Canonicaliser,
    question: Option<&Question>,
) -> Result<Exchanged, Error> {
    let mut listeners = BTreeMap::new();
    let mut daemons = BTreeMap::new();
    for (name, Member { node, listener }) in mem::take(&mut consortium.members) {
        listeners.insert(name.clone(), listener.try_clone().map_err(Error::Port)?);
        let daemon = Daemon::open(node, canonicaliser.clone(), Arc::new(clock::now))?;
        daemons.insert(name, (daemon, listener));
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Port)?;
    let exchanged = runtime.block_on(work(daemons, question));
    // Whatever still holds a node ends with the runtime.
    runtime.shutdown_timeout(DRAIN);
    for (name, listener) in listeners {
        let node = Node::open(&consortium.home(&name))?;
        consortium.members.insert(name, Member { node, listener });
    }
    exchanged
}

async fn work(
    daemons: BTreeMap<Name, (Daemon, TcpListener)>,
    question: Option<&Question>,
) -> Result<Exchanged, Error> {
    let mut members = BTreeMap::new();
    for (name, (daemon, listener)) in daemons {
        members.insert(name, Working::start(daemon, listener)?);
    }
    let exchanged = exchange_all(&members, question).await;
    let mut daemons = Vec::new();
    let mut draining = JoinSet::new();
    for working in members.into_values() {
        let server = working.server;
        draining.spawn(async move { server.drain(DRAIN).await });
        daemons.push(working.daemon);
    }
    draining.join_all().await;
    let mut exchanged = exchanged?;
    exchanged.steps.push(receipts(&daemons)?);
    Ok(exchanged)
}

async fn exchange_all(
    members: &BTreeMap<Name, Working>,
    question: Option<&Question>,
) -> Result<Exchanged, Error> {
    let mut publishing = JoinSet::new();
    for working in members.values() {
        let daemon = Arc::clone(&working.daemon);
        publishing.spawn_blocking(move || daemon.publish().map(|views| views.len()));
    }
    let mut views = 0;
    while let Some(published) = publishing.join_next().await {
        // What a member could not publish nobody finds.
        views += published.unwrap_or(Ok(0))?;
    }
    let mut cosigned = 0;
    for working in members.values() {
        cosigned += usize::from(working.serving.gather(&working.endpoint).await?);
    }
    let mut steps = vec![Step {
        name: "publish",
        ok: cosigned == members.len(),
        said: format!(
            "{views} views, in {cosigned} of {} ledgers that witnesses cosigned",
            members.len()
        ),
    }];
    let mut batches = JoinSet::new();
    for working in members.values() {
        let asker = working.asker();
        batches.spawn(async move {
            let watch: Watch = Arc::new(|_| {});
            asker.batch(&Batch::default(), &watch).await
        });
    }
    let mut pairs: Vec<PairResult> = Vec::new();
    while let Some(batch) = batches.join_next().await {
        let batch = batch.unwrap_or_else(|_| Ok(Vec::new()))?.into_iter();
        // What a member has nothing of it does not serve.
        pairs.extend(batch.filter(|pair| pair.outcome.is_served()));
    }
    pairs.sort_by(|a, b| (&a.querier, &a.responder).cmp(&(&b.querier, &b.responder)));
    if let Some(question) = question
        && let Some(working) = members.get(&question.querier)
    {
        steps.push(query(working, question).await?);
    }
    // What the runs recorded is cosigned too.
    for working in members.values() {
        working.serving.gather(&working.endpoint).await?;
    }
    Ok(Exchanged { pairs, steps })
}

/// Asks the question, whose answer is known.
async fn query(working: &Working, question: &Question) -> Result<Step, Error> {
    let indicator = working.daemon.canonicaliser();
    let indicator = indicator.decode(question.row.as_bytes());
    let query = Query {
        indicators: indicator.into_iter().collect(),
        peers: BTreeSet::new(),
        purpose: None,
        occasion: Occasion::default(),
    };
    let asker = working.asker();
    let answers = asker.query(query).await?;
    asker.settle().await;
    let kind = question.row.indicator_type();
    let holders: BTreeSet<Name> = answers
        .iter()
        .filter(|answer| Some(answer.indicator_type) == kind)
        .filter(|answer| answer.found.iter().any(|found| found.label.is_some()))
        .map(|answer| answer.peer.clone())
        .collect();
    let named: Vec<_> = holders.iter().map(Name::as_str).collect();
    Ok(Step {
        name: "query",
        ok: holders == question.holders,
        said: format!(
            "{} asks for one indicator; held by: {}",
            question.querier,
            named.join(", ")
        ),
    })
}

/// Whether each run that ended has the same receipt on both sides, signed by both.
fn receipts(daemons: &[Arc<Daemon>]) -> Result<Step, Error> {
    let mut runs: BTreeMap<RunId, Vec<(Side, Option<SignedReceipt>)>> = BTreeMap::new();
    for daemon in daemons {
        for id in daemon.runs().ended()? {
            let end = daemon.runs().end(&id)?;
            let of_run = runs.entry(id).or_default();
            of_run.push((end.head.side, end.receipt));
        }
    }
    let whole = runs.values().filter(|sides| match sides.as_slice() {
        [(one, Some(first)), (other, Some(second))] => {
            one != other && first == second && first.responder.is_some()
        }
        _ => false,
    });
    let whole = whole.count();
    Ok(Step {
        name: "receipts",
        ok: whole == runs.len(),
        said: format!(
            "{whole} of {} runs have a receipt that both sides signed",
            runs.len()
        ),
    })
}

impl Working {
    fn start(daemon: Daemon, listener: TcpListener) -> Result<Self, Error> {
        let daemon = Arc::new(daemon);
        let endpoint = daemon.endpoint(Limits::default());
        listener.set_nonblocking(true).map_err(Error::Port)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::Port)?;
        let serving = Serving::new(Arc::clone(&daemon));
        let server = endpoint.serve(listener, Arc::new(serving.clone()));
        Ok(Self {
            daemon,
            endpoint,
            serving,
            server,
        })
    }

    fn asker(&self) -> Asker {
        Asker::new(Arc::clone(&self.daemon), self.endpoint.clone())
    }
}

#[cfg(test)]
mod tests;
