//! One run that this node asks for: a peer's view, and a collection or a list to look up in it.
//!
//! Whatever is paid for is kept before anything is made of it: a run that breaks off anywhere is
//! resumed from what the store has of it, and a run that ended is never asked for again.

mod carry;
mod error;
mod finish;
mod over;
mod plan;
mod probe;
mod readily;
mod subject;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blindmatch_audit::{VerifyingKey, record};
use blindmatch_indicator::Label;
use blindmatch_membership::Name;
use blindmatch_policy as policy;
use blindmatch_psi::agreement::{Agreement, Protocol, Refusal, RunId};
use blindmatch_psi::lookup::Items;
use blindmatch_psi::publication::Manifest;
use blindmatch_store::runs::{Head, Run};
use blindmatch_store::views::{Accepted, PeerEpoch};
use blindmatch_transport::message::{Answer, Proposal};
use blindmatch_transport::problem::Reference;
use blindmatch_transport::{Channel, DialError, Endpoint, Limits};
use bytes::Bytes;
use tokio::sync::RwLock;
use tokio::time::sleep;
use tracing::warn;

pub(super) use self::carry::Counted;
use self::carry::{Carried, carry};
pub use self::error::AskError;
pub(super) use self::finish::keep_left;
use self::finish::{Ended, LookedUp};
pub(super) use self::over::{end_without_peer, is_held};
use self::plan::Plan;
pub(super) use self::plan::{allow, commit, open, payment_key, request};
pub(super) use self::readily::Flight;
pub use self::subject::{Asking, Subject};
use super::daemon::{Daemon, lock};
use super::peers::{self, patiently};
use super::prepare::{Prepared, prepare};
use super::view::View;
use super::work;
use crate::demo::{Outcome, RowKey};

/// A node that asks others. Clones share it.
#[derive(Clone)]
pub struct Asker {
    pub(super) daemon: Arc<Daemon>,
    pub(super) endpoint: Endpoint,
    /// How long a file is waited for; nothing where it always is.
    patience: Option<Duration>,
    /// Runs that some task is at, and no other has to resume.
    going: Arc<Mutex<BTreeSet<RunId>>>,
    /// Held while it is noted how peers stand.
    pub(super) noting: Arc<Mutex<()>>,
    /// The connection to each member that was dialled last, whether or not it is open still, and the own
    /// key for receipts that held then.
    dialled: Arc<Mutex<BTreeMap<Name, (Channel, VerifyingKey)>>>,
    /// Held, to be read, by whatever goes on behind an answer.
    behind: Arc<RwLock<()>>,
}

/// Why it is asked: for the node's own records, nothing of it travels.
#[derive(Clone, Debug, Default)]
pub struct Occasion {
    /// The case; may be empty.
    pub case: String,
    /// Who asks; may be empty.
    pub operator: String,
}

/// What came of a run.
#[derive(Debug)]
pub struct Answered {
    /// What the peer holds too.
    pub found: Vec<Finding>,
    /// So many matches were left alone, being more than the policy has opened of one run.
    pub unopened: u64,
    /// How many items were asked for.
    pub asked: u64,
    /// What the peer charged for them: the items, padded.
    pub charged: u64,
    /// Items of which it is known now whether the peer holds them.
    pub known: u64,
    /// Items of customers that did not change, of which nothing is known in this epoch.
    pub left_out: u64,
    /// What was not asked for because the budget does not cover it today.
    pub waiting: Option<Waiting>,
    /// What it was looked up in; nothing of a run of batch, or of one that is resumed.
    pub published: Option<Published>,
    /// Whether the peer signed the receipt too.
    pub receipted: bool,
    /// Bytes on the wire, both ways, the publication included where it was fetched.
    pub bytes: u64,
}

/// A publication of a peer's, as far as it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// From when on it holds, in seconds since 1970.
    pub since: u64,
    /// Its size class: at most so many entries, dummies among them.
    pub class: u64,
}

/// What waits for another day's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// So many items.
    pub items: u64,
    /// The rule that does not cover them, in the peer's words.
    pub rule: String,
}

impl Waiting {
    /// What waits and for how long, where this run `asked` for so many items.
    #[must_use]
    pub fn in_words(&self, asked: u64) -> String {
        let Self { items, rule } = self;
        if policy::Refusal::is_of_epoch(rule) {
            return format!("{items} items wait for the next epoch: {rule}");
        }
        // As far as each night has as much of it as this one.
        match items.div_ceil(asked.max(1)) {
            1 => format!("{items} items wait, about 1 more night: {rule}"),
            nights => format!("{items} items wait, about {nights} more nights: {rule}"),
        }
    }
}

/// A row that the peer holds too.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The row's key.
    pub row: RowKey,
    /// What the peer says of it. Nothing where that does not open: an entry that was planted or
    /// damaged, which is no match.
    pub label: Option<Label>,
}

/// A run of ours that goes on.
pub(super) struct Going {
    pub(super) run: Arc<Run>,
    pub(super) about: About,
}

/// What a run is about.
pub(super) enum About {
    /// A publication, in which it looks up.
    Publication {
        epoch: Arc<PeerEpoch>,
        accepted: Box<Accepted>,
    },
    /// What the peer has, as it answers with it.
    Set,
}

impl Asker {
    /// A node that asks over `endpoint`.
    #[must_use]
    pub fn new(daemon: Arc<Daemon>, endpoint: Endpoint) -> Self {
        Self {
            daemon,
            endpoint,
            patience: None,
            going: Arc::default(),
            noting: Arc::default(),
            dialled: Arc::default(),
            behind: Arc::default(),
        }
    }

    /// A node that asks over connections of its own.
    #[must_use]
    pub fn of(daemon: Arc<Daemon>) -> Self {
        let endpoint = daemon.endpoint(Limits::default());
        Self::new(daemon, endpoint)
    }

    /// The same one, by what the operator's files are now.
    #[must_use]
    pub fn with_daemon(self, daemon: Arc<Daemon>) -> Self {
        Self { daemon, ..self }
    }

    /// The same one, which waits no longer than this for a publication that is not here yet.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self {
            patience: Some(patience),
            ..self
        }
    }

    /// Connects to a member, unless a connection of before still answers, and takes its delegations.
    ///
    /// # Errors
    ///
    /// [`AskError::Unreachable`], [`AskError::Call`], [`AskError::Equivocated`].
    pub async fn reach(&self, member: &Name) -> Result<Channel, AskError> {
        let (daemon, name) = (Arc::clone(&self.daemon), member.clone());
        let equivocation = blocking(move || Ok(daemon.equivocation(&name)?));
        if let Some(record) = equivocation.await? {
            return Err(AskError::Equivocated(record));
        }
        let before = self.connected(member);
        let greeted = match &before {
            Some(channel) => peers::greet(&self.daemon, channel).await.ok(),
            None => None,
        };
        let greeted = before.zip(greeted);
        let (channel, its) = match greeted.filter(|(channel, _)| self.is_by_newest(channel)) {
            Some(greeted) => greeted,
            None => {
                let reached = peers::reach(&self.daemon, &self.endpoint, member).await?;
                let own = self.daemon.receipts().verifying_key();
                let dialled = (reached.0.clone(), own);
                lock(&self.dialled).insert(member.clone(), dialled);
                reached
            }
        };
        peers::until_it_has_ours(&self.daemon, &channel, its).await?;
        Ok(channel)
    }

    /// The connection to a member that is open still and was dialled with our newest keys. Receipts are
    /// checked by the delegations that a connection was made with, so one that is older than the keys of
    /// either side is of no use.
    fn connected(&self, member: &Name) -> Option<Channel> {
        let (channel, by) = lock(&self.dialled).get(member).cloned()?;
        let own = self.daemon.receipts().verifying_key();
        (by == own && !channel.is_closed()).then_some(channel)
    }

    /// Whether a connection was made with the newest delegation of its member that is known here.
    fn is_by_newest(&self, channel: &Channel) -> bool {
        let known = self.daemon.directory().known();
        let peer = channel.peer();
        let delegations = &known.delegations;
        let mut its = delegations.in_force(&known.roster, peer.member(), self.daemon.now());
        its.next().is_some_and(|newest| peer.is_by(newest))
    }

    /// The channel, or another one to the same member where its connection has ended.
    async fn open(&self, channel: &Channel) -> Result<Channel, AskError> {
        if channel.is_closed() {
            return self.reach(channel.peer().member()).await;
        }
        Ok(channel.clone())
    }

    /// How a pair ended that ended so. What breaks off when a peer is removed is named by that.
    pub(super) fn outcome(&self, peer: &Name, error: &AskError) -> Outcome {
        if self.daemon.directory().address(peer).is_none() {
            return AskError::Unreachable(DialError::UnknownMember).outcome();
        }
        error.outcome()
    }

    /// [Reaches](Self::reach) a member that was not reached just now: tries again, later and later.
    pub(super) async fn reach_again(
        &self,
        member: &Name,
        reached: Result<Channel, AskError>,
    ) -> Result<Channel, AskError> {
        let mut reached = reached;
        for earlier in 0..peers::RECONNECTS {
            match reached {
                Err(AskError::Unreachable(DialError::Unreachable(_) | DialError::Timeout)) => {
                    sleep(peers::pause(earlier)).await;
                    reached = self.reach(member).await;
                }
                reached => return reached,
            }
        }
        reached
    }

    /// Asks a view of the peer at the other end of `channel` for all of `subject`, but for what is
    /// known already.
    ///
    /// # Errors
    ///
    /// [`AskError`]. What was paid for is not lost: an unfinished run stays, to be
    /// [resumed](Self::resume).
    pub async fn ask(
        &self,
        channel: &Channel,
        view: &View,
        subject: Subject,
        occasion: &Occasion,
    ) -> Result<Answered, AskError> {
        let channel = &self.open(channel).await?;
        let prepared = prepare(&self.daemon, &self.endpoint, channel, view, self.patience).await?;
        // A download may have outlived the connection that it began on.
        let channel = &self.open(channel).await?;
        let subject = Arc::new(subject);
        let plan = blocking({
            let (daemon, peer) = (Arc::clone(&self.daemon), channel.peer().id().clone());
            let (epoch, manifest) = (
                Arc::clone(&prepared.epoch),
                prepared.accepted.manifest.clone(),
            );
            let (view, subject) = (view.clone(), Arc::clone(&subject));
            move || Plan::of(&daemon, &peer, &view, &epoch, &manifest, &subject)
        })
        .await?;
        let agreed = agree(channel, &plan.proposal).await;
        self.go_on(channel, view, prepared, subject, occasion, plan, agreed)
            .await
    }

    /// Asks as a peer has answered the proposal of a plan.
    #[expect(clippy::too_many_arguments, reason = "all that was prepared for it")]
    async fn go_on(
        &self,
        channel: &Channel,
        view: &View,
        prepared: Prepared,
        subject: Arc<Subject>,
        occasion: &Occasion,
        plan: Plan,
        agreed: Result<Agreement, AskError>,
    ) -> Result<Answered, AskError> {
        let (epoch, accepted) = (prepared.epoch, prepared.accepted);
        let (plan, agreement, budget) = match agreed {
            Ok(agreement) => (plan, agreement, None),
            Err(AskError::Refused(rule, reference)) => {
                let less = blocking({
                    let (daemon, peer) = (Arc::clone(&self.daemon), channel.peer().id().clone());
                    let (manifest, view) = (accepted.manifest.clone(), view.clone());
                    let (left, subject) = (policy::Refusal::left_by(&rule), Arc::clone(&subject));
                    move || {
                        plan.within(left, &daemon, &peer, &view, &manifest, &subject)
                            .transpose()
                    }
                });
                let plan = less
                    .await?
                    .ok_or_else(|| AskError::Refused(rule.clone(), reference))?;
                let agreement = agree(channel, &plan.proposal).await?;
                (plan, agreement, Some(rule))
            }
            Err(error) => return Err(error),
        };
        let waiting = budget.map(|rule| Waiting {
            items: plan.waiting(),
            rule,
        });
        let accepted = Box::new(accepted);
        let mut head = self.head(channel, agreement, &accepted.manifest, &subject, occasion)?;
        if waiting.is_some() {
            // What the collection had before is all that was asked for until now.
            let after = subject.collection().and_then(|asking| asking.after);
            head.imports = after.unwrap_or(0);
        }
        let left_out = plan.left_out();
        let (run, looked_up) = blocking({
            let daemon = Arc::clone(&self.daemon);
            move || plan.begin(&daemon, head)
        })
        .await?;

        let known = looked_up.count();
        let published = Some(Published {
            since: accepted.manifest.valid_from,
            class: accepted.manifest.edition.class().entries(),
        });
        let about = About::Publication { epoch, accepted };
        let going = Going { run, about };
        let answered = self
            .bring_home(channel, going, subject, Some(looked_up))
            .await?;
        Ok(Answered {
            known,
            left_out,
            waiting,
            published,
            bytes: answered.bytes.saturating_add(prepared.bytes),
            ..answered
        })
    }

    /// Goes on with a run that broke off, or ends it where it cannot go on.
    ///
    /// # Errors
    ///
    /// [`AskError`].
    pub async fn resume(&self, channel: &Channel, run: Arc<Run>) -> Result<Answered, AskError> {
        let daemon = Arc::clone(&self.daemon);
        let (going, subject) = blocking(move || {
            let Some(going) = Going::of(&daemon, &run) else {
                // What it was about has been replaced twice: there is nothing to look it up in.
                run.give_up(&mut rand::rng())?;
                return Err(AskError::GivenUp);
            };
            Ok((going, Subject::of_run(&daemon, &run)?))
        })
        .await?;
        self.bring_home(channel, going, Arc::new(subject), None)
            .await
    }

    async fn bring_home(
        &self,
        channel: &Channel,
        going: Going,
        subject: Arc<Subject>,
        looked_up: Option<LookedUp>,
    ) -> Result<Answered, AskError> {
        let _at_it = self.at(&going.run);
        let Carried {
            late,
            bytes,
            concluded,
            stream,
        } = carry(self, channel, &going).await?;
        let daemon = Arc::clone(&self.daemon);
        let settling = Arc::clone(&daemon);
        let (answered, going, outputs) = blocking(move || {
            let head = going.run.head();
            let class = head.direction().map_or(0, |one| one.querier_input.class);
            let by = match &going.about {
                About::Publication { .. } => policy::Protocol::Lookup,
                About::Set => policy::Protocol::Batch,
            };
            let charged = by.charge(class);
            let asked = going.run.asked()?.count();
            let finished = finish::finish(&daemon, &going, &subject, looked_up, concluded, late)?;
            let Ended { found, unopened } = finished.ended;
            let answered = Answered {
                found,
                unopened,
                asked,
                charged,
                known: asked,
                left_out: 0,
                waiting: None,
                published: None,
                receipted: !late,
                bytes,
            };
            Ok((answered, going, finished.outputs))
        })
        .await?;
        let going_on = Arc::clone(&self.behind).read_owned().await;
        tokio::spawn(async move {
            if let Some(stream) = stream {
                let _ = stream.finish().await;
            }
            if let Err(error) = blocking(move || finish::settle(&settling, &going, outputs)).await {
                // It follows when the home is opened again.
                warn!(%error, "what follows the end of a run could not be written");
            }
            drop(going_on);
        });
        Ok(answered)
    }

    /// Waits for what goes on behind answers: then results are where they are read again, and nothing of
    /// their runs is left that would resume them.
    pub async fn settle(&self) {
        drop(self.behind.write().await);
    }

    /// Whether some task is at a run.
    pub(super) fn is_at(&self, run: &RunId) -> bool {
        lock(&self.going).contains(run)
    }

    /// Says that this task is at a run, until what it gives is dropped.
    fn at(&self, run: &Run) -> AtIt {
        lock(&self.going).insert(run.id());
        AtIt {
            going: Arc::clone(&self.going),
            run: run.id(),
        }
    }

    fn head(
        &self,
        channel: &Channel,
        agreement: Agreement,
        manifest: &Manifest,
        subject: &Subject,
        occasion: &Occasion,
    ) -> Result<Head, AskError> {
        let peer = record::Name::new(channel.peer().member().as_str());
        let asking = subject.collection().map(|asking| &asking.contents);
        Ok(Head {
            side: blindmatch_audit::receipt::Side::Querier,
            peer: peer.map_err(|_| AskError::Answer)?,
            agreement,
            direction: 0,
            epoch: manifest.domain.epoch,
            until: manifest.expires,
            began: self.daemon.now(),
            collection: asking.map_or_else(String::new, |asking| asking.name.to_string()),
            imports: asking.map_or(0, |asking| asking.imports),
            case: occasion.case.clone(),
            operator: occasion.operator.clone(),
        })
    }
}

/// While it is there, a task is at a run.
struct AtIt {
    going: Arc<Mutex<BTreeSet<RunId>>>,
    run: RunId,
}

impl Drop for AtIt {
    fn drop(&mut self) {
        lock(&self.going).remove(&self.run);
    }
}

impl Going {
    /// What a run is about, where it is still there.
    fn of(daemon: &Daemon, run: &Arc<Run>) -> Option<Self> {
        if run.head().agreement.protocol == Protocol::Batch {
            let (run, about) = (Arc::clone(run), About::Set);
            return Some(Self { run, about });
        }
        let direction = run.head().direction()?;
        for epoch in daemon.views().peers() {
            let accepted = epoch.publications().into_iter().find(|accepted| {
                blindmatch_psi::lookup::view_input(&accepted.manifest) == direction.responder_input
            });
            if let Some(accepted) = accepted {
                let run = Arc::clone(run);
                let accepted = Box::new(accepted);
                let about = About::Publication { epoch, accepted };
                return Some(Self { run, about });
            }
        }
        None
    }
}

/// Reads or computes for a while.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AskError> + Send + 'static,
) -> Result<T, AskError> {
    let done = work::blocking(work).await;
    done.unwrap_or(Err(AskError::Panicked))
}

/// Proposes a run, and gives what the peer agreed on.
async fn agree(channel: &Channel, proposal: &Agreement) -> Result<Agreement, AskError> {
    let proposed = Proposal(Bytes::from(proposal.encode()));
    let answer = patiently(|| channel.propose(proposed.clone())).await?;
    agreed(proposal, &answer)
}

/// The agreement that a peer answers with, which is the proposal completed.
fn agreed(proposal: &Agreement, answer: &Answer) -> Result<Agreement, AskError> {
    match answer {
        Answer::Agreement(bytes) => {
            let agreement = Agreement::decode(bytes).map_err(|_| AskError::Answer)?;
            if agreement.completes(proposal) {
                Ok(agreement)
            } else {
                Err(AskError::Answer)
            }
        }
        Answer::Refusal(bytes) => {
            let refusal = Refusal::decode(bytes).map_err(|_| AskError::Answer)?;
            if refusal == Refusal::new(proposal, &refusal.rule) {
                let reference = Reference(refusal.reference());
                Err(AskError::Refused(refusal.rule, reference))
            } else {
                Err(AskError::Answer)
            }
        }
    }
}
