use blindmatch_indicator::IndicatorType;
use proptest::prelude::*;

use crate::testing::{Trickle, error_of, rows_of, values_of};
use crate::{Column, FeedError, Format, Options};

fn column(text: &str) -> Option<Column> {
    Some(text.parse().unwrap())
}

fn by_column(text: &str) -> Options {
    Options {
        column: column(text),
        ..Options::default()
    }
}

#[test]
fn finds_the_column_by_its_name() {
    for feed in [
        "address,etherscan_tag,is_contract\n8.8.8.8,x,False\n",
        "banned_address;wallet_tag;data_source\n8.8.8.8;a;b\n",
        "id\tip\tcountry\n7\t8.8.8.8\tUS\n",
        "# List\n# \"id\",\"ip\",\"tags\"\n\"7\", \"8.8.8.8\", \"a,b\"\n",
        "ip\n8.8.8.8\n",
        "name,ip,asn\nx,8.8.8.8,64500\n",
    ] {
        let values = values_of(feed, &Options::default());
        assert_eq!(values.len(), 1, "{feed}");
        assert!(values[0].ends_with(": - 8.8.8.8"), "{feed}{values:?}");
    }
    assert_eq!(
        values_of("e-mail,name\nj@example.com,J\n", &Options::default()),
        ["line 2, column 1: email j@example.com"]
    );
}

#[test]
fn finds_the_column_by_its_first_values() {
    for feed in [
        "7,spam,8.8.8.8\n8,spam,1.1.1[.]1\n",
        "nr,why,what\n7,spam,8.8.8.8\n8,spam,1.1.1[.]1\n",
    ] {
        let values = values_of(feed, &Options::default());
        let values: Vec<_> = values
            .iter()
            .map(|v| v.split_once(", ").unwrap().1)
            .collect();
        assert_eq!(values, ["column 3: - 8.8.8.8", "column 3: - ~1.1.1.1"]);
    }
}

#[test]
fn no_row_of_a_table_without_header_is_lost() {
    let typed = |indicator_type, text| Options {
        indicator_type: Some(indicator_type),
        ..by_column(text)
    };
    let mapped = Options {
        maps: vec![(IndicatorType::Account, column("1").unwrap())],
        ..Options::default()
    };
    let any = Options::default();
    for (feed, options) in [
        ("8.8.8.8,ip\n9.9.9.9,ip\n", &any),
        ("8.8.8.8,ip\n9.9.9.9,spam\n", &any),
        ("10.0.0.1,ip\n9.9.9.9,ip\n", &any),
        ("ip\tevil[.]com\nip\tevil.com\n", &any),
        ("j@localhost,email\nk@example.com,email\n", &any),
        ("ip,8.8.8.8\nip,9.9.9.9\n", &by_column("2")),
        ("8.8.8.8,ip\n9.9.9.9,url\n", &by_column("1")),
        (
            "4111 1111 1111 1111,name\n5500 0000 0000 0004,x\n",
            &typed(IndicatorType::Pan, "1"),
        ),
        (
            "+4915112345678,name\n+4915112345679,x\n",
            &typed(IndicatorType::Phone, "1"),
        ),
        ("jane,name\njohn,x\n", &typed(IndicatorType::Account, "1")),
        ("jane,name\njohn,x\n", &mapped),
        ("evil,spam\n8.8.8.8,spam\n", &by_column("1")),
    ] {
        let values = values_of(feed, options);
        assert_eq!(values.len(), 2, "{feed}{values:?}");
    }
    // A cell is no name of a column, even where the options say so.
    let error = error_of("8.8.8.8,ip\n9.9.9.9,x\n", &by_column("ip"));
    assert!(matches!(error, FeedError::NoSuchColumn { .. }), "{error}");
}

#[test]
fn lists_the_columns_where_it_cannot_choose() {
    let error = error_of("a,b,c\nx,y,z\n", &Options::default());
    let FeedError::NoColumnFits { columns } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(columns.len(), 3);
    // The first row may be values: without a sure header its cells are not shown.
    assert!(columns.iter().all(|column| column.name.is_none()));

    let error = error_of("ip,email,n\n8.8.8.8,j@example.com,1\n", &Options::default());
    assert_eq!(
        error.to_string(),
        "several columns look like identifiers: 1 `ip` (ip), 2 `email` (email)"
    );

    let error = error_of("ip,n\n8.8.8.8,1\n", &by_column("adress"));
    assert_eq!(
        error.to_string(),
        "no column `adress`; the columns are 1 `ip` (ip), 2 `n`"
    );
    assert!(matches!(
        error_of("ip,n\n8.8.8.8,1\n", &by_column("3")),
        FeedError::NoSuchColumn { .. }
    ));
}

#[test]
fn names_that_may_be_values_are_not_shown() {
    let error = error_of(
        "# ip,email,4111 1111,j@x,evil.com,nr 7\na,b,c,d,e,f\n",
        &by_column("7"),
    );
    assert_eq!(
        error.to_string(),
        "no column `7`; the columns are 1 `ip` (ip), 2 `email` (email), 3, 4, 5, 6 `nr 7`"
    );
}

#[test]
fn maps_several_columns_with_reference_and_time() {
    let options = Options {
        maps: vec![
            (IndicatorType::Ip, column("login").unwrap()),
            (IndicatorType::Email, column("3").unwrap()),
        ],
        reference: column("id"),
        seen: column("at"),
        ..Options::default()
    };
    let feed = "id,at,contact,login\n\
                7,2026-01-01T00:00:00Z,j[at]example.com,8.8.8.8\n\
                8,,k@example.com,\n\
                9,2026-01-01 00:00:00,l@example.com,1.1.1.1\n\
                10,,,\n";
    let (summary, rows) = rows_of(feed.as_bytes(), &options);
    assert_eq!(summary.unwrap().rows_without_value, 1);
    let values: Vec<_> = rows.iter().map(|row| row.values.clone()).collect();
    assert_eq!(
        values,
        [
            vec![
                "line 2, column 4: ip 8.8.8.8",
                "line 2, column 3: email ~j@example.com"
            ],
            vec!["line 3, column 3: email k@example.com"],
            vec![
                "line 4, column 2: !time_without_zone 2026-01-01 00:00:00",
                "line 4, column 2: !time_without_zone 2026-01-01 00:00:00",
            ],
        ]
    );
    let references: Vec<_> = rows.iter().map(|row| row.reference.as_deref()).collect();
    assert_eq!(references, [Some("7"), Some("8"), Some("9")]);
    let day = rows[0].label.first_seen.unwrap();
    assert_eq!(day.unix_seconds(), 1_767_225_600);
    assert_eq!(rows[0].label.last_seen, Some(day));
    assert_eq!(rows[1].label.first_seen, None);
}

#[test]
fn faults_cost_a_row() {
    let feed = "ip,note\n\
                8.8.8.8,a\n\
                1.1.1.1\n\
                1.1.1.2,b,c\n\
                1.1.1.3,b,,\n\
                \"1.1.1.4\"x,b\n\
                1.1.1.5,\"two\nlines\"\n\
                1.1.1.6,\"open\n\
                1.1.1.7,fine\n\
                1.1.1.8,\"fine\"\n\
                1.1.1.9,\"never closed\n\
                9.9.9.9,last\n";
    // Too much is wrong with it for a guess at its format.
    let options = Options {
        format: Some(Format::Csv),
        ..Options::default()
    };
    assert_eq!(
        values_of(feed, &options),
        [
            "line 2, column 1: - 8.8.8.8",
            "line 3: !ragged_row 1.1.1.1",
            "line 4: !ragged_row 1.1.1.2,b,c",
            "line 5, column 1: - 1.1.1.3",
            "line 6: !bad_quotes \"1.1.1.4\"x,b",
            "line 7, column 1: - 1.1.1.5",
            "line 9: !bad_quotes 1.1.1.6,\"open",
            "line 10, column 1: - 1.1.1.7",
            "line 11, column 1: - 1.1.1.8",
            "line 12: !bad_quotes 1.1.1.9,\"never closed",
            "line 13, column 1: - 9.9.9.9",
        ]
    );
}

#[test]
fn a_quote_that_never_closes_costs_one_row_of_many() {
    let mut feed = String::from("ip,note\n8.8.8.8,\"open\n");
    for n in 0..20_000 {
        feed.push_str(&format!("1.1.{}.{},x\n", n / 250, n % 250));
    }
    let values = values_of(&feed, &Options::default());
    assert_eq!(values.len(), 20_001);
    assert_eq!(values[0], "line 2: !bad_quotes 8.8.8.8,\"open");
    assert_eq!(values[20_000], "line 20002, column 1: - 1.1.79.249");
}

#[test]
fn columns_may_be_named_where_the_sniffer_sees_a_list() {
    let options = Options {
        indicator_type: Some(IndicatorType::Account),
        ..by_column("nick")
    };
    assert_eq!(
        values_of("nick\njane\n", &options),
        ["line 2, column 1: account jane"]
    );
    let options = Options {
        format: Some(Format::Plain),
        ..by_column("1")
    };
    assert_eq!(
        error_of("x\n", &options),
        FeedError::NoColumns(Format::Plain)
    );
}

proptest! {
    #[test]
    fn pieces_do_not_matter_and_nothing_panics(
        rows in prop::collection::vec("[ -~\n\"]{0,30}", 0..30),
        at_a_time in 1_usize..100,
    ) {
        let feed = format!("ip,b\n8.8.8.8,\n{}", rows.join("\n"));
        let options = Options { format: Some(Format::Csv), ..Options::default() };
        let trickle = Trickle { bytes: feed.as_bytes(), at_a_time };
        prop_assert_eq!(rows_of(feed.as_bytes(), &options), rows_of(trickle, &options));
    }
}
