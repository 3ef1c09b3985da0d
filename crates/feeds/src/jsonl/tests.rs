use blindmatch_indicator::IndicatorType;

use crate::testing::{error_of, rows_of, values_of};
use crate::{Column, FeedError, Format, Options};

#[test]
fn finds_the_field_by_name_or_values() {
    for feed in [
        "{\"id\":1,\"ip\":\"8.8.8.8\"}\n{\"id\":2,\"ip\":\"1.1.1[.]1\"}\n",
        "{\"id\":1,\"x\":\"8.8.8.8\"}\n\n{\"id\":2,\"x\":\"1.1.1[.]1\"}",
        "{\"user\":{\"last_ip\":\"8.8.8.8\"}}\r\n{\"user\":{\"last_ip\":\"1.1.1[.]1\"}}\r\n",
    ] {
        let (summary, rows) = rows_of(feed.as_bytes(), &Options::default());
        assert_eq!(summary.unwrap().format, Format::Jsonl);
        assert!(rows[0].values[0].ends_with(": - 8.8.8.8"), "{rows:?}");
        assert!(rows[1].values[0].ends_with(": - ~1.1.1.1"), "{rows:?}");
    }
}

#[test]
fn maps_fields_arrays_and_rare_fields() {
    let options = Options {
        maps: vec![
            (IndicatorType::Ip, Column::Name("logins.ip".into())),
            (IndicatorType::Iban, Column::Name("iban".into())),
            (IndicatorType::Asn, Column::Name("as".into())),
        ],
        reference: Some(Column::Name("id".into())),
        ..Options::default()
    };
    let feed = "{\"id\":7,\"logins\":[{\"ip\":\"8.8.8.8\"},{\"ip\":\"1.1.1.1\"}],\"as\":64500}\n\
                {\"id\":8,\"iban\":\"DE89370400440532013000\",\"as\":null,\"logins\":[]}\n\
                {\"id\":9,\"as\":1.5}\n";
    let (summary, rows) = rows_of(feed.as_bytes(), &options);
    assert!(summary.is_ok());
    let values: Vec<_> = rows.iter().map(|row| row.values.clone()).collect();
    assert_eq!(
        values,
        [
            vec![
                "line 1, /logins/0/ip: ip 8.8.8.8",
                "line 1, /logins/1/ip: ip 1.1.1.1",
                "line 1, /as: asn 64500",
            ],
            vec!["line 2, /iban: iban DE89370400440532013000"],
            vec!["line 3, /as: !not_text "],
        ]
    );
    assert_eq!(rows[1].reference.as_deref(), Some("8"));

    let typo = Options {
        column: Some(Column::Name("iqan".into())),
        ..Options::default()
    };
    let error = error_of(feed, &typo);
    assert!(matches!(error, FeedError::NoSuchColumn { .. }), "{error}");
}

#[test]
fn faults_cost_a_line() {
    let deep = format!("{{\"ip\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let many = format!("{{\"ip\":[{}1]}}", "1,".repeat(100_000));
    let feed = format!(
        "{{\"ip\":\"8.8.8.8\"}}\n{{\"ip\":\n[1]\n{{\"ip\":\"1.1.1.1\",\"ip\":\"9.9.9.9\"}}\n\
         {{\"a/b~c\":{{\"ip\":\"1.1.1.2\"}},\"ip\":true}}\n{{\"ip\":\"1.1.1.1\"}} x\n{deep}\n{many}\n"
    );
    let values = values_of(
        feed,
        &Options {
            format: Some(Format::Jsonl),
            column: Some(Column::Name("ip".into())),
            ..Options::default()
        },
    );
    let heads: Vec<_> = values
        .iter()
        .map(|value| &value[..value.len().min(30)])
        .collect();
    assert_eq!(
        heads,
        [
            "line 1, /ip: - 8.8.8.8",
            "line 2: !not_an_object {\"ip\":",
            "line 3: !not_an_object [1]",
            "line 4: !duplicate_key {\"ip\":\"",
            "line 5, /ip: !not_text ",
            "line 6: !not_an_object {\"ip\":\"",
            "line 7: !not_an_object {\"ip\":[",
            "line 8: !row_too_long {\"ip\":[1",
        ]
    );
}

#[test]
fn keys_that_may_be_values_are_not_shown() {
    let feed = "{\"u\":{\"4111111111111111\":\"zzz\"},\"evil.com\":[\"y\"],\"note\":\"x\"}\n\
                {\"u\":{\"4111111111111111\":true},\"evil.com\":[1.5]}\n";
    let error = error_of(feed, &Options::default()).to_string();
    assert_eq!(
        error,
        "no column looks like identifiers; the columns are 1, 2, 3 `note`"
    );
    for (number, place) in [("1", "/u/*"), ("2", "/*/0")] {
        let options = Options {
            column: Some(number.parse().unwrap()),
            ..Options::default()
        };
        let (summary, rows) = rows_of(feed.as_bytes(), &options);
        assert_eq!(summary.unwrap().columns[0].name, None);
        assert_eq!(rows[1].values, [format!("line 2, {place}: !not_text ")]);
    }
}

#[test]
fn says_that_there_is_no_field() {
    let options = Options {
        format: Some(Format::Jsonl),
        ..Options::default()
    };
    assert_eq!(
        error_of("{}\n", &options).to_string(),
        "no row or object holds a field with text"
    );
}
