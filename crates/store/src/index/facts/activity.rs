//! What a peer asked of a view, and this node of it, day by day (`spec/50-policy.md` §6, §7).

use std::collections::BTreeMap;

use blindmatch_audit::{
    receipt::Side,
    record::{Level, Signal},
};

use super::{DAY, Facts, keys};
use crate::index::{Doubt, Index};

/// What a peer asked of a view before now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Runs that were charged today.
    pub runs: u64,
    /// Evaluations of the days of the week before today.
    pub week: u64,
    /// Evaluations of the largest of the days before today.
    pub largest: u64,
    /// On how many of them it asked.
    pub days: u64,
    /// On how many days before today it was slowed or stopped.
    pub slowed: u64,
    /// The code of the gravest level that was recorded today; 0 for none.
    pub recorded: u8,
    /// By what it is stopped, where nobody vouched for it since.
    pub stopped: Option<Stopped>,
}

/// The record that stops a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Its number.
    pub record: u64,
    /// What gave rise to it.
    pub signal: Signal,
    /// What was counted.
    pub counted: u64,
    /// From how much on that stops.
    pub limit: u64,
}

/// What was revealed to a peer of a view in an epoch, or to this node of the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// The side of this node: who asked is the other.
    pub side: Side,
    /// The peer.
    pub peer: String,
    /// The view.
    pub view: String,
    /// The epoch.
    pub epoch: u64,
    /// Evaluations that were charged to the peer, or items of classes that this node asked for.
    pub evaluations: u64,
}

impl<I: Index> Facts<I> {
    /// What `peer` asked of `view` until the day of `time`: of a week of `week` days, of `largest` days
    /// before today, and how often it was slowed within `slow` days, today among them.
    ///
    /// # Errors
    ///
    /// [`Doubt`], as in every method here.
    pub fn activity(
        &self,
        view: &str,
        peer: &str,
        time: u64,
        [week, largest, slow]: [u64; 3],
    ) -> Result<Activity, Doubt> {
        let today = time / DAY;
        let mut activity = Activity {
            runs: self.number(&keys::runs(view, peer, today))?,
            recorded: self.probing(Side::Responder, view, peer, time)?,
            ..Activity::default()
        };
        for back in 1..=largest.max(week.saturating_sub(1)) {
            let Some(day) = today.checked_sub(back) else {
                break;
            };
            let charged = self.number(&keys::day(view, peer, day))?;
            if back < week {
                activity.week = activity.week.saturating_add(charged);
            }
            if back <= largest {
                activity.largest = activity.largest.max(charged);
                activity.days += u64::from(charged > 0);
            }
        }
        for back in 1..slow {
            let Some(day) = today.checked_sub(back) else {
                break;
            };
            let level = self.number(&keys::probing(Side::Responder, view, peer, day))?;
            activity.slowed += u64::from(level >= u64::from(Level::Slow.code()));
        }
        let stopped: Option<Stopped> = self.value(&keys::stopped(view, peer))?;
        let vouched: Option<(u64, u64)> = self.value(&keys::vouched(peer))?;
        activity.stopped =
            stopped.filter(|stopped| vouched.is_none_or(|(_, record)| record < stopped.record));
        Ok(activity)
    }

    /// The code of the gravest level that was recorded on the day of `time` of what a peer asks of a view,
    /// or this node, by its side; 0 for none.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn probing(&self, side: Side, view: &str, peer: &str, time: u64) -> Result<u8, Doubt> {
        let level = self.number(&keys::probing(side, view, peer, time / DAY))?;
        u8::try_from(level).map_err(|_| Doubt::Entry)
    }

    /// Until when an operator vouches for a peer, in seconds since 1970; 0 where nobody did.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn vouched(&self, peer: &str) -> Result<u64, Doubt> {
        let vouched: Option<(u64, u64)> = self.value(&keys::vouched(peer))?;
        Ok(vouched.map_or(0, |(until, _)| until))
    }

    /// What this node asked of a view of a peer in an epoch, in items of classes.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn asked(&self, view: &str, peer: &str, epoch: u64) -> Result<u64, Doubt> {
        self.number(&keys::asked(view, peer, epoch))
    }

    /// All that was revealed, to whom, of what and in which epoch, as far as the ledger goes back.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn revealed(&self) -> Result<Vec<Revealed>, Doubt> {
        let mut found = BTreeMap::new();
        self.index.visit(&mut |key, entry| {
            if let Some((side, view, peer, epoch)) = keys::revealed(key) {
                let (value, _) = self.key.open(key, entry).ok_or(Doubt::Entry)?;
                let evaluations = <u64 as keys::Keyed>::decode(value).ok_or(Doubt::Entry)?;
                let (peer, view) = (peer.to_owned(), view.to_owned());
                found.insert((side.code(), peer, view, epoch), (side, evaluations));
            }
            Ok(())
        })?;
        let found = found.into_iter();
        Ok(found
            .map(|((_, peer, view, epoch), (side, evaluations))| Revealed {
                side,
                peer,
                view,
                epoch,
                evaluations,
            })
            .collect())
    }
}
