//! The sample that operators start from.

use blindmatch_policy::{Member, Policy, Role, check};

const SAMPLE: &str = include_str!("../../../examples/policy.toml");

#[test]
fn the_levels_and_caps_of_the_sample_are_the_defaults() {
    let (before, _) = SAMPLE
        .split_once("# From where on what a peer asks")
        .expect("there");
    assert_eq!(Policy::parse(before), Ok(sample()));
}

/// 2026-11-22T00:00:00Z.
const NOW: u64 = 1_795_305_600;

fn sample() -> Policy {
    Policy::parse(SAMPLE).unwrap_or_else(|faults| panic!("{}", faults[0]))
}

#[test]
fn the_sample_is_a_policy() {
    let policy = sample();
    assert_eq!(policy.rules().len(), 3);
    assert_eq!(policy.purposes().len(), 2);
    assert_eq!(policy.legal_bases().len(), 2);
}

#[test]
fn the_budgets_of_the_sample_are_the_defaults() {
    let (before, rest) = SAMPLE.split_once("[budget.enumerable]").expect("there");
    let (budgets, after) = rest
        .split_once("# What a row of ours needs")
        .expect("there");
    // The same lines, so that rules stay where they are.
    let lines = "\n".repeat(budgets.matches('\n').count());
    let without = format!("{before}{lines}#{after}");
    assert_eq!(Policy::parse(&without), Ok(sample()));
}

#[test]
fn nothing_in_the_sample_is_an_error() {
    let members = ["fjord", "dune", "quay-payments"].map(|name| Member {
        name,
        role: Role::Provider,
    });
    let findings = check(&sample(), Some(&members), NOW);
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 71: rule 3 is about every provider of the roster, also one that joins later",
            "neither asked nor served, whoever the peer: registrable_domain url url_host ssh_key \
             ja4 asn lei",
        ]
    );
}
