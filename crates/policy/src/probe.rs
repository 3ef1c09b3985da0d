//! Probing: what a run looks like beside those before it (`spec/50-policy.md` §7).
//!
//! A responder sees blinded values, so it counts evaluations and runs; only the node that asks sees
//! what it asks for ([`dense_blocks`]). Both only ever judge numbers that are handed in.

use blindmatch_indicator::{IndicatorType, Strength};

use crate::budget::{Budget, Charged};
use crate::policy::Policy;
use crate::{Direction, LedgerFacts, Request};

/// What follows from what looks like probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It is recorded.
    Warn,
    /// A day has an eighth of its evaluations and of its runs.
    Slow,
    /// Nothing is answered until an operator vouches for the peer.
    Stop,
}

/// What looks like probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// So many times the largest day of the 35 before.
    Growth,
    /// So many percent of the day's budget, or of the default one where that is larger, in seven days, of
    /// an enumerable type.
    Week,
    /// So many runs of one view in a day.
    Runs,
    /// So many of 28 days on which the peer was slowed.
    Again,
    /// So many blocks of 256 neighbouring values of which half or more are asked for.
    Dense,
    /// So many values of an enumerable type asked for at once for each of them that matched.
    Misses,
}

/// What a run looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concern {
    /// What follows.
    pub level: Level,
    /// From what.
    pub signal: Signal,
    /// What was counted, with the run in question.
    pub counted: u64,
    /// From so much on it is of this level.
    pub limit: u64,
}

/// From how much on a signal is of which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// To be recorded.
    pub warn: u64,
    /// To be slowed.
    pub slow: u64,
    /// To be stopped.
    pub stop: u64,
}

/// From where on what is asked counts as probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Times the largest day.
    pub growth: Levels,
    /// Percent of the day's budget.
    pub week: Levels,
    /// Runs.
    pub runs: Levels,
    /// Blocks.
    pub dense: Levels,
    /// Values asked for, for each that matched, from which on a run is recorded.
    pub misses: u64,
    /// Days slowed, of 28, from which on the peer is stopped.
    pub slow_days: u64,
}

/// What a peer did with one view before the run in question, from the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Runs that were charged today.
    pub runs: u64,
    /// Evaluations of the six days before today.
    pub week: u64,
    /// Evaluations of the largest of the 35 days before today.
    pub largest: u64,
    /// On how many of these it asked.
    pub days: u64,
    /// On how many of the 27 days before today it was slowed.
    pub slowed: u64,
    /// Why it is stopped, where no operator has vouched for it since.
    pub stopped: Option<Concern>,
    /// Until when an operator vouches for it, in seconds since 1970.
    pub vouched: u64,
}

/// So many days are looked back for the largest.
pub const LARGEST_OF_DAYS: u64 = 35;
/// Of a week.
pub const WEEK_DAYS: u64 = 7;
/// Days slowed count for so long, today with them.
pub const SLOW_OF_DAYS: u64 = 28;
/// What a day has while a peer is slowed is divided by this.
pub(crate) const SLOWED: u64 = 8;

/// Days on which a peer must have asked before its growth is judged.
const SETTLED: u64 = 3;
/// A day of fewer evaluations is no growth, whatever was before, and few matches of fewer say nothing.
const LITTLE: u64 = 1 << 16;

impl Levels {
    /// Of which level a number is, if of any.
    #[must_use]
    pub const fn level(self, counted: u64) -> Option<(Level, u64)> {
        if counted >= self.stop {
            Some((Level::Stop, self.stop))
        } else if counted >= self.slow {
            Some((Level::Slow, self.slow))
        } else if counted >= self.warn {
            Some((Level::Warn, self.warn))
        } else {
            None
        }
    }
}

impl Probe {
    /// What holds where the policy says nothing.
    pub const DEFAULT: Self = Self {
        growth: levels(4, 16, 64),
        week: levels(100, 200, 300),
        runs: levels(64, 512, 1_024),
        dense: levels(1, 4, 16),
        misses: 1 << 14,
        slow_days: 3,
    };
}

const fn levels(warn: u64, slow: u64, stop: u64) -> Levels {
    Levels { warn, slow, stop }
}

/// What a run looks like that a peer asks for: the gravest of what it gives rise to. Nothing where we
/// ask. One that an operator vouches for gives rise to no more than a warning.
#[must_use]
pub fn concern(
    policy: &Policy,
    budget: Budget,
    request: &Request<'_>,
    ledger: &LedgerFacts,
    now: u64,
) -> Option<Concern> {
    if request.direction == Direction::Ask {
        return None;
    }
    let activity = &ledger.activity;
    let is_vouched = now < activity.vouched;
    if let Some(stopped) = activity.stopped
        && !is_vouched
    {
        return Some(stopped);
    }
    let charge = request.protocol.charge(request.query_class);
    let probe = policy.probe();
    let mut gravest = gravest(&[
        growth(probe, ledger, charge),
        week(probe, ledger, charge, budget, request.indicator_type),
        of(Signal::Runs, probe.runs, activity.runs.saturating_add(1)),
    ]);
    if let Some(concern) = &mut gravest {
        let slowed = activity.slowed.saturating_add(1);
        if is_vouched {
            concern.level = Level::Warn;
        } else if concern.level == Level::Slow && slowed >= probe.slow_days {
            *concern = Concern {
                level: Level::Stop,
                signal: Signal::Again,
                counted: slowed,
                limit: probe.slow_days,
            };
        }
    }
    gravest
}

/// What asking for `items` looks like of which so many blocks are dense; no more than a warning where an
/// operator vouches. Where the rest is the larger part it looks like customers, who live side by side too.
#[must_use]
pub fn concern_of_density(
    policy: &Policy,
    blocks: u64,
    items: u64,
    is_vouched: bool,
) -> Option<Concern> {
    // A dense block has 128 to 256 of them.
    if blocks.saturating_mul(512) < items {
        return None;
    }
    let concern = of(Signal::Dense, policy.probe().dense, blocks)?;
    let level = if is_vouched {
        Level::Warn
    } else {
        concern.level
    };
    Some(Concern { level, ..concern })
}

/// What a run of ours looks like that looked up so many values of a type, of which so many matched. It has
/// been asked by then, so that this is no more than a warning.
#[must_use]
pub fn concern_of_misses(
    policy: &Policy,
    kind: IndicatorType,
    asked: u64,
    matched: u64,
) -> Option<Concern> {
    let limit = policy.probe().misses;
    let counted = asked / matched.max(1);
    let is_one = kind.strength() == Strength::Enumerable && asked >= LITTLE && counted >= limit;
    is_one.then_some(Concern {
        level: Level::Warn,
        signal: Signal::Misses,
        counted,
        limit,
    })
}

/// Of values in ascending order: how many blocks of 256 neighbours there are of which at least half are
/// among them. Values are numbers of as many bits as the type has: those that do not fit 128 are none.
#[must_use]
pub fn dense_blocks(values: impl IntoIterator<Item = u128>) -> u64 {
    let (mut blocks, mut block, mut count, mut last) = (0, None, 0_u32, None);
    for value in values {
        // One that is asked for twice is one.
        if last.replace(value) == Some(value) {
            continue;
        }
        let of = Some(value >> 8);
        if block != of {
            (block, count) = (of, 0);
        }
        count += 1;
        if count == 128 {
            blocks += 1;
        }
    }
    blocks
}

fn growth(probe: Probe, ledger: &LedgerFacts, charge: u64) -> Option<Concern> {
    let activity = &ledger.activity;
    let today = ledger.charged.day.checked_add(charge)?;
    if activity.days < SETTLED || today < LITTLE {
        return None;
    }
    let times = today / activity.largest.max(1);
    of(Signal::Growth, probe.growth, times)
}

fn week(
    probe: Probe,
    ledger: &LedgerFacts,
    charge: u64,
    budget: Budget,
    kind: IndicatorType,
) -> Option<Concern> {
    // Nothing is known of a day that a restore lost, and its budget refuses already.
    if kind.strength() != Strength::Enumerable || ledger.charged.day == Charged::UNKNOWN {
        return None;
    }
    let sum =
        u128::from(ledger.activity.week) + u128::from(ledger.charged.day) + u128::from(charge);
    // Who spends a small budget does no more than it may.
    let day = budget.day.max(Budget::default_of(Strength::Enumerable).day);
    let percent = sum * 100 / u128::from(day);
    let percent = u64::try_from(percent).unwrap_or(u64::MAX);
    of(Signal::Week, probe.week, percent)
}

fn of(signal: Signal, levels: Levels, counted: u64) -> Option<Concern> {
    let (level, limit) = levels.level(counted)?;
    Some(Concern {
        level,
        signal,
        counted,
        limit,
    })
}

/// The gravest; of several the first.
fn gravest(concerns: &[Option<Concern>]) -> Option<Concern> {
    let concerns = concerns.iter().flatten().copied();
    concerns.reduce(|gravest, other| {
        if other.level > gravest.level {
            other
        } else {
            gravest
        }
    })
}

impl Budget {
    /// What is left of it to a peer that is slowed: an eighth of the day, and never less than one query.
    #[must_use]
    pub(crate) fn slowed(self) -> Self {
        let day = (self.day / SLOWED).max(Self::FLOOR);
        Self { day, ..self }
    }
}

impl Level {
    /// The name, as in JSON and in `spec/50-policy.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Slow => "slow",
            Self::Stop => "stop",
        }
    }
}

impl Signal {
    /// The name, as in JSON and in `spec/50-policy.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Week => "week",
            Self::Runs => "runs",
            Self::Again => "again",
            Self::Dense => "dense",
            Self::Misses => "misses",
        }
    }
}

impl std::fmt::Display for Concern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::words::Grouped;
        let (counted, limit) = (Grouped(self.counted), Grouped(self.limit));
        match self.signal {
            Signal::Growth => write!(
                f,
                "{counted} times the evaluations of its largest day in {LARGEST_OF_DAYS} (limit {limit})"
            ),
            Signal::Week => write!(
                f,
                "{counted} % of a day's budget within {WEEK_DAYS} days (limit {limit} %)"
            ),
            Signal::Runs => write!(f, "{counted} runs in a day (limit {limit})"),
            Signal::Again => write!(
                f,
                "slowed on {counted} days of {SLOW_OF_DAYS} (limit {limit})"
            ),
            Signal::Dense => write!(
                f,
                "{counted} blocks of 256 neighbouring values, half of each (limit {limit})"
            ),
            Signal::Misses => write!(
                f,
                "{counted} values asked for, for each that matched (limit {limit})"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
