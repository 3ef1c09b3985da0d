//! What was revealed to whom so far, from the records of the ledger (`spec/50-policy.md` §6).

use std::collections::BTreeMap;

use blindmatch_audit::receipt::Side;
use blindmatch_policy::{Budget, Charged, Direction, Protocol, Reach};

use crate::error::Error;
use crate::exchange::view::View;
use crate::exchange::{Daemon, EPOCH};
use crate::probing::activity;

/// What was revealed of a view to a peer, or of a peer's to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// The peer.
    pub peer: String,
    /// The view.
    pub view: String,
    /// Whether this node asked the peer, or served it.
    pub direction: Direction,
    /// The last epoch of which anything is known.
    pub epoch: u64,
    /// Evaluations in that epoch: of ours those that were answered, of a peer's those that were asked for.
    pub in_epoch: u64,
    /// The same of all epochs.
    pub in_all: u64,
    /// Where we serve, what the peer still may find out.
    pub reach: Option<Reach>,
    /// Where we serve, how the peer stands.
    pub held: Held,
}

/// Whether a peer is held back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Runs of today.
    pub runs: u64,
    /// By what it is stopped, in words.
    pub stopped: Option<String>,
    /// On how many of 28 days it was slowed.
    pub slowed: u64,
    /// Until when an operator vouches for it, in seconds since 1970.
    pub vouched: Option<u64>,
}

/// Evaluations in a view, of its newest epoch and of all.
#[derive(Default)]
struct Sums {
    epoch: u64,
    in_epoch: u64,
    in_all: u64,
}

/// All that was revealed, as far as the ledger goes back. Reads the disk.
pub(super) fn revealed(daemon: &Daemon) -> Result<Vec<Revealed>, Error> {
    let all = daemon.facts(blindmatch_store::index::Facts::revealed)?;
    let mut views: BTreeMap<_, Sums> = BTreeMap::new();
    for one in all {
        let view = (one.side == Side::Responder, one.peer, one.view);
        let sums = views.entry(view).or_default();
        // Epochs ascend.
        (sums.epoch, sums.in_epoch) = (one.epoch, one.evaluations);
        sums.in_all = sums.in_all.saturating_add(one.evaluations);
    }
    let views = views.into_iter();
    let found = views.map(|((serves, peer, view), sums)| {
        let Sums {
            epoch,
            in_epoch,
            in_all,
        } = sums;
        let (reach, held) = if serves {
            (reach(daemon, &peer, &view)?, held(daemon, &peer, &view)?)
        } else {
            (None, Held::default())
        };
        Ok(Revealed {
            direction: if serves {
                Direction::Serve
            } else {
                Direction::Ask
            },
            peer,
            view,
            epoch,
            in_epoch,
            in_all,
            reach,
            held,
        })
    });
    found.collect()
}

/// What a peer still may find out of a view that is served to it now.
fn reach(daemon: &Daemon, peer: &str, name: &str) -> Result<Option<Reach>, Error> {
    let Ok(view) = name.parse::<View>() else {
        return Ok(None);
    };
    let (policy, kind) = (daemon.policy(), view.indicator_type);
    let rules = Protocol::ALL.into_iter();
    let mut rules = rules.filter_map(|by| policy.rule_serving(peer, kind, &view.purpose, by));
    let (Some(rule), Some(epoch)) = (rules.next(), daemon.own_epoch(&view)) else {
        return Ok(None);
    };
    let budget: Budget = policy.budget(rule, kind);
    let time = daemon.now().max(daemon.ledger().log().time());
    let number = epoch.domain().epoch;
    let charged = daemon.facts(|facts| facts.charged(name, peer, number, time))?;
    Ok(Some(Reach {
        indicator_type: kind,
        budget,
        left: budget.left(Charged {
            day: charged.day,
            epoch: charged.epoch,
        }),
        epoch_days: EPOCH / 86_400,
    }))
}

fn held(daemon: &Daemon, peer: &str, view: &str) -> Result<Held, Error> {
    let now = daemon.now();
    let time = now.max(daemon.ledger().log().time());
    let activity = daemon.facts(|facts| activity(facts, view, peer, time))?;
    Ok(Held {
        runs: activity.runs,
        stopped: activity.stopped.map(|concern| concern.to_string()),
        slowed: activity.slowed,
        vouched: Some(activity.vouched).filter(|until| now < *until),
    })
}
