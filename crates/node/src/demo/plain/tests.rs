#![expect(clippy::unwrap_used, reason = "tests")]

use blindmatch_indicator::{PublicSuffixes, ladder};

use super::*;

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn plain(texts: &[&str]) -> Plain {
    let mut plain = Plain::new();
    for text in texts {
        let kind = if text.contains('/') {
            IndicatorType::Network
        } else {
            IndicatorType::Ip
        };
        let indicator = canonicaliser().parse(kind, text).unwrap();
        let key = RowKey::from(indicator.encode().as_slice());
        plain.entry(kind).or_default().insert(key);
    }
    plain
}

/// Whether who has `asked` finds it at who serves `served`.
fn meets(asked: &str, served: &[&str]) -> bool {
    let served = plain(served);
    let networks = Networks::new(served.get(&IndicatorType::Network).into_iter().flatten());
    !networks
        .around(&plain(&[asked]), &canonicaliser())
        .is_empty()
}

#[test]
fn an_address_or_a_network_is_found_inside_a_network() {
    for (asked, served) in [
        ("45.1.2.3", "45.1.2.0/24"),
        ("45.1.2.3", "45.1.2.3/32"),
        ("45.1.2.0", "45.1.2.0/31"),
        ("45.1.2.0/24", "45.1.2.0/24"),
        // Between two rungs, as their blocks.
        ("45.1.2.0/23", "45.1.2.0/23"),
        ("45.1.2.0/25", "45.1.2.0/24"),
        ("45.1.2.0/24", "45.1.2.0/23"),
        ("2a00:1::1", "2a00:1::/33"),
        ("2a00:1::/36", "2a00:1::/32"),
        // One half is special, and nobody serves it.
        ("192.0.2.0/23", "192.0.3.0/24"),
    ] {
        assert!(meets(asked, &[served]), "{asked} in {served}");
    }
    for (asked, served) in [
        ("45.1.3.3", "45.1.2.0/24"),
        ("45.1.2.0/23", "45.1.2.0/24"),
        ("45.1.2.0/24", "45.1.2.3/32"),
        // Of the other family.
        ("2a00:1::1", "45.1.2.0/24"),
        ("45.1.2.3", "2a00:1::/32"),
    ] {
        assert!(!meets(asked, &[served]), "{asked} not in {served}");
    }
    assert!(!meets("45.1.2.3", &[]));
}

#[test]
fn a_network_inside_another_one_hides_nothing() {
    let served = ["45.1.0.0/16", "45.1.2.0/24", "45.0.0.0/16", "45.1.255.0/24"];
    for asked in ["45.1.2.3", "45.1.3.3", "45.1.255.255", "45.0.0.0/16"] {
        assert!(meets(asked, &served), "{asked}");
    }
    assert!(!meets("45.2.0.0", &served));
}

/// The parts are those of the ladder, which this file does not use.
#[test]
fn parts_are_the_blocks_that_are_served() {
    for text in [
        "45.0.0.0/16",
        "45.1.0.0/17",
        "45.1.2.0/23",
        "45.1.2.64/27",
        "45.1.2.3/32",
        "192.0.2.0/23",
        "2a00:1::/33",
        "2a00:1:2::/47",
        "2a00:1::1/128",
    ] {
        let network = canonicaliser().parse(IndicatorType::Network, text).unwrap();
        let block = Block::of(&RowKey::from(network.encode().as_slice())).unwrap();
        let served: Vec<_> = ladder::split(&network)
            .map(|part| Block::of(&RowKey::from(part.encode().as_slice())).unwrap())
            .collect();
        let parts = block
            .parts()
            .filter(|part| part.is_global(&canonicaliser()));
        assert!(parts.eq(served), "{text}");
    }
}
