//! Views: what a node serves under one key and one budget.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{Direction, Policy, Rule};

/// What every name of a view begins with: only collections of this kind are served.
const KIND: &str = "abuse";

/// One type of indicator of all abuse collections, served for one purpose.
///
/// It displays as `abuse/TYPE/PURPOSE`, the name that manifests, agreements and debits give it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    /// The type.
    pub indicator_type: IndicatorType,
    /// The id of the purpose.
    pub purpose: String,
}

/// The name of a view is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoView;

/// The views that a policy serves, to whomever.
#[must_use]
pub fn served(policy: &Policy) -> BTreeSet<View> {
    of(policy, Direction::Serve, |_| true)
}

/// The views that a policy serves to `peer`, or asks of it.
#[must_use]
pub fn with(policy: &Policy, peer: &str, direction: Direction) -> BTreeSet<View> {
    of(policy, direction, |rule| rule.peers.include(peer))
}

fn of(policy: &Policy, direction: Direction, about: impl Fn(&Rule) -> bool) -> BTreeSet<View> {
    let rules = policy.rules().iter();
    let rules = rules.filter(|rule| rule.directions.contains(&direction) && about(rule));
    let views = rules.flat_map(|rule| {
        rule.types.iter().flat_map(|&indicator_type| {
            rule.purposes.iter().map(move |purpose| View {
                indicator_type,
                purpose: purpose.clone(),
            })
        })
    });
    views.collect()
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}/{}/{}", self.indicator_type.name(), self.purpose)
    }
}

impl FromStr for View {
    type Err = NoView;

    fn from_str(name: &str) -> Result<Self, NoView> {
        let mut parts = name.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(KIND), Some(kind), Some(purpose)) if !purpose.is_empty() => Ok(Self {
                indicator_type: kind.parse().map_err(|_| NoView)?,
                purpose: purpose.to_owned(),
            }),
            _ => Err(NoView),
        }
    }
}

impl fmt::Display for NoView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a view: abuse/TYPE/PURPOSE")
    }
}

impl std::error::Error for NoView {}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_its_views() {
        let policy = include_str!("../../../../examples/policy.toml");
        let policy = Policy::parse(policy).unwrap();
        let names = |views: BTreeSet<View>| -> Vec<String> {
            views.iter().map(ToString::to_string).collect()
        };
        let all = names(served(&policy));
        assert_eq!(all.len(), 12, "{all:?}");
        assert!(all.contains(&"abuse/pan/payment-fraud".to_owned()));
        let quay = with(&policy, "quay-payments", Direction::Serve);
        assert_eq!(quay.len(), 6, "five of its own and the one for everybody");
        assert_eq!(
            names(with(&policy, "nobody", Direction::Serve)),
            ["abuse/ip/abuse-prevention"]
        );
        assert!(with(&policy, "nobody", Direction::Ask).is_empty());
        for view in served(&policy) {
            assert_eq!(view.to_string().parse(), Ok(view));
        }
    }

    #[test]
    fn what_is_no_view() {
        for name in [
            "",
            "abuse",
            "abuse/ip",
            "abuse/ip/",
            "customers/ip/x",
            "abuse/ipv4/x",
        ] {
            assert_eq!(name.parse::<View>(), Err(NoView), "{name}");
        }
    }
}
