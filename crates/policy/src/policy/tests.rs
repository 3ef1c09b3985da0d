use super::*;

/// Two purposes, and peers that come under one rule by lookup and another by batch.
const POLICY: &str = r#"
[purpose.a]
text = "x"
[purpose.b]
text = "x"
[legal_basis.law]
text = "x"
valid_until = 2027-06-30

[[allow]]
peers = ["fjord"]
types = ["ip", "email"]
directions = ["serve"]
purposes = ["a"]
protocols = ["lookup"]
legal_basis = "law"
budget = { day = 100, epoch = 1_000 }

[[allow]]
peers = ["fjord", "dune"]
types = ["ip", "email"]
directions = ["serve"]
purposes = ["a"]
protocols = ["lookup", "batch"]
legal_basis = "law"
budget = { day = 100, epoch = 7_000 }

[[allow]]
peers = ["*"]
types = ["ip"]
directions = ["ask", "serve"]
purposes = ["b"]
protocols = ["batch"]
legal_basis = "law"
"#;

#[test]
fn all_that_a_view_may_be_asked() {
    let policy = Policy::parse(POLICY).unwrap();
    let total = |indicator_type, purpose, peers: &[&str]| {
        policy.epoch_total(indicator_type, purpose, peers.iter().copied())
    };
    let (ip, email) = (IndicatorType::Ip, IndicatorType::Email);
    for (indicator_type, purpose, peers, expected) in [
        // By lookup fjord has 1,000, by batch 7,000: the larger counts, once.
        (ip, "a", &["fjord"][..], 7_000),
        (ip, "a", &["fjord", "dune"], 14_000),
        (ip, "a", &["fjord", "dune", "quay"], 14_000),
        (ip, "a", &["quay"], 0),
        (ip, "a", &[], 0),
        (ip, "b", &["fjord", "dune", "quay"], 3 << 23),
        (email, "b", &["fjord", "dune", "quay"], 0),
        (email, "c", &["fjord"], 0),
        (IndicatorType::Lei, "a", &["fjord"], 0),
    ] {
        let told = total(indicator_type, purpose, peers);
        assert_eq!(told, expected, "{indicator_type} {purpose} {peers:?}");
    }
}

#[test]
fn a_rule_that_only_asks_gives_no_budget() {
    let policy = Policy::parse(&POLICY.replace("[\"ask\", \"serve\"]", "[\"ask\"]")).unwrap();
    assert_eq!(policy.epoch_total(IndicatorType::Ip, "b", ["fjord"]), 0);
}

#[test]
fn what_a_row_needs_before_it_is_served() {
    let with = |settings: &str| {
        let text = format!("[evidence]\n{settings}\n{POLICY}");
        Policy::parse(&text).unwrap().evidence(IndicatorType::Ip)
    };
    let fraud = Reason::PaymentFraud;
    let none = Reason::Unspecified;
    for (settings, reports, reason, expected) in [
        ("", 2, fraud, Ok(())),
        ("", 1, fraud, Err(Lacks::Reports(2))),
        ("", 0, none, Err(Lacks::Reports(2))),
        ("", 2, none, Err(Lacks::Reason)),
        ("minimum_reports = 5", 4, fraud, Err(Lacks::Reports(5))),
        ("minimum_reports = 5", 5, fraud, Ok(())),
        ("minimum_reports = 65535", u16::MAX, fraud, Ok(())),
        ("minimum_reports = 0", 0, fraud, Ok(())),
        ("minimum_reports = 0", 0, none, Err(Lacks::Reason)),
        ("reason_required = false", 2, none, Ok(())),
        ("reason_required = false", 1, none, Err(Lacks::Reports(2))),
    ] {
        assert_eq!(
            with(settings).holds(reports, reason),
            expected,
            "{settings} {reports}"
        );
    }
}

#[test]
fn conduct_as_it_is_written() {
    assert_eq!(Policy::parse("").unwrap().conduct(), Conduct::DEFAULT);
    let text = "[conduct]\nsuspend_after = 5\nopen_unreceipted_after_hours = 672";
    let conduct = Conduct {
        suspend_after: 5,
        open_unreceipted_after_hours: 672,
    };
    assert_eq!(Policy::parse(text).unwrap().conduct(), conduct);
}

#[test]
fn the_cap_of_a_key_is_above_no_total() {
    let capped = format!("{POLICY}\n[caps]\nevaluations_per_key = 10_000\n");
    let policy = Policy::parse(&capped).unwrap();
    let total = |peers: &[&str]| policy.epoch_total(IndicatorType::Ip, "a", peers.iter().copied());
    assert_eq!(total(&["fjord"]), 7_000);
    assert_eq!(total(&["fjord", "dune"]), 10_000);
    assert_eq!(Policy::parse(POLICY).unwrap().caps(), Caps::DEFAULT);
}

#[test]
fn types_may_need_reports_of_their_own() {
    let text = "[evidence]\nminimum_reports = 3\n[evidence.types]\nip = 5\nemail = 0\n";
    let policy = Policy::parse(text).unwrap();
    for (kind, reports) in [
        (IndicatorType::Ip, 5),
        (IndicatorType::Email, 0),
        (IndicatorType::Phone, 3),
    ] {
        let evidence = policy.evidence(kind);
        assert_eq!(evidence.minimum_reports, reports, "{kind}");
        assert!(evidence.reason_required);
    }
    assert_eq!(
        Policy::parse("").unwrap().evidence(IndicatorType::Ip),
        Evidence::DEFAULT
    );
}

#[test]
fn the_most_matches_are_a_number_or_a_share() {
    let rule = |keys: &str| {
        let text = POLICY.replace("[\"ask\", \"serve\"]", &format!("[\"ask\"]\n{keys}"));
        let policy = Policy::parse(&text).unwrap();
        policy.rules()[2].clone()
    };
    let (both, share) = ("maximum_matches = 5\n", "maximum_match_percent = 10\n");
    let most = |keys: &str, asked| rule(keys).most_matches(asked);
    assert_eq!(most("", 1_000), None);
    assert_eq!(most(both, 1_000), Some(5));
    assert_eq!(most(share, 1_000), Some(100));
    assert_eq!(most(share, 9), Some(1));
    assert_eq!(most(share, 0), Some(1));
    assert_eq!(most(share, u64::MAX), Some(u64::MAX / 10));
    assert_eq!(most(&format!("{both}{share}"), 1_000), Some(5));
    assert_eq!(most(&format!("{both}{share}"), 40), Some(4));
}
