use proptest::prelude::*;

use crate::testing::{Trickle, rows_of};
use crate::{Column, Format, Options, excerpt};

/// Pieces of feeds, good and bad, so that random feeds come past the first byte.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "\n",
        "\r\n",
        ",",
        "\t",
        ";",
        "\"",
        "#",
        " ",
        "//",
        "[.]",
        "hxxp://",
        "8.8.8.8",
        "ip",
        "value",
        "{",
        "}",
        "[",
        "]",
        ":",
        "null",
        "true",
        "7",
        "1e999",
        "-",
        "\"ip\"",
        "\"Event\"",
        "\"Attribute\"",
        "\"Object\"",
        "\"type\"",
        "\"bundle\"",
        "\"objects\"",
        "\"indicator\"",
        "\"pattern\"",
        "\"[url:value = 'a']\"",
        "\"value\"",
        "\"ip-dst\"",
        "\"domain|ip\"",
        "\u{feff}",
        "é",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_or_refused_alike_in_any_pieces(
        pieces in prop::collection::vec(piece(), 0..60),
        format in prop::option::of(prop::sample::select(Format::ALL.to_vec())),
        column in prop::option::of("[1-3]|ip"),
        at_a_time in 1_usize..20,
    ) {
        let feed = pieces.concat();
        let column = column.map(|text| text.parse::<Column>().unwrap());
        let options = Options { format, column, ..Options::default() };
        let (summary, rows) = rows_of(feed.as_slice(), &options);
        if let Ok(summary) = &summary {
            prop_assert_eq!(summary.reached.rows, rows.len() as u64);
        }
        prop_assert!(rows.iter().all(|row| !row.values.is_empty()));
        let trickle = Trickle { bytes: &feed, at_a_time };
        prop_assert_eq!((summary, rows), rows_of(trickle, &options));
    }

    #[test]
    fn excerpts_show_no_letter_and_no_digit_but_their_kind(text in any::<String>()) {
        let shape = excerpt(&text);
        let shown: String = shape.chars().take(40).collect();
        prop_assert!(shown.chars().all(|c| "aA9 ?".contains(c) || c.is_ascii_punctuation()));
        prop_assert_eq!(shown.chars().count(), text.chars().count().min(40));
    }
}
