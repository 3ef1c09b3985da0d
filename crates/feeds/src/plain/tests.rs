use blindmatch_indicator::IndicatorType;
use proptest::prelude::*;

use crate::testing::{Trickle, rows_of, values_of};
use crate::{Format, Options};

fn plain() -> Options {
    Options {
        format: Some(Format::Plain),
        ..Options::default()
    }
}

fn typed(indicator_type: IndicatorType) -> Options {
    Options {
        indicator_type: Some(indicator_type),
        ..plain()
    }
}

/// The value of a feed of one line.
fn value(line: &str, options: &Options) -> String {
    let values = values_of(line, options);
    assert_eq!(values.len(), 1, "{line}");
    values[0]
        .split_once(' ')
        .unwrap()
        .1
        .split_once(' ')
        .unwrap()
        .1
        .split_once(' ')
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn takes_a_value_a_line() {
    let feed = "\u{feff}# comment\r\n8.8.8.8\r\n\n  ; other comment\n// and another\n 1.1.1.1\t10\n\
                evil[.]com # seen today\nhxxp://evil.com/#top\n9.9.9.9";
    assert_eq!(
        values_of(feed, &Options::default()),
        [
            "line 2: - 8.8.8.8",
            "line 6: - 1.1.1.1",
            "line 7: - ~evil.com",
            "line 8: - ~http://evil.com/#top",
            "line 9: - 9.9.9.9",
        ]
    );
    assert_eq!(
        values_of("8.8.8.8", &typed(IndicatorType::Ip)),
        ["line 1: ip 8.8.8.8"]
    );
    assert_eq!(values_of("# nothing today\n", &plain()), [""; 0]);
}

#[test]
fn reads_a_small_integer_in_the_second_column_as_count() {
    for (line, count) in [
        ("8.8.8.8\t10", 10),
        ("8.8.8.8 10", 10),
        ("8.8.8.8\t10\tspam", 10),
        ("8.8.8.8\t1767225600", 0),
        ("8.8.8.8\tspam", 0),
        ("8.8.8.8,443", 0),
        ("8.8.8.8", 0),
    ] {
        let (_, rows) = rows_of(line.as_bytes(), &plain());
        assert_eq!(rows[0].label.count, count, "{line}");
        assert!(rows[0].values[0].ends_with(" 8.8.8.8"), "{line}");
    }
}

#[test]
fn keeps_what_belongs_into_a_value() {
    for (line, expected) in [
        ("1.10.16.0/20 ; SBL256894", "1.10.16.0/20"),
        ("jane@example.com;fraud", "jane@example.com"),
        ("http://evil.com/a,b;c", "http://evil.com/a,b;c"),
        ("http://evil.com/a,b, phishing", "http://evil.com/a,b"),
        ("DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
        ("DE89370400440532013000 mule", "DE89370400440532013000"),
        ("+1 650 253 0000, scam", "+1 650 253 0000"),
        ("+1 650 253 0000;ext=5", "+1 650 253 0000;ext=5"),
        ("4111 1111 1111 1111\tstolen", "4111 1111 1111 1111"),
        ("AS13335 Cloudflare", "AS13335"),
        (
            "ssh-ed25519 AAAAC3Nza jane@host",
            "ssh-ed25519 AAAAC3Nza jane@host",
        ),
        ("2001:db8::1 x", "2001:db8::1"),
        ("0.0.0.0 evil.com", "evil.com"),
        ("127.0.0.1\tevil.com # ads", "evil.com"),
        ("0.0.0.0 10", "0.0.0.0"),
    ] {
        assert_eq!(value(line, &plain()), expected, "{line}");
    }
    assert_eq!(
        value("jane doe", &typed(IndicatorType::Account)),
        "jane doe"
    );
    assert_eq!(value("1 2", &typed(IndicatorType::Ip)), "1");
}

#[test]
fn faults_cost_a_line() {
    let mut feed = b"8.8.8.8\n\xff\xfe\n1.1.1.1\n".to_vec();
    feed.extend(vec![b'a'; 70_000]);
    feed.extend(b"\n9.9.9.9\n");
    feed.extend(vec![b'a'; 1 << 20]);
    let values = values_of(&feed, &plain());
    assert_eq!(values.len(), 6);
    assert_eq!(values[0], "line 1: - 8.8.8.8");
    assert_eq!(values[1], "line 2: !not_utf8 \u{fffd}\u{fffd}");
    assert_eq!(values[2], "line 3: - 1.1.1.1");
    assert!(values[3].starts_with("line 4: !row_too_long aaa"));
    assert_eq!(values[4], "line 5: - 9.9.9.9");
    assert!(values[5].starts_with("line 6: !row_too_long aaa"));
}

proptest! {
    #[test]
    fn a_list_is_its_lines(lines in prop::collection::vec("[0-9a-zA-Z.:@/_-]{1,40}", 1..50)) {
        let lines: Vec<_> = lines.into_iter().filter(|line| !line.starts_with("//")).collect();
        let feed = lines.join("\n");
        let (summary, rows) = rows_of(feed.as_bytes(), &plain());
        if lines.is_empty() {
            prop_assert!(summary.is_err());
        } else {
            prop_assert!(summary.is_ok());
        }
        let expected: Vec<_> = lines.iter().enumerate()
            .map(|(at, line)| vec![format!("line {}: - {line}", at + 1)])
            .collect();
        let values: Vec<_> = rows.into_iter().map(|row| row.values).collect();
        prop_assert_eq!(values, expected);
    }

    /// Lines around the longest, in pieces of any size: what is read does not depend on them.
    #[test]
    fn pieces_do_not_matter(
        lengths in prop::collection::vec(prop_oneof![0_usize..40, 65_530_usize..65_545, 100_000..400_000_usize], 1..6),
        at_a_time in prop_oneof![1_usize..7, 1_000..300_000_usize],
        ending in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let lines: Vec<_> = lengths.iter().map(|length| "x".repeat(*length)).collect();
        let feed = lines.join(ending);
        let at_a_time = if feed.len() > 200_000 { at_a_time.max(500) } else { at_a_time };
        let (whole, rows) = rows_of(feed.as_bytes(), &plain());
        let trickle = Trickle { bytes: feed.as_bytes(), at_a_time };
        prop_assert_eq!((whole, rows), rows_of(trickle, &plain()));
    }
}
