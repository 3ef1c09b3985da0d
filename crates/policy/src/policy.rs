//! The policy of one member, parsed and within what is compiled in.

use blindmatch_indicator::{IndicatorType, Reason, Strength};

use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::probe::Probe;
use crate::{Direction, Protocol, Request};

/// What one member allows. Whatever no rule allows is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) purposes: Vec<Purpose>,
    pub(crate) legal_bases: Vec<LegalBasis>,
    /// By strength, in the order of [`STRENGTHS`].
    pub(crate) budgets: [Budget; 3],
    pub(crate) evidence: Evidence,
    /// By type, where it is another than all have.
    pub(crate) reports: BTreeMap<IndicatorType, u16>,
    pub(crate) conduct: Conduct,
    pub(crate) probe: Probe,
    pub(crate) caps: Caps,
}

pub(crate) const STRENGTHS: [Strength; 3] =
    [Strength::Enumerable, Strength::Weak, Strength::Strong];

/// One `[[allow]]`: every combination of its peers, types, directions, purposes and protocols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its place among the rules, from 1.
    pub number: usize,
    /// The line of the file at which it begins, from 1.
    pub line: usize,
    /// Whom it is about.
    pub peers: Peers,
    /// The types of indicator.
    pub types: Vec<IndicatorType>,
    /// Whether we ask, serve or both.
    pub directions: Vec<Direction>,
    /// Ids of purposes.
    pub purposes: Vec<String>,
    /// The protocols.
    pub protocols: Vec<Protocol>,
    /// The fewest items that the responder's set must have.
    pub minimum_set_size: u64,
    /// The id of the legal basis.
    pub legal_basis: String,
    /// Where we serve: a budget of its own.
    pub budget: Option<Budget>,
    /// Where we ask: whether rows that did not change may be asked too.
    pub sweep: bool,
    /// Where we ask: whether a match may be shown to its contributor as feedback.
    pub feedback: bool,
    /// Where we ask: whether what is shown of a match names who holds it, and not only how many do.
    pub names: bool,
    /// Where we ask: the most matches of a run that are opened.
    pub maximum_matches: Option<u64>,
    /// Where we ask: the same as a share of what is asked for, in percent.
    pub maximum_match_percent: Option<u64>,
    /// Where we serve: the most runs of one view and peer in a UTC day.
    pub runs_a_day: u64,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Every provider of the roster, also one that joins later.
    Every,
    /// These members.
    Named(Vec<String>),
}

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Its id, on which both sides agree.
    pub id: String,
    /// What it means, for people.
    pub text: String,
}

/// Why a run is lawful, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalBasis {
    /// Its id.
    pub id: String,
    /// What it is, for people.
    pub text: String,
    /// The first second, since 1970, in which it holds no longer: midnight UTC after the last day.
    pub expires: u64,
    /// The line of the file that names it, from 1.
    pub line: usize,
}

/// What a row of ours needs before it is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How often it must have been reported.
    pub minimum_reports: u16,
    /// Whether it must say why it is listed.
    pub reason_required: bool,
}

/// What an abuse row lacks before it may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacks {
    /// It was reported less often than this.
    Reports(u16),
    /// It does not say why it is listed.
    Reason,
}

/// What no budget goes beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Evaluations by one OPRF key, all peers together.
    pub evaluations_per_key: u64,
}

/// What follows when a peer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conduct {
    /// One-sided aborts in a row after which a peer is suspended.
    pub suspend_after: u32,
    /// Hours after which a run that the peer did not sign is opened, marked unreceipted.
    pub open_unreceipted_after_hours: u32,
}

impl Policy {
    /// The rules, in the order of the file.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The purposes, by id.
    #[must_use]
    pub fn purposes(&self) -> &[Purpose] {
        &self.purposes
    }

    /// The legal bases, by id.
    #[must_use]
    pub fn legal_bases(&self) -> &[LegalBasis] {
        &self.legal_bases
    }

    /// What a row of ours of a type needs before it is served.
    #[must_use]
    pub fn evidence(&self, indicator_type: IndicatorType) -> Evidence {
        let reports = self.reports.get(&indicator_type);
        Evidence {
            minimum_reports: reports.map_or(self.evidence.minimum_reports, |reports| *reports),
            ..self.evidence
        }
    }

    /// From where on what is asked counts as probing.
    #[must_use]
    pub const fn probe(&self) -> Probe {
        self.probe
    }

    /// What no budget goes beyond.
    #[must_use]
    pub const fn caps(&self) -> Caps {
        self.caps
    }

    /// What follows when a peer breaks off.
    #[must_use]
    pub const fn conduct(&self) -> Conduct {
        self.conduct
    }

    /// The legal basis of a rule.
    #[must_use]
    pub fn legal_basis(&self, rule: &Rule) -> Option<&LegalBasis> {
        self.legal_bases
            .iter()
            .find(|basis| basis.id == rule.legal_basis)
    }

    /// The rule that a request comes under: the first that names its peer, type, direction,
    /// purpose and protocol. Its conditions may still refuse.
    #[must_use]
    pub fn rule_for(&self, request: &Request<'_>) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.differs(request).count() == 0)
    }

    /// The budget for one peer and one view under a rule.
    #[must_use]
    pub fn budget(&self, rule: &Rule, indicator_type: IndicatorType) -> Budget {
        rule.budget
            .unwrap_or_else(|| self.default_budget(indicator_type.strength()))
    }

    /// The rule under which a peer is served a type for a purpose: the first that names them.
    #[must_use]
    pub fn rule_serving(
        &self,
        peer: &str,
        indicator_type: IndicatorType,
        purpose: &str,
        protocol: Protocol,
    ) -> Option<&Rule> {
        self.rule_with(Direction::Serve, peer, indicator_type, purpose, protocol)
    }

    /// The rule under which a peer is asked for a type for a purpose: the first that names them.
    #[must_use]
    pub fn rule_asking(
        &self,
        peer: &str,
        indicator_type: IndicatorType,
        purpose: &str,
        protocol: Protocol,
    ) -> Option<&Rule> {
        self.rule_with(Direction::Ask, peer, indicator_type, purpose, protocol)
    }

    fn rule_with(
        &self,
        direction: Direction,
        peer: &str,
        indicator_type: IndicatorType,
        purpose: &str,
        protocol: Protocol,
    ) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            rule.peers.include(peer)
                && rule.types.contains(&indicator_type)
                && rule.directions.contains(&direction)
                && rule.purposes.iter().any(|own| own == purpose)
                && rule.protocols.contains(&protocol)
        })
    }

    /// All that the peers together may ask of a view in an epoch, and so of its key: Q of
    /// `spec/32-publication.md` §2, no more than the cap. `peers` are the providers of the roster but
    /// ourselves.
    #[must_use]
    pub fn epoch_total<'a>(
        &self,
        indicator_type: IndicatorType,
        purpose: &str,
        peers: impl IntoIterator<Item = &'a str>,
    ) -> u64 {
        let of_peer = |peer: &str| {
            // A peer may come under one rule by lookup and another by batch: the larger counts.
            let serving = |protocol| self.rule_serving(peer, indicator_type, purpose, protocol);
            let rules = Protocol::ALL.into_iter().filter_map(serving);
            rules
                .map(|rule| self.budget(rule, indicator_type).epoch)
                .max()
                .unwrap_or(0)
        };
        let all = peers.into_iter().map(of_peer);
        all.fold(0, u64::saturating_add)
            .min(self.caps.evaluations_per_key)
    }

    const fn default_budget(&self, strength: Strength) -> Budget {
        let [enumerable, weak, strong] = self.budgets;
        match strength {
            Strength::Enumerable => enumerable,
            Strength::Weak => weak,
            Strength::Strong => strong,
        }
    }
}

impl Rule {
    /// The most matches that are opened of a run that asks for so many items; nothing where the rule has
    /// no limit.
    #[must_use]
    pub fn most_matches(&self, asked: u64) -> Option<u64> {
        let share = self.maximum_match_percent.map(|percent| {
            let share = u128::from(asked) * u128::from(percent) / 100;
            // Of a query of one its one match.
            u64::try_from(share).unwrap_or(u64::MAX).max(1)
        });
        [self.maximum_matches, share].into_iter().flatten().min()
    }
}

impl Peers {
    /// Whether a member is among them.
    #[must_use]
    pub fn include(&self, peer: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Named(names) => names.iter().any(|name| name == peer),
        }
    }
}

impl Evidence {
    /// What holds where the policy says nothing: two reports and a reason.
    pub const DEFAULT: Self = Self {
        minimum_reports: 2,
        reason_required: true,
    };

    /// Whether a row that was reported this often for this reason may be served.
    ///
    /// # Errors
    ///
    /// [`Lacks`].
    pub fn holds(self, reports: u16, reason: Reason) -> Result<(), Lacks> {
        if reports < self.minimum_reports {
            Err(Lacks::Reports(self.minimum_reports))
        } else if self.reason_required && reason == Reason::Unspecified {
            Err(Lacks::Reason)
        } else {
            Ok(())
        }
    }
}

impl Caps {
    /// What holds where the policy says nothing: 2^32 cost the key 16 bits (`spec/50-policy.md` §8).
    pub const DEFAULT: Self = Self {
        evaluations_per_key: 1 << 32,
    };
}

impl Conduct {
    /// What holds where the policy says nothing.
    pub const DEFAULT: Self = Self {
        suspend_after: 3,
        open_unreceipted_after_hours: 24,
    };
}

#[cfg(test)]
mod tests;
