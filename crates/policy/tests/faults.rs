//! What is wrong with a file is said with its place and with what would be right.

use blindmatch_indicator::IndicatorType;
use blindmatch_policy::{Budget, FaultKind, Place, Policy, Protocol};

/// Rules begin at line 8; `#rule` and `#file` are places to write at.
const POLICY: &str = r#"[purpose.abuse-prevention]
text = "Recognise returning abusers."
[legal_basis.agreement]
text = "Consortium agreement."
valid_until = 2027-06-30
#file

[[allow]]
peers = ["fjord"]
types = ["email"]
directions = ["ask", "serve"]
purposes = ["abuse-prevention"]
protocols = ["lookup"]
legal_basis = "agreement"
minimum_set_size = 1_000
#rule
"#;

fn changed(old: &str, new: &str) -> String {
    assert_eq!(POLICY.matches(old).count(), 1, "`{old}`");
    POLICY.replace(old, new)
}

fn faults(text: &str) -> Vec<String> {
    match Policy::parse(text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_policy_itself_has_none() {
    assert_eq!(faults(POLICY), [""; 0]);
    assert_eq!(faults(""), [""; 0]);
    assert!(Policy::parse("").is_ok_and(|policy| policy.rules().is_empty()));
}

#[test]
fn every_fault_says_where_and_what_would_be_right() {
    let types = "ip, network, email, email_folded, phone, account, domain, registrable_domain, \
                 url, url_host, pan, card_weak, iban, btc, eth, tron, ssh_key, ja4, asn, lei";
    let no_type = format!("line 10, column 10: no type `rainbow`; known here: {types}");
    for (old, new, expected) in [
        // Keys.
        (
            "#rule",
            "minimum_set = 5",
            "line 16, column 1: unknown key `minimum_set`; did you mean `minimum_set_size`?",
        ),
        (
            "peers",
            "peer",
            "line 9, column 1: unknown key `peer`; did you mean `peers`?",
        ),
        (
            "#rule",
            "Feedback = true",
            "line 16, column 1: unknown key `Feedback`; did you mean `feedback`?",
        ),
        (
            "#rule",
            "zebra = true",
            "line 16, column 1: unknown key `zebra`; known here: peers, types, directions, purposes, protocols, legal_basis, minimum_set_size, maximum_matches, maximum_match_percent, runs_a_day, budget, sweep, feedback, names",
        ),
        (
            "#rule",
            "[allows]",
            "line 16, column 2: unknown key `allows`; did you mean `allow`?",
        ),
        (
            "#file",
            "[legalbasis]",
            "line 6, column 2: unknown key `legalbasis`; did you mean `legal_basis`?",
        ),
        (
            "#file",
            "[budgets.weak]",
            "line 6, column 2: unknown key `budgets`; did you mean `budget`?",
        ),
        (
            "#file",
            "[budget.week]",
            "line 6, column 9: unknown key `week`; did you mean `weak`?",
        ),
        (
            "#file",
            "[budget.weak]\nday = 8\nepoch = 9\nhour = 3",
            "line 9, column 1: unknown key `hour`; known here: day, epoch",
        ),
        (
            "#file",
            "[evidence]\nreports = 3",
            "line 7, column 1: unknown key `reports`; known here: minimum_reports, reason_required, types",
        ),
        (
            "#file",
            "[conduct]\nsuspend = 3",
            "line 7, column 1: unknown key `suspend`; did you mean `suspend_after`?",
        ),
        (
            "#file",
            "[probe]\nweeks = 3",
            "line 7, column 1: unknown key `weeks`; did you mean `week`?",
        ),
        (
            "#file",
            "[probe.runs]\nslow = 63",
            "line 6, column 1: levels out of order: warn may not be above slow, nor slow above stop",
        ),
        (
            "#file",
            "[probe.runs]\nstop = 1",
            "line 7, column 8: `stop` must be at least 2",
        ),
        (
            "#file",
            "[caps]\nevaluations_per_key = 68_719_476_737",
            "line 7, column 23: `evaluations_per_key` must be at most 68,719,476,736",
        ),
        (
            "#file",
            "[evidence.types]\nipv4 = 3",
            "line 7, column 1: unknown key `ipv4`; known here: ip, network, email, email_folded, phone, account, domain, registrable_domain, url, url_host, pan, card_weak, iban, btc, eth, tron, ssh_key, ja4, asn, lei",
        ),
        (
            "#rule",
            "runs_a_day = 0",
            "line 16, column 14: `runs_a_day` must be at least 1",
        ),
        (
            "#rule",
            "maximum_match_percent = 101",
            "line 16, column 25: `maximum_match_percent` must be at most 100",
        ),
        (
            "#file",
            "until = 2027-01-01",
            "line 6, column 1: unknown key `until`; known here: text, valid_until",
        ),
        (
            "#file",
            "\"a\\nb\" = 1",
            "line 6, column 1: unknown key `a\u{fffd}b`; known here: text, valid_until",
        ),
        // Missing.
        (
            "valid_until = 2027-06-30\n",
            "",
            "line 3, column 14: `valid_until` is missing",
        ),
        (
            "text = \"Consortium agreement.\"\n",
            "",
            "line 3, column 14: `text` is missing",
        ),
        (
            "types = [\"email\"]\n",
            "",
            "line 8, column 1: `types` is missing",
        ),
        (
            "directions = [\"ask\", \"serve\"]\n",
            "",
            "line 8, column 1: `directions` is missing",
        ),
        (
            "legal_basis = \"agreement\"\n",
            "",
            "line 8, column 1: `legal_basis` is missing",
        ),
        (
            "#rule",
            "budget = { day = 8 }",
            "line 16, column 10: `epoch` is missing",
        ),
        (
            "#rule",
            "budget = { epoch = 8 }",
            "line 16, column 10: `day` is missing",
        ),
        // Kinds of value.
        (
            "[\"fjord\"]",
            "\"fjord\"",
            "line 9, column 9: `peers` must be a list of texts, as [\"a\", \"b\"]",
        ),
        (
            "[\"fjord\"]",
            "[7]",
            "line 9, column 10: `peers` must be a list of texts, as [\"a\", \"b\"]",
        ),
        (
            "1_000",
            "\"1000\"",
            "line 15, column 20: `minimum_set_size` must be a whole number",
        ),
        (
            "1_000",
            "1e3",
            "line 15, column 20: `minimum_set_size` must be a whole number",
        ),
        (
            "#rule",
            "sweep = \"yes\"",
            "line 16, column 9: `sweep` must be true or false",
        ),
        (
            "#rule",
            "feedback = 1",
            "line 16, column 12: `feedback` must be true or false",
        ),
        (
            "#rule",
            "budget = 7",
            "line 16, column 10: `budget` must be a table",
        ),
        (
            "\"agreement\"",
            "[\"agreement\"]",
            "line 14, column 15: `legal_basis` must be a text in quotes that is not empty",
        ),
        (
            "\"Consortium agreement.\"",
            "\" \"",
            "line 4, column 8: `text` must be a text in quotes that is not empty",
        ),
        (
            "[[allow]]",
            "[allow]",
            "line 8, column 1: `allow` must be a list of tables: write [[allow]] above each",
        ),
        // Days.
        (
            "2027-06-30",
            "\"2027-06-30\"",
            "line 5, column 15: `valid_until` must be the last day on which the basis holds, as 2027-06-30 without quotes",
        ),
        (
            "2027-06-30",
            "2027-06-30T00:00:00Z",
            "line 5, column 15: `valid_until` must be the last day on which the basis holds, as 2027-06-30 without quotes",
        ),
        (
            "2027-06-30",
            "1969-12-30",
            "line 5, column 15: `valid_until` must be the last day on which the basis holds, as 2027-06-30 without quotes",
        ),
        (
            "2027-06-30",
            "9999-12-31",
            "line 5, column 15: `valid_until` must be the last day on which the basis holds, as 2027-06-30 without quotes",
        ),
        // Names.
        (
            "\"email\"",
            "\"emial\"",
            "line 10, column 10: no type `emial`; did you mean `email`?",
        ),
        (
            "\"email\"",
            "\"Email\"",
            "line 10, column 10: no type `Email`; did you mean `email`?",
        ),
        ("\"email\"", "\"rainbow\"", no_type.as_str()),
        (
            "[\"ask\", ",
            "[\"asks\", ",
            "line 11, column 15: no direction `asks`; did you mean `ask`?",
        ),
        (
            "[\"ask\", ",
            "[\"both\", ",
            "line 11, column 15: no direction `both`; known here: ask, serve",
        ),
        (
            "\"lookup\"",
            "\"look-up\"",
            "line 13, column 14: no protocol `look-up`; did you mean `lookup`?",
        ),
        (
            "[\"abuse-prevention\"]",
            "[\"abuse_prevention\"]",
            "line 12, column 13: no purpose `abuse_prevention`; did you mean `abuse-prevention`?",
        ),
        (
            "\"agreement\"",
            "\"agrement\"",
            "line 14, column 15: no legal basis `agrement`; did you mean `agreement`?",
        ),
        (
            "\"fjord\"",
            "\"fj ord\"",
            "line 9, column 10: not a name of a member: 1 to 255 bytes without white space",
        ),
        (
            "\"fjord\"",
            "\"\"",
            "line 9, column 10: not a name of a member: 1 to 255 bytes without white space",
        ),
        (
            "#file",
            "[purpose.\"a b\"]\ntext = \"x\"",
            "line 6, column 10: not a name of a purpose: 1 to 64 ASCII letters, digits, - and _",
        ),
        (
            "#file",
            "[legal_basis.\"\"]\ntext = \"x\"",
            "line 6, column 14: not a name of a legal basis: 1 to 64 ASCII letters, digits, - and _",
        ),
        // Lists.
        (
            "[\"fjord\"]",
            "[]",
            "line 9, column 9: `peers` names nothing; a rule needs one at least",
        ),
        (
            "[\"fjord\"]",
            "[\"fjord\", \"fjord\"]",
            "line 9, column 19: `peers` names `fjord` twice",
        ),
        (
            "[\"fjord\"]",
            "[\"fjord\", \"*\"]",
            "line 9, column 19: `*` is every provider of the roster, so no name may stand beside it",
        ),
        (
            "[\"email\"]",
            "[\"pan\", \"card_weak\"]",
            "line 10, column 9: `pan` and `card_weak` exclude each other: a node holds whole card numbers or their weak form, never both (PCI DSS)",
        ),
        // Floors and ceilings.
        (
            "1_000",
            "0",
            "line 15, column 20: `minimum_set_size` must be at least 1",
        ),
        (
            "1_000",
            "-5",
            "line 15, column 20: `minimum_set_size` must be at least 1",
        ),
        (
            "1_000",
            "30_064_771_073",
            "line 15, column 20: `minimum_set_size` must be at most 30,064,771,072",
        ),
        (
            "1_000",
            "99999999999999999999999999",
            "line 15, column 20: `minimum_set_size` must be at most 30,064,771,072",
        ),
        (
            "#rule",
            "maximum_matches = 0",
            "line 16, column 19: `maximum_matches` must be at least 1",
        ),
        (
            "#file",
            "[conduct]\nsuspend_after = 0",
            "line 7, column 17: `suspend_after` must be at least 1",
        ),
        (
            "#file",
            "[conduct]\nsuspend_after = 101",
            "line 7, column 17: `suspend_after` must be at most 100",
        ),
        (
            "#file",
            "[conduct]\nopen_unreceipted_after_hours = 673",
            "line 7, column 32: `open_unreceipted_after_hours` must be at most 672",
        ),
        (
            "#file",
            "[evidence]\nminimum_reports = 65536",
            "line 7, column 19: `minimum_reports` must be at most 65,535",
        ),
        (
            "#rule",
            "budget = { day = 7, epoch = 8 }",
            "line 16, column 18: `day` must be at least 8, one padded query; to allow nothing, remove the rule",
        ),
        (
            "#rule",
            "budget = { day = 9, epoch = 8 }",
            "line 16, column 10: `day` is more than `epoch`, so it could never be used up",
        ),
        (
            "#rule",
            "budget = { day = 67_108_865, epoch = 536_870_912 }",
            "line 16, column 18: `day` must be at most 67,108,864, the ceiling for strong types (email email_folded url pan iban btc eth tron ssh_key lei)",
        ),
        (
            "#rule",
            "budget = { day = 8, epoch = 536_870_913 }",
            "line 16, column 29: `epoch` must be at most 536,870,912, the ceiling for strong types (email email_folded url pan iban btc eth tron ssh_key lei)",
        ),
        (
            "#file",
            "[budget.enumerable]\nday = 16_777_217\nepoch = 67_108_864",
            "line 7, column 7: `day` must be at most 16,777,216, the ceiling for enumerable types (ip network phone card_weak asn)",
        ),
        (
            "#file",
            "[budget.weak]\nday = 8\nepoch = 268_435_457",
            "line 8, column 9: `epoch` must be at most 268,435,456, the ceiling for weak types (account domain registrable_domain url_host ja4)",
        ),
        // Keys that the direction gives no meaning.
        (
            "[\"ask\", \"serve\"]",
            "[\"ask\"]\nbudget = { day = 8, epoch = 8 }",
            "line 12, column 1: `budget` means something only where directions has \"serve\"",
        ),
        (
            "[\"ask\", \"serve\"]",
            "[\"serve\"]\nsweep = true",
            "line 12, column 1: `sweep` means something only where directions has \"ask\"",
        ),
        (
            "[\"ask\", \"serve\"]",
            "[\"serve\"]\nfeedback = false",
            "line 12, column 1: `feedback` means something only where directions has \"ask\"",
        ),
        (
            "[\"ask\", \"serve\"]",
            "[\"serve\"]\nmaximum_matches = 5",
            "line 12, column 1: `maximum_matches` means something only where directions has \"ask\"",
        ),
    ] {
        let told = faults(&changed(old, new));
        // A wrong key leaves the right one missing, and may leave its table unknown.
        assert!(
            told.iter().any(|fault| fault == expected),
            "{new}\n{told:#?}\n{expected}"
        );
        let follows = |fault: &String| fault.ends_with("is missing");
        let others = told.iter().filter(|fault| *fault != expected);
        assert_eq!(
            others.filter(|fault| !follows(fault)).count(),
            0,
            "{new}\n{told:#?}"
        );
    }
}

#[test]
fn a_rule_of_several_strengths_has_the_lowest_ceiling() {
    let with = |types: &str, day: u64| {
        let budget = format!("budget = {{ day = {day}, epoch = {day} }}");
        changed("[\"email\"]", types).replace("#rule", &budget)
    };
    assert_eq!(faults(&with("[\"email\"]", 1 << 26)).len(), 0);
    assert_eq!(faults(&with("[\"email\", \"account\"]", 1 << 25)).len(), 0);
    assert_eq!(
        faults(&with("[\"email\", \"account\"]", (1 << 25) + 1)).len(),
        1
    );
    assert_eq!(
        faults(&with("[\"email\", \"account\", \"ip\"]", 1 << 24)).len(),
        0
    );
    assert_eq!(faults(&with("[\"ip\", \"email\"]", (1 << 24) + 1)).len(), 1);
}

#[test]
fn cards_of_both_forms_in_two_rules() {
    let rules = POLICY.split_once("[[allow]]").unwrap().1;
    let weak = rules.replace("\"email\"", "\"card_weak\"");
    let text = format!("{}[[allow]]{weak}", changed("\"email\"", "\"pan\""));
    let kinds: Vec<_> = Policy::parse(&text).unwrap_err();
    assert_eq!(kinds.len(), 1);
    assert_eq!(kinds[0].kind, FaultKind::PanAndCardWeak);
    let pan_twice = text.replace("card_weak", "pan");
    assert!(Policy::parse(&pan_twice).is_ok());
}

#[test]
fn all_faults_in_the_order_of_the_file() {
    let text = changed("1_000", "0")
        .replace("\"fjord\"", "\"\"")
        .replace("2027-06-30", "7")
        .replace("#rule", "zebra = 1");
    let faults = Policy::parse(&text).unwrap_err();
    let lines: Vec<_> = faults.iter().map(|fault| fault.place.line).collect();
    assert_eq!(lines, [5, 9, 15, 16]);
}

#[test]
fn what_is_not_toml() {
    for (text, line, column) in [
        ("[[allow", 1, 8),
        ("a = \n", 1, 5),
        ("text = \"é\" x", 1, 12),
        ("[purpose.a]\ntext = \"x\"\ntext = \"y\"\n", 3, 1),
    ] {
        let faults = Policy::parse(text).unwrap_err();
        let toml: Vec<_> = faults
            .iter()
            .filter(|fault| matches!(fault.kind, FaultKind::Toml(_)))
            .collect();
        assert_eq!(toml.len(), 1, "{text}");
        assert_eq!(toml[0].place, Place { line, column }, "{}", toml[0]);
    }
    let deep = format!("a = {}", "[".repeat(10_000));
    assert!(Policy::parse(&deep).is_err());
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let kind = |text: &str| Policy::parse(text).unwrap_err()[0].kind.clone();
    assert_eq!(kind(&"#".repeat((1 << 20) + 1)), FaultKind::TooLong);
    let rules = "[[allow]]\n".repeat(1_001);
    assert_eq!(
        kind(&rules),
        FaultKind::TooMany {
            key: "allow",
            most: 1_000
        }
    );
    let peers: Vec<_> = (0..1_001).map(|n| format!("\"m{n}\"")).collect();
    let peers = changed("\"fjord\"", &peers.join(", "));
    assert_eq!(
        kind(&peers),
        FaultKind::TooMany {
            key: "peers",
            most: 1_000
        }
    );
}

#[test]
fn where_nothing_is_defined_nothing_is_proposed() {
    let (_, without) = POLICY.split_once("[legal_basis").unwrap();
    let told = faults(&format!("[legal_basis{without}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].ends_with("no purpose `abuse-prevention`; none is defined in this file"),
        "{told:?}"
    );
}

/// The most there may be is not too much.
#[test]
fn as_much_as_may_be_is_read() {
    let padding = (1 << 20) - POLICY.len();
    let longest = changed("#rule", &format!("#rule{}", " ".repeat(padding)));
    assert_eq!((longest.len(), faults(&longest)), (1 << 20, Vec::new()));

    let purposes = |count: usize| -> String {
        let purposes = (1..count).map(|n| format!("[purpose.p{n}]\ntext = \"x\"\n"));
        changed("#file", &purposes.collect::<String>())
    };
    assert_eq!(faults(&purposes(1_000)), Vec::<String>::new());
    let kind = Policy::parse(&purposes(1_001)).unwrap_err()[0].kind.clone();
    let (key, most) = ("purpose", 1_000);
    assert_eq!(kind, FaultKind::TooMany { key, most });

    let (before, rule) = POLICY.split_once("[[allow]]").unwrap();
    let rules = format!("{before}{}", format!("[[allow]]{rule}").repeat(1_000));
    assert_eq!(Policy::parse(&rules).unwrap().rules().len(), 1_000);
}

#[test]
fn the_rule_that_asks_is_the_first_that_names_all_of_it() {
    let (before, rule) = POLICY.split_once("[[allow]]").unwrap();
    let serving = rule.replace("\"ask\", ", "");
    let policy = format!("{before}[[allow]]{serving}[[allow]]{rule}");
    let policy = Policy::parse(&policy).unwrap();
    let number = |peer: &str, asks: bool| {
        let by = Protocol::Lookup;
        let (kind, purpose) = (IndicatorType::Email, "abuse-prevention");
        let rule = match asks {
            true => policy.rule_asking(peer, kind, purpose, by),
            false => policy.rule_serving(peer, kind, purpose, by),
        };
        rule.map(|rule| rule.number)
    };
    assert_eq!(
        (number("fjord", true), number("fjord", false)),
        (Some(2), Some(1))
    );
    assert_eq!((number("dune", true), number("dune", false)), (None, None));
}

/// At the floors and the ceilings themselves nothing is wrong.
#[test]
fn limits_are_inclusive() {
    for (strength, day, epoch) in [
        ("enumerable", 1_u64 << 24, 1_u64 << 26),
        ("weak", 1 << 25, 1 << 28),
        ("strong", 1 << 26, 1 << 29),
    ] {
        for (day, epoch) in [(day, epoch), (8, 8)] {
            let budget = format!("[budget.{strength}]\nday = {day}\nepoch = {epoch}");
            let policy = Policy::parse(&changed("#file", &budget)).unwrap();
            let rule = &policy.rules()[0];
            let one = match strength {
                "enumerable" => "ip",
                "weak" => "account",
                _ => "email",
            };
            assert_eq!(
                policy.budget(rule, one.parse().unwrap()),
                Budget { day, epoch }
            );
        }
    }
}

/// Whoever pastes something else into the file is not shown a fault for each of its lines.
#[test]
fn a_hundred_faults_are_enough() {
    let keys: String = (0..5_000).map(|n| format!("key{n} = 1\n")).collect();
    assert_eq!(Policy::parse(&keys).unwrap_err().len(), 100);
}
