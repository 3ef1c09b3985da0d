//! Whether a run is agreed to (`spec/30-session.md` §2, `spec/50-policy.md` §3).

use std::sync::Arc;

use blindmatch_audit::receipt::{Input, Side};
use blindmatch_audit::record::Name;
use blindmatch_membership::{MemberId, Name as Member};
use blindmatch_policy::{
    Charged, Direction as Ours, LedgerFacts, Protocol as PolicyProtocol, Request, RosterFacts,
    decide,
};
use blindmatch_psi::agreement::{
    Agreement, Direction, Protocol, Refusal as Told, Role as PartyRole,
};
use blindmatch_psi::batch::setup::SetupTerms;
use blindmatch_psi::lookup::view_input;
use blindmatch_store::runs::{Head, Run, RunError, Runs};
use blindmatch_store::views::{OwnEpoch, OwnPublication};
use blindmatch_transport::message::Answer;
use blindmatch_transport::problem::Kind;
use blindmatch_wire::problem::Reference;
use blindmatch_wire::{Malformed, Problem};
use rand::RngExt;
use tracing::info;

use super::{Serving, fault, internal};
use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;
use crate::exchange::work::blocking;
use crate::policy::role;
use crate::probing::activity;

/// Runs of one peer that may be unfinished at once.
const UNFINISHED: usize = 64;

/// What a direction names for an input that its owner names later.
const UNNAMED: Input = Input {
    commitment: [0; 32],
    class: 0,
};

/// What a run is against.
pub(super) struct Against<'e> {
    /// The epoch that its charges count for.
    pub(super) epoch: &'e OwnEpoch,
    pub(super) protocol: PolicyProtocol,
    /// The items of our view.
    pub(super) size: u64,
}

/// A run that is agreed to.
pub(super) struct Agreed<'a> {
    pub(super) peer: &'a Member,
    pub(super) agreement: Agreement,
    pub(super) epoch: u64,
    pub(super) until: u64,
    /// The setup that it uses up.
    pub(super) setup: Option<&'a SetupTerms>,
}

impl Serving {
    /// Answers a proposal: agrees, durably, or says which rule refuses. Blocks.
    pub(super) fn answer(&self, peer: &MemberId, proposal: &[u8]) -> Result<Answer, Problem> {
        if let Ok(setup) = SetupTerms::decode(proposal) {
            return self.answer_setup(peer, setup);
        }
        let proposal = Agreement::decode(proposal).map_err(|_| Malformed::Number)?;
        let (direction, view) = self.direction(peer, &proposal)?;
        if proposal.protocol == Protocol::Batch {
            return self.answer_whole(peer, &proposal, direction, &view);
        }
        let (epoch, publication) = self.proposed(&view, direction)?;
        let manifest = &publication.manifest;
        let daemon = self.daemon();
        let now = daemon.now();
        let against = Against {
            epoch: &epoch,
            protocol: PolicyProtocol::Lookup,
            size: publication.items,
        };
        let ends = match self.decide(&daemon, peer, &proposal, direction, &view, against)? {
            Ok(ends) => ends,
            Err(refused) => return Ok(refused),
        };
        if now >= manifest.expires {
            return Err(Kind::EpochOver.into());
        }
        let mut agreement = proposal.clone();
        let [_, own] = &mut agreement.parties;
        own.nonce = rand::rng().random();
        let agreed = Agreed {
            peer: peer.member(),
            agreement,
            epoch: epoch.domain().epoch,
            until: ends.min(manifest.expires),
            setup: None,
        };
        self.begin(&daemon, agreed)
    }

    /// Begins a run that is agreed to. It is durable before anything is charged.
    pub(super) fn begin(&self, daemon: &Daemon, agreed: Agreed<'_>) -> Result<Answer, Problem> {
        let Agreed {
            peer,
            agreement,
            epoch,
            until,
            setup,
        } = agreed;
        make_room(daemon, peer)?;
        let head = Head {
            side: Side::Responder,
            peer: Name::new(peer.as_str()).map_err(|error| fault(&error))?,
            agreement,
            direction: 0,
            epoch,
            until,
            began: daemon.now(),
            collection: String::new(),
            imports: 0,
            case: String::new(),
            operator: String::new(),
        };
        let rng = &mut rand::rng();
        let agreed = head.agreement.encode();
        let begun = daemon.runs().begin(head, rng).and_then(|mut beginning| {
            if let Some(setup) = setup {
                beginning.over(setup, rng)?;
            }
            beginning.begin(rng)
        });
        let run = begun.map_err(internal)?;
        // The peer makes its own beginning durable meanwhile. A run that is lost before it was charged for
        // anything is as if it had not been agreed on.
        tokio::spawn(async move {
            let stored = blocking(move || run.store(&mut rand::rng())).await;
            match stored {
                Ok(Ok(()) | Err(RunError::Ended)) | Err(_) => {}
                Ok(Err(error)) => _ = internal(error),
            }
        });
        Ok(Answer::Agreement(agreed.into()))
    }

    /// The one direction that this peer may propose to us.
    fn direction<'a>(
        &self,
        peer: &MemberId,
        proposal: &'a Agreement,
    ) -> Result<(&'a Direction, View), Problem> {
        let daemon = self.daemon();
        let own = daemon.id();
        let [first, second] = &proposal.parties;
        let [direction] = proposal.directions.as_slice() else {
            return Err(Malformed::Number.into());
        };
        let whole = proposal.protocol == Protocol::Batch;
        // Of batch it names a setup, and we the set.
        let named = whole == (direction.setup != [0; 32])
            && (!whole || direction.responder_input == UNNAMED);
        let ours = named
            && proposal.consortium == own.consortium().as_str().as_bytes()
            && first.identity == peer.to_string().as_bytes()
            && first.nonce != [0; 32]
            && second.identity == own.to_string().as_bytes()
            && second.nonce == [0; 32]
            && direction.querier == PartyRole::First;
        let view = str::from_utf8(&direction.view).ok();
        let view = view.and_then(|view| view.parse::<View>().ok());
        match view {
            Some(view)
                if ours
                    && direction.purpose == view.purpose.as_bytes()
                    && direction.indicator_type == view.indicator_type.name().as_bytes() =>
            {
                Ok((direction, view))
            }
            _ => Err(Malformed::Number.into()),
        }
    }

    /// The publication that a proposal names: of the epoch that is offered, the newest or the one
    /// before.
    fn proposed(
        &self,
        view: &View,
        direction: &Direction,
    ) -> Result<(Arc<OwnEpoch>, OwnPublication), Problem> {
        let epoch = self.offered(view)?.epoch;
        // Whoever names another one has to ask for the manifest again.
        let publication = named(&epoch, direction).ok_or(Kind::NotNow)?;
        Ok((epoch, publication))
    }

    /// The publication that a run was agreed on about, of an epoch whose key is there still.
    pub(super) fn agreed(
        &self,
        view: &View,
        direction: &Direction,
    ) -> Result<(Arc<OwnEpoch>, OwnPublication), Problem> {
        let epochs = self.daemon().own_epochs(view).into_iter();
        let mut agreed = epochs.filter_map(|epoch| Some((named(&epoch, direction)?, epoch)));
        let (publication, epoch) = agreed.next().ok_or(Kind::EpochOver)?;
        Ok((epoch, publication))
    }

    /// What the policy says of a run, by what peers were charged until now: when it must be over, or
    /// what the peer is told.
    pub(super) fn decide(
        &self,
        daemon: &Daemon,
        peer: &MemberId,
        agreement: &Agreement,
        direction: &Direction,
        view: &View,
        against: Against<'_>,
    ) -> Result<Result<u64, Answer>, Problem> {
        let known = daemon.directory().known();
        let roster = &known.roster;
        let member = |name| roster.members.get(name).map(|member| role(member.role));
        let version = view.indicator_type.canonicalisation_version().into();
        let in_force = roster.canonicalisation.get(view.indicator_type.name());
        let in_force = in_force.map_or(0, |&version| u32::from(version));
        let payment_key = daemon.payment_key();
        let facts = RosterFacts {
            number: roster.number,
            not_before: roster.not_before,
            expires: roster.expires,
            own_role: role(daemon.node().config().node.role),
            peer_role: member(peer.member()),
            canonicalisation: in_force,
            own_canonicalisation: version,
            peer_canonicalisation: direction.canonicalisation,
            payment_key: payment_key
                .as_ref()
                .map_or(&[], |key| key.as_bytes().as_slice()),
        };
        let request = Request {
            peer: peer.member().as_str(),
            direction: Ours::Serve,
            indicator_type: view.indicator_type,
            canonicalisation: direction.canonicalisation,
            purpose: &view.purpose,
            protocol: against.protocol,
            roster: agreement.roster,
            query_class: direction.querier_input.class,
            set_size: against.size,
            sweep: false,
            payment_key: &direction.payment_key,
        };
        let now = daemon.now();
        let ledger = self.ledger_facts(peer, view, against.epoch);
        let ledger = ledger.map_err(internal)?;
        let decided = decide(&facts, daemon.policy(), &request, &ledger, now);
        let found = daemon.record_concern(&request, view, &ledger);
        if let Some(found) = found.map_err(internal)? {
            let labels = [
                ("level", found.level.name()),
                ("signal", found.signal.name()),
            ];
            self.counters().add("blindmatch_probing_total", &labels, 1);
        }
        match decided {
            Ok(grant) => Ok(Ok(grant.ends)),
            Err(refusal) => {
                let rule = [("rule", refusal.code())];
                self.counters().add("blindmatch_denials_total", &rule, 1);
                let told = Told::new(agreement, &refusal.for_peer());
                let reference = Reference(told.reference());
                info!(
                    peer = %peer.member(), %view, rule = refusal.code(), %reference, "refused a run"
                );
                Ok(Err(Answer::Refusal(told.encode().into())))
            }
        }
    }

    fn ledger_facts(
        &self,
        peer: &MemberId,
        view: &View,
        epoch: &OwnEpoch,
    ) -> Result<LedgerFacts, Error> {
        let daemon = self.daemon();
        let time = daemon.now().max(daemon.ledger().log().time());
        let (peer, epoch) = (peer.member().as_str(), epoch.domain().epoch);
        daemon.facts(|facts| {
            let charged = facts.charged(&view.to_string(), peer, epoch, time)?;
            let aborts = facts.unreceipted_in_a_row(peer)?;
            Ok(LedgerFacts {
                charged: Charged {
                    day: charged.day,
                    epoch: charged.epoch,
                },
                one_sided_aborts: u32::try_from(aborts).unwrap_or(u32::MAX),
                activity: activity(facts, &view.to_string(), peer, time)?,
            })
        })
    }
}

/// Makes room for one more run of a peer: gives up the oldest that was agreed to and of which nothing
/// was charged, where there are as many as there may be. One that died before it stored what was agreed
/// does not come back to it.
///
/// # Errors
///
/// [`Kind::Busy`] where all were charged.
pub(super) fn make_room(daemon: &Daemon, peer: &Member) -> Result<(), Problem> {
    let made = room(daemon.runs(), peer).map_err(internal)?;
    Ok(made.ok_or(Kind::Busy)?)
}

fn room(runs: &Runs, peer: &Member) -> Result<Option<()>, Error> {
    let unfinished = runs.unfinished().into_iter();
    let unfinished = unfinished.filter_map(|id| runs.run(&id).ok());
    let of_peer: Vec<_> = unfinished
        .filter(|run| {
            let head = run.head();
            head.side == Side::Responder && head.peer.as_str() == peer.as_str()
        })
        .collect();
    if of_peer.len() < UNFINISHED {
        return Ok(Some(()));
    }
    let mut oldest: Option<Arc<Run>> = None;
    for run in of_peer {
        // What is charged, or used up, comes first.
        let is_begun = run.records()?.next().transpose()?.is_some();
        let is_older = oldest
            .as_ref()
            .is_none_or(|oldest| run.head().began < oldest.head().began);
        if !is_begun && is_older {
            oldest = Some(run);
        }
    }
    match oldest {
        Some(oldest) => Ok(Some(oldest.give_up(&mut rand::rng())?)),
        None => Ok(None),
    }
}

/// The publication of an epoch that a run's direction names.
fn named(epoch: &OwnEpoch, direction: &Direction) -> Option<OwnPublication> {
    let publications = epoch.publications();
    let mut named = publications
        .iter()
        .filter(|own| view_input(&own.manifest) == direction.responder_input);
    named.next().cloned()
}
