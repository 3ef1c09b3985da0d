use super::*;

fn is(object: &str, path: &str, constants: &[&str]) -> Comparison {
    Comparison {
        object: object.to_owned(),
        path: path.to_owned(),
        test: Test::Is(constants.iter().map(|c| Some((*c).to_owned())).collect()),
    }
}

fn one(object: &str, path: &str, constant: &str) -> Observation {
    Observation::One(Demand::One(is(object, path, &[constant])))
}

#[test]
fn parses_comparisons() {
    for (pattern, expected) in [
        (
            "[domain-name:value='evil.com']",
            one("domain-name", "value", "evil.com"),
        ),
        (
            " [ domain-name : value == 'evil.com' ] ",
            one("domain-name", "value", "evil.com"),
        ),
        (
            r"[user-account:user_id = 'o\'neil \\ \d']",
            one("user-account", "user_id", r"o'neil \ \d"),
        ),
        (
            "[file:hashes.SHA256 = 'aa']",
            one("file", "hashes.SHA256", "aa"),
        ),
        (
            "[file:hashes.'SHA-256' = 'aa']",
            one("file", "hashes.SHA-256", "aa"),
        ),
        (
            "[file:hashes.SHA-256 = 'aa']",
            one("file", "hashes.SHA-256", "aa"),
        ),
        ("[x:a[*].b[3].c_ref.d = 'é']", one("x", "a.b.c_ref.d", "é")),
        (
            "[autonomous-system:number = 64500]",
            one("autonomous-system", "number", "64500"),
        ),
        ("[x:y = -5] // so it is", one("x", "y", "-5")),
        ("[x:y /* or z */ = 't\u{e4}st']", one("x", "y", "t\u{e4}st")),
        (
            "[url:value = 'a'] REPEATS 5 TIMES WITHIN 1.5 SECONDS",
            one("url", "value", "a"),
        ),
        (
            "[url:value = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'",
            one("url", "value", "a"),
        ),
        ("(([url:value = 'a']))", one("url", "value", "a")),
    ] {
        assert_eq!(parse(pattern), Ok(expected), "{pattern}");
    }
}

#[test]
fn parses_what_no_value_answers() {
    for (test, expected) in [
        ("LIKE 'a%'", Test::Other("LIKE")),
        ("MATCHES '^a'", Test::Other("MATCHES")),
        (
            "ISSUBSET '10.0.0.0/8'",
            Test::Within(Some("10.0.0.0/8".into())),
        ),
        ("ISSUPERSET '10.0.0.0/8'", Test::Other("ISSUPERSET")),
        ("!= 'a'", Test::Other("NOT")),
        ("<> 'a'", Test::Other("NOT")),
        ("NOT = 'a'", Test::Other("NOT")),
        ("NOT IN ('a', 'b')", Test::Other("NOT")),
        (">= 3", Test::Other("ORDER")),
        ("= true", Test::Is(vec![None])),
        ("= h'00ff'", Test::Is(vec![None])),
        ("= 1.5", Test::Is(vec![None])),
        (
            "IN ('a', 5, true)",
            Test::Is(vec![Some("a".into()), Some("5".into()), None]),
        ),
    ] {
        let Ok(Observation::One(Demand::One(comparison))) = parse(&format!("[x:y {test}]")) else {
            panic!("{test}");
        };
        assert_eq!(comparison.test, expected, "{test}");
    }
    let exists = parse("[EXISTS x:y]");
    assert!(matches!(
        exists,
        Ok(Observation::One(Demand::One(Comparison {
            test: Test::Other("EXISTS"),
            ..
        })))
    ));
}

#[test]
fn binds_as_specified() {
    let value = |constant| is("url", "value", &[constant]);
    let demand = |constant| Demand::One(value(constant));
    assert_eq!(
        parse("[url:value = 'a' OR url:value = 'b' AND (url:value = 'c' OR url:value = 'd')]"),
        Ok(Observation::One(Demand::Either(vec![
            demand("a"),
            Demand::All(vec![
                demand("b"),
                Demand::Either(vec![demand("c"), demand("d")])
            ]),
        ])))
    );
    let one = |constant| Observation::One(demand(constant));
    assert_eq!(
        parse(
            "[url:value = 'a'] OR [url:value = 'b'] AND [url:value = 'c'] WITHIN 5 SECONDS \
             FOLLOWEDBY ([url:value = 'd'])"
        ),
        Ok(Observation::Together(vec![
            Observation::Either(vec![
                one("a"),
                Observation::Together(vec![one("b"), one("c")])
            ]),
            one("d"),
        ]))
    );
}

#[test]
fn refuses_everything_else() {
    let deep = format!("{}[x:y = 'a']{}", "(".repeat(100_000), ")".repeat(100_000));
    let deep_inside = format!("[{}x:y = 'a'{}]", "(".repeat(100_000), ")".repeat(100_000));
    for pattern in [
        "",
        "[]",
        "domain-name:value = 'a'",
        "[domain-name:value = 'a'",
        "[domain-name:value = 'a]",
        "[domain-name:value = 'a\\']",
        "[domain-name:value = \"a\"]",
        "[domain-name:value = ]",
        "[domain-name.value = 'a']",
        "[domain-name:value 'a']",
        "[domain-name:value = 'a'] [domain-name:value = 'b']",
        "[domain-name:value = 'a' AND]",
        "[x:y IN ()]",
        "[x:y SOUNDSLIKE 'a']",
        "[x:y[a] = 'a']",
        "[x:y = 'a'] WITHIN 5",
        "[x:y = 'a'] /* never",
        "[x:y = 1.]",
        &deep,
        &deep_inside,
    ] {
        assert_eq!(
            parse(pattern),
            Err(NotAPattern),
            "{}",
            &pattern[..pattern.len().min(60)]
        );
    }
}
