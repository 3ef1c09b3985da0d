//! `spec/vectors/canonical.json`: every value that the standards' own examples and independent
//! implementations give, and a refusal with its reason code for every rule.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may read the specification"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use blindmatch_indicator::{
    Canonicaliser, Indicator, IndicatorType, PaymentKey, PublicSuffixes, ladder,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    version: u32,
    /// SHA-256 that names the list in `spec/tables`.
    public_suffix_list: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A type, or `auto` where the form of the text shows it.
    #[serde(rename = "type")]
    indicator_type: String,
    text: String,
    region: Option<String>,
    platform: Option<String>,
    payment_key_hex: Option<String>,
    /// The type that is shown.
    detected: Option<String>,
    refused: Option<String>,
    canonical_hex: Option<String>,
    display: Option<String>,
    derived: Option<Vec<Derived>>,
    split: Option<Vec<String>>,
    ancestors: Option<Vec<String>>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Derived {
    #[serde(rename = "type")]
    indicator_type: String,
    text: String,
}

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

fn load() -> (Vectors, Canonicaliser) {
    let json = std::fs::read(spec().join("vectors/canonical.json")).expect("the vectors");
    let vectors: Vectors = serde_json::from_slice(&json).expect("well-formed vectors");
    let list = format!(
        "tables/public_suffix_list-{}.dat",
        vectors.public_suffix_list
    );
    let list = std::fs::read_to_string(spec().join(list)).expect("the public suffix list");
    let list = PublicSuffixes::parse(&list).expect("a public suffix list");
    assert_eq!(hex(list.sha256()), vectors.public_suffix_list);
    (vectors, Canonicaliser::new(list))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(indicators: impl Iterator<Item = Indicator>) -> Vec<String> {
    indicators
        .map(|indicator| indicator.to_text().to_string())
        .collect()
}

fn payment_key(hex: &str) -> PaymentKey {
    let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
    PaymentKey::new(&std::array::from_fn(byte))
}

/// What is wrong with the outcome of `case`, or nothing.
fn fault(canonicaliser: &Canonicaliser, case: &Case) -> Option<String> {
    let mut canonicaliser = canonicaliser.clone();
    if let Some(region) = &case.region {
        canonicaliser = canonicaliser.with_default_region(region.parse().expect("a region"));
    }
    if let Some(platform) = &case.platform {
        canonicaliser = canonicaliser.with_default_platform(platform.parse().expect("a platform"));
    }
    if let Some(key) = &case.payment_key_hex {
        canonicaliser = canonicaliser.with_payment_key(payment_key(key));
    }
    let outcome = match case.indicator_type.as_str() {
        "auto" => canonicaliser.detect(&case.text),
        name => canonicaliser.parse(name.parse().expect("a type"), &case.text),
    };
    let indicator = match (outcome, &case.refused) {
        (Err(refusal), Some(code)) if refusal.code() == code => return None,
        (Err(refusal), _) => return Some(format!("refused: {}", refusal.code())),
        (Ok(indicator), Some(_)) => return Some(format!("accepted: {}", *indicator.to_text())),
        (Ok(indicator), None) => indicator,
    };
    let indicator_type = indicator.indicator_type();
    if case.indicator_type == "auto" {
        let detected = Some(indicator_type.to_string());
        return (detected != case.detected).then(|| format!("detected: {indicator_type}"));
    }
    let canonical = Some(hex(indicator.as_bytes()));
    let prefix = [indicator_type.code(), 1];
    let derived = || {
        let derived = canonicaliser.derive(&indicator).into_iter();
        let derived = derived.map(|indicator| Derived {
            indicator_type: indicator.indicator_type().to_string(),
            text: indicator.to_text().to_string(),
        });
        Some(derived.collect::<Vec<_>>())
    };
    let again = canonicaliser.parse(indicator_type, &indicator.to_text());
    if canonical != case.canonical_hex {
        Some(format!("canonical: {canonical:?}"))
    } else if *indicator.encode() != [&prefix, indicator.as_bytes()].concat() {
        Some(format!("encoded: {}", hex(&indicator.encode())))
    } else if canonicaliser.decode(&indicator.encode()).as_ref() != Some(&indicator) {
        Some("its encoding decodes as something else".to_owned())
    } else if Some(&*indicator.to_text()) != case.display.as_ref() {
        Some(format!("text: {}", *indicator.to_text()))
    } else if indicator_type != IndicatorType::Pan && again.as_ref() != Ok(&indicator) {
        Some("its text parses as something else".to_owned())
    } else if case.derived.is_some() && derived() != case.derived {
        Some(format!("derived: {:?}", derived()))
    } else if case.split.is_some() && Some(texts(ladder::split(&indicator))) != case.split {
        Some(format!("split: {:?}", texts(ladder::split(&indicator))))
    } else if case.ancestors.is_some()
        && Some(texts(ladder::ancestors(&indicator))) != case.ancestors
    {
        Some(format!(
            "ancestors: {:?}",
            texts(ladder::ancestors(&indicator))
        ))
    } else {
        None
    }
}

#[test]
fn canonical_forms_are_those_of_the_vectors() {
    let (vectors, canonicaliser) = load();
    assert_eq!(vectors.version, 1);
    let faults: Vec<String> = vectors
        .cases
        .iter()
        .filter_map(|case| {
            let fault = fault(&canonicaliser, case)?;
            Some(format!("{} {:?}: {fault}", case.indicator_type, case.text))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_type_has_cases_of_both_kinds() {
    let (vectors, _) = load();
    for indicator_type in IndicatorType::ALL {
        let of_type = || {
            let name = indicator_type.name();
            vectors
                .cases
                .iter()
                .filter(move |case| case.indicator_type == name)
        };
        assert!(
            of_type().any(|case| case.refused.is_some()),
            "{indicator_type}"
        );
        assert!(
            of_type().any(|case| case.refused.is_none()),
            "{indicator_type}"
        );
    }
}

#[test]
fn every_reason_of_the_specification_has_a_case() {
    let (vectors, _) = load();
    let specification = std::fs::read_to_string(spec().join("10-indicators.md"));
    let specification = specification.expect("the specification");
    let (_, reasons) = specification.split_once("## 7. Reasons").expect("§7");
    let (reasons, _) = reasons.split_once("## 8.").expect("§8");
    let specified: BTreeSet<&str> = reasons
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let refused = vectors
        .cases
        .iter()
        .filter_map(|case| case.refused.as_deref());
    assert_eq!(refused.collect::<BTreeSet<_>>(), specified);
}
