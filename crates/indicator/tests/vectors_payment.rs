//! `spec/vectors/canonical-payment.json`, case by case. Its values come from the standards' own
//! examples and from other implementations, never from this crate.

#![expect(clippy::unwrap_used, reason = "a broken vector file must fail loudly")]

use std::collections::BTreeSet;
use std::fmt::Write;

use blindmatch_indicator::{Canonicaliser, IndicatorType, PaymentKey, PublicSuffixes};
use serde_json::Value;

const VECTORS: &str = include_str!("../../../spec/vectors/canonical-payment.json");
const SUFFIXES: &str = "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n// ===END ICANN DOMAINS===\n";

/// Types that another part of this crate brings; their `auto` cases begin to count with them.
const NOT_BUILT_YET: [IndicatorType; 8] = [
    IndicatorType::Email,
    IndicatorType::EmailFolded,
    IndicatorType::Phone,
    IndicatorType::Account,
    IndicatorType::Domain,
    IndicatorType::RegistrableDomain,
    IndicatorType::Url,
    IndicatorType::UrlHost,
];

/// What a case says must happen, or what did.
#[derive(Debug, PartialEq)]
enum Outcome {
    Canonical { hex: String, display: String },
    Detected(String),
    Refused(String),
}

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors["version"], 1);
    vectors["cases"].as_array().unwrap().clone()
}

fn text<'v>(case: &'v Value, field: &str) -> Option<&'v str> {
    case.get(field).map(|value| value.as_str().unwrap())
}

fn expected(case: &Value) -> Outcome {
    let own = |field| text(case, field).map(str::to_owned);
    match (own("canonical_hex"), own("detected"), own("refused")) {
        (Some(hex), None, None) => Outcome::Canonical {
            hex,
            display: own("display").unwrap(),
        },
        (None, Some(detected), None) => Outcome::Detected(detected),
        (None, None, Some(code)) => Outcome::Refused(code),
        _ => panic!("a case has one outcome: {case}"),
    }
}

fn canonicaliser(case: &Value) -> Canonicaliser {
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(SUFFIXES).unwrap());
    match text(case, "payment_key_hex") {
        None => canonicaliser,
        Some(hex) => {
            let key: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap())
                .collect();
            canonicaliser.with_payment_key(PaymentKey::new(key.as_slice().try_into().unwrap()))
        }
    }
}

fn outcome(case: &Value) -> Outcome {
    let canonicaliser = canonicaliser(case);
    let value = text(case, "text").unwrap();
    let kind = text(case, "type").unwrap();
    let result = match kind.parse::<IndicatorType>() {
        Ok(kind) => canonicaliser.parse(kind, value),
        Err(_) => canonicaliser.detect(value),
    };
    match result {
        Err(refusal) => Outcome::Refused(refusal.code().to_owned()),
        Ok(indicator) if kind == "auto" => {
            let detected = indicator.indicator_type();
            assert!(canonicaliser.parse(detected, value).unwrap() == indicator);
            Outcome::Detected(detected.name().to_owned())
        }
        Ok(indicator) => {
            let encoded = indicator.encode();
            let (prefix, canonical) = encoded.split_at(2);
            assert_eq!(prefix, indicator.prefix());
            assert_eq!(canonical, indicator.as_bytes());
            let display = indicator.to_text().to_string();
            if indicator.indicator_type() != IndicatorType::Pan {
                let again = canonicaliser.parse(indicator.indicator_type(), &display);
                assert!(again.unwrap() == indicator, "{case}");
            }
            Outcome::Canonical {
                hex: canonical.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                }),
                display,
            }
        }
    }
}

fn is_not_built_yet(case: &Value) -> bool {
    text(case, "detected").is_some_and(|name| NOT_BUILT_YET.contains(&name.parse().unwrap()))
}

#[test]
fn every_case_comes_out_as_written() {
    let wrong: Vec<String> = cases()
        .iter()
        .filter(|case| !is_not_built_yet(case) && outcome(case) != expected(case))
        .map(|case| format!("{case}: {:?}", outcome(case)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fails when one of the types arrives, so that its cases are not left out for ever.
#[test]
fn types_that_are_left_out_are_missing() {
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(SUFFIXES).unwrap());
    for kind in NOT_BUILT_YET {
        let refusal = canonicaliser.parse(kind, "example.com").err();
        assert_eq!(refusal.map(|refusal| refusal.code()), Some("type_unknown"));
    }
}

#[test]
fn every_type_and_every_refusal_has_a_case() {
    let cases = cases();
    assert!(cases.len() >= 200);
    let accepted: BTreeSet<&str> = cases
        .iter()
        .filter(|case| case.get("canonical_hex").is_some())
        .filter_map(|case| text(case, "type"))
        .collect();
    let wanted: BTreeSet<&str> = IndicatorType::ALL
        .iter()
        .filter(|kind| kind.code() >= IndicatorType::Pan.code())
        .map(|kind| kind.name())
        .collect();
    assert_eq!(accepted, wanted);
    let refused: BTreeSet<(&str, &str)> = cases
        .iter()
        .filter_map(|case| text(case, "type").zip(text(case, "refused")))
        .collect();
    for (kind, codes) in [
        (
            "pan",
            "not_a_pan checksum_mismatch placeholder already_hashed payment_key_missing empty",
        ),
        (
            "card_weak",
            "not_a_weak_card full_pan malformed_expiry empty",
        ),
        (
            "iban",
            "not_an_iban checksum_mismatch iban_country_unknown bban_structure",
        ),
        (
            "btc",
            "not_a_btc_address checksum_mismatch wrong_network mixed_case witness_program",
        ),
        ("eth", "not_an_eth_address checksum_mismatch"),
        ("tron", "not_a_tron_address checksum_mismatch wrong_network"),
        ("ssh_key", "not_an_ssh_key ssh_certificate fingerprint_hash"),
        ("ja4", "not_a_ja4 ja4_raw other_ja4"),
        ("asn", "not_an_asn asn_reserved asdot leading_zero"),
        ("lei", "not_a_lei checksum_mismatch"),
        ("auto", "type_unknown type_ambiguous empty"),
    ] {
        for code in codes.split(' ') {
            assert!(refused.contains(&(kind, code)), "{kind} {code}");
        }
    }
}
