//! When both sides saw what matched: an address changes hands (`spec/70-matches.md` §4).

use blindmatch_indicator::{Day, IndicatorType};

/// Windows further apart than so many days are of two holders, as likely as not.
pub const DAYS_APART: u64 = 30;

const DAY: u64 = 86_400;

/// From when to when one side saw it, both days included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first day.
    pub first: Day,
    /// The last day, not before the first.
    pub last: Day,
}

impl Window {
    /// The window of these days, where both are said and in this order.
    #[must_use]
    pub fn of(first: Option<Day>, last: Option<Day>) -> Option<Self> {
        let (first, last) = first.zip(last)?;
        (first <= last).then_some(Self { first, last })
    }
}

/// Whether two windows are more than [`DAYS_APART`] days apart, so that a match of a type whose values
/// pass from one to the next is stale. What one side does not say is not held against it.
#[must_use]
pub fn apart(kind: IndicatorType, ours: Option<Window>, theirs: Option<Window>) -> bool {
    let passes_on = matches!(kind, IndicatorType::Ip | IndicatorType::Network);
    let Some((ours, theirs)) = ours.zip(theirs).filter(|_| passes_on) else {
        return false;
    };
    let gap = |end: Day, begin: Day| begin.unix_seconds().saturating_sub(end.unix_seconds());
    let gap = gap(ours.last, theirs.first).max(gap(theirs.last, ours.first));
    u64::try_from(gap).is_ok_and(|gap| gap / DAY > DAYS_APART)
}
