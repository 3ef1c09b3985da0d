use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::testing::canonicaliser;

fn list(list_type: &str, attributes: &[&str], entries: &[&str]) -> String {
    let quoted = |texts: &[&str]| {
        let texts: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        texts.join(", ")
    };
    format!(
        r#"{{"name": "n", "description": "d", "version": 7, "type": "{list_type}",
             "matching_attributes": [{}], "list": [{}]}}"#,
        quoted(attributes),
        quoted(entries)
    )
}

fn exclusions(list_type: &str, attributes: &[&str], entries: &[&str]) -> Exclusions {
    let json = list(list_type, attributes, entries);
    Exclusions::parse(json.as_bytes(), &canonicaliser()).unwrap()
}

fn how(exclusions: &Exclusions, indicator_type: &str, text: &str) -> Option<How> {
    let indicator_type = indicator_type.parse().unwrap();
    let indicator = canonicaliser().parse(indicator_type, text).unwrap();
    exclusions
        .reason_for(&indicator)
        .map(|excluded| excluded.how)
}

#[test]
fn addresses_and_networks_inside_a_block() {
    let exclusions = exclusions(
        "cidr",
        &[],
        &[
            "8.8.0.0/16",
            "8.8.8.0/24",
            "9.9.9.9",
            "2a00:1450::/32",
            "104.16.0.0/12",
            "2620:fe::fe",
            "::ffff:7.7.7.0/120",
        ],
    );
    let inside = Some(How::Inside);
    for (indicator_type, text, expected) in [
        ("ip", "8.8.0.0", inside),
        ("ip", "8.8.255.255", inside),
        ("ip", "8.7.255.255", None),
        ("ip", "8.9.0.0", None),
        ("ip", "9.9.9.9", inside),
        ("ip", "9.9.9.8", None),
        ("ip", "9.9.9.10", None),
        ("ip", "104.31.255.255", inside),
        ("ip", "104.32.0.0", None),
        ("ip", "::ffff:8.8.8.8", inside),
        ("ip", "7.7.7.255", inside),
        ("ip", "7.7.8.0", None),
        ("ip", "2a00:1450:ffff::1", inside),
        ("ip", "2a00:1451::", None),
        ("ip", "2620:fe::fe", inside),
        ("network", "8.8.0.0/16", inside),
        ("network", "8.8.128.0/17", inside),
        ("network", "104.16.0.0/16", inside),
        ("network", "9.9.9.9/32", inside),
        // A network that is wider than the block is not well known as a whole.
        ("network", "9.9.9.8/31", None),
        ("network", "9.9.0.0/16", None),
        ("network", "2a00:1450::/32", inside),
        ("network", "2a00:1450:1::/48", inside),
        ("network", "2620:fe::/48", None),
        ("domain", "8.8.com", None),
        ("url", "http://8.8.8.8/", None),
        ("asn", "8", None),
    ] {
        assert_eq!(
            how(&exclusions, indicator_type, text),
            expected,
            "{indicator_type} {text}"
        );
    }
}

#[test]
fn names_and_what_lies_below_them() {
    let exclusions = exclusions(
        "hostname",
        &["domain", "hostname", "url"],
        &[
            "Mail.Example.com",
            ".dotted.com",
            "*.star.com",
            "bücher.com",
            "com",
            "localhost",
        ],
    );
    assert_eq!(exclusions.lists()[0].entries, 4);
    assert_eq!(exclusions.lists()[0].unusable, 2);
    let name = Some(How::Name);
    for (indicator_type, text, expected) in [
        ("domain", "mail.example.com", name),
        ("domain", "a.b.mail.example.com", name),
        ("domain", "example.com", None),
        ("domain", "notmail.example.com", None),
        ("domain", "mail.example.com.com", None),
        ("domain", "dotted.com", name),
        ("domain", "x.star.com", name),
        ("domain", "xn--bcher-kva.com", name),
        ("registrable_domain", "star.com", name),
        ("url_host", "www.star.com", name),
        ("url_host", "www.moon.com", None),
        // A page on a well-known host, and a mailbox there, may well be somebody's.
        ("url", "http://www.star.com/", None),
        ("email", "a@star.com", None),
    ] {
        assert_eq!(
            how(&exclusions, indicator_type, text),
            expected,
            "{indicator_type} {text}"
        );
    }
}

#[test]
fn texts_by_their_form_or_by_the_types_that_are_named() {
    let texts = [
        "8.8.8.8",
        "Shared.Example.com",
        "Postmaster@Example.com",
        "http://example.com/a",
        "AS64496",
        "AS15169",
        "+442083661177",
        "no indicator at all",
        "",
    ];
    let value = Some(How::Value);
    let all = exclusions("string", &[], &texts);
    assert_eq!((all.lists()[0].entries, all.lists()[0].unusable), (6, 3));
    let domains = exclusions("string", &["domain", "AS"], &texts);
    assert_eq!(
        (domains.lists()[0].entries, domains.lists()[0].unusable),
        (2, 7)
    );
    for (indicator_type, text, by_form, by_attribute) in [
        ("ip", "8.8.8.8", value, None),
        ("network", "8.8.8.8/32", value, None),
        ("ip", "8.8.8.9", None, None),
        ("domain", "shared.example.com", value, value),
        ("url_host", "shared.example.com", value, value),
        ("domain", "a.shared.example.com", None, None),
        ("domain", "example.com", None, None),
        ("email", "postmaster@example.com", value, None),
        ("email_folded", "postmaster@example.com", value, None),
        ("url", "http://example.com/a", value, None),
        ("url", "http://example.com/", None, None),
        ("asn", "15169", value, value),
        ("phone", "+44 20 8366 1177", value, None),
    ] {
        assert_eq!(
            how(&all, indicator_type, text),
            by_form,
            "{indicator_type} {text}"
        );
        assert_eq!(
            how(&domains, indicator_type, text),
            by_attribute,
            "{indicator_type} {text}"
        );
    }
}

#[test]
fn no_card_and_no_account_is_excluded() {
    for attribute in ["cc-number", "github-username", "sha256"] {
        let json = list("string", &[attribute], &["4111111111111111", "somebody"]);
        let error = Exclusions::parse(json.as_bytes(), &canonicaliser()).err();
        assert_eq!(error, Some(ExclusionError::NothingUsable), "{attribute}");
    }
}

#[test]
fn the_reason_names_the_list_and_not_the_value() {
    let mut exclusions = Exclusions::default();
    for (name, entries) in [("first", ["8.8.8.8"]), ("second", ["8.8.8.0/24"])] {
        let json = list("cidr", &[], &entries).replace("\"n\"", &format!("\"{name}\""));
        exclusions.add(json.as_bytes(), &canonicaliser()).unwrap();
    }
    let ip = |text| canonicaliser().parse(IndicatorType::Ip, text).unwrap();
    let excluded = exclusions
        .reason_for(&ip("8.8.8.7"))
        .map(|excluded| excluded.to_string());
    assert_eq!(
        excluded.as_deref(),
        Some("lies in a block of `second` (version 7)")
    );
    assert!(exclusions.reason_for(&ip("8.8.8.8")).is_some());
    assert!(!format!("{exclusions:?}").contains("8.8"));
}

#[test]
fn what_is_no_list() {
    let fine = list("cidr", &[], &["8.8.8.8"]);
    let (cidr, version) = ("\"cidr\"", "\"version\": 7,");
    for (text, expected) in [
        (
            String::new(),
            ExclusionError::NotJson { line: 1, column: 0 },
        ),
        (
            "{\n".to_owned(),
            ExclusionError::NotJson { line: 2, column: 0 },
        ),
        (
            "[]".to_owned(),
            ExclusionError::NotAWarninglist { line: 1, column: 2 },
        ),
        (
            fine.replace(cidr, "\"substring\""),
            ExclusionError::Substring,
        ),
        (fine.replace(cidr, "\"regex\""), ExclusionError::Regex),
        (fine.replace(cidr, "\"CIDR\""), ExclusionError::UnknownType),
        (
            fine.replace("8.8.8.8", "8.8.8.8/33"),
            ExclusionError::NothingUsable,
        ),
        (
            fine.replace("8.8.8.8", "8.8.8.8/+8"),
            ExclusionError::NothingUsable,
        ),
        (
            fine.replace("8.8.8.8", "2a00::/129"),
            ExclusionError::NothingUsable,
        ),
        (
            fine.replace("\"8.8.8.8\"", ""),
            ExclusionError::NothingUsable,
        ),
        (" ".repeat((64 << 20) + 1), ExclusionError::TooLong),
    ] {
        let error = Exclusions::parse(text.as_bytes(), &canonicaliser()).err();
        assert_eq!(error, Some(expected));
    }
    for wrong in [
        fine.replace(version, ""),
        fine.replace(version, "\"version\": 7, \"version\": 8,"),
        fine.replace("\"8.8.8.8\"", "7"),
        format!("{fine}{fine}"),
    ] {
        let error = Exclusions::parse(wrong.as_bytes(), &canonicaliser()).err();
        assert!(error.is_some(), "{wrong}");
    }
    // What MISP or an editor may add is no fault.
    let more = fine.replace(version, "\"version\": 7, \"category\": {\"a\": [1]},");
    for fine in [
        more,
        format!("\u{feff}{fine}"),
        fine.replace("8.8.8.8", "\\u0038.8.8.8"),
    ] {
        let exclusions = Exclusions::parse(fine.as_bytes(), &canonicaliser()).unwrap();
        assert_eq!(how(&exclusions, "ip", "8.8.8.8"), Some(How::Inside));
    }
}

#[test]
fn a_list_that_is_refused_leaves_nothing() {
    let mut exclusions = exclusions("cidr", &[], &["8.8.8.8"]);
    let json = list("regex", &[], &["9.9.9.9"]);
    assert!(exclusions.add(json.as_bytes(), &canonicaliser()).is_err());
    assert_eq!(exclusions.lists().len(), 1);
    assert_eq!(how(&exclusions, "ip", "9.9.9.9"), None);
}

#[test]
fn every_shipped_list_is_used_to_its_last_entry() {
    let shipped = Exclusions::shipped(&canonicaliser());
    assert_eq!(shipped.lists().len(), SHIPPED.len());
    for (list, (file, json)) in shipped.lists().iter().zip(SHIPPED) {
        assert_eq!(list.unusable, 0, "{file}");
        assert!(
            !list.description.is_empty() && list.version == 20_261_122,
            "{file}"
        );
        let parsed: serde_json::Value = serde_json::from_slice(json).unwrap();
        let entries = parsed["list"].as_array().unwrap();
        assert_eq!(list.entries, entries.len() as u64, "{file}");
        let distinct: std::collections::HashSet<_> =
            entries.iter().map(|one| one.as_str()).collect();
        assert_eq!(distinct.len(), entries.len(), "{file}");
    }
    for (indicator_type, text, expected) in [
        ("ip", "8.8.8.8", Some("Public DNS resolvers")),
        ("ip", "2620:fe::fe", Some("Public DNS resolvers")),
        ("ip", "104.21.3.4", Some("CDN edges")),
        ("ip", "40.107.1.1", Some("Mail egress of large providers")),
        ("ip", "2002:808:808::1", Some("Translated addresses")),
        (
            "registrable_domain",
            "gmail.com",
            Some("Mail domains of large providers"),
        ),
        ("domain", "github.io", Some("Shared hosting domains")),
        ("ip", "8.8.8.9", None),
        ("email", "somebody@gmail.com", None),
        ("domain", "somebody.github.io", None),
        // The address space of a cloud is its customers'.
        ("ip", "52.95.110.1", None),
    ] {
        let indicator_type = indicator_type.parse().unwrap();
        let indicator = canonicaliser().parse(indicator_type, text).unwrap();
        let named = shipped
            .reason_for(&indicator)
            .map(|excluded| excluded.list.name.as_str());
        assert_eq!(named, expected, "{text}");
    }
}

/// Blocks around few addresses, so that they nest and touch.
fn blocks() -> impl Strategy<Value = Vec<(u8, u32)>> {
    prop::collection::vec((any::<u8>(), 20..=32_u32), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The search finds a block exactly where one of all of them is around the address or network.
    #[test]
    fn ranges_agree_with_looking_at_every_block(
        lists in prop::collection::vec(blocks(), 1..4),
        asked in prop::collection::vec((0..1_u32 << 13, 16..=32_u32), 200),
    ) {
        // 8.8.0.0/19 holds everything that is asked, 2a00:808::/32 its likes.
        let base = u32::from(Ipv4Addr::new(8, 8, 0, 0));
        let base6 = u128::from("2a00:808::".parse::<Ipv6Addr>().unwrap());
        let mut exclusions = Exclusions::default();
        let mut plain: Vec<(u32, u32)> = Vec::new();
        for blocks in &lists {
            let mut entries = Vec::new();
            for &(place, length) in blocks {
                let first = base | (u32::from(place) << 5);
                let host_bits = u32::MAX.unbounded_shr(length);
                plain.push((first & !host_bits, first | host_bits));
                entries.push(format!("{}/{length}", Ipv4Addr::from(first)));
                let six = base6 | (u128::from(place) << 37);
                entries.push(format!("{}/{}", Ipv6Addr::from(six), length + 64));
            }
            let entries: Vec<_> = entries.iter().map(String::as_str).collect();
            let json = list("cidr", &[], &entries);
            exclusions.add(json.as_bytes(), &canonicaliser()).unwrap();
        }
        for (place, length) in asked {
            let host_bits = u32::MAX.unbounded_shr(length);
            let (first, last) = ((base | place) & !host_bits, base | place | host_bits);
            let around = |first, last| plain.iter().any(|block| block.0 <= first && last <= block.1);
            let address = Ipv4Addr::from(base | place).to_string();
            let found = how(&exclusions, "ip", &address).is_some();
            prop_assert_eq!(found, around(base | place, base | place), "{}", address);
            let network = format!("{}/{length}", Ipv4Addr::from(first));
            let found = how(&exclusions, "network", &network).is_some();
            prop_assert_eq!(found, around(first, last), "{}", network);
            let six = base6 | (u128::from(place) << 32);
            let found = how(&exclusions, "ip", &Ipv6Addr::from(six).to_string()).is_some();
            prop_assert_eq!(found, around(base | place, base | place), "{}", Ipv6Addr::from(six));
        }
    }
}
