//! The decision (`spec/50-policy.md` §3): pure, total, and the same list of conditions for a
//! decision and for its explanation.

use crate::budget::{Budget, Over};
use crate::condition::Condition;
use crate::policy::{LegalBasis, Policy, Rule};
use crate::probe::{Concern, Level, SLOWED, concern};
use crate::refusal::{Misses, NearMiss, Refusal, Whose};
use crate::{Direction, LedgerFacts, Request, Role, RosterFacts};

use blindmatch_indicator::IndicatorType;

/// A run that may be agreed on, and what binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The rule that allows it.
    pub rule: &'a Rule,
    /// On what it rests.
    pub legal_basis: &'a LegalBasis,
    /// Where we serve, what is reserved and what is left then.
    pub reservation: Option<Reservation>,
    /// When the run must be over, in seconds since 1970: the roster or the legal basis ends.
    pub ends: u64,
}

/// What serving a run costs the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The most that the run is charged, in evaluations.
    pub charge: u64,
    /// The budget of the peer for this view.
    pub budget: Budget,
    /// What is left of it once all of the charge is made.
    pub left: Budget,
}

/// Decides whether we agree to one run in one direction.
///
/// # Errors
///
/// The first [`Refusal`] in the order of `spec/50-policy.md` §3.
pub fn decide<'a>(
    roster: &RosterFacts<'_>,
    policy: &'a Policy,
    request: &Request<'_>,
    ledger: &LedgerFacts,
    now: u64,
) -> Result<Grant<'a>, Refusal> {
    let case = Case {
        roster,
        policy,
        request,
        ledger,
        now,
    };
    for (_, holds) in BEFORE_RULES {
        holds(&case)?;
    }
    let rule = case.rule()?;
    for (_, holds) in UNDER_A_RULE {
        holds(&case, rule)?;
    }
    let legal_basis = case.legal_basis(rule)?;
    Ok(Grant {
        rule,
        legal_basis,
        reservation: case.reservation(rule)?,
        ends: roster.expires.min(legal_basis.expires),
    })
}

/// Everything that a decision depends on.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a, 'f> {
    pub(crate) roster: &'f RosterFacts<'f>,
    pub(crate) policy: &'a Policy,
    pub(crate) request: &'f Request<'f>,
    pub(crate) ledger: &'f LedgerFacts,
    pub(crate) now: u64,
}

type Holds = fn(&Case<'_, '_>) -> Result<(), Refusal>;
type HoldsUnder = fn(&Case<'_, '_>, &Rule) -> Result<(), Refusal>;

/// What must hold whatever the rules say, in order.
pub(crate) const BEFORE_RULES: [(Condition, Holds); 2] = [
    (Condition::Roster, roster),
    (Condition::Enrolment, enrolment),
];

/// What must hold besides under the rule that the request comes under, in order.
pub(crate) const UNDER_A_RULE: [(Condition, HoldsUnder); 10] = [
    (Condition::Sweep, sweep),
    (Condition::LegalBasis, |case, rule| {
        case.legal_basis(rule).map(drop)
    }),
    (Condition::Canonicalisation, canonicalisation),
    (Condition::PaymentKey, payment_key),
    (Condition::SizeClass, size_class),
    (Condition::MinimumSetSize, minimum_set_size),
    (Condition::Suspension, suspension),
    (Condition::Probing, probing),
    (Condition::Runs, runs_a_day),
    (Condition::Budget, |case, rule| {
        case.reservation(rule).map(drop)
    }),
];

impl<'a> Case<'a, '_> {
    /// The rule that the request comes under, or how far the nearest is from it.
    pub(crate) fn rule(&self) -> Result<&'a Rule, Refusal> {
        if let Some(rule) = self.policy.rule_for(self.request) {
            return Ok(rule);
        }
        let near = |rule: &Rule| NearMiss {
            rule: rule.number,
            misses: rule.differs(self.request),
        };
        // A rule about other peers is no near miss: the peer is what everything hangs on.
        let nearest = self.policy.rules().iter().map(near);
        let nearest = nearest
            .filter(|near| !near.misses.peer)
            .min_by_key(|near| near.misses.count());
        Err(Refusal::NoRule { nearest })
    }

    /// The legal basis of a rule, if it holds still.
    fn legal_basis(&self, rule: &Rule) -> Result<&'a LegalBasis, Refusal> {
        // A policy names no basis that it does not have; if it did, it would allow nothing.
        let basis = self.policy.legal_basis(rule);
        let expired = Refusal::LegalBasisExpired { rule: rule.number };
        basis
            .filter(|basis| self.now < basis.expires)
            .ok_or(expired)
    }

    /// What serving the request takes from the budget; nothing where we ask.
    pub(crate) fn reservation(&self, rule: &Rule) -> Result<Option<Reservation>, Refusal> {
        if self.request.direction == Direction::Ask {
            return Ok(None);
        }
        let charge = self.request.protocol.charge(self.request.query_class);
        let budget = self.policy.budget(rule, self.request.indicator_type);
        let budget = if self.is_slowed(rule) {
            budget.slowed()
        } else {
            budget
        };
        match budget.cover(self.ledger.charged, charge) {
            Ok(left) => Ok(Some(Reservation {
                charge,
                budget,
                left,
            })),
            Err(Over::Day { left }) => Err(Refusal::DayBudget { charge, left }),
            Err(Over::Epoch { left }) => Err(Refusal::EpochBudget { charge, left }),
        }
    }
}

impl Case<'_, '_> {
    /// What the run looks like, beside those before it.
    pub(crate) fn concern(&self, rule: &Rule) -> Option<Concern> {
        let budget = self.policy.budget(rule, self.request.indicator_type);
        concern(self.policy, budget, self.request, self.ledger, self.now)
    }

    fn is_slowed(&self, rule: &Rule) -> bool {
        let concern = self.concern(rule);
        concern.is_some_and(|concern| concern.level == Level::Slow)
    }

    /// The runs that the view may have today.
    pub(crate) fn runs(&self, rule: &Rule) -> u64 {
        let runs = rule.runs_a_day;
        if self.is_slowed(rule) {
            (runs / SLOWED).max(1)
        } else {
            runs
        }
    }
}

impl Rule {
    /// In what the rule is not about the request.
    pub(crate) fn differs(&self, request: &Request<'_>) -> Misses {
        Misses {
            peer: !self.peers.include(request.peer),
            indicator_type: !self.types.contains(&request.indicator_type),
            direction: !self.directions.contains(&request.direction),
            purpose: !self.purposes.iter().any(|own| own == request.purpose),
            protocol: !self.protocols.contains(&request.protocol),
        }
    }
}

fn roster(case: &Case<'_, '_>) -> Result<(), Refusal> {
    if case.now < case.roster.not_before {
        Err(Refusal::RosterNotYetValid)
    } else if case.now >= case.roster.expires {
        Err(Refusal::RosterExpired)
    } else if case.request.roster != case.roster.number {
        Err(Refusal::RosterNumber {
            own: case.roster.number,
            named: case.request.roster,
        })
    } else {
        Ok(())
    }
}

fn enrolment(case: &Case<'_, '_>) -> Result<(), Refusal> {
    match (case.roster.own_role, case.roster.peer_role) {
        (Role::Liaison, _) => Err(Refusal::Liaison(Whose::Own)),
        (Role::Provider, None) => Err(Refusal::NotEnrolled),
        (Role::Provider, Some(Role::Liaison)) => Err(Refusal::Liaison(Whose::Peer)),
        (Role::Provider, Some(Role::Provider)) => Ok(()),
    }
}

fn sweep(case: &Case<'_, '_>, rule: &Rule) -> Result<(), Refusal> {
    if case.request.sweep && !rule.sweep {
        Err(Refusal::Sweep { rule: rule.number })
    } else {
        Ok(())
    }
}

fn canonicalisation(case: &Case<'_, '_>, _: &Rule) -> Result<(), Refusal> {
    let named = case.request.canonicalisation;
    let carriers = [
        (Whose::Roster, case.roster.canonicalisation),
        (Whose::Own, case.roster.own_canonicalisation),
        (Whose::Peer, case.roster.peer_canonicalisation),
    ];
    for (whose, newest) in carriers {
        if named != newest && Some(named) != newest.checked_sub(1) {
            return Err(Refusal::Canonicalisation {
                whose,
                newest,
                named,
            });
        }
    }
    Ok(())
}

fn payment_key(case: &Case<'_, '_>, _: &Rule) -> Result<(), Refusal> {
    let named = case.request.payment_key;
    match case.request.indicator_type {
        IndicatorType::Pan if case.roster.payment_key.is_empty() => Err(Refusal::PaymentKeyMissing),
        IndicatorType::Pan if named != case.roster.payment_key => Err(Refusal::PaymentKeyDiffers),
        IndicatorType::Pan => Ok(()),
        _ if named.is_empty() => Ok(()),
        _ => Err(Refusal::PaymentKeyUncalledFor),
    }
}

fn size_class(case: &Case<'_, '_>, _: &Rule) -> Result<(), Refusal> {
    let class = case.request.query_class;
    if case.request.protocol.is_class(class) {
        Ok(())
    } else {
        Err(Refusal::NotASizeClass { items: class })
    }
}

fn minimum_set_size(case: &Case<'_, '_>, rule: &Rule) -> Result<(), Refusal> {
    if case.request.set_size < rule.minimum_set_size {
        Err(Refusal::SetTooSmall {
            rule: rule.number,
            size: case.request.set_size,
        })
    } else {
        Ok(())
    }
}

fn suspension(case: &Case<'_, '_>, _: &Rule) -> Result<(), Refusal> {
    let aborts = case.ledger.one_sided_aborts;
    if aborts >= case.policy.conduct().suspend_after {
        Err(Refusal::Suspended { aborts })
    } else {
        Ok(())
    }
}

fn probing(case: &Case<'_, '_>, rule: &Rule) -> Result<(), Refusal> {
    match case.concern(rule) {
        Some(concern) if concern.level == Level::Stop => Err(Refusal::Probing(concern)),
        _ => Ok(()),
    }
}

fn runs_a_day(case: &Case<'_, '_>, rule: &Rule) -> Result<(), Refusal> {
    let runs = case.runs(rule);
    if case.request.direction == Direction::Serve && case.ledger.activity.runs >= runs {
        Err(Refusal::RunsADay {
            rule: rule.number,
            runs,
        })
    } else {
        Ok(())
    }
}
