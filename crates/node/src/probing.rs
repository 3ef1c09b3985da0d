//! What the ledger says of what a peer asked before, and an operator's word for a peer
//! (`spec/50-policy.md` §7).

use std::net::IpAddr;

use blindmatch_audit::record::{Event, Name as RecordName, Signal};
use blindmatch_membership::Name;
use blindmatch_policy::{
    self as policy, Activity, Concern, LARGEST_OF_DAYS, Level, SLOW_OF_DAYS, WEEK_DAYS,
};
use blindmatch_store::index::{Doubt, Facts, Index};
use blindmatch_store::ledger::Ledger;

use crate::error::Error;
use crate::node::Node;

/// An operator vouches for no longer than this.
pub const MOST_DAYS: u64 = 366;

/// What a peer asked of a view until `time`.
pub(crate) fn activity<I: Index>(
    facts: &Facts<I>,
    view: &str,
    peer: &str,
    time: u64,
) -> Result<Activity, Doubt> {
    let asked = facts.activity(view, peer, time, [WEEK_DAYS, LARGEST_OF_DAYS, SLOW_OF_DAYS])?;
    let stopped = asked.stopped.map(|stopped| Concern {
        level: Level::Stop,
        signal: signal(stopped.signal),
        counted: stopped.counted,
        limit: stopped.limit,
    });
    Ok(Activity {
        runs: asked.runs,
        week: asked.week,
        largest: asked.largest,
        days: asked.days,
        slowed: asked.slowed,
        stopped,
        vouched: facts.vouched(peer)?,
    })
}

const fn signal(signal: Signal) -> policy::Signal {
    match signal {
        Signal::Growth => policy::Signal::Growth,
        Signal::Week => policy::Signal::Week,
        Signal::Runs => policy::Signal::Runs,
        Signal::Again => policy::Signal::Again,
        Signal::Dense => policy::Signal::Dense,
        Signal::Misses => policy::Signal::Misses,
    }
}

impl Node {
    /// Records that an operator vouches for a peer for so many days; gives until when, in seconds since
    /// 1970. What it broke off is forgotten.
    ///
    /// # Errors
    ///
    /// [`Error::NoMember`] where the roster in force has no such member, [`Error::Why`] where the reason is
    /// none that may stand in a ledger in clear, [`Error::Ledger`].
    pub fn vouch(
        &self,
        ledger: &Ledger,
        peer: &Name,
        operator: &str,
        days: u64,
        why: &str,
    ) -> Result<u64, Error> {
        let roster = self.roster()?;
        if !roster.members.contains_key(peer) {
            return Err(Error::NoMember(peer.clone()));
        }
        if shows_a_value(why) {
            return Err(Error::Why);
        }
        let why = RecordName::new(why).map_err(|_| Error::Why)?;
        let now = self.now().max(ledger.log().time());
        let until = now.saturating_add(days.min(MOST_DAYS) * 86_400);
        ledger.append(vec![Event::Vouched {
            peer: RecordName::new(peer.as_str()).map_err(Error::Record)?,
            operator: RecordName::new(operator).map_err(Error::Record)?,
            until,
            why,
        }])?;
        Ok(until)
    }
}

/// Whether a text has something in it that may be an indicator: an address, many digits, a name with a dot
/// in it.
fn shows_a_value(text: &str) -> bool {
    let is_value = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let dotted = word.split('.').filter(|part| !part.is_empty()).count() > 1;
        word.contains('@')
            || word.contains("://")
            || digits > 8
            || dotted
            || word.len() > 24
            || word.parse::<IpAddr>().is_ok()
    };
    text.split_whitespace().any(is_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_a_ticket_and_no_value() {
        for text in [
            "ticket 4711",
            "INC-2026-0042, agreed with fjord by phone",
            "first sweep of a large set",
        ] {
            assert!(!shows_a_value(text), "{text}");
        }
        for text in [
            "for bob@example.org",
            "scanned 192.0.2.7 twice",
            "2001:db8::1",
            "see https://case",
            "account of example.org",
            "+49 30 1234567890",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "4111-1111-1111-1111",
        ] {
            assert!(shows_a_value(text), "{text}");
        }
    }
}
