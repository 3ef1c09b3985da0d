//! What a run is to ask for, and the proposal of it.

use std::sync::Arc;

use blindmatch_audit::codec::Writer;
use blindmatch_audit::receipt::Input;
use blindmatch_audit::record::Salted;
use blindmatch_indicator::IndicatorType;
use blindmatch_membership::{self as membership, MemberId};
use blindmatch_policy::{self as policy, LedgerFacts, Request, RosterFacts, decide};
use blindmatch_psi::agreement::{Agreement, Direction, Party, Protocol, Role};
use blindmatch_psi::lookup::{Item, view_input};
use blindmatch_psi::publication::{Manifest, QueryClass};
use blindmatch_store::collection::CollectionKind;
use blindmatch_store::runs::{Head, Run};
use blindmatch_store::views::PeerEpoch;
use rand::RngExt;

use super::subject::bare;
use super::{AskError, Subject};
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;
use crate::policy::role;

/// What the commitment to a querier's items is over (`spec/30 §2`).
const ITEMS: &str = "blindmatch items v1";

/// What a run is to ask for.
pub(super) struct Plan {
    /// What is proposed.
    pub(super) proposal: Agreement,
    /// The items whose outputs are not known yet, ascending.
    left: Vec<Item>,
}

impl Plan {
    /// Plans a run and holds it against the own policy.
    pub(super) fn of(
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        epoch: &PeerEpoch,
        manifest: &Manifest,
        subject: &Subject,
    ) -> Result<Self, AskError> {
        let kind = view.indicator_type;
        let items = subject.items(daemon, kind)?;
        let mut cached = epoch.cached()?;
        let mut left = Vec::new();
        for item in &items {
            if cached.find(item)?.is_none() {
                left.push(item.clone());
            }
        }
        let count = u64::try_from(left.len()).unwrap_or(u64::MAX);
        // One that asks for nothing new looks like one that asks for little.
        let class = QueryClass::holding(count.max(1)).ok_or(AskError::TooMuch)?;
        let payment_key = daemon.payment_key().filter(|_| kind == IndicatorType::Pan);
        let payment_key = payment_key.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
        let known = daemon.directory().known();
        let request = Request {
            peer: peer.member().as_str(),
            direction: policy::Direction::Ask,
            indicator_type: kind,
            canonicalisation: manifest.canonicalisation,
            purpose: &view.purpose,
            protocol: policy::Protocol::Lookup,
            roster: known.roster.number,
            query_class: class.items(),
            set_size: manifest.edition.class().entries(),
            sweep: is_sweep(daemon, peer, view, manifest, subject)?,
            payment_key: &payment_key,
        };
        allow(daemon, &known.roster, &request)?;

        let mut rng = rand::rng();
        let direction = Direction {
            querier: Role::First,
            view: view.to_string().into_bytes(),
            indicator_type: kind.name().as_bytes().to_vec(),
            canonicalisation: manifest.canonicalisation,
            purpose: view.purpose.as_bytes().to_vec(),
            querier_input: Input {
                commitment: commit(&rng.random(), &items).0,
                class: class.items(),
            },
            responder_input: view_input(manifest),
            payment_key,
            setup: [0; 32],
        };
        let own = Party {
            identity: daemon.id().to_string().into_bytes(),
            nonce: rng.random(),
        };
        let other = Party {
            identity: peer.to_string().into_bytes(),
            nonce: [0; 32],
        };
        let proposal = Agreement {
            consortium: manifest.domain.consortium.clone(),
            roster: known.roster.number,
            protocol: Protocol::Lookup,
            parties: [own, other],
            directions: vec![direction],
        };
        Ok(Self { proposal, left })
    }

    /// Begins the run that was agreed on, durably.
    pub(super) fn begin(self, daemon: &Daemon, head: Head) -> Result<Arc<Run>, AskError> {
        let mut rng = rand::rng();
        let mut beginning = daemon.runs().begin(head, &mut rng)?;
        for item in &self.left {
            beginning.ask(&bare(item), &mut rng)?;
        }
        Ok(beginning.begin(&mut rng)?)
    }
}

fn commit(salt: &[u8; 32], items: &[Item]) -> Salted {
    let mut writer = Writer::new(ITEMS);
    for item in items {
        writer.bytes(item);
    }
    let encoded = zeroize::Zeroizing::new(writer.finish());
    Salted::new(salt, &encoded)
}

/// Whether a collection of customers asks a view in an epoch after one in which it asked already:
/// under the new key it asks for rows that did not change.
fn is_sweep(
    daemon: &Daemon,
    peer: &MemberId,
    view: &View,
    manifest: &Manifest,
    subject: &Subject,
) -> Result<bool, AskError> {
    let Subject::Collection(contents) = subject else {
        return Ok(false);
    };
    if contents.kind != CollectionKind::Customers {
        return Ok(false);
    }
    let name = view.to_string();
    for id in daemon.runs().ended()? {
        let head = daemon.runs().end(&id)?.head;
        let same = head.peer.as_str() == peer.member().as_str()
            && head.side == blindmatch_audit::receipt::Side::Querier
            && head.view().is_some_and(|view| view.as_str() == name)
            && head.collection == contents.name.as_str();
        if same && head.epoch != manifest.domain.epoch {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Holds a run against the own policy.
fn allow(
    daemon: &Daemon,
    roster: &membership::Roster,
    request: &Request<'_>,
) -> Result<(), AskError> {
    let kind = request.indicator_type;
    let in_force = roster.canonicalisation.get(kind.name());
    let peer = roster.members.values();
    let peer = peer
        .into_iter()
        .find(|member| member.name.as_str() == request.peer);
    let key = daemon.payment_key();
    let facts = RosterFacts {
        number: roster.number,
        not_before: roster.not_before,
        expires: roster.expires,
        own_role: role(daemon.node().config().node.role),
        peer_role: peer.map(|peer| role(peer.role)),
        canonicalisation: in_force.map_or(0, |&version| u32::from(version)),
        own_canonicalisation: u32::from(kind.canonicalisation_version()),
        // Of the peer its publication says what it carries.
        peer_canonicalisation: request.canonicalisation,
        payment_key: key.as_ref().map_or(&[], |key| key.as_bytes().as_slice()),
    };
    let aborts = daemon.facts(|facts| facts.unreceipted_in_a_row(request.peer))?;
    let ledger = LedgerFacts {
        one_sided_aborts: u32::try_from(aborts).unwrap_or(u32::MAX),
        ..LedgerFacts::default()
    };
    let decided = decide(&facts, daemon.policy(), request, &ledger, daemon.now());
    decided.map(drop).map_err(AskError::Policy)
}
