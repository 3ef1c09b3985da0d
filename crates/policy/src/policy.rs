//! The policy of one member, parsed and within what is compiled in.

use blindmatch_indicator::{IndicatorType, Reason, Strength};

use crate::budget::Budget;
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
    pub(crate) conduct: Conduct,
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
    /// Where we ask: the most matches of a run that are opened.
    pub maximum_matches: Option<u64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// It was reported less often than this.
    Reports(u16),
    /// It does not say why it is listed.
    Reason,
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

    /// What a row of ours needs before it is served.
    #[must_use]
    pub const fn evidence(&self) -> Evidence {
        self.evidence
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
        self.rules.iter().find(|rule| {
            rule.peers.include(peer)
                && rule.types.contains(&indicator_type)
                && rule.directions.contains(&Direction::Serve)
                && rule.purposes.iter().any(|own| own == purpose)
                && rule.protocols.contains(&protocol)
        })
    }

    /// All that the peers together may ask of a view in an epoch: Q of `spec/32-publication.md`
    /// §2. `peers` are the providers of the roster but ourselves.
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
        peers.into_iter().map(of_peer).fold(0, u64::saturating_add)
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

impl Conduct {
    /// What holds where the policy says nothing.
    pub const DEFAULT: Self = Self {
        suspend_after: 3,
        open_unreceipted_after_hours: 24,
    };
}

#[cfg(test)]
mod tests;
