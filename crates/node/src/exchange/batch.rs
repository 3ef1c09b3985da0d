//! A batch: every collection asks every peer for every type and purpose that the policy allows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use blindmatch_audit::receipt::Side;
use blindmatch_membership::{Name, Role};
use blindmatch_policy::{Direction, Protocol};
use blindmatch_store::collection::Contents;
use blindmatch_store::runs::Run;
use blindmatch_transport::Channel;
use tokio::task::JoinSet;

use super::ask::{AskError, Asker, Occasion, Subject, blocking};
use super::view::{self, View};
use crate::demo::{Outcome, PairResult};
use crate::error::Error;

impl Asker {
    /// Asks all peers at once, and each of them one view after the other. What a peer fails at
    /// leaves the others as they are. Runs that earlier batches left unfinished come first.
    ///
    /// # Errors
    ///
    /// Those of the own home that leave nothing to ask with.
    pub async fn batch(&self) -> Result<Vec<PairResult>, Error> {
        let peers = self.peers();
        let mut pairs = Vec::new();
        let mut tasks = JoinSet::new();
        // All are reached before any is asked: whoever is asked has the others for witnesses.
        for (name, reached) in self.reach_all().await {
            if peers.contains(&name) {
                let asker = self.clone();
                tasks.spawn(async move { asker.batch_of(name, reached).await });
            }
        }
        while let Some(of_peer) = tasks.join_next().await {
            // A task that panicked was about one peer.
            pairs.extend(of_peer.unwrap_or_else(|_| Ok(Vec::new()))?);
        }
        pairs.sort_by(|a, b| {
            let key = |pair: &PairResult| {
                let (collection, purpose) = (pair.collection.clone(), pair.purpose.clone());
                let kind = pair.indicator_type.code();
                (pair.responder.clone(), collection, kind, purpose)
            };
            key(a).cmp(&key(b))
        });
        Ok(pairs)
    }

    /// The other providers.
    pub(super) fn peers(&self) -> BTreeSet<Name> {
        let known = self.daemon.directory().known();
        let others = known.roster.members.values().filter(|member| {
            member.role == Role::Provider && member.name != *self.daemon.id().member()
        });
        others.map(|member| member.name.clone()).collect()
    }

    /// Connects to all other members.
    pub(super) async fn reach_all(&self) -> Vec<(Name, Result<Channel, AskError>)> {
        let known = self.daemon.directory().known();
        let mut tasks = JoinSet::new();
        for name in known.roster.members.keys() {
            if name != self.daemon.id().member() {
                let (asker, name) = (self.clone(), name.clone());
                tasks.spawn(async move {
                    let reached = asker.reach(&name).await;
                    (name, reached)
                });
            }
        }
        let mut all = Vec::new();
        while let Some(reached) = tasks.join_next().await {
            all.extend(reached);
        }
        all
    }

    async fn batch_of(
        &self,
        peer: Name,
        reached: Result<Channel, AskError>,
    ) -> Result<Vec<PairResult>, Error> {
        let views = view::with(self.daemon.policy(), peer.as_str(), Direction::Ask);
        let daemon = Arc::clone(&self.daemon);
        let wanted = blocking(move || {
            let mut wanted = Vec::new();
            for view in views {
                for (contents, items) in wanting(&daemon, &view)? {
                    wanted.push((view.clone(), contents, items));
                }
            }
            Ok(wanted)
        });
        let wanted = match wanted.await {
            Ok(wanted) => wanted,
            Err(AskError::Node(error)) => return Err(error),
            Err(_) => return Ok(Vec::new()),
        };
        let served = match reached {
            Ok(channel) => channel.views().await.map(|views| (channel, views)),
            Err(error) => {
                let failed = wanted.into_iter().map(|(view, contents, items)| {
                    self.pair(&peer, &view, &contents, items, error.outcome())
                });
                return Ok(failed.collect());
            }
        };
        let (channel, served) = match served {
            Ok(served) => served,
            Err(error) => {
                let error = AskError::from(error);
                let failed = wanted.into_iter().map(|(view, contents, items)| {
                    self.pair(&peer, &view, &contents, items, error.outcome())
                });
                return Ok(failed.collect());
            }
        };
        let unfinished = self.finish_earlier(&channel, &peer).await;
        let mut pairs = Vec::new();
        for (view, contents, items) in wanted {
            let name = view.to_string();
            // What it does not serve it holds nothing of, as far as we may know.
            if !served.0.iter().any(|served| served.name == name) {
                continue;
            }
            let mut pair = self.pair(&peer, &view, &contents, items, Outcome::Done);
            let began = Instant::now();
            let answered = if unfinished.contains(&name) {
                Err(AskError::Unfinished)
            } else {
                let subject = Subject::Collection(contents);
                let occasion = Occasion::default();
                self.ask(&channel, &view, subject, &occasion).await
            };
            pair.took = began.elapsed();
            match answered {
                Ok(answered) => {
                    let found = answered.found.into_iter();
                    let found = found.filter(|found| found.label.is_some());
                    pair.found = found.map(|found| found.row).collect();
                    pair.bytes = answered.bytes;
                }
                Err(error) => pair.outcome = error.outcome(),
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// Ends what earlier batches left unfinished at a peer; gives the views at which something
    /// still is.
    pub(super) async fn finish_earlier(&self, channel: &Channel, peer: &Name) -> BTreeSet<String> {
        let mut unfinished = BTreeSet::new();
        for run in self.unfinished(peer) {
            let view = run.head().view();
            let _ = self.resume(channel, Arc::clone(&run)).await;
            if !run.is_over()
                && let Some(view) = view
            {
                unfinished.insert(view.as_str().to_owned());
            }
        }
        unfinished
    }

    fn unfinished(&self, peer: &Name) -> Vec<Arc<Run>> {
        let runs = self.daemon.runs();
        let unfinished = runs.unfinished().into_iter();
        let unfinished = unfinished.filter_map(|id| runs.run(&id).ok());
        unfinished
            .filter(|run| {
                let head = run.head();
                head.side == Side::Querier && head.peer.as_str() == peer.as_str()
            })
            .collect()
    }

    fn pair(
        &self,
        peer: &Name,
        view: &View,
        contents: &Contents,
        items: u64,
        outcome: Outcome,
    ) -> PairResult {
        PairResult {
            querier: self.daemon.id().member().clone(),
            responder: peer.clone(),
            collection: contents.name.clone(),
            indicator_type: view.indicator_type,
            purpose: view.purpose.clone(),
            protocol: Protocol::Lookup,
            outcome,
            items,
            found: BTreeSet::new(),
            took: std::time::Duration::ZERO,
            bytes: 0,
        }
    }
}

/// The collections that have something to ask a view for, and how many rows that is.
fn wanting(daemon: &super::daemon::Daemon, view: &View) -> Result<Vec<(Contents, u64)>, AskError> {
    let (collections, reading) = (daemon.collections(), daemon.reading()?);
    let mut wanting = Vec::new();
    for name in collections.names().map_err(Error::from)? {
        let contents = crate::collections::contents(collections, name)?;
        let rows = reading.asking_rows(&contents, view.indicator_type)?;
        if rows > 0 {
            wanting.push((contents, rows));
        }
    }
    Ok(wanting)
}
