#![no_main]
//! Policy files: what parses stays within what is compiled in and decides; what does not, says
//! where.

use blindmatch_fuzz::edit::Edit;
use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{
    Budget, LedgerFacts, Member, Policy, Question, Role, RosterFacts, check, explain,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    text: Text,
    peer: String,
    purpose: String,
    indicator_type: u8,
    set_size: Option<u64>,
    charged: (u64, u64),
    now: u64,
}

#[derive(Arbitrary, Debug)]
enum Text {
    Raw(String),
    /// Changes to the sample.
    Sample(Vec<Edit>),
}

const SAMPLE: &str = include_str!("../../examples/policy.toml");

fuzz_target!(|input: Input| {
    let text = match &input.text {
        Text::Raw(text) => text.clone(),
        Text::Sample(edits) => {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            edits.iter().for_each(|edit| edit.apply(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    match Policy::parse(&text) {
        Ok(policy) => decides(&policy, &input),
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(fault.place.line >= 1 && fault.place.column >= 1);
                assert!(fault.place.line <= text.matches('\n').count() + 1);
                assert!(!fault.to_string().contains(char::is_control));
            }
        }
    }
});

fn decides(policy: &Policy, input: &Input) {
    for rule in policy.rules() {
        assert!(policy.legal_basis(rule).is_some());
        for &indicator_type in &rule.types {
            let budget = policy.budget(rule, indicator_type);
            let ceiling = Budget::ceiling_of(indicator_type.strength());
            assert!(Budget::FLOOR <= budget.day && budget.day <= budget.epoch);
            assert!(budget.day <= ceiling.day && budget.epoch <= ceiling.epoch);
        }
    }
    let member = Member {
        name: &input.peer,
        role: Role::Provider,
    };
    for finding in check(policy, Some(&[member]), input.now) {
        assert!(!finding.to_string().is_empty());
    }
    let roster = RosterFacts {
        number: 1,
        not_before: 0,
        expires: u64::MAX,
        own_role: Role::Provider,
        peer_role: Some(Role::Provider),
        canonicalisation: 1,
        own_canonicalisation: 1,
        peer_canonicalisation: 1,
        payment_key: b"key",
    };
    let types = IndicatorType::ALL;
    let question = Question {
        peer: &input.peer,
        indicator_type: types[usize::from(input.indicator_type) % types.len()],
        purpose: &input.purpose,
        direction: None,
        protocol: None,
        set_size: input.set_size,
    };
    let ledger = LedgerFacts {
        charged: blindmatch_policy::Charged {
            day: input.charged.0,
            epoch: input.charged.1,
        },
        one_sided_aborts: 0,
        activity: blindmatch_policy::Activity {
            runs: input.charged.0,
            week: input.charged.1,
            ..blindmatch_policy::Activity::default()
        },
    };
    for explanation in explain(&roster, policy, &question, &ledger, input.now) {
        assert!(!explanation.to_string().is_empty());
        assert_eq!(
            explanation.decision.is_err(),
            explanation.next_step().is_some()
        );
    }
}
