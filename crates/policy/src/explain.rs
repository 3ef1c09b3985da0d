//! The whole of a decision for `policy explain`.

use std::fmt;

use blindmatch_indicator::IndicatorType;

use crate::budget::{Budget, Charged};
use crate::condition::Condition;
use crate::decide::{BEFORE_RULES, Case, Grant, UNDER_A_RULE, decide};
use crate::policy::{Evidence, LegalBasis, Policy, Rule};
use crate::probe::Concern;
use crate::refusal::{Explained, Misses, Refusal};
use crate::words::{Grouped, day_before, moment};
use crate::{Direction, LedgerFacts, Protocol, Request, RosterFacts};

/// What `policy explain` asks.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The other member.
    pub peer: &'a str,
    /// The type of the indicators.
    pub indicator_type: IndicatorType,
    /// The id of the purpose.
    pub purpose: &'a str,
    /// Whether we would ask or serve; nothing for both.
    pub direction: Option<Direction>,
    /// The protocol; nothing for both.
    pub protocol: Option<Protocol>,
    /// The size of the responder's set; nothing where it is not known, which leaves that open.
    pub set_size: Option<u64>,
}

/// The decision about one direction by one protocol, and all that it rests on. The run that is
/// decided about is the smallest: one padded query.
#[derive(Clone, Debug)]
pub struct Explanation<'a> {
    /// The other member.
    pub peer: &'a str,
    /// The type of the indicators.
    pub indicator_type: IndicatorType,
    /// The id of the purpose.
    pub purpose: &'a str,
    /// Whether we would ask or serve.
    pub direction: Direction,
    /// The protocol.
    pub protocol: Protocol,
    /// What is decided.
    pub decision: Result<Grant<'a>, Refusal>,
    /// The rule that the request comes under, whether it allows it or not.
    pub rule: Option<&'a Rule>,
    /// The legal basis of that rule.
    pub legal_basis: Option<&'a LegalBasis>,
    /// Whole days for which the legal basis holds still; 0 on its last day and after.
    pub legal_basis_days_left: Option<u64>,
    /// Where we serve, the peer's budget for the view under that rule.
    pub budget: Option<Budget>,
    /// What is left of that budget now, before any run.
    pub budget_left: Option<Budget>,
    /// Where we serve, what even that run looks like beside those before it.
    pub concern: Option<Concern>,
    /// Where we serve, the runs of today and how many there may be.
    pub runs: Option<(u64, u64)>,
    /// Where we serve, what a row of ours needs.
    pub evidence: Option<Evidence>,
    /// Where we serve, the most evaluations by the view's key, all peers together.
    pub evaluations_per_key: Option<u64>,
    /// Every condition, in the order in which they are decided.
    pub conditions: Vec<(Condition, Outcome)>,
    /// All refusals in words with what to do next, the one that decides first.
    pub refusals: Vec<Explained>,
}

/// How it stands with one condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It refuses.
    Refuses(Refusal),
    /// Nothing to say: no rule is about the request, or the size of the set is not known.
    Open,
}

/// Explains what is decided about `question`, by direction and protocol.
#[must_use]
pub fn explain<'a>(
    roster: &RosterFacts<'_>,
    policy: &'a Policy,
    question: &Question<'a>,
    ledger: &LedgerFacts,
    now: u64,
) -> Vec<Explanation<'a>> {
    let directions = Direction::ALL.into_iter();
    let directions = directions.filter(|one| question.direction.is_none_or(|asked| asked == *one));
    let protocols = Protocol::ALL.into_iter();
    let protocols = protocols.filter(|one| question.protocol.is_none_or(|asked| asked == *one));
    let all = directions.flat_map(|direction| {
        let protocols = protocols.clone();
        protocols.map(move |protocol| (direction, protocol))
    });
    all.map(|(direction, protocol)| {
        let request = smallest_request(roster, question, direction, protocol);
        let case = Case {
            roster,
            policy,
            request: &request,
            ledger,
            now,
        };
        explain_one(&case, question)
    })
    .collect()
}

/// The run to decide about where the question leaves things open.
fn smallest_request<'a>(
    roster: &RosterFacts<'a>,
    question: &Question<'a>,
    direction: Direction,
    protocol: Protocol,
) -> Request<'a> {
    let carried = [
        roster.canonicalisation,
        roster.own_canonicalisation,
        roster.peer_canonicalisation,
    ];
    Request {
        peer: question.peer,
        direction,
        indicator_type: question.indicator_type,
        // What two nodes agree on: the newest that everybody has, if there is one.
        canonicalisation: carried.into_iter().min().unwrap_or(0),
        purpose: question.purpose,
        protocol,
        roster: roster.number,
        query_class: protocol.smallest_class(),
        set_size: question.set_size.unwrap_or(u64::MAX),
        sweep: false,
        payment_key: match question.indicator_type {
            IndicatorType::Pan => roster.payment_key,
            _ => &[],
        },
    }
}

fn explain_one<'a>(case: &Case<'a, '_>, question: &Question<'a>) -> Explanation<'a> {
    let Case {
        roster,
        policy,
        request,
        ledger,
        now,
    } = *case;
    let rule = case.rule();
    let mut conditions = conditions(case, rule);
    if question.set_size.is_none() {
        let size = |(condition, _): &&mut _| *condition == Condition::MinimumSetSize;
        if let Some((_, outcome)) = conditions.iter_mut().find(size) {
            *outcome = Outcome::Open;
        }
    }
    let rule = rule.ok();
    let legal_basis = rule.and_then(|rule| policy.legal_basis(rule));
    let serves = request.direction == Direction::Serve;
    let budget = rule
        .filter(|_| serves)
        .map(|rule| policy.budget(rule, request.indicator_type));
    let mut refusals: Vec<Refusal> = Vec::new();
    for (_, outcome) in &conditions {
        // The five parts of a missing rule are one refusal.
        if let Outcome::Refuses(refusal) = outcome
            && !refusals.contains(refusal)
        {
            refusals.push(*refusal);
        }
    }
    Explanation {
        peer: question.peer,
        indicator_type: question.indicator_type,
        purpose: question.purpose,
        direction: request.direction,
        protocol: request.protocol,
        decision: decide(roster, policy, request, ledger, now),
        rule,
        legal_basis,
        legal_basis_days_left: legal_basis.map(|basis| basis.expires.saturating_sub(now) / 86_400),
        budget,
        budget_left: budget.map(|budget| budget.left(ledger.charged)),
        concern: rule.and_then(|rule| case.concern(rule)),
        runs: rule
            .filter(|_| serves)
            .map(|rule| (ledger.activity.runs, case.runs(rule))),
        evidence: serves.then(|| policy.evidence(request.indicator_type)),
        evaluations_per_key: serves.then(|| policy.caps().evaluations_per_key),
        conditions,
        refusals: refusals
            .into_iter()
            .map(|refusal| {
                let mut explained = refusal.explain(roster, policy, request);
                if let Some((what, next)) = restored(refusal, ledger) {
                    explained.what = what.to_owned();
                    explained.next = next.to_owned();
                }
                explained
            })
            .collect(),
    }
}

/// What refuses and what to do where no budget would be enough, because all of it counts as spent.
fn restored(refusal: Refusal, ledger: &LedgerFacts) -> Option<(&'static str, &'static str)> {
    match refusal {
        Refusal::DayBudget { .. } if ledger.charged.day == Charged::UNKNOWN => Some((
            "this node was restored from a backup today, and what was charged before may be lost: the \
             whole day counts as spent",
            "wait until midnight UTC; a higher budget changes nothing",
        )),
        Refusal::EpochBudget { .. } if ledger.charged.epoch == Charged::UNKNOWN => Some((
            "this node was restored from a backup, and what was charged before may be lost: each epoch \
             that began before, and the day of the restore, count as spent",
            "wait for the next epoch, which the node begins when it publishes again, and until \
             midnight UTC of the day of the restore; a higher budget changes nothing",
        )),
        _ => None,
    }
}

fn conditions(case: &Case<'_, '_>, rule: Result<&Rule, Refusal>) -> Vec<(Condition, Outcome)> {
    let outcome = |held: Result<(), Refusal>| match held {
        Ok(()) => Outcome::Holds,
        Err(refusal) => Outcome::Refuses(refusal),
    };
    let mut conditions = Vec::new();
    for (condition, holds) in BEFORE_RULES {
        conditions.push((condition, outcome(holds(case))));
    }
    let misses = match rule {
        Ok(_) => Some(Misses::default()),
        Err(Refusal::NoRule {
            nearest: Some(near),
        }) => Some(near.misses),
        Err(_) => None,
    };
    let part = |missed: fn(Misses) -> bool| match (rule, misses) {
        (Err(refusal), Some(misses)) if missed(misses) => Outcome::Refuses(refusal),
        (_, Some(_)) => Outcome::Holds,
        (_, None) => Outcome::Open,
    };
    conditions.extend([
        (
            Condition::Peer,
            match (rule, misses) {
                (Err(refusal), None) => Outcome::Refuses(refusal),
                _ => Outcome::Holds,
            },
        ),
        (Condition::Type, part(|misses| misses.indicator_type)),
        (Condition::Direction, part(|misses| misses.direction)),
        (Condition::Purpose, part(|misses| misses.purpose)),
        (Condition::Protocol, part(|misses| misses.protocol)),
    ]);
    for (condition, holds) in UNDER_A_RULE {
        let held = rule.map_or(Outcome::Open, |rule| outcome(holds(case, rule)));
        conditions.push((condition, held));
    }
    conditions
}

impl Explanation<'_> {
    /// What to do next; nothing where the request is allowed.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.refusals.first().map(|refusal| refusal.next.as_str())
    }
}

impl Outcome {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Refuses(_) => "refuses",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preposition = match self.direction {
            Direction::Ask => "of",
            Direction::Serve => "to",
        };
        writeln!(
            f,
            "{} {} {preposition} {} for {} by {}: {}",
            self.direction.name(),
            self.indicator_type,
            self.peer,
            self.purpose,
            self.protocol.name(),
            if self.decision.is_ok() {
                "allowed"
            } else {
                "refused"
            }
        )?;
        for refusal in &self.refusals {
            writeln!(f, "  because      {}", refusal.what)?;
            writeln!(f, "  next         {}", refusal.next)?;
        }
        if let Some(rule) = self.rule {
            self.terms(rule, f)?;
        }
        for (condition, outcome) in &self.conditions {
            let (binding, reason) = condition.binding(self.direction);
            writeln!(
                f,
                "  {:16}  {:7}  {:11}  {reason}",
                condition.name(),
                outcome.name(),
                binding.name()
            )?;
        }
        Ok(())
    }
}

impl Explanation<'_> {
    fn terms(&self, rule: &Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  rule         {} (line {})", rule.number, rule.line)?;
        if let (Some(basis), Some(days)) = (self.legal_basis, self.legal_basis_days_left) {
            writeln!(
                f,
                "  legal basis  {}: {} ({days} days left, until {})",
                basis.id,
                basis.text,
                day_before(basis.expires)
            )?;
        }
        if let (Some(budget), Some(left)) = (self.budget, self.budget_left) {
            writeln!(
                f,
                "  budget       {} of {} left today, {} of {} in this epoch",
                Grouped(left.day),
                Grouped(budget.day),
                Grouped(left.epoch),
                Grouped(budget.epoch)
            )?;
        }
        if let Some((today, most)) = self.runs {
            let (today, most) = (Grouped(today), Grouped(most));
            writeln!(f, "  runs         {today} of {most} today")?;
        }
        if let Some(concern) = self.concern {
            writeln!(f, "  probing      {}: {concern}", concern.level.name())?;
        }
        let minimum = Grouped(rule.minimum_set_size);
        writeln!(f, "  set          at least {minimum} items")?;
        if self.direction == Direction::Ask {
            let allowed = |allowed| if allowed { "allowed" } else { "not allowed" };
            writeln!(f, "  sweep        {}", allowed(rule.sweep))?;
            writeln!(
                f,
                "  feedback     {} (enforced: our own node gives it)",
                allowed(rule.feedback)
            )?;
            writeln!(
                f,
                "  names        who holds a match is {} (enforced: our own node shows it)",
                if rule.names {
                    "named"
                } else {
                    "counted, not named"
                }
            )?;
            if let Some(most) = rule.maximum_matches {
                writeln!(
                    f,
                    "  matches      at most {} are opened (honest-peer: the node that asks opens them)",
                    Grouped(most)
                )?;
            }
            if let Some(percent) = rule.maximum_match_percent {
                writeln!(
                    f,
                    "  matches      at most {percent} % of what is asked for are opened (honest-peer: the \
                     node that asks opens them)"
                )?;
            }
        }
        if let Some(evidence) = self.evidence {
            let Evidence {
                minimum_reports,
                reason_required,
            } = evidence;
            let reason = if reason_required { " and a reason" } else { "" };
            writeln!(
                f,
                "  evidence     a row needs {} reports{reason} (enforced: we see our own rows)",
                Grouped(minimum_reports.into())
            )?;
        }
        if let Some(most) = self.evaluations_per_key {
            writeln!(
                f,
                "  key          at most {} evaluations by all peers (enforced: all are charged)",
                Grouped(most)
            )?;
        }
        if let Ok(grant) = &self.decision {
            writeln!(f, "  until        {}", moment(grant.ends))?;
        }
        Ok(())
    }
}
