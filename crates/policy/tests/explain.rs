//! What `policy explain` shows, word for word.

use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{
    Charged, Direction, LedgerFacts, Policy, Protocol, Question, Refusal, Role, RosterFacts,
    explain,
};

const SAMPLE: &str = include_str!("../../../examples/policy.toml");

/// 2026-11-22T12:00:00Z.
const NOW: u64 = 1_795_348_800;

const ROSTER: RosterFacts<'static> = RosterFacts {
    number: 7,
    not_before: NOW - 86_400,
    expires: NOW + 30 * 86_400,
    own_role: Role::Provider,
    peer_role: Some(Role::Provider),
    canonicalisation: 1,
    own_canonicalisation: 1,
    peer_canonicalisation: 1,
    payment_key: &[],
};

fn explained(question: &Question<'_>, ledger: &LedgerFacts) -> Vec<String> {
    let policy = Policy::parse(SAMPLE).expect("the sample");
    let explanations = explain(&ROSTER, &policy, question, ledger, NOW);
    explanations.iter().map(ToString::to_string).collect()
}

const QUESTION: Question<'static> = Question {
    peer: "fjord",
    indicator_type: IndicatorType::Email,
    purpose: "abuse-prevention",
    direction: Some(Direction::Serve),
    protocol: Some(Protocol::Lookup),
    set_size: None,
};

#[test]
fn what_is_allowed() {
    let ledger = LedgerFacts {
        charged: Charged {
            day: 8_192,
            epoch: 100_000,
        },
        ..LedgerFacts::default()
    };
    let told = explained(&QUESTION, &ledger);
    let expected = "\
serve email to fjord for abuse-prevention by lookup: allowed
  rule         1 (line 46)
  legal basis  consortium-agreement: Consortium agreement of 2026, schedule B; assessment LIA-2026-04. (404 days left, until 2027-12-31)
  budget       8,380,416 of 8,388,608 left today, 67,008,864 of 67,108,864 in this epoch
  runs         0 of 256 today
  set          at least 1,000 items
  evidence     a row needs 2 reports and a reason (enforced: we see our own rows)
  key          at most 4,294,967,296 evaluations by all peers (enforced: all are charged)
  until        2026-12-22T12:00:00Z
  roster            holds    enforced     the roster is signed and the clock is ours
  enrolment         holds    enforced     the connection proves who the peer is
  peer              holds    enforced     the connection proves who the peer is
  type              holds    enforced     a value's type is part of what is evaluated: another type matches nothing
  direction         holds    enforced     we open no run in the other direction
  purpose           holds    honest-peer  what the peer does with a match is out of sight
  protocol          holds    enforced     we speak the agreed protocol and no other
  sweep             holds    honest-peer  blinded values do not show whether they were asked before; the budget limits it
  legal_basis       holds    enforced     the date and the clock are ours
  canonicalisation  holds    honest-peer  a peer that writes values otherwise finds fewer matches
  payment_key       holds    honest-peer  a peer with another key finds no matches; the id is all that it shows
  size_class        holds    enforced     the number of values on the wire is counted
  minimum_set_size  open     enforced     we count our own set
  suspension        holds    enforced     the count is in our own ledger
  probing           holds    enforced     evaluations and runs are counted in our own ledger; what is asked for is hidden
  runs_a_day        holds    enforced     the runs are counted in our own ledger
  budget            holds    enforced     every evaluation is charged before it is made
";
    assert_eq!(told, [expected]);
}

#[test]
fn every_reason_to_refuse_with_its_next_step() {
    let question = Question {
        peer: "quay-payments",
        indicator_type: IndicatorType::Pan,
        purpose: "payment-fraud",
        direction: Some(Direction::Ask),
        protocol: Some(Protocol::Batch),
        set_size: Some(5_000),
    };
    let told = explained(&question, &LedgerFacts::default());
    let expected = "\
ask pan of quay-payments for payment-fraud by batch: refused
  because      pan needs the payment key
  next         run `blindmatch keys payment install --from MEMBER FILE` with the key that a member wrapped for this one
  because      rule 2 (line 58) wants a set of at least 10,000 items, and the peer's has 5,000
  next         wait until the peer's set has grown, or lower minimum_set_size in rule 2 (line 58)
  rule         2 (line 58)
  legal basis  fraud-exception: Fraud prevention, GDPR recital 47; assessment DPIA-2026-11. (220 days left, until 2027-06-30)
  set          at least 10,000 items
  sweep        allowed
  feedback     not allowed (enforced: our own node gives it)
  names        who holds a match is named (enforced: our own node shows it)
  matches      at most 5,000 are opened (honest-peer: the node that asks opens them)
";
    assert!(told[0].starts_with(expected), "{}", told[0]);
    for line in [
        "  payment_key       refuses  honest-peer",
        "  minimum_set_size  refuses  honest-peer",
        "  purpose           holds    enforced",
        "  sweep             holds    enforced",
    ] {
        assert!(told[0].contains(line), "{line}\n{}", told[0]);
    }
}

#[test]
fn why_no_rule_allows_it() {
    let question = Question {
        indicator_type: IndicatorType::Url,
        ..QUESTION
    };
    let told = explained(&question, &LedgerFacts::default());
    let expected = "\
serve url to fjord for abuse-prevention by lookup: refused
  because      no rule allows this; rule 1 (line 46) comes nearest and does not name the type url
  next         if this is wanted, add it to rule 1 (line 46) or write a rule of its own, then run `blindmatch policy explain --peer fjord --type url --purpose abuse-prevention`
";
    assert!(told[0].starts_with(expected), "{}", told[0]);
    for line in [
        "  type              refuses",
        "  direction         holds",
        "  purpose           holds",
        "  protocol          holds",
        "  budget            open",
    ] {
        assert!(told[0].contains(line), "{line}\n{}", told[0]);
    }
}

#[test]
fn whole_card_numbers_hang_on_the_payment_key() {
    let policy = Policy::parse(SAMPLE).expect("the sample");
    let question = Question {
        peer: "quay-payments",
        purpose: "payment-fraud",
        direction: Some(Direction::Ask),
        set_size: Some(50_000),
        ..QUESTION
    };
    let roster = RosterFacts {
        payment_key: &[9; 16],
        ..ROSTER
    };
    for indicator_type in [IndicatorType::Pan, IndicatorType::Iban] {
        let question = Question {
            indicator_type,
            ..question
        };
        let told = explain(&roster, &policy, &question, &LedgerFacts::default(), NOW);
        let told = told[0].to_string();
        assert!(told.contains("  payment_key       holds"), "{told}");
    }
}

/// A higher budget is no way out of one that counts as spent because nobody knows what was.
#[test]
fn what_a_restore_made_unknown_is_waited_for() {
    let told = |day, epoch| {
        let ledger = LedgerFacts {
            charged: Charged { day, epoch },
            ..LedgerFacts::default()
        };
        explained(&QUESTION, &ledger).concat()
    };
    let (today, epochs) = (
        "restored from a backup today",
        "each epoch that began before",
    );
    let unknown = Charged::UNKNOWN;
    for (day, epoch, says_day, says_epoch) in [
        (unknown, 0, true, false),
        (0, unknown, false, true),
        // What lasts longer is said.
        (unknown, unknown, false, true),
        (8_388_608, 67_108_864, false, false),
    ] {
        let told = told(day, epoch);
        assert!(told.contains(": refused"), "{told}");
        assert_eq!(told.contains(today), says_day, "{told}");
        assert_eq!(told.contains(epochs), says_epoch, "{told}");
        assert_eq!(
            told.contains("wait until midnight UTC; a higher"),
            says_day,
            "{told}"
        );
        assert_eq!(
            told.contains("wait for the next epoch, which"),
            says_epoch,
            "{told}"
        );
    }
}

#[test]
fn a_stranger_is_told_of_no_rule() {
    let (named, _) = SAMPLE.split_once("# Addresses are served").expect("there");
    let policy = Policy::parse(named).expect("the sample without its last rule");
    let question = Question {
        peer: "lagoon",
        ..QUESTION
    };
    let explanations = explain(&ROSTER, &policy, &question, &LedgerFacts::default(), NOW);
    let [explanation] = explanations.as_slice() else {
        panic!("{} explanations", explanations.len());
    };
    assert_eq!(explanation.decision, Err(Refusal::NoRule { nearest: None }));
    assert_eq!(explanation.refusals[0].what, "no rule is about lagoon");
    assert_eq!(
        explanation.next_step(),
        Some(
            "if this is wanted, add an [[allow]] with peers = [\"lagoon\"], then run `blindmatch \
             policy check`"
        )
    );
}

#[test]
fn both_directions_and_protocols_where_none_is_named() {
    let question = Question {
        direction: None,
        protocol: None,
        ..QUESTION
    };
    let told = explained(&question, &LedgerFacts::default());
    let first: Vec<_> = told.iter().filter_map(|text| text.lines().next()).collect();
    assert_eq!(
        first,
        [
            "ask email of fjord for abuse-prevention by lookup: allowed",
            "ask email of fjord for abuse-prevention by batch: refused",
            "serve email to fjord for abuse-prevention by lookup: allowed",
            "serve email to fjord for abuse-prevention by batch: refused",
        ]
    );
}
