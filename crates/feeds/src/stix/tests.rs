use blindmatch_indicator::{Reason, Role};
use proptest::prelude::*;

use crate::testing::{Trickle, error_of, rows_of, values_of};
use crate::{FeedError, Format, JsonFault, Options};

fn bundle(objects: &str) -> String {
    format!(r#"{{"type": "bundle", "id": "bundle--1", "objects": [{objects}]}}"#)
}

fn indicator(fields: &str) -> String {
    format!(r#"{{"type": "indicator", "id": "indicator--1", "pattern_type": "stix", {fields}}}"#)
}

fn values(fields: &str, options: &Options) -> Vec<String> {
    values_of(bundle(&indicator(fields)), options)
}

#[test]
fn takes_indicators_and_nothing_else() {
    let feed = bundle(
        &[
            r#"{"type": "malware", "pattern": "[domain-name:value='a.com']"}"#,
            r#"{"type": "domain-name", "value": "b.com", "x": {"y": [1, {"z": null}]}}"#,
            &indicator(r#""pattern": "[domain-name:value='c[.]com' OR file:name = 'x']""#),
            "7, null, [[1], {}]",
        ]
        .join(", "),
    );
    let (summary, rows) = rows_of(feed.as_bytes(), &Options::default());
    assert_eq!(summary.unwrap().format, Format::Stix);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].reference.as_deref(), Some("indicator--1"));
    assert_eq!(
        rows[0].values,
        [
            "/objects/2/pattern: domain ~c.com",
            "/objects/2/pattern: <file:name> x",
        ]
    );
}

#[test]
fn faults_cost_an_object() {
    let now = Options {
        now: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        ..Options::default()
    };
    let pattern = r#""pattern": "[url:value = 'a']""#;
    for (fields, expected) in [
        (r#""revoked": true"#, "!revoked a"),
        (r#""revoked": false"#, "url a"),
        (r#""valid_until": "2026-05-31T00:00:00Z""#, "!expired a"),
        (r#""valid_until": "2026-06-02T00:00:00.5Z""#, "url a"),
        (r#""valid_until": "soon""#, "!not_a_time a"),
        (r#""indicator_types": ["benign"]"#, "!benign a"),
        (r#""indicator_types": ["benign", "compromised"]"#, "url a"),
        (r#""pattern": "[url:value = 'b']""#, "!duplicate_key a"),
    ] {
        let expected = format!("/objects/0/pattern: {expected}");
        assert_eq!(
            values(&format!("{pattern}, {fields}"), &now),
            [expected],
            "{fields}"
        );
    }
    let options = Options::default();
    let past = format!(r#"{pattern}, "valid_until": "2001-01-01T00:00:00Z""#);
    assert_eq!(values(&past, &options), ["/objects/0/pattern: url a"]);
    for (fields, expected) in [
        (r#""name": "x""#, "!missing_field "),
        (r#""pattern": 7.5"#, "!missing_field "),
        (
            r#""pattern": "[url:value = 'a'""#,
            "!bad_pattern [url:value = 'a'",
        ),
    ] {
        assert_eq!(
            values(fields, &options),
            [format!("/objects/0/pattern: {expected}")]
        );
    }
    let feed = bundle(r#"{"type": "indicator", "pattern": "rule x {}", "pattern_type": "yara"}"#);
    assert_eq!(
        values_of(feed, &options),
        ["/objects/0/pattern: <pattern:yara> "]
    );
}

#[test]
fn labels_say_why_and_since_when() {
    let feed = bundle(&indicator(
        r#""pattern": "[url:value = 'a']", "created": "2020-01-01T00:00:00Z",
           "valid_from": "2026-01-01T12:00:00.123Z", "confidence": 90,
           "indicator_types": ["malicious-activity", "compromised"], "labels": ["phishing"]"#,
    ));
    let (_, rows) = rows_of(feed.as_bytes(), &Options::default());
    let label = rows[0].label;
    assert_eq!(label.reason, Reason::Phishing);
    assert_eq!(label.role, Role::Victim);
    assert_eq!(label.first_seen.unwrap().unix_seconds(), 1_767_225_600);
    assert_eq!(label.last_seen, label.first_seen);
    assert_eq!(label.severity.value(), 0);
}

#[test]
fn invalid_json_halfway_names_the_place() {
    let whole = bundle(&format!(
        "{0},\n{0},\n{0}",
        indicator(r#""pattern": "[url:value = 'a']""#)
    ));
    let damaged = whole.replacen("},\n{", "},\n{\n{", 2);
    let (error, rows) = rows_of(damaged.as_bytes(), &Options::default());
    let Err(FeedError::Json {
        fault: JsonFault::Syntax,
        column: 1,
        reached,
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((reached.rows, reached.line, rows.len()), (1, 3, 1));

    let cut = &whole[..whole.len() - 60];
    let FeedError::Json {
        fault: JsonFault::EndsEarly,
        reached,
        ..
    } = error_of(cut, &Options::default())
    else {
        panic!();
    };
    assert_eq!((reached.rows, reached.bytes), (2, cut.len() as u64));
    let behind = format!("{whole} x");
    assert!(matches!(
        error_of(behind, &Options::default()),
        FeedError::Json {
            fault: JsonFault::Syntax,
            ..
        }
    ));
}

#[test]
fn documents_stay_within_bounds() {
    let options = Options {
        format: Some(Format::Stix),
        ..Options::default()
    };
    let deep = bundle(&format!(
        "{}{}",
        "[".repeat(1_000_000),
        "]".repeat(1_000_000)
    ));
    let long = bundle(&format!(r#"{{"type": "{}"}}"#, "x".repeat(33 << 20)));
    let twice = r#"{"objects": [], "objects": []}"#;
    for (feed, expected) in [
        (deep.as_str(), JsonFault::TooDeep),
        (&long, JsonFault::StringTooLong),
        (twice, JsonFault::DuplicateKey),
    ] {
        let error = error_of(feed, &options);
        assert!(
            matches!(error, FeedError::Json { fault, .. } if fault == expected),
            "{error:?}"
        );
    }
    for feed in [r#"{"id": "x"}"#, "[]", "7", r#"{"objects": 7}"#] {
        assert_eq!(
            error_of(feed, &options),
            FeedError::NotOfFormat(Format::Stix),
            "{feed}"
        );
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(at_a_time in 1_usize..50, cut in 0_usize..400) {
        let whole = bundle(&format!("{0}, {0}", indicator(r#""pattern": "[url:value = 'a']""#)));
        let feed = &whole.as_bytes()[..cut.min(whole.len())];
        let options = Options { format: Some(Format::Stix), ..Options::default() };
        let trickle = Trickle { bytes: feed, at_a_time };
        prop_assert_eq!(rows_of(feed, &options), rows_of(trickle, &options));
    }

    #[test]
    fn no_pattern_panics(pattern in "[\\[\\]():.*'=!<> a-zA-Z0-9\\\\é-]{0,60}") {
        let _ = super::pattern::parse(&pattern);
    }
}
