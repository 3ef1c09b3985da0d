//! `blindmatch policy`.

use blindmatch_node::rules::{Actor, Explanation, Finding, Policy, Question, Severity};
use blindmatch_node::store::home::HomeError;
use blindmatch_node::{NodeFiles, policy};
use serde::Serialize;

use super::{at_work, ledger};
use crate::args::Global;
use crate::args::policy::{
    ExplainArguments, OverrideArguments, PolicyCheckArguments, PolicyCommand,
};
use crate::error::{Error, Exit, named_in_backticks};
use crate::output::{self, Report, Table, time};

pub(crate) fn run(command: &PolicyCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        PolicyCommand::Check(arguments) => check(arguments, global),
        PolicyCommand::Explain(arguments) => explain(arguments, global),
        PolicyCommand::Override(arguments) => vouch(arguments, global),
    }
}

#[derive(Serialize)]
struct Checked {
    rules: usize,
    purposes: usize,
    legal_bases: usize,
    findings: Vec<ShownFinding>,
}

#[derive(Serialize)]
struct ShownFinding {
    line: Option<usize>,
    severity: &'static str,
    code: &'static str,
    what: String,
}

fn check(arguments: &PolicyCheckArguments, global: &Global) -> Result<Exit, Error> {
    let home = NodeFiles::read(&global.home()?);
    let (policy, findings) = match (&arguments.file, home) {
        (Some(file), home) => {
            let policy = policy::read(file)?;
            let findings = match home {
                Ok(home) => home.check_policy(&policy)?,
                // Without a node there is no roster to hold it against.
                Err(_) => policy::check_alone(&policy),
            };
            (policy, findings)
        }
        (None, home) => {
            let home = home?;
            let policy = home.policy()?;
            let findings = home.check_policy(&policy)?;
            (policy, findings)
        }
    };
    let checked = Checked::of(&policy, &findings);
    output::show("policy_check", &checked, global)?;
    let wrong = findings
        .iter()
        .any(|finding| finding.severity() == Severity::Error);
    Ok(if wrong { Exit::Error } else { Exit::Done })
}

impl Checked {
    fn of(policy: &Policy, findings: &[Finding]) -> Self {
        let shown = |finding: &Finding| ShownFinding {
            line: finding.line,
            severity: finding.severity().name(),
            code: finding.kind.code(),
            what: finding.to_string(),
        };
        Self {
            rules: policy.rules().len(),
            purposes: policy.purposes().len(),
            legal_bases: policy.legal_bases().len(),
            findings: findings.iter().map(shown).collect(),
        }
    }
}

impl Report for Checked {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["rules", &self.rules.to_string()])
            .row(&["purposes", &self.purposes.to_string()])
            .row(&["legal bases", &self.legal_bases.to_string()]);
        for finding in &self.findings {
            table.row(&[finding.severity, &finding.what]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.findings.iter().collect()
    }
}

#[derive(Serialize)]
struct Vouched {
    peer: String,
    operator: String,
    until: String,
    why: String,
}

fn vouch(arguments: &OverrideArguments, global: &Global) -> Result<Exit, Error> {
    let OverrideArguments { peer, days, why } = arguments;
    let node = global.node()?;
    let ledger = ledger::open(&node, global)?;
    let operator = at_work::acting(global);
    let until = node.vouch(&ledger, peer, &operator, *days, why)?;
    let vouched = Vouched {
        peer: peer.to_string(),
        operator,
        until: time(until),
        why: why.clone(),
    };
    output::show("policy_override", &vouched, global)?;
    Ok(Exit::Done)
}

impl Report for Vouched {
    fn table(&self) -> String {
        format!(
            "{} vouches for {} until {}: {}",
            self.operator, self.peer, self.until, self.why
        )
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Serialize)]
struct Explained {
    decisions: Vec<Decision>,
    #[serde(skip)]
    text: String,
}

#[derive(Serialize)]
struct Decision {
    peer: String,
    r#type: &'static str,
    purpose: String,
    direction: &'static str,
    protocol: &'static str,
    allowed: bool,
    /// Why not, by its fixed name.
    refused: Option<&'static str>,
    rule: Option<usize>,
    rule_line: Option<usize>,
    legal_basis: Option<String>,
    legal_basis_days_left: Option<u64>,
    budget_day_left: Option<u64>,
    budget_epoch_left: Option<u64>,
    runs_today: Option<u64>,
    runs_a_day: Option<u64>,
    /// What it looks like beside what was asked before: `warn`, `slow` or `stop`, and by what.
    probing: Option<String>,
    refusals: Vec<ShownRefusal>,
    conditions: Vec<ShownCondition>,
}

#[derive(Serialize)]
struct ShownRefusal {
    what: String,
    next: String,
    actor: &'static str,
}

#[derive(Serialize)]
struct ShownCondition {
    condition: &'static str,
    outcome: &'static str,
    binding: &'static str,
}

fn explain(arguments: &ExplainArguments, global: &Global) -> Result<Exit, Error> {
    let home = global.home()?;
    let files = NodeFiles::read(&home)?;
    let own = &files.config().node.member;
    if arguments.peer == *own {
        let what = format!("{own} is this node itself, and a node has no runs with itself");
        let next = "name another member with --peer; see who is: blindmatch roster show";
        return Err(Error::usage(what).hint(next));
    }
    let policy = files.policy()?;
    let question = Question {
        peer: arguments.peer.as_str(),
        indicator_type: arguments.indicator_type,
        purpose: &arguments.purpose,
        direction: arguments.direction.map(Into::into),
        protocol: arguments.protocol.map(Into::into),
        set_size: arguments.set_size,
    };
    let explanations = match global.open(&home) {
        Err(blindmatch_node::Error::Home(HomeError::Locked(_))) => {
            files.explain(&policy, &question)?
        }
        node => node?.explain(&policy, &question)?,
    };
    let named = |text: &str| named_in_backticks(text, global.named_home());
    let text = explanations.iter().map(|one| named(&one.to_string()));
    let text: Vec<_> = text.collect();
    let decisions = explanations.iter().map(|one| Decision::of(one, &named));
    let explained = Explained {
        decisions: decisions.collect(),
        text: text.join("\n"),
    };
    output::show("policy_explain", &explained, global)?;
    Ok(ending(&explanations))
}

/// Done where something is allowed; otherwise as a run that is refused ends.
fn ending(explanations: &[Explanation<'_>]) -> Exit {
    let mut ending = Exit::Refused;
    for explanation in explanations {
        match explanation.decision {
            Ok(_) => return Exit::Done,
            Err(refusal) if refusal.is_budget() => ending = Exit::BudgetExhausted,
            Err(_) => {}
        }
    }
    ending
}

impl Decision {
    /// `named` names the home in the commands of a text.
    fn of(explanation: &Explanation<'_>, named: &dyn Fn(&str) -> String) -> Self {
        let refusals = explanation.refusals.iter();
        let conditions = explanation.conditions.iter();
        Self {
            peer: explanation.peer.to_owned(),
            r#type: explanation.indicator_type.name(),
            purpose: explanation.purpose.to_owned(),
            direction: explanation.direction.name(),
            protocol: explanation.protocol.name(),
            allowed: explanation.decision.is_ok(),
            refused: explanation.decision.err().map(|refusal| refusal.code()),
            rule: explanation.rule.map(|rule| rule.number),
            rule_line: explanation.rule.map(|rule| rule.line),
            legal_basis: explanation.legal_basis.map(|basis| basis.id.clone()),
            legal_basis_days_left: explanation.legal_basis_days_left,
            budget_day_left: explanation.budget_left.map(|left| left.day),
            budget_epoch_left: explanation.budget_left.map(|left| left.epoch),
            runs_today: explanation.runs.map(|(today, _)| today),
            runs_a_day: explanation.runs.map(|(_, most)| most),
            probing: explanation
                .concern
                .map(|concern| format!("{}: {concern}", concern.level.name())),
            refusals: refusals
                .map(|refusal| ShownRefusal {
                    what: refusal.what.clone(),
                    next: named(&refusal.next),
                    actor: actor(refusal.actor),
                })
                .collect(),
            conditions: conditions
                .map(|(condition, outcome)| ShownCondition {
                    condition: condition.name(),
                    outcome: outcome.name(),
                    binding: condition.binding(explanation.direction).0.name(),
                })
                .collect(),
        }
    }
}

const fn actor(actor: Actor) -> &'static str {
    match actor {
        Actor::Own => "own",
        Actor::Peer => "peer",
        Actor::Administrator => "administrator",
        Actor::Time => "time",
    }
}

/// One decision on a line.
#[derive(Serialize)]
struct Row<'a> {
    peer: &'a str,
    r#type: &'a str,
    purpose: &'a str,
    direction: &'a str,
    protocol: &'a str,
    allowed: bool,
    refused: Option<&'a str>,
    rule: Option<usize>,
    next: Option<&'a str>,
}

impl Report for Explained {
    fn table(&self) -> String {
        self.text.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let rows = self.decisions.iter().map(|decision| Row {
            peer: &decision.peer,
            r#type: decision.r#type,
            purpose: &decision.purpose,
            direction: decision.direction,
            protocol: decision.protocol,
            allowed: decision.allowed,
            refused: decision.refused,
            rule: decision.rule,
            next: decision
                .refusals
                .first()
                .map(|refusal| refusal.next.as_str()),
        });
        rows.collect()
    }
}
