//! What a policy says that its author may not have meant: `policy check`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use blindmatch_indicator::IndicatorType;

use crate::fault::Suggestion;
use crate::policy::{Peers, Policy, Rule};
use crate::words::day_before;
use crate::{Direction, Protocol, Role};

/// A member of the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its role.
    pub role: Role,
}

/// Something to tell the author of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line of the file, where it is about one.
    pub line: Option<usize>,
    /// What it is.
    pub kind: FindingKind,
}

/// What may not be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// There is no rule, so everything is refused.
    NoRules,
    /// Earlier rules are about everything that this rule is about, so it never decides.
    Shadowed {
        /// The rule's number.
        rule: usize,
    },
    /// A legal basis that a rule names has expired: the rule refuses everything.
    LegalBasisExpired {
        /// Its id.
        id: String,
        /// When, in seconds since 1970.
        expires: u64,
    },
    /// A legal basis that a rule names expires within 14 days.
    LegalBasisExpires {
        /// Its id.
        id: String,
        /// Whole days left.
        days_left: u64,
        /// When, in seconds since 1970.
        expires: u64,
    },
    /// No rule names this legal basis.
    LegalBasisUnused {
        /// Its id.
        id: String,
    },
    /// No rule names this purpose.
    PurposeUnused {
        /// Its id.
        id: String,
    },
    /// No rule is about these types in any direction.
    TypesNotAllowed(Vec<IndicatorType>),
    /// A rule is about every provider, also one that joins later.
    EveryPeer {
        /// The rule's number.
        rule: usize,
    },
    /// The roster has no such member.
    UnknownPeer {
        /// The rule's number.
        rule: usize,
        /// The name.
        peer: String,
        /// The members that there are.
        known: Suggestion,
    },
    /// The member is a liaison, who neither asks nor serves.
    LiaisonPeer {
        /// The rule's number.
        rule: usize,
        /// The name.
        peer: String,
    },
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It may be meant.
    Warning,
    /// A rule cannot do what it says.
    Error,
}

/// Days before the end of a legal basis from which on it is warned about.
const WARNING_DAYS: u64 = 14;
const SECONDS_A_DAY: u64 = 86_400;

/// Looks through a policy, at `now` in seconds since 1970; `members` are those of the roster, if
/// there is one.
#[must_use]
pub fn check(policy: &Policy, members: Option<&[Member<'_>]>, now: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    if policy.rules().is_empty() {
        findings.push(about(None, FindingKind::NoRules));
    }
    shadows(policy, &mut findings);
    for rule in policy.rules() {
        peers(rule, members, &mut findings);
    }
    legal_bases(policy, now, &mut findings);
    let used: HashSet<&str> = policy
        .rules()
        .iter()
        .flat_map(|rule| rule.purposes.iter().map(String::as_str))
        .collect();
    for purpose in policy.purposes() {
        if !used.contains(purpose.id.as_str()) {
            let id = purpose.id.clone();
            findings.push(about(None, FindingKind::PurposeUnused { id }));
        }
    }
    types(policy, &mut findings);
    findings
}

const fn about(line: Option<usize>, kind: FindingKind) -> Finding {
    Finding { line, kind }
}

/// Sets of types by peer and purpose, and by direction and protocol within.
type Covered<'p> = HashMap<(Option<&'p str>, &'p str), [u32; 4]>;

fn shadows(policy: &Policy, findings: &mut Vec<Finding>) {
    let mut covered = Covered::new();
    for rule in policy.rules() {
        if !cover(rule, &mut covered) {
            let kind = FindingKind::Shadowed { rule: rule.number };
            findings.push(about(Some(rule.line), kind));
        }
    }
}

/// Adds a rule to what is covered; whether it adds anything.
fn cover<'p>(rule: &'p Rule, covered: &mut Covered<'p>) -> bool {
    let types = rule
        .types
        .iter()
        .fold(0_u32, |types, one| types | 1 << one.code());
    let names: Vec<Option<&str>> = match &rule.peers {
        Peers::Every => vec![None],
        Peers::Named(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let mut adds = false;
    for name in names {
        for purpose in &rule.purposes {
            let key = |name| (name, purpose.as_str());
            let by_every = covered.get(&key(None)).copied().unwrap_or_default();
            let own = covered.entry(key(name)).or_default();
            let ways = Direction::ALL.into_iter().flat_map(|direction| {
                Protocol::ALL.map(|protocol| {
                    rule.directions.contains(&direction) && rule.protocols.contains(&protocol)
                })
            });
            for ((way, own), every) in ways.zip(own).zip(by_every) {
                if way {
                    adds |= types & !(*own | every) != 0;
                    *own |= types;
                }
            }
        }
    }
    adds
}

fn peers(rule: &Rule, members: Option<&[Member<'_>]>, findings: &mut Vec<Finding>) {
    let line = Some(rule.line);
    let number = rule.number;
    let names = match &rule.peers {
        Peers::Every => {
            return findings.push(about(line, FindingKind::EveryPeer { rule: number }));
        }
        Peers::Named(names) => names,
    };
    let Some(members) = members else { return };
    for peer in names {
        let member = members.iter().find(|member| member.name == peer);
        let kind = match member.map(|member| member.role) {
            Some(Role::Provider) => continue,
            Some(Role::Liaison) => FindingKind::LiaisonPeer {
                rule: number,
                peer: peer.clone(),
            },
            None => FindingKind::UnknownPeer {
                rule: number,
                peer: peer.clone(),
                known: Suggestion::new(peer, members.iter().map(|member| member.name)),
            },
        };
        findings.push(about(line, kind));
    }
}

fn legal_bases(policy: &Policy, now: u64, findings: &mut Vec<Finding>) {
    let used: HashSet<&str> = policy
        .rules()
        .iter()
        .map(|rule| rule.legal_basis.as_str())
        .collect();
    for basis in policy.legal_bases() {
        let id = basis.id.clone();
        let expires = basis.expires;
        let left = expires.saturating_sub(now);
        let kind = if !used.contains(basis.id.as_str()) {
            FindingKind::LegalBasisUnused { id }
        } else if left == 0 {
            FindingKind::LegalBasisExpired { id, expires }
        } else if left < WARNING_DAYS * SECONDS_A_DAY {
            FindingKind::LegalBasisExpires {
                id,
                days_left: left / SECONDS_A_DAY,
                expires,
            }
        } else {
            continue;
        };
        findings.push(about(Some(basis.line), kind));
    }
}

fn types(policy: &Policy, findings: &mut Vec<Finding>) {
    let allowed = |one| policy.rules().iter().any(|rule| rule.types.contains(&one));
    // Of the two forms of card a policy can have one only.
    let excluded = |one| match one {
        IndicatorType::Pan => allowed(IndicatorType::CardWeak),
        IndicatorType::CardWeak => allowed(IndicatorType::Pan),
        _ => false,
    };
    let nowhere: Vec<_> = IndicatorType::ALL
        .into_iter()
        .filter(|&one| !allowed(one) && !excluded(one))
        .collect();
    if !nowhere.is_empty() && !policy.rules().is_empty() {
        findings.push(about(None, FindingKind::TypesNotAllowed(nowhere)));
    }
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self.kind {
            FindingKind::Shadowed { .. }
            | FindingKind::LegalBasisExpired { .. }
            | FindingKind::LiaisonPeer { .. } => Severity::Error,
            _ => Severity::Warning,
        }
    }
}

impl FindingKind {
    /// A fixed name, for JSON.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRules => "no_rules",
            Self::Shadowed { .. } => "shadowed",
            Self::LegalBasisExpired { .. } => "legal_basis_expired",
            Self::LegalBasisExpires { .. } => "legal_basis_expires",
            Self::LegalBasisUnused { .. } => "legal_basis_unused",
            Self::PurposeUnused { .. } => "purpose_unused",
            Self::TypesNotAllowed(_) => "types_not_allowed",
            Self::EveryPeer { .. } => "every_peer",
            Self::UnknownPeer { .. } => "unknown_peer",
            Self::LiaisonPeer { .. } => "liaison_peer",
        }
    }
}

impl Severity {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.kind {
            FindingKind::NoRules => {
                f.write_str("no [[allow]]: every request is refused in both directions")
            }
            FindingKind::Shadowed { rule } => write!(
                f,
                "rule {rule} never decides: the rules above it are about all that it is about, and \
                 the first that fits decides; move it up or remove it"
            ),
            FindingKind::LegalBasisExpired { id, expires } => write!(
                f,
                "the legal basis `{id}` ended with {}: its rules refuse everything until \
                 counsel renews it",
                day_before(*expires)
            ),
            FindingKind::LegalBasisExpires {
                id,
                days_left,
                expires,
            } => write!(
                f,
                "the legal basis `{id}` ends with {} (days left: {days_left}); then its rules \
                 refuse everything",
                day_before(*expires)
            ),
            FindingKind::LegalBasisUnused { id } => {
                write!(f, "no rule names the legal basis `{id}`")
            }
            FindingKind::PurposeUnused { id } => write!(f, "no rule names the purpose `{id}`"),
            FindingKind::TypesNotAllowed(types) => {
                let names: Vec<_> = types.iter().map(|one| one.name()).collect();
                write!(
                    f,
                    "neither asked nor served, whoever the peer: {}",
                    names.join(" ")
                )
            }
            FindingKind::EveryPeer { rule } => write!(
                f,
                "rule {rule} is about every provider of the roster, also one that joins later"
            ),
            FindingKind::UnknownPeer { rule, peer, known } => {
                write!(f, "rule {rule}: the roster has no member `{peer}`; {known}")
            }
            FindingKind::LiaisonPeer { rule, peer } => write!(
                f,
                "rule {rule}: {peer} is a liaison, who neither asks nor serves"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
