//! Setups of batch: made with a peer, kept until a run uses them up (`spec/34-batch.md` §2,
//! `spec/46-runs-views.md` §9).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use blindmatch_audit::receipt::Side;
use blindmatch_membership::{MemberId, Name};
use blindmatch_policy::{Direction, Protocol, Rule};
use blindmatch_psi::batch::setup::{SetupSession, SetupTerms};
use blindmatch_psi::batch::{Labels, class_holding};
use blindmatch_psi::session::{Completion, End, Keys, Record, Store, UnixSeconds};
use blindmatch_psi::stop::{Abort, Stop};
use blindmatch_transport::message::{Answer, Proposal};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Frames};
use blindmatch_wire::{Malformed, Problem};
use rand::RngExt;
use tracing::warn;

use super::ask::{AskError, Asker, Counted, blocking};
use super::daemon::{Daemon, lock};
use super::drive::{Frames as Driven, Journal, drive};
use super::keys::RunKeys;
use super::peers::patiently;
use super::publish::DAY;
use super::respond::{Serving, fault};
use crate::error::Error;

/// A querier uses none that is older.
const QUERIER_AGE: u64 = 7 * DAY;
/// Longer, so that a responder has those that its peer has.
const RESPONDER_AGE: u64 = 14 * DAY;
/// A responder keeps so many of one peer.
const KEPT: usize = 8;
/// So many of one peer are agreed on and not made.
const AGREED: usize = 4;
/// So many of all peers are made at once.
const AT_ONCE: usize = 4;

/// What a node that answers knows of setups that are on their way.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<State>);

#[derive(Default)]
struct State {
    /// Agreed on, and not begun: the newest last.
    agreed: Vec<(Name, SetupTerms)>,
    /// Being made, one of a peer.
    making: BTreeSet<Name>,
    /// How many broke off because a check of ours failed: guesses at Δ.
    guesses: BTreeMap<Name, u32>,
}

/// A setup is being made with a peer, until this is dropped.
struct Making<'s> {
    under_way: &'s UnderWay,
    peer: Name,
}

/// Where the half of a setup goes.
struct Keeping {
    daemon: Arc<Daemon>,
    side: Side,
}

impl Asker {
    /// A setup for sets of a class that no run has used or means to use: one that is kept, or a new
    /// one; and how many bytes making it took.
    ///
    /// # Errors
    ///
    /// [`AskError`]; nothing is kept then.
    pub(super) async fn setup(
        &self,
        channel: &Channel,
        class: u32,
    ) -> Result<(SetupTerms, u64), AskError> {
        let (daemon, peer) = (Arc::clone(&self.daemon), channel.peer().id().clone());
        let kept = blocking(move || Ok(daemon.unused_setup(&peer, class))).await?;
        match kept {
            Some(kept) => Ok((kept, 0)),
            None => self.set_up(channel, class).await,
        }
    }

    /// Makes a setup ahead of the run that it is for, for sets of so many items, where none is kept.
    ///
    /// # Errors
    ///
    /// [`AskError`]; nothing is kept then.
    pub async fn prepare_batch(&self, channel: &Channel, items: u64) -> Result<(), AskError> {
        let class = class_holding(items).ok_or(AskError::TooMuch)?;
        self.setup(channel, class).await.map(drop)
    }

    async fn set_up(&self, channel: &Channel, class: u32) -> Result<(SetupTerms, u64), AskError> {
        let own = self.daemon.id();
        let proposal = SetupTerms {
            consortium: own.consortium().as_str().as_bytes().to_vec(),
            querier: own.to_string().into_bytes(),
            responder: channel.peer().id().to_string().into_bytes(),
            class,
            labels: Labels::Sealed,
            querier_nonce: rand::rng().random(),
            responder_nonce: [0; 32],
        };
        let proposed = Proposal(proposal.encode().into());
        let terms = match patiently(|| channel.propose(proposed.clone())).await? {
            Answer::Agreement(bytes) => SetupTerms::decode(&bytes),
            Answer::Refusal(_) => return Err(AskError::Answer),
        };
        let terms = terms.map_err(|_| AskError::Answer)?;
        let completed = SetupTerms {
            responder_nonce: terms.responder_nonce,
            ..proposal
        };
        if terms != completed {
            return Err(AskError::Answer);
        }
        let mut session = SetupSession::querier(terms.clone()).map_err(AskError::Session)?;
        let (stream, mut bytes) = (channel.run(terms.id().0).await?, 0);
        let mut frames = Counted {
            stream,
            bytes: &mut bytes,
            refused: None,
        };
        let end = Keeping::drive(&self.daemon, Side::Querier, &mut session, &mut frames).await;
        let refused = frames.refused.take();
        let _ = frames.stream.finish().await;
        match end {
            Some(End::Concluded) => Ok((terms, bytes)),
            Some(End::Stopped(stop)) => Err(AskError::Stopped(stop)),
            None => {
                Err(refused.map_or(AskError::Lost, |problem| CallError::Refused(problem).into()))
            }
        }
    }
}

impl Serving {
    /// Answers a proposal of a setup: nobody agrees to a run by it. Blocks.
    pub(super) fn answer_setup(
        &self,
        peer: &MemberId,
        proposal: SetupTerms,
    ) -> Result<Answer, Problem> {
        let daemon = self.daemon();
        let own = daemon.id();
        let ours = proposal.consortium == own.consortium().as_str().as_bytes()
            && proposal.querier == peer.to_string().as_bytes()
            && proposal.responder == own.to_string().as_bytes()
            && proposal.querier_nonce != [0; 32]
            && proposal.responder_nonce == [0; 32]
            && proposal.labels == Labels::Sealed;
        if !ours {
            return Err(Malformed::Number.into());
        }
        let charge = Protocol::Batch.charge(proposal.class.into());
        if !daemon.may_serve_batch(peer.member(), charge) {
            return Err(Kind::NotAllowed.into());
        }
        let mut state = lock(&self.setups().0);
        let guesses = state.guesses.get(peer.member()).copied().unwrap_or(0);
        if guesses >= daemon.policy().conduct().suspend_after {
            return Err(Kind::NotAllowed.into());
        }
        let terms = SetupTerms {
            responder_nonce: rand::rng().random(),
            ..proposal
        };
        let agreed = &mut state.agreed;
        let of_peer = |(name, _): &(Name, SetupTerms)| name == peer.member();
        if agreed.iter().filter(|one| of_peer(one)).count() >= AGREED
            && let Some(oldest) = agreed.iter().position(of_peer)
        {
            agreed.remove(oldest);
        }
        let bytes = terms.encode();
        agreed.push((peer.member().clone(), terms));
        Ok(Answer::Agreement(bytes.into()))
    }

    /// The terms of a setup that this peer agreed on and that was not begun.
    pub(super) fn agreed_setup(&self, peer: &Name, id: &[u8; 32]) -> Option<SetupTerms> {
        let agreed = &mut lock(&self.setups().0).agreed;
        let is_it = |(name, terms): &(Name, SetupTerms)| name == peer && terms.id().0 == *id;
        let place = agreed.iter().position(is_it)?;
        Some(agreed.remove(place).1)
    }

    /// Makes this node's half of a setup on a connection.
    pub(super) async fn set_up(
        &self,
        peer: &Name,
        terms: SetupTerms,
        mut frames: Frames,
    ) -> Result<(), Problem> {
        let _making = self.setups().begin(peer).ok_or(Kind::Busy)?;
        let daemon = self.daemon();
        let session = SetupSession::responder(terms);
        let mut session = session.map_err(|error| fault(&error))?;
        let end = Keeping::drive(&daemon, Side::Responder, &mut session, &mut frames).await;
        if end == Some(End::Stopped(Stop::Abort(Abort::Check))) {
            let mut state = lock(&self.setups().0);
            *state.guesses.entry(peer.clone()).or_default() += 1;
            let labels = [("peer", peer.as_str())];
            self.counters()
                .add("blindmatch_setup_checks_failed_total", &labels, 1);
            warn!(%peer, "a setup failed its check: a fault of the peer, or a guess at our secret");
        }
        // The peer ends the stream once it has the last flight.
        if end == Some(End::Concluded) {
            let _ = frames.receive().await;
        }
        Ok(())
    }
}

impl UnderWay {
    fn begin(&self, peer: &Name) -> Option<Making<'_>> {
        let making = &mut lock(&self.0).making;
        if making.len() >= AT_ONCE || !making.insert(peer.clone()) {
            return None;
        }
        Some(Making {
            under_way: self,
            peer: peer.clone(),
        })
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        lock(&self.under_way.0).making.remove(&self.peer);
    }
}

impl Daemon {
    /// A setup with a peer for our sets of a class, that no unfinished run is to use.
    fn unused_setup(&self, peer: &MemberId, class: u32) -> Option<SetupTerms> {
        let runs = self.runs();
        let meant: BTreeSet<_> = runs
            .unfinished()
            .iter()
            .filter_map(|id| runs.run(id).ok())
            .filter_map(|run| Some(run.setup()?.id()))
            .collect();
        let (own, peer) = (self.id().to_string(), peer.to_string());
        let consortium = self.id().consortium().as_str();
        let fits = |terms: &SetupTerms| {
            terms.class == class
                && terms.labels == Labels::Sealed
                && terms.consortium == consortium.as_bytes()
                && terms.querier == own.as_bytes()
                && terms.responder == peer.as_bytes()
        };
        let kept = runs.setups().all().into_iter();
        let fitting = kept.filter(|(id, kept)| {
            let young = self.now() < kept.made.saturating_add(QUERIER_AGE);
            young && fits(&kept.terms) && !meant.contains(id)
        });
        // The peer destroys the oldest first.
        let newest = fitting.max_by_key(|(_, kept)| kept.made);
        newest.map(|(_, kept)| kept.terms)
    }

    /// Whether the policy serves anything to a member by batch, within a budget that covers this.
    fn may_serve_batch(&self, member: &Name, charge: u64) -> bool {
        let policy = self.policy();
        let covers = |rule: &Rule| {
            rule.peers.include(member.as_str())
                && rule.directions.contains(&Direction::Serve)
                && rule.protocols.contains(&Protocol::Batch)
                && rule.types.iter().any(|kind| {
                    let budget = policy.budget(rule, *kind);
                    charge <= budget.day.min(budget.epoch)
                })
        };
        policy.rules().iter().any(covers)
    }

    /// Destroys setups that are too old, or whose peer is no member any more.
    ///
    /// # Errors
    ///
    /// The first [`Error::Run`], behind all that could be destroyed.
    pub(super) fn destroy_old_setups(&self, now: u64) -> Result<u64, Error> {
        let known = self.directory().known();
        let member = |identity: &[u8]| {
            let mut names = known.roster.members.keys();
            names.any(|name| {
                let id = known.roster.member_id(name);
                id.is_some_and(|id| id.to_string().as_bytes() == identity)
            })
        };
        let (mut destroyed, mut failed) = (0, None);
        for (id, kept) in self.runs().setups().all() {
            let age = match kept.side {
                Side::Querier => QUERIER_AGE,
                Side::Responder => RESPONDER_AGE,
            };
            let young = now < kept.made.saturating_add(age);
            if young && member(&kept.terms.querier) && member(&kept.terms.responder) {
                continue;
            }
            match self.runs().setups().destroy(&id) {
                Ok(()) => destroyed += 1,
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        failed.map_or(Ok(destroyed), |error| Err(error.into()))
    }

    /// Destroys the oldest setups that a peer has here, but for so many as are kept of one.
    fn destroy_setups_beyond(&self, querier: &[u8]) {
        let setups = self.runs().setups();
        let all = setups.all().into_iter();
        let mut of_peer: Vec<_> = all
            .filter(|(_, kept)| kept.side == Side::Responder && kept.terms.querier == querier)
            .collect();
        of_peer.sort_by_key(|(_, kept)| kept.made);
        let beyond = of_peer.len().saturating_sub(KEPT);
        for (id, _) in of_peer.iter().take(beyond) {
            // One that cannot be destroyed now is when it is too old.
            let _ = setups.destroy(id);
        }
    }
}

impl Keeping {
    /// Runs one side of a setup; nothing where the connection is gone.
    async fn drive(
        daemon: &Arc<Daemon>,
        side: Side,
        session: &mut SetupSession,
        frames: &mut impl Driven,
    ) -> Option<End> {
        let keys: Arc<dyn Keys + Send + Sync> = Arc::new(RunKeys {
            signer: Arc::clone(daemon.receipts()),
            evaluation: None,
        });
        let keeping = Self {
            daemon: Arc::clone(daemon),
            side,
        };
        let journal: Arc<dyn Journal> = Arc::new(keeping);
        let clock = Arc::clone(daemon);
        let now = move || UnixSeconds(clock.now());
        drive(session, frames, &keys, &journal, &now).await.ok()
    }
}

impl Journal for Keeping {
    fn store(&self, store: Store) -> Completion {
        let setups = self.daemon.runs().setups();
        let kept = match store.record() {
            Record::State(half) => {
                setups.keep(self.side, half, self.daemon.now(), &mut rand::rng())
            }
            _ => return store.refused(),
        };
        let Ok(id) = kept else {
            return store.refused();
        };
        if self.side == Side::Responder
            && let Some(kept) = setups.all().get(&id)
        {
            self.daemon.destroy_setups_beyond(&kept.terms.querier);
        }
        store.stored().1
    }
}
