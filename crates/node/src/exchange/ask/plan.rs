//! What a run is to ask for, and the proposal of it.

use std::mem;
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
use blindmatch_store::runs::{Head, Run};
use blindmatch_store::views::PeerEpoch;
use rand::RngExt;

use super::finish::{LookedUp, Outputs};
use super::probe::look;
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
    open: Open,
    /// The outputs of those items that are known.
    outputs: Outputs,
    /// Items that wait for another day's budget.
    waiting: u64,
}

/// What is looked up in a view, ascending.
pub(in crate::exchange) struct Open {
    /// All of it: what is known of this epoch, and what is asked for.
    items: Vec<Item>,
    /// What is asked for.
    pub(in crate::exchange) left: Vec<Item>,
    /// Items that are neither: those of customers that did not change.
    pub(in crate::exchange) left_out: u64,
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
        let mut outputs = Outputs::default();
        let kind = view.indicator_type;
        let open = open(daemon, epoch, kind, subject, &mut |output| {
            outputs.push(output);
        })?;
        Self::proposing(daemon, peer, view, manifest, subject, open, outputs)
    }

    /// The same for no more than a peer that was refused has left of its budget: some items of a
    /// collection now, the others another day. Nothing where that is none of them.
    ///
    /// Of a query all items are asked for or none. A sweep asks first for what is new, and leaves an
    /// eighth of the budget to queries.
    pub(super) fn within(
        self,
        left: Option<u64>,
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        manifest: &Manifest,
        subject: &Subject,
    ) -> Option<Result<Self, AskError>> {
        let sweep = subject.collection()?.sweep;
        let left = left.map(|left| if sweep { left - left / 8 } else { left });
        let class = left.and_then(QueryClass::within)?;
        let class = usize::try_from(class.items()).unwrap_or(usize::MAX);
        let Self {
            mut open, outputs, ..
        } = self;
        if class >= open.left.len() {
            return None;
        }
        let new = if sweep {
            match subject.added(daemon, view.indicator_type) {
                Ok(new) => new.unwrap_or_default(),
                Err(error) => return Some(Err(error)),
            }
        } else {
            Vec::new()
        };
        let rest = split(&mut open.left, &new, manifest.domain.epoch, class);
        open.items.retain(|item| {
            let place = rest.binary_search_by(|other| other.as_slice().cmp(item.as_slice()));
            place.is_err()
        });
        let planned = Self::proposing(daemon, peer, view, manifest, subject, open, outputs);
        let waiting = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        Some(planned.map(|planned| Self { waiting, ..planned }))
    }

    fn proposing(
        daemon: &Daemon,
        peer: &MemberId,
        view: &View,
        manifest: &Manifest,
        subject: &Subject,
        open: Open,
        outputs: Outputs,
    ) -> Result<Self, AskError> {
        let kind = view.indicator_type;
        let count = u64::try_from(open.left.len()).unwrap_or(u64::MAX);
        // One that asks for nothing new looks like one that asks for little.
        let class = QueryClass::holding(count.max(1)).ok_or(AskError::TooMuch)?;
        let payment_key = payment_key(daemon, kind);
        let known = daemon.directory().known();
        let request = Request {
            canonicalisation: manifest.canonicalisation,
            query_class: class.items(),
            set_size: manifest.edition.class().entries(),
            sweep: subject.collection().is_some_and(|asking| asking.sweep),
            ..request(
                peer.member().as_str(),
                view,
                &payment_key,
                known.roster.number,
            )
        };
        allow(daemon, &known.roster, &request)?;
        look(daemon, request.peer, view, &open.left)?;

        let mut rng = rand::rng();
        let direction = Direction {
            querier: Role::First,
            view: view.to_string().into_bytes(),
            indicator_type: kind.name().as_bytes().to_vec(),
            canonicalisation: manifest.canonicalisation,
            purpose: view.purpose.as_bytes().to_vec(),
            querier_input: Input {
                commitment: commit(&rng.random(), &open.items).0,
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
        Ok(Self {
            proposal,
            open,
            outputs,
            waiting: 0,
        })
    }

    /// Items that wait for another day's budget.
    pub(super) const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Items that are not asked for, though nothing is known of them.
    pub(super) const fn left_out(&self) -> u64 {
        self.open.left_out
    }

    /// Begins the run that was agreed on, durably; gives it, and what is looked up in it.
    pub(super) fn begin(
        self,
        daemon: &Daemon,
        head: Head,
    ) -> Result<(Arc<Run>, LookedUp), AskError> {
        let mut rng = rand::rng();
        let mut beginning = daemon.runs().begin(head, &mut rng)?;
        for item in &self.open.left {
            beginning.ask(&bare(item), &mut rng)?;
        }
        let looked_up = LookedUp {
            items: self.open.items,
            known: self.outputs,
        };
        Ok((beginning.begin(&mut rng)?, looked_up))
    }
}

/// The commitment to items, which ascend (`spec/30 §2`).
pub(in crate::exchange) fn commit<'i>(
    salt: &[u8; 32],
    items: impl IntoIterator<Item = &'i Item>,
) -> Salted {
    let mut writer = Writer::new(ITEMS);
    for item in items {
        writer.bytes(item);
    }
    let encoded = zeroize::Zeroizing::new(writer.finish());
    Salted::new(salt, &encoded)
}

/// Leaves `count` of `items` and gives the others; both ascend as all did. Those that are in `new` come
/// first. In each epoch it is the turn of others: a budget that never covers all would else leave the
/// same ones out for ever.
fn split(items: &mut Vec<Item>, new: &[Item], epoch: u64, count: usize) -> Vec<Item> {
    let is_new = |item: &Item| {
        let place = new.binary_search_by(|other| other.as_slice().cmp(item.as_slice()));
        place.is_ok()
    };
    let (mut order, mut others): (Vec<_>, Vec<_>) = mem::take(items).into_iter().partition(is_new);
    match count.saturating_sub(order.len()) {
        0 => turn(&mut order, epoch, count),
        left => turn(&mut others, epoch, left),
    }
    order.append(&mut others);
    let mut rest = order.split_off(count.min(order.len()));
    for part in [&mut order, &mut rest] {
        part.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
    }
    *items = order;
    rest
}

/// Puts those first whose turn it is in an epoch that asks for `count` of them.
fn turn(items: &mut [Item], epoch: u64, count: usize) {
    let of = |count: usize| u128::try_from(count).unwrap_or(u128::MAX);
    let first = u128::from(epoch).wrapping_mul(of(count)) % of(items.len()).max(1);
    items.rotate_left(usize::try_from(first).unwrap_or(0));
}

/// What a subject looks up in an epoch of a view; `known` is told the outputs of what is known, in the
/// order of the items.
pub(in crate::exchange) fn open(
    daemon: &Daemon,
    epoch: &PeerEpoch,
    kind: IndicatorType,
    subject: &Subject,
    known: &mut dyn FnMut(&[u8; 64]),
) -> Result<Open, AskError> {
    let changed = subject.changed(daemon, kind)?;
    let is_asked = |item: &Item| {
        changed.as_ref().is_none_or(|changed| {
            let place = changed.binary_search_by(|other| other.as_slice().cmp(item.as_slice()));
            place.is_ok()
        })
    };
    let mut cached = epoch.cached()?;
    let mut items = subject.items(daemon, kind)?;
    let mut left = Vec::new();
    let (mut left_out, mut failed) = (0, None);
    items.retain(|item| match cached.find(item) {
        Ok(Some(output)) => {
            known(&output);
            true
        }
        Ok(None) if is_asked(item) => {
            left.push(item.clone());
            true
        }
        Ok(None) => {
            left_out += 1;
            false
        }
        Err(error) => {
            failed.get_or_insert(error);
            false
        }
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Open {
            items,
            left,
            left_out,
        }),
    }
}

/// The name of the payment key, for the one type that has one.
pub(in crate::exchange) fn payment_key(daemon: &Daemon, kind: IndicatorType) -> Vec<u8> {
    let key = daemon.payment_key();
    let key = key.filter(|_| kind == IndicatorType::Pan);
    key.map_or_else(Vec::new, |key| key.as_bytes().to_vec())
}

/// A run as it is known before the peer has said anything: as small as one can be, of the version
/// that is in force here, against a set of every size.
pub(in crate::exchange) fn request<'a>(
    peer: &'a str,
    view: &'a View,
    payment_key: &'a [u8],
    roster: u64,
) -> Request<'a> {
    let kind = view.indicator_type;
    Request {
        peer,
        direction: policy::Direction::Ask,
        indicator_type: kind,
        canonicalisation: u32::from(kind.canonicalisation_version()),
        purpose: &view.purpose,
        protocol: policy::Protocol::Lookup,
        roster,
        query_class: 8,
        set_size: u64::MAX,
        sweep: false,
        payment_key,
    }
}

/// Holds a run against the own policy.
///
/// # Errors
///
/// [`AskError::Policy`].
pub(in crate::exchange) fn allow(
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
    let policy = daemon.policy();
    let decided = decide(&facts, policy, request, &ledger, daemon.now());
    decided.map(drop).map_err(|refusal| {
        let explained = refusal.explain(&facts, policy, request);
        AskError::Policy(Box::new(explained))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(numbers: impl IntoIterator<Item = u8>) -> Vec<Item> {
        numbers.into_iter().map(|n| Item::new(vec![n])).collect()
    }

    #[test]
    fn a_part_takes_what_is_new_and_in_each_epoch_others() {
        let mut seen = Vec::new();
        for epoch in 0..4 {
            let mut left = items(0..10);
            let rest = split(&mut left, &items([9]), epoch, 4);
            assert_eq!((left.len(), rest.len()), (4, 6));
            assert!(left.contains(&Item::new(vec![9])));
            let mut all = [left.clone(), rest].concat();
            assert!(left.is_sorted_by(|a, b| a.as_slice() < b.as_slice()));
            all.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
            assert_eq!(all, items(0..10));
            seen.extend(left);
        }
        for item in items(0..10) {
            assert!(seen.contains(&item));
        }
    }
}
