use super::*;

const HEAD: &str = r#"
[purpose.a]
text = "x"
[purpose.b]
text = "x"
[legal_basis.law]
text = "x"
valid_until = 2027-06-30
"#;

/// 2027-06-30T00:00:00Z, the first second of the last day of `law`.
const LAST_DAY: u64 = 1_814_313_600;
const LONG_BEFORE: u64 = LAST_DAY - 100 * SECONDS_A_DAY;

fn rule(peers: &str, types: &str, directions: &str, purposes: &str, protocols: &str) -> String {
    let list = |names: &str| {
        let quoted: Vec<_> = names.split(' ').map(|name| format!("\"{name}\"")).collect();
        quoted.join(", ")
    };
    format!(
        "[[allow]]\npeers = [{}]\ntypes = [{}]\ndirections = [{}]\npurposes = [{}]\nprotocols = \
         [{}]\nlegal_basis = \"law\"\n",
        list(peers),
        list(types),
        list(directions),
        list(purposes),
        list(protocols)
    )
}

fn policy(rules: &[String]) -> Policy {
    Policy::parse(&format!("{HEAD}{}", rules.concat())).unwrap()
}

fn shadowed(rules: &[String]) -> Vec<usize> {
    let findings = check(&policy(rules), None, LONG_BEFORE);
    let of = |finding: Finding| match finding.kind {
        FindingKind::Shadowed { rule } => Some(rule),
        _ => None,
    };
    findings.into_iter().filter_map(of).collect()
}

#[test]
fn a_rule_is_shadowed_only_where_it_never_decides() {
    let narrow = || rule("x", "ip", "ask", "a", "lookup");
    let wide = || rule("x y", "ip email", "ask serve", "a b", "lookup batch");
    let every = || rule("*", "ip", "ask", "a", "lookup");
    for (rules, expected) in [
        (vec![wide(), narrow()], vec![2]),
        (vec![narrow(), wide()], vec![]),
        (vec![every(), narrow()], vec![2]),
        (vec![narrow(), every()], vec![]),
        (vec![narrow(), narrow(), narrow()], vec![2, 3]),
        // One thing more is enough to decide something.
        (vec![wide(), rule("z", "ip", "ask", "a", "lookup")], vec![]),
        (
            vec![narrow(), rule("x", "ip lei", "ask", "a", "lookup")],
            vec![],
        ),
        (
            vec![narrow(), rule("x", "ip", "ask serve", "a", "lookup")],
            vec![],
        ),
        (
            vec![narrow(), rule("x", "ip", "ask", "a b", "lookup")],
            vec![],
        ),
        (vec![narrow(), rule("x", "ip", "ask", "a", "batch")], vec![]),
        // Two rules together shadow a third that neither does alone.
        (
            vec![
                rule("x", "ip", "ask serve", "a", "lookup"),
                rule("x", "email", "ask serve", "a", "lookup"),
                rule("x", "ip email", "ask serve", "a", "lookup"),
            ],
            vec![3],
        ),
        (
            vec![
                rule("*", "ip", "ask", "a", "lookup"),
                rule("x", "email", "ask", "a", "lookup"),
                rule("x", "ip email", "ask", "a", "lookup"),
                rule("* ", "ip", "ask", "a", "lookup")
                    .replace("\"* \"", "\"*\"")
                    .replace(", \"\"", ""),
            ],
            vec![3, 4],
        ),
    ] {
        assert_eq!(shadowed(&rules), expected, "{}", rules.concat());
    }
}

/// A shadowed rule decides no request, and any other decides one: against `rule_for` over every
/// combination of names.
#[test]
fn shadows_are_those_of_the_decision() {
    let parts = ["ip", "email", "ip email"];
    let names = ["x", "y", "x y", "*"];
    let mut rules = Vec::new();
    for seed in 0..400_usize {
        let pick = |of: &[&'static str], by: usize| of[seed / by % of.len()];
        rules.push(rule(
            pick(&names, 1),
            pick(&parts, 7),
            pick(&["ask", "serve", "ask serve"], 3),
            pick(&["a", "b", "a b"], 5),
            pick(&["lookup", "batch", "lookup batch"], 11),
        ));
    }
    let mut found = 0;
    for rules in rules.chunks(8) {
        let policy = policy(rules);
        let mut decides = HashSet::new();
        for peer in ["x", "y", "somebody else"] {
            for indicator_type in [IndicatorType::Ip, IndicatorType::Email] {
                for direction in Direction::ALL {
                    for purpose in ["a", "b"] {
                        for protocol in Protocol::ALL {
                            let request = crate::Request {
                                peer,
                                direction,
                                indicator_type,
                                canonicalisation: 1,
                                purpose,
                                protocol,
                                roster: 1,
                                query_class: 8,
                                set_size: 1_000,
                                sweep: false,
                                payment_key: &[],
                            };
                            decides.extend(policy.rule_for(&request).map(|rule| rule.number));
                        }
                    }
                }
            }
        }
        let mut never: Vec<_> = (1..=rules.len()).collect();
        never.retain(|number| !decides.contains(number));
        assert_eq!(shadowed(rules), never, "{}", rules.concat());
        found += never.len();
    }
    assert!(found > 10, "{found}");
}

#[test]
fn legal_bases_near_their_end() {
    let policy = policy(&[rule("x", "ip", "ask", "a b", "lookup")]);
    let expires = LAST_DAY + SECONDS_A_DAY;
    let at = |now| {
        let mut findings = check(&policy, None, now);
        findings.retain(|finding| !matches!(finding.kind, FindingKind::TypesNotAllowed(_)));
        findings
    };
    let id = || "law".to_owned();
    assert_eq!(at(expires - 14 * SECONDS_A_DAY), []);
    for (now, days_left) in [
        (expires - 14 * SECONDS_A_DAY + 1, 13),
        (LAST_DAY, 1),
        (LAST_DAY + 1, 0),
        (expires - 1, 0),
    ] {
        let kind = FindingKind::LegalBasisExpires {
            id: id(),
            days_left,
            expires,
        };
        let findings = at(now);
        assert_eq!(findings, [about(Some(6), kind)], "{now}");
        assert_eq!(findings[0].severity(), Severity::Warning);
        assert_eq!(Severity::Warning.name(), "warning");
    }
    for now in [expires, u64::MAX] {
        let kind = FindingKind::LegalBasisExpired { id: id(), expires };
        let findings = at(now);
        assert_eq!(findings, [about(Some(6), kind)]);
        assert_eq!(findings[0].severity(), Severity::Error);
        assert_eq!(Severity::Error.name(), "error");
    }
    assert_eq!(
        at(LAST_DAY)[0].to_string(),
        "line 6: the legal basis `law` ends with 2027-06-30 (days left: 1); then its rules refuse \
         everything"
    );
}

#[test]
fn peers_of_the_roster() {
    let members = [("fjord", Role::Provider), ("bureau", Role::Liaison)];
    let members = members.map(|(name, role)| Member { name, role });
    let policy = policy(&[rule("fjord bureau fyord", "ip", "ask", "a b", "lookup")]);
    let told = |members: Option<&[Member<'_>]>| -> Vec<_> {
        let findings = check(&policy, members, LONG_BEFORE);
        findings.iter().map(|finding| finding.kind.code()).collect()
    };
    assert_eq!(told(None), ["types_not_allowed"]);
    assert_eq!(
        told(Some(&members)),
        ["liaison_peer", "unknown_peer", "types_not_allowed"]
    );
    let unknown = &check(&policy, Some(&members), LONG_BEFORE)[1];
    assert_eq!(
        unknown.to_string(),
        "line 9: rule 1: the roster has no member `fyord`; did you mean `fjord`?"
    );
}

#[test]
fn what_no_rule_names() {
    let empty = check(&policy(&[]), None, LONG_BEFORE);
    let codes: Vec<_> = empty.iter().map(|finding| finding.kind.code()).collect();
    assert_eq!(
        codes,
        [
            "no_rules",
            "legal_basis_unused",
            "purpose_unused",
            "purpose_unused"
        ]
    );
    // Of the two forms of card a policy can only have one.
    for (types, missing) in [("pan", 18), ("card_weak", 18), ("ip", 19), ("ip pan", 17)] {
        let findings = check(
            &policy(&[rule("x", types, "serve", "a b", "batch")]),
            None,
            LONG_BEFORE,
        );
        let FindingKind::TypesNotAllowed(nowhere) = &findings[0].kind else {
            panic!("{findings:?}");
        };
        assert_eq!(nowhere.len(), missing, "{types}");
    }
}
