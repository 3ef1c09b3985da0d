//! A batch: every collection asks every peer for every type and purpose that the policy allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use blindmatch_audit::receipt::Side;
use blindmatch_indicator::{IndicatorType, Label};
use blindmatch_membership::{Name, Role};
use blindmatch_policy::{Direction, Protocol};
use blindmatch_psi::agreement::RunId;
use blindmatch_psi::stop::Fault;
use blindmatch_store::collection::{CollectionKind, CollectionName, Contents};
use blindmatch_store::runs::{Run, RunError};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel};
use tokio::task::JoinSet;
use tracing::warn;

use super::ask::{Answered, AskError, Asker, Asking, Finding, Occasion, Subject};
use super::daemon::Daemon;
use super::history::History;
use super::peers::patiently;
use super::view::{self, View};
use super::work::blocking;
use crate::demo::{Covered, Outcome, PairResult, RowKey};
use crate::error::Error;

/// What a batch is to ask; by default everything that the policy allows.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Only these peers, unless it is empty.
    pub peers: BTreeSet<Name>,
    /// Only these collections, unless it is empty.
    pub collections: BTreeSet<CollectionName>,
    /// Whether customers that did not change since they were asked for are asked for again.
    pub sweep: bool,
    /// By this protocol; nothing for whichever takes less.
    pub protocol: Option<Protocol>,
    /// On what occasion.
    pub occasion: Occasion,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// So many pairs are to be asked.
    Planned(usize),
    /// One of them is done with.
    Ended(&'a PairResult),
}

/// Is told how far a batch is, by whichever thread.
pub type Watch = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// A collection that has something to ask a view for.
pub(super) struct Wanted {
    pub(super) view: View,
    pub(super) asking: Asking,
    /// So many rows.
    pub(super) rows: u64,
    /// The run before.
    last: Option<RunId>,
}

/// A collection, and how many rows of it ask for something of a type.
struct Holding {
    contents: Contents,
    rows: BTreeMap<IndicatorType, u64>,
}

impl Asker {
    /// Asks all peers at once, and each of them one view after the other. What a peer fails at
    /// leaves the others as they are. Runs that earlier batches left unfinished come first.
    ///
    /// # Errors
    ///
    /// [`Error::NoMember`] for a peer that is no other provider, [`Error::NotListed`] where the own
    /// delegation has expired, [`Error::NotNewest`], and those of the own home that leave nothing to ask
    /// with.
    pub async fn batch(&self, batch: &Batch, watch: &Watch) -> Result<Vec<PairResult>, Error> {
        self.daemon.check_delegation()?;
        let wanted = {
            let (daemon, batch) = (Arc::clone(&self.daemon), batch.clone());
            let wanted = move || daemon.check_newest().and_then(|()| wanted(&daemon, &batch));
            blocking(wanted).await
        };
        let mut wanted = wanted.unwrap_or_else(|_| Ok(BTreeMap::new()))?;
        watch(Progress::Planned(wanted.values().map(Vec::len).sum()));
        let mut pairs: Vec<PairResult> = Vec::new();
        let mut tasks = JoinSet::new();
        // All are reached before any is asked: whoever is asked has the others for witnesses.
        for (name, reached) in self.reach_all().await {
            if let Some(wanted) = wanted.remove(&name) {
                let (asker, watch) = (self.clone(), Arc::clone(watch));
                let batch = batch.clone();
                tasks.spawn(
                    async move { asker.batch_of(&name, reached, wanted, &batch, &watch).await },
                );
            }
        }
        while let Some(of_peer) = tasks.join_next().await {
            // A task that panicked was about one peer.
            pairs.extend(of_peer.unwrap_or_default());
        }
        self.settle().await;
        // What cannot be told now stays due.
        if let Err(error) = self.tell_peers().await {
            warn!(%error, "cannot tell peers what is due to them");
        }
        let asker = self.clone();
        let noted = pairs.clone();
        let noting = move || asker.note(&noted);
        blocking(noting).await.unwrap_or(Ok(()))?;
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
        peer: &Name,
        reached: Result<Channel, AskError>,
        wanted: Vec<Wanted>,
        batch: &Batch,
        watch: &Watch,
    ) -> Vec<PairResult> {
        let ended = |wanted: &Wanted, outcome| {
            let pair = self.pair(peer, wanted, outcome);
            watch(Progress::Ended(&pair));
            pair
        };
        let reached = async {
            // The others are asked meanwhile.
            let channel = self.reach_again(peer, reached).await?;
            let served = patiently(|| channel.views()).await?;
            Ok::<_, AskError>((channel, served))
        };
        let (channel, served) = match reached.await {
            Ok(reached) => reached,
            Err(error) => {
                let failed = wanted.iter();
                return failed
                    .map(|wanted| ended(wanted, self.outcome(peer, &error)))
                    .collect();
            }
        };
        let unfinished = self.finish_earlier(&channel, peer, &|_| true).await;
        let mut pairs = Vec::new();
        for wanted in wanted {
            let name = wanted.view.to_string();
            if served.0.is_empty() {
                pairs.push(ended(&wanted, Outcome::Nothing));
            } else if !served.0.iter().any(|served| served.name == name) {
                pairs.push(ended(&wanted, Outcome::NotServed));
            } else if unfinished.contains(&name) {
                pairs.push(ended(&wanted, AskError::Unfinished.outcome()));
            } else {
                let pair = self.pair(peer, &wanted, Outcome::Done);
                let pair = self.ask_pair(&channel, wanted, batch, pair).await;
                watch(Progress::Ended(&pair));
                pairs.push(pair);
            }
        }
        pairs
    }

    async fn ask_pair(
        &self,
        channel: &Channel,
        wanted: Wanted,
        batch: &Batch,
        mut pair: PairResult,
    ) -> PairResult {
        let began = Instant::now();
        let Wanted {
            view, asking, last, ..
        } = wanted;
        let is_of_customers = asking.contents.kind == CollectionKind::Customers;
        let answered = self.ask_either(channel, &view, asking, batch, &mut pair.protocol);
        let answered = answered.await;
        pair.took = began.elapsed();
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) => {
                pair.outcome = self.outcome(&pair.responder, &error);
                return pair;
            }
        };
        let mut now: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for Finding { row, label } in answered.found {
            if let Some(label) = label {
                now.entry(row).or_default().insert(label.encode());
            }
        }
        pair.found = now.keys().cloned().collect();
        pair.asked = answered.asked;
        pair.unopened = answered.unopened;
        pair.charged = answered.charged;
        pair.left_out = answered.left_out;
        let waiting = answered.waiting.as_ref().map_or(0, |waiting| waiting.items);
        pair.covered = is_of_customers.then_some(Covered {
            known: answered.known,
            items: answered.known + answered.left_out + waiting,
        });
        pair.receipted = answered.receipted;
        if let Some(waiting) = answered.waiting {
            pair.outcome = Outcome::Budget(waiting.in_words(pair.asked));
        }
        pair.bytes = answered.bytes;
        let daemon = Arc::clone(&self.daemon);
        let before = blocking(move || last.map(|last| found_by(&daemon, &last))).await;
        let before = before.ok().flatten().unwrap_or_default();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (mut fresh, mut changed) = (0, 0);
        for (row, labels) in &now {
            match before.get(row) {
                None => fresh += 1,
                Some(earlier) if earlier != labels => changed += 1,
                Some(_) => {}
            }
        }
        (pair.fresh, pair.changed) = (count(fresh), count(changed));
        // Of what was not asked for it is not known.
        if pair.left_out == 0 && pair.unopened == 0 && pair.outcome == Outcome::Done {
            let gone = before.keys().filter(|row| !now.contains_key(row));
            pair.gone = count(gone.count());
        }
        pair
    }

    /// Asks by the protocol that is wanted, or else by the one that takes less. Where our own choice is
    /// batch and the peer does not serve it so, it is asked by lookup.
    async fn ask_either(
        &self,
        channel: &Channel,
        view: &View,
        asking: Asking,
        batch: &Batch,
        protocol: &mut Protocol,
    ) -> Result<Answered, AskError> {
        *protocol = match batch.protocol {
            Some(forced) => forced,
            None => self.choose(channel, view, &asking).await?,
        };
        let occasion = &batch.occasion;
        if *protocol == Protocol::Batch {
            let subject = Subject::Collection(asking.clone().of_all());
            let answered = self.ask_whole(channel, view, subject, occasion).await;
            let goes_on = match &answered {
                Err(AskError::Policy(_) | AskError::Refused(..)) => true,
                Err(AskError::Call(CallError::Refused(problem))) => {
                    matches!(problem.kind, Kind::NotAllowed | Kind::Version)
                }
                _ => false,
            };
            if batch.protocol.is_some() || !goes_on {
                return answered;
            }
            *protocol = Protocol::Lookup;
        }
        let subject = Subject::Collection(asking);
        self.ask(channel, view, subject, occasion).await
    }

    /// Ends what was left unfinished at those views of a peer that are `meant`; gives the views at
    /// which something still is. What another task is at is left to that.
    pub(super) async fn finish_earlier(
        &self,
        channel: &Channel,
        peer: &Name,
        meant: &(dyn Fn(&str) -> bool + Sync),
    ) -> BTreeSet<String> {
        let mut unfinished = BTreeSet::new();
        for run in self.unfinished(peer) {
            let Some(view) = run.head().view() else {
                continue;
            };
            if self.is_at(&run.id()) || !meant(view.as_str()) {
                continue;
            }
            let ended = self.resume(channel, Arc::clone(&run)).await;
            // One that both have signed, by a key that nobody knows any more or about what is gone, can
            // never be opened, and is in nobody's way.
            let is_locked = matches!(
                ended,
                Err(AskError::Session(Fault::UnknownKey)
                    | AskError::Receipt(_)
                    | AskError::Node(Error::Run(RunError::Receipt)))
            );
            if !run.is_over() && !is_locked {
                unfinished.insert(view.as_str().to_owned());
            }
        }
        unfinished
    }

    pub(super) fn unfinished(&self, peer: &Name) -> Vec<Arc<Run>> {
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

    fn pair(&self, peer: &Name, wanted: &Wanted, outcome: Outcome) -> PairResult {
        PairResult {
            querier: self.daemon.id().member().clone(),
            responder: peer.clone(),
            collection: wanted.asking.contents.name.clone(),
            indicator_type: wanted.view.indicator_type,
            purpose: wanted.view.purpose.clone(),
            protocol: Protocol::Lookup,
            outcome,
            items: wanted.rows,
            asked: 0,
            charged: 0,
            left_out: 0,
            covered: None,
            receipted: false,
            found: BTreeSet::new(),
            unopened: 0,
            fresh: 0,
            gone: 0,
            changed: 0,
            took: Duration::ZERO,
            bytes: 0,
        }
    }
}

impl Daemon {
    /// The other providers; of these only those that are `named`, unless none is.
    ///
    /// # Errors
    ///
    /// [`Error::NoMember`] for a name of none of them.
    pub(super) fn peers(&self, named: &BTreeSet<Name>) -> Result<BTreeSet<Name>, Error> {
        let known = self.directory().known();
        let others =
            known.roster.members.values().filter(|member| {
                member.role == Role::Provider && member.name != *self.id().member()
            });
        let others: BTreeSet<_> = others.map(|member| member.name.clone()).collect();
        match named.iter().find(|name| !others.contains(name)) {
            Some(unknown) => Err(Error::NoMember(unknown.clone())),
            None if named.is_empty() => Ok(others),
            None => Ok(named.clone()),
        }
    }
}

/// What is to be asked of whom: for every peer, also one of whom nothing is.
pub(super) fn wanted(daemon: &Daemon, batch: &Batch) -> Result<BTreeMap<Name, Vec<Wanted>>, Error> {
    let history = History::read(daemon.runs())?;
    let views: Vec<_> = daemon.peers(&batch.peers)?.into_iter().collect();
    let views: Vec<_> = views
        .into_iter()
        .map(|peer| {
            let views = view::with(daemon.policy(), peer.as_str(), Direction::Ask);
            (peer, views)
        })
        .collect();
    let kinds = views.iter().flat_map(|(_, views)| views);
    let kinds: BTreeSet<_> = kinds.map(|view| view.indicator_type).collect();
    let holdings = holdings(daemon, &batch.collections, &kinds)?;

    let mut wanted = BTreeMap::new();
    for (peer, views) in views {
        let mut of_peer = Vec::new();
        for view in views {
            for Holding { contents, rows } in &holdings {
                let Some(&rows) = rows.get(&view.indicator_type) else {
                    continue;
                };
                let last = history.last(&peer, &view, &contents.name);
                let changes = contents.kind == CollectionKind::Customers && last.is_some();
                let last_imports = last.filter(|_| changes).map(|last| last.imports);
                of_peer.push(Wanted {
                    view: view.clone(),
                    asking: Asking {
                        contents: contents.clone(),
                        after: last_imports,
                        sweep: changes && batch.sweep,
                    },
                    rows,
                    last: last.map(|last| last.run),
                });
            }
        }
        wanted.insert(peer, of_peer);
    }
    Ok(wanted)
}

/// What the collections ask for.
fn holdings(
    daemon: &Daemon,
    named: &BTreeSet<CollectionName>,
    kinds: &BTreeSet<IndicatorType>,
) -> Result<Vec<Holding>, Error> {
    let (collections, reading) = (daemon.collections(), daemon.reading()?);
    let names = if named.is_empty() {
        collections.names()?
    } else {
        named.iter().cloned().collect()
    };
    let mut holdings = Vec::new();
    for name in names {
        let contents = crate::collections::contents(collections, name)?;
        let mut rows = BTreeMap::new();
        for &kind in kinds {
            let count = reading.asking_rows(&contents, kind)?;
            if count > 0 {
                rows.insert(kind, count);
            }
        }
        holdings.push(Holding { contents, rows });
    }
    Ok(holdings)
}

/// What a run found, and what the peer said of each; nothing where that is no longer there.
fn found_by(daemon: &Daemon, run: &RunId) -> BTreeMap<RowKey, BTreeSet<[u8; Label::LENGTH]>> {
    let mut rows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    if let Ok(mut matches) = daemon.runs().matches(run, daemon.now()) {
        while let Ok(Some(found)) = matches.next() {
            let found = found.as_match();
            let label = found.label.filter(|label| Label::decode(label).is_ok());
            if let Some(label) = label {
                rows.entry(RowKey::from(found.row.key))
                    .or_default()
                    .insert(*label);
            }
        }
    }
    rows
}
