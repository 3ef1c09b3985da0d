//! What of a node expires, and when its operator is told.

use std::collections::BTreeMap;
use std::fmt;

use crate::exchange::Daemon;

const DAY: u64 = 86_400;
/// With fewer days left than this it is told; again with fewer than the next.
const WARN_DAYS: [u64; 3] = [3, 14, 30];
/// The longest life of a delegation: the first warning of one would never end.
const DELEGATION_DAYS: u64 = 30;

/// Something that expires.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expiring {
    /// The roster in force.
    Roster,
    /// The delegation in force, under which certificates are made.
    Delegation,
    /// The legal basis of this id, which a rule of the policy rests on.
    LegalBasis(String),
}

/// When something expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What.
    pub what: Expiring,
    /// The first second, since 1970, in which it holds no longer.
    pub at: u64,
}

/// What was told already, and with how many days left.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<Expiring, u64>);

impl Expiry {
    /// The number of days of the warning that is due; nothing where none is yet.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<u64> {
        let days = days_left(self.at, now);
        let mut due = WARN_DAYS.into_iter().filter(|due| {
            let has_it = self.what == Expiring::Delegation;
            !(has_it && *due >= DELEGATION_DAYS)
        });
        due.find(|due| days.is_none_or(|days| days < *due))
    }
}

impl Told {
    /// Those for which a warning has become due since the last call, and in the last days of
    /// something each time.
    pub(crate) fn newly_due(&mut self, expiries: Vec<Expiry>, now: u64) -> Vec<Expiry> {
        let is_new = |expiry: &Expiry| {
            let Some(due) = expiry.due(now) else {
                self.0.remove(&expiry.what);
                return false;
            };
            let before = self.0.insert(expiry.what.clone(), due);
            before != Some(due) || WARN_DAYS.first() == Some(&due)
        };
        let mut expiries = expiries;
        expiries.retain(is_new);
        expiries
    }
}

impl Daemon {
    /// What of this node expires: roster, delegation, the legal bases that rules rest on.
    #[must_use]
    pub fn expiries(&self) -> Vec<Expiry> {
        let roster = self.directory().known().roster.expires;
        let mut expiries = vec![Expiry {
            what: Expiring::Roster,
            at: roster,
        }];
        if let Ok(delegation) = self.node().delegation() {
            expiries.push(Expiry {
                what: Expiring::Delegation,
                at: delegation.expires,
            });
        }
        let policy = self.policy();
        let bases = policy.legal_bases().iter();
        let used = bases.filter(|basis| {
            let mut rules = policy.rules().iter();
            rules.any(|rule| rule.legal_basis == basis.id)
        });
        expiries.extend(used.map(|basis| Expiry {
            what: Expiring::LegalBasis(basis.id.clone()),
            at: basis.expires,
        }));
        expiries
    }
}

/// Whole days until `time`; nothing once it is past.
#[must_use]
pub fn days_left(time: u64, now: u64) -> Option<u64> {
    let left = time.checked_sub(now).filter(|left| *left > 0)?;
    Some(left / DAY)
}

impl fmt::Display for Expiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster => f.write_str("roster"),
            Self::Delegation => f.write_str("delegation"),
            Self::LegalBasis(id) => write!(f, "legal basis {id}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
    use blindmatch_membership::Role;

    use super::*;
    use crate::config;
    use crate::doctor::{State, examine};
    use crate::init::init;
    use crate::node::Node;

    const NOW: u64 = 1_800_000_000;

    fn expiry(what: Expiring, days: u64) -> Expiry {
        Expiry {
            what,
            at: NOW + days * DAY,
        }
    }

    #[test]
    fn a_warning_is_due_below_30_14_and_3_days() {
        for (days, due) in [
            (30, None),
            (29, Some(30)),
            (14, Some(30)),
            (13, Some(14)),
            (3, Some(14)),
            (2, Some(3)),
            (0, Some(3)),
        ] {
            for what in [Expiring::Roster, Expiring::LegalBasis("a".to_owned())] {
                assert_eq!(expiry(what, days).due(NOW), due, "{days}");
            }
            let of_delegation = due.filter(|due| *due < 30);
            let delegation = expiry(Expiring::Delegation, days);
            assert_eq!(delegation.due(NOW), of_delegation, "{days}");
        }
        // Also when it is long past.
        assert_eq!(expiry(Expiring::Roster, 1).due(NOW + 9 * DAY), Some(3));
        assert_eq!(days_left(NOW, NOW), None);
        assert_eq!(days_left(NOW + DAY - 1, NOW), Some(0));
    }

    #[test]
    fn doctor_warns_of_a_delegation_as_status_does() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("acme");
        let who = config::Node {
            member: "acme".parse().unwrap(),
            role: Role::Provider,
            consortium: "cloudshield".parse().unwrap(),
            address: "acme.example:7443".parse().unwrap(),
        };
        init(&home, &who).unwrap();
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
        let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list).unwrap());
        for (days, state) in [(14, State::Fine), (13, State::Warning), (0, State::Wrong)] {
            let node = Node::open(&home).unwrap();
            let at = node.delegation().unwrap().expires - days * DAY;
            let findings = examine(Ok(node.with_clock(Arc::new(move || at))), &canonicaliser);
            let mut found = findings.iter().filter(|one| one.about == "delegation");
            assert_eq!(found.next().unwrap().state, state, "{days}");
        }
    }

    #[test]
    fn each_warning_is_told_once_and_the_last_one_daily() {
        let mut told = Told::default();
        let mut days_told = Vec::new();
        for day in 0..45 {
            let expiries = vec![expiry(Expiring::Roster, 40)];
            if !told.newly_due(expiries, NOW + day * DAY).is_empty() {
                days_told.push(40_u64.saturating_sub(day));
            }
        }
        assert_eq!(days_told, [29, 13, 2, 1, 0, 0, 0, 0, 0]);
        // Of one that was renewed they begin anew.
        assert_eq!(told.newly_due(vec![expiry(Expiring::Roster, 99)], NOW), []);
        let again = vec![expiry(Expiring::Roster, 20)];
        assert_eq!(told.newly_due(again.clone(), NOW), again);
    }
}
