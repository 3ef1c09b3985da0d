//! What holds for every text: parsing does not panic, a canonical form is its own canonical
//! form, and what derives from an indicator is canonical too.

use std::sync::LazyLock;

use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes, ladder};
use proptest::prelude::*;
use proptest::sample::select;

/// Two defaults, so that national numbers and bare names are read too.
static CANONICALISER: LazyLock<Canonicaliser> = LazyLock::new(|| {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\njp\n*.kobe.jp\n!city.kobe.jp\n\
        // ===BEGIN PRIVATE DOMAINS===\ngithub.io\n";
    let suffixes = PublicSuffixes::parse(list).expect("a public suffix list");
    Canonicaliser::new(suffixes)
        .with_default_region("AR".parse().expect("a region"))
        .with_default_platform("github".parse().expect("a platform"))
});

const NAMES_AND_ADDRESSES: [IndicatorType; 10] = [
    IndicatorType::Ip,
    IndicatorType::Network,
    IndicatorType::Email,
    IndicatorType::EmailFolded,
    IndicatorType::Phone,
    IndicatorType::Account,
    IndicatorType::Domain,
    IndicatorType::RegistrableDomain,
    IndicatorType::Url,
    IndicatorType::UrlHost,
];

/// What the forms are made of, and what upsets them.
const FRAGMENTS: &[&str] = &[
    "a",
    "B",
    "xn--",
    "xn--bcher-kva",
    "-",
    "--",
    "_",
    ".",
    "..",
    "。",
    "@",
    "+",
    "+tag",
    ":",
    "::",
    "/",
    "//",
    "/24",
    "http://",
    "https:",
    "ftp://",
    "?",
    "?q=",
    "#",
    "%",
    "%41",
    "%2e",
    "\\",
    "[",
    "]",
    "com",
    "co.uk",
    "c.kobe.jp",
    "github.io",
    "gmail.com",
    "googlemail.com",
    "example.com",
    "localhost",
    "8.8.8.8",
    "10.0.0.1",
    "0x8",
    "010",
    "2001:4860::",
    "ffff",
    "::ffff:8.8.8.8",
    "+1",
    "+44",
    "+549",
    "0",
    "15",
    "20 7946",
    "(0)",
    "ext",
    "650 253 0000",
    "tel:",
    "é",
    "e\u{301}",
    "İ",
    "Σ",
    "ς",
    "ß",
    "ﬁ",
    "Ａ",
    "\u{ad}",
    "\u{200d}",
    "\u{200b}",
    "א",
    "١",
    "日本",
    "💩",
    "\u{1e9b}\u{323}",
    "\u{345}",
    "^",
    "|",
    "\"",
    " ",
    "\t",
    "\0",
    "\u{10ffff}",
    "ǅ",
    "ᾳ",
    "Ꭰ",
    "ｶﾞ",
];

fn texts() -> impl Strategy<Value = String> {
    let fragments =
        prop::collection::vec(select(FRAGMENTS), 1..12).prop_map(|parts| parts.concat());
    let digits = "\\+?[0-9 ()-]{4,16}";
    let emails = "[a-zA-Z0-9.+]{1,12}@(gmail\\.com|[a-z]{1,5}\\.[a-z]{2,3})";
    let urls = "https?://[a-z0-9.-]{1,12}\\.com(:[0-9]{1,5})?/[ -~é]{0,20}";
    let networks = "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.0/[0-9]{1,2}";
    prop_oneof![
        any::<String>(),
        fragments,
        digits,
        emails,
        urls,
        networks,
        "\\PC{0,20}",
        "[a-z.]{1,20}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_canonical_form_is_its_own(text in texts(), indicator_type in select(&NAMES_AND_ADDRESSES)) {
        if let Ok(indicator) = CANONICALISER.parse(indicator_type, &text) {
            let again = CANONICALISER.parse(indicator_type, &indicator.to_text());
            prop_assert_eq!(again, Ok(indicator));
        }
    }

    #[test]
    fn what_derives_is_canonical(text in texts(), indicator_type in select(&NAMES_AND_ADDRESSES)) {
        if let Ok(indicator) = CANONICALISER.parse(indicator_type, &text) {
            let derived = CANONICALISER.derive(&indicator);
            let tokens = ladder::split(&indicator).chain(ladder::ancestors(&indicator));
            for derived in derived.into_iter().chain(tokens) {
                let again = CANONICALISER.parse(derived.indicator_type(), &derived.to_text());
                let decoded = CANONICALISER.decode(&derived.encode());
                prop_assert_eq!(decoded.as_ref(), Some(&derived));
                prop_assert_eq!(again, Ok(derived));
            }
        }
    }

    #[test]
    fn what_decodes_was_encoded(
        code in 0..24_u8,
        version in 0..3_u8,
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            texts().prop_map(String::into_bytes),
        ],
    ) {
        let encoded = [&[code, version][..], &bytes].concat();
        if let Some(indicator) = CANONICALISER.decode(&encoded) {
            prop_assert_eq!(&*indicator.encode(), &encoded);
        }
    }

    #[test]
    fn white_space_around_a_value_means_nothing(text in texts(), indicator_type in select(&NAMES_AND_ADDRESSES)) {
        let padded = format!(" \t{text}\r\n");
        prop_assert_eq!(CANONICALISER.parse(indicator_type, &padded), CANONICALISER.parse(indicator_type, &text));
    }

    #[test]
    fn the_case_of_a_name_means_nothing(text in "[a-zA-Z]{1,9}@[a-zA-Z]{1,9}\\.[a-zA-Z]{2,9}") {
        for upper in [text.to_ascii_uppercase(), text.to_ascii_lowercase()] {
            for indicator_type in [IndicatorType::Email, IndicatorType::EmailFolded, IndicatorType::Account] {
                let canonical = CANONICALISER.parse(indicator_type, &text);
                prop_assert_eq!(CANONICALISER.parse(indicator_type, &upper), canonical);
            }
        }
    }
}
