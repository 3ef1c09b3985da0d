use blindmatch_indicator::{Reason, Role};

use crate::testing::{error_of, rows_of, values_of};
use crate::{FeedError, Format, JsonFault, Options};

fn attribute(attribute_type: &str, value: &str) -> String {
    format!(r#"{{"type": "{attribute_type}", "value": "{value}"}}"#)
}

fn event(attributes: &[String]) -> String {
    format!(
        r#"{{"Event": {{"info": "x", "Attribute": [{}]}}}}"#,
        attributes.join(", ")
    )
}

/// The values of one attribute, without their place.
fn values(attribute: &str) -> Vec<String> {
    let values = values_of(event(&[attribute.to_owned()]), &Options::default());
    let claim = |value: &String| value.split_once(": ").unwrap().1.to_owned();
    values.iter().map(claim).collect()
}

#[test]
fn types_and_composites() {
    for (attribute_type, value, expected) in [
        ("ip-dst", "8.8.8.8", vec!["ip 8.8.8.8"]),
        ("ip-src", "8.8.0.0/16", vec!["network 8.8.0.0/16"]),
        ("ip-dst|port", "8.8.8.8|443", vec!["ip 8.8.8.8"]),
        (
            "domain|ip",
            "evil[.]com|8.8.8.8",
            vec!["domain ~evil.com", "ip 8.8.8.8"],
        ),
        ("domain|ip", "evil.com", vec!["!bad_composite evil.com"]),
        (
            "domain|ip",
            "evil.com|a|b",
            vec!["!bad_composite evil.com|a|b"],
        ),
        ("hostname|port", "evil.com|80", vec!["domain evil.com"]),
        ("hostname", "evil.com", vec!["domain evil.com"]),
        (
            "url",
            "hxxp://evil.com/a|b",
            vec!["url ~http://evil.com/a|b"],
        ),
        ("email-src", "a@example.com", vec!["email a@example.com"]),
        ("phone-number", "+49", vec!["phone +49"]),
        ("btc", "x", vec!["btc x"]),
        ("cc-number", "x", vec!["pan x"]),
        ("iban", "x", vec!["iban x"]),
        ("AS", "64500", vec!["asn 64500"]),
        ("ja4-plus", "x", vec!["ja4 x"]),
        ("github-username", "x", vec!["account github:x"]),
        ("xmr", "x", vec!["<xmr> x"]),
        ("filename|sha1", "a|b", vec!["<filename|sha1> a|b"]),
        ("sha256", "x", vec!["<sha256> x"]),
        ("text", "x", vec!["<text> x"]),
        ("évil\\u0000", "x", vec!["<_vil_> x"]),
    ] {
        assert_eq!(
            values(&attribute(attribute_type, value)),
            expected,
            "{attribute_type}"
        );
    }
}

#[test]
fn citations_are_no_indicators() {
    for (fields, expected) in [
        (
            r#""category": "External analysis", "to_ids": false"#,
            "<reference> a",
        ),
        (r#""category": "External analysis""#, "<reference> a"),
        (
            r#""category": "External analysis", "to_ids": true"#,
            "url a",
        ),
        (
            r#""category": "Network activity", "to_ids": false"#,
            "url a",
        ),
    ] {
        let attribute = format!(r#"{{"type": "url", "value": "a", {fields}}}"#);
        assert_eq!(values(&attribute), [expected], "{fields}");
    }
    assert_eq!(
        values(r#"{"type": "sha1", "value": "a", "category": "External analysis"}"#),
        ["<sha1> a"]
    );
}

#[test]
fn faults_cost_an_attribute() {
    for (attribute, expected) in [
        (r#"{"type": "ip-dst"}"#, "!missing_field "),
        (r#"{"value": "a"}"#, "!missing_field "),
        ("{}", "!missing_field "),
        ("7", "!missing_field "),
        (
            r#"{"type": "url", "value": "a", "deleted": true}"#,
            "!deleted a",
        ),
        (r#"{"type": "url", "value": "a", "deleted": "0"}"#, "url a"),
        (
            r#"{"type": "url", "value": "a", "value": "b"}"#,
            "!duplicate_key a",
        ),
    ] {
        assert_eq!(values(attribute), [expected], "{attribute}");
    }
}

#[test]
fn every_form_of_document_has_its_pointers() {
    let inner = format!(r#"{{"Attribute": [{}]}}"#, attribute("url", "a"));
    for (feed, pointer) in [
        (
            format!(r#"{{"Event": {inner}}}"#),
            "/Event/Attribute/0/value",
        ),
        (
            format!(r#"{{"response": [{{"Event": {{}}}}, {{"Event": {inner}}}]}}"#),
            "/response/1/Event/Attribute/0/value",
        ),
        (
            format!(r#"[{{"Event": {inner}}}]"#),
            "/0/Event/Attribute/0/value",
        ),
        (
            format!(r#"{{"response": {inner}}}"#),
            "/response/Attribute/0/value",
        ),
        (inner.clone(), "/Attribute/0/value"),
    ] {
        let (summary, rows) = rows_of(feed.as_bytes(), &Options::default());
        assert_eq!(summary.unwrap().format, Format::Misp);
        assert_eq!(rows[0].values, [format!("{pointer}: url a")]);
    }
    let ignored = format!(
        r#"{{"Event": {{"RelatedEvent": [{{"Event": {inner}}}], "ShadowAttribute": []}}}}"#
    );
    assert_eq!(values_of(ignored, &Options::default()), [""; 0]);
    let options = Options {
        format: Some(Format::Misp),
        ..Options::default()
    };
    assert_eq!(
        error_of(r#"{"x": []}"#, &options),
        FeedError::NotOfFormat(Format::Misp)
    );
}

#[test]
fn objects_say_what_their_texts_are() {
    let related = |relation: &str, attribute_type: &str, value: &str| {
        format!(
            r#"{{"object_relation": "{relation}", "type": "{attribute_type}", "value": "{value}"}}"#
        )
    };
    let object = |name: &str, attributes: &[String], more: &str| {
        let attributes = attributes.join(", ");
        format!(
            r#"{{"Event": {{"Object": [{{"name": "{name}", "Attribute": [{attributes}]{more}}}]}}}}"#
        )
    };
    let coin = |symbol: &str| {
        let parts = [
            related("address-crypto", "text", "x"),
            related("symbol", "text", symbol),
        ];
        values_of(object("coin-address", &parts, ""), &Options::default())
    };
    let first = "/Event/Object/0/Attribute/0/value";
    let symbol = "/Event/Object/0/Attribute/1/value: <text>";
    for (name, claim) in [
        ("ETH", "eth"),
        ("TRX", "tron"),
        ("btc", "btc"),
        ("USDT", "-"),
        ("XMR", "<text>"),
    ] {
        assert_eq!(
            coin(name),
            [format!("{first}: {claim} x"), format!("{symbol} {name}")]
        );
    }
    let parts = [related("ip", "ip-dst", "8.8.8.8")];
    assert_eq!(
        values_of(object("domain-ip", &parts, ""), &Options::default()),
        [format!("{first}: ip 8.8.8.8")]
    );
    assert_eq!(
        values_of(
            object("domain-ip", &parts, r#", "deleted": true"#),
            &Options::default()
        ),
        [format!("{first}: !deleted 8.8.8.8")]
    );
    let account = [related("username", "text", "x")];
    assert_eq!(
        values_of(
            object("telegram-account", &account, ""),
            &Options::default()
        ),
        [format!("{first}: account telegram:x")]
    );
    let many = vec![related("ip", "ip-dst", "8.8.8.8"); 1100];
    let values = values_of(object("domain-ip", &many, ""), &Options::default());
    assert_eq!(values.len(), 1100);
    assert_eq!(
        values[1023],
        "/Event/Object/0/Attribute/1023/value: ip 8.8.8.8"
    );
    assert_eq!(
        values[1099],
        "/Event/Object/0/Attribute/1099/value: !row_too_long "
    );
}

#[test]
fn labels_say_how_bad_why_and_when() {
    let feed = r#"{"Event": {"threat_level_id": "1", "Tag": [{"name": "tlp:white"}, {"name": "rsit:fraud=\"phishing\""}],
        "Attribute": [
          {"type": "url", "value": "a", "uuid": "u", "timestamp": "1767225600"},
          {"type": "url", "value": "b", "timestamp": 1767225600, "Tag": [{"name": "spam"}],
           "first_seen": "2025-01-01T00:00:00.000000+00:00", "last_seen": "2025-01-02T00:00:00+00:00"},
          {"type": "target-email", "value": "c", "first_seen": "2025-01-01T00:00:00Z", "last_seen": null}
        ]}}"#;
    let (summary, rows) = rows_of(feed.as_bytes(), &Options::default());
    assert!(summary.is_ok());
    let [a, b, c] = rows.as_slice() else {
        panic!();
    };
    let days = |row: &crate::testing::Taken| {
        let day = |day: Option<blindmatch_indicator::Day>| day.unwrap().unix_seconds();
        (day(row.label.first_seen), day(row.label.last_seen))
    };
    const NEW_YEAR_2025: i64 = 1_735_689_600;
    assert_eq!(a.reference.as_deref(), Some("u"));
    assert_eq!(
        (a.label.reason, a.label.severity.value()),
        (Reason::Phishing, 9)
    );
    assert_eq!(days(a), (1_767_225_600, 1_767_225_600));
    assert_eq!(b.label.reason, Reason::Spam);
    assert_eq!(days(b), (NEW_YEAR_2025, NEW_YEAR_2025 + 86_400));
    assert_eq!(c.label.role, Role::Victim);
    assert_eq!(days(c), (NEW_YEAR_2025, NEW_YEAR_2025));
}

#[test]
fn invalid_json_halfway_names_the_place() {
    let feed = event(&[attribute("url", "a"), attribute("url", "b")]);
    let damaged = feed.replace("}, {", "}\n {");
    let (error, rows) = rows_of(damaged.as_bytes(), &Options::default());
    let Err(FeedError::Json {
        fault: JsonFault::Syntax,
        column,
        reached,
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (reached.rows, reached.line, column, rows.len()),
        (1, 2, 2, 1)
    );
}
