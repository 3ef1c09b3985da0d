//! Changes one thing at a time and holds the decision against `decisions.txt`, a table written by
//! hand.

use std::collections::HashMap;

use blindmatch_policy::{
    Activity, Charged, Concern, Direction, Grant, LedgerFacts, Level, Policy, Protocol, Question,
    Refusal, Request, Role, RosterFacts, Signal, decide, explain,
};
use jiff::Timestamp;

const TABLE: &str = include_str!("decisions.txt");
const POLICY: &str = include_str!("decisions.toml");

/// What a decision depends on besides the policy, by the names of the table.
type Facts<'t> = HashMap<&'t str, &'t str>;

/// One line of the table.
struct Row<'t> {
    line: usize,
    policy: String,
    facts: Facts<'t>,
    expected: &'t str,
}

#[test]
fn every_change_decides_as_the_table_says() {
    let rows = rows();
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let told = row.decide(told);
            let (line, expected) = (row.line, row.expected);
            (told != expected).then(|| format!("line {line}: {told}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 300, "{} rows", rows.len());
}

#[test]
fn every_refusal_is_in_the_table_and_says_what_to_do() {
    let mut codes = std::collections::BTreeSet::new();
    for row in rows() {
        row.decide_with(|roster, policy, request, ledger, now| {
            let Err(refusal) = decide(roster, policy, request, ledger, now) else {
                return;
            };
            codes.insert(refusal.code());
            let words = refusal.explain(roster, policy, request);
            assert!(!words.what.is_empty() && !words.next.is_empty());
            assert!(refusal.for_peer().len() <= 255);
            assert!(refusal.for_peer().starts_with(refusal.code()));
            let left = match refusal {
                Refusal::DayBudget { left, .. } | Refusal::EpochBudget { left, .. } => Some(left),
                _ => None,
            };
            assert_eq!(Refusal::left_by(&refusal.for_peer()), left);
        });
    }
    assert_eq!(codes.len(), 19, "{codes:?}");
}

/// The explanation of the smallest run says the same as a decision about it.
#[test]
fn an_explanation_agrees_with_the_decision() {
    for row in rows() {
        row.decide_with(|roster, policy, request, ledger, now| {
            let question = Question {
                peer: request.peer,
                indicator_type: request.indicator_type,
                purpose: request.purpose,
                direction: Some(request.direction),
                protocol: Some(request.protocol),
                set_size: Some(request.set_size),
            };
            let explained = explain(roster, policy, &question, ledger, now);
            let [explanation] = explained.as_slice() else {
                panic!("line {}: {} explanations", row.line, explained.len());
            };
            let refuses = explanation
                .conditions
                .iter()
                .find_map(|(_, outcome)| match outcome {
                    blindmatch_policy::Outcome::Refuses(refusal) => Some(*refusal),
                    _ => None,
                });
            assert_eq!(explanation.decision.err(), refuses, "line {}", row.line);
            assert_eq!(
                explanation.decision.is_err(),
                explanation.next_step().is_some()
            );
            let text = explanation.to_string();
            let verdict = if refuses.is_some() {
                ": refused\n"
            } else {
                ": allowed\n"
            };
            assert!(text.contains(verdict), "line {}: {text}", row.line);
        });
    }
}

fn rows() -> Vec<Row<'static>> {
    let mut rows = Vec::new();
    let mut base = Facts::new();
    let mut same = "";
    let mut in_base = false;
    for (line, text) in (1..).zip(TABLE.lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if text.starts_with("base ") {
            base.clear();
            in_base = true;
            continue;
        }
        let (change, expected) = text.split_once("-> ").unwrap_or((text, ""));
        let change = change.trim();
        let mut facts = base.clone();
        let mut policy = POLICY.to_owned();
        if let Some(edit) = change.strip_prefix("policy ") {
            policy = edited(edit, line);
        } else if !change.is_empty() {
            let (key, value) = change.split_once(" =").expect("key = value");
            let old = facts.insert(key, value.trim());
            // A base names each fact once; a change names one that there is, and changes it.
            assert_eq!(old.is_none(), in_base, "line {line}");
            assert_ne!(old, Some(value.trim()), "line {line} changes nothing");
        }
        if in_base && expected.is_empty() {
            base = facts;
            continue;
        }
        if in_base {
            same = expected;
            in_base = false;
        }
        rows.push(Row {
            line,
            policy,
            facts,
            expected: if expected == "same" { same } else { expected },
        });
    }
    rows
}

/// The policy with one place of it changed.
fn edited(edit: &str, line: usize) -> String {
    let (old, new) = edit.split_once(" =>").expect("OLD => NEW");
    assert_eq!(POLICY.matches(old).count(), 1, "line {line}: `{old}`");
    let mut new = new.trim().to_owned();
    // `[table] a = 1, b = 2` stands for lines.
    if let Some((table, keys)) = new.strip_prefix('[').and_then(|new| new.split_once("] "))
        && !table.starts_with('"')
    {
        new = format!("[{table}]\n{}", keys.replace(", ", "\n"));
    }
    POLICY.replace(old, &new)
}

impl Row<'_> {
    fn decide(&self, told: fn(Result<Grant<'_>, Refusal>) -> String) -> String {
        let mut text = String::new();
        self.decide_with(|roster, policy, request, ledger, now| {
            text = told(decide(roster, policy, request, ledger, now));
        });
        text
    }

    fn decide_with(
        &self,
        mut what: impl FnMut(&RosterFacts<'_>, &Policy, &Request<'_>, &LedgerFacts, u64),
    ) {
        let policy = Policy::parse(&self.policy)
            .unwrap_or_else(|faults| panic!("line {}: {}", self.line, faults[0]));
        let roster = RosterFacts {
            number: self.number("roster.number"),
            not_before: self.moment("roster.not_before"),
            expires: self.moment("roster.expires"),
            own_role: self.role("own_role").expect("a role"),
            peer_role: self.role("peer_role"),
            canonicalisation: self.version("canonicalisation.roster"),
            own_canonicalisation: self.version("canonicalisation.own"),
            peer_canonicalisation: self.version("canonicalisation.peer"),
            payment_key: self.key("held_key"),
        };
        let request = Request {
            peer: self.facts["peer"],
            direction: *Direction::ALL
                .iter()
                .find(|one| one.name() == self.facts["direction"])
                .expect("a direction"),
            indicator_type: self.facts["type"].parse().expect("a type"),
            canonicalisation: self.version("version"),
            purpose: self.facts["purpose"],
            protocol: *Protocol::ALL
                .iter()
                .find(|one| one.name() == self.facts["protocol"])
                .expect("a protocol"),
            roster: self.number("roster"),
            query_class: self.number("query_class"),
            set_size: self.number("set_size"),
            sweep: self.facts["sweep"] == "yes",
            payment_key: self.key("payment_key"),
        };
        let ledger = LedgerFacts {
            charged: Charged {
                day: self.number("charged.day"),
                epoch: self.number("charged.epoch"),
            },
            one_sided_aborts: self.version("aborts"),
            activity: Activity {
                runs: self.number("runs"),
                week: self.number("week"),
                largest: self.number("largest"),
                days: self.number("days"),
                slowed: self.number("slowed"),
                stopped: (self.facts["stopped"] == "yes").then_some(Concern {
                    level: Level::Stop,
                    signal: Signal::Week,
                    counted: 310,
                    limit: 300,
                }),
                vouched: self.moment("vouched"),
            },
        };
        what(&roster, &policy, &request, &ledger, self.moment("now"));
    }

    fn number(&self, key: &str) -> u64 {
        self.facts[key].parse().expect("a number")
    }

    fn version(&self, key: &str) -> u32 {
        self.facts[key].parse().expect("a number")
    }

    fn moment(&self, key: &str) -> u64 {
        let timestamp: Timestamp = self.facts[key].parse().expect("a time");
        timestamp.as_second().try_into().expect("after 1970")
    }

    fn role(&self, key: &str) -> Option<Role> {
        match self.facts[key] {
            "provider" => Some(Role::Provider),
            "liaison" => Some(Role::Liaison),
            "none" => None,
            other => panic!("no role {other}"),
        }
    }

    fn key(&self, key: &str) -> &[u8] {
        match self.facts[key] {
            "none" => &[],
            id => id.as_bytes(),
        }
    }
}

/// A decision with everything in it, in the words of the table.
fn told(decision: Result<Grant<'_>, Refusal>) -> String {
    let refusal = match decision {
        Ok(grant) => {
            let ends = Timestamp::from_second(grant.ends.try_into().expect("a time"));
            let mut told = format!(
                "rule {} {} until {}",
                grant.rule.number,
                grant.legal_basis.id,
                ends.expect("a time")
            );
            if let Some(reservation) = grant.reservation {
                let (charge, left) = (reservation.charge, reservation.left);
                told += &format!(" cost {charge} left {} {}", left.day, left.epoch);
            }
            return told;
        }
        Err(refusal) => refusal,
    };
    let code = refusal.code();
    match refusal {
        Refusal::RosterNumber { own, named } => format!("{code} own {own} named {named}"),
        Refusal::Liaison(whose) => format!("{code} {whose}"),
        Refusal::NoRule { nearest: None } => code.to_owned(),
        Refusal::NoRule {
            nearest: Some(near),
        } => format!("{code} near {}: {}", near.rule, near.misses),
        Refusal::Sweep { rule } | Refusal::LegalBasisExpired { rule } => {
            format!("{code} rule {rule}")
        }
        Refusal::Canonicalisation {
            whose,
            newest,
            named,
        } => format!("{code} of {whose} newest {newest} named {named}"),
        Refusal::NotASizeClass { items } => format!("{code} {items}"),
        Refusal::SetTooSmall { rule, size } => format!("{code} rule {rule} size {size}"),
        Refusal::Probing(concern) => {
            let Concern {
                signal,
                counted,
                limit,
                ..
            } = concern;
            format!("{code} {} {counted} of {limit}", signal.name())
        }
        Refusal::RunsADay { rule, runs } => format!("{code} rule {rule} runs {runs}"),
        Refusal::Suspended { aborts } => format!("{code} {aborts}"),
        Refusal::DayBudget { charge, left } | Refusal::EpochBudget { charge, left } => {
            format!("{code} charge {charge} left {left}")
        }
        _ => code.to_owned(),
    }
}
