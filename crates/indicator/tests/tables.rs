//! Pins (`spec/10-indicators.md` §3): a dependency, a toolchain or a table that changes the
//! canonical form of anything in these corpora changes a digest of `spec/vectors/tables.json`.
//! Such a change raises the canonicalisation version of the types that it touches.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may read the specification"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes, Region};
use sha2::{Digest, Sha256};

const LIST: &str =
    "public_suffix_list-0232f4df0831911356e8ee1f4d5c3b6b12c0ed3f6bd66b0f81c8ab5d3d49e9ca.dat";

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

fn list() -> String {
    std::fs::read_to_string(spec().join("tables").join(LIST)).expect("the public suffix list")
}

/// SHA-256 over a line for each text: the text, a tab, and the canonical text or `!` and the
/// reason code.
struct Pin {
    canonicaliser: Canonicaliser,
    digest: Sha256,
}

impl Pin {
    fn new() -> Self {
        let suffixes = PublicSuffixes::parse(&list()).expect("a public suffix list");
        Self {
            canonicaliser: Canonicaliser::new(suffixes),
            digest: Sha256::new(),
        }
    }

    fn add(&mut self, indicator_type: IndicatorType, text: &str) {
        let line = match self.canonicaliser.parse(indicator_type, text) {
            Ok(indicator) => format!("{text}\t{}\n", *indicator.to_text()),
            Err(refusal) => format!("{text}\t!{}\n", refusal.code()),
        };
        self.digest.update(line);
    }

    fn check(self, name: &str) {
        let json = std::fs::read(spec().join("vectors/tables.json")).expect("the digests");
        let pinned: BTreeMap<String, String> =
            serde_json::from_slice(&json).expect("a digest by name");
        let digest: Vec<u8> = self.digest.finalize().to_vec();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Some(&digest), pinned.get(name), "{name}");
    }
}

fn scalars() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

#[test]
fn every_character_inside_and_alone_in_a_domain() {
    let mut pin = Pin::new();
    for c in scalars() {
        pin.add(IndicatorType::Domain, &format!("a{c}b.com"));
        pin.add(IndicatorType::Domain, &format!("{c}.com"));
    }
    pin.check("domain");
}

#[test]
fn every_character_in_a_local_part() {
    let mut pin = Pin::new();
    for c in scalars() {
        pin.add(IndicatorType::Email, &format!("a{c}@example.com"));
        pin.add(IndicatorType::EmailFolded, &format!("{c}a@gmail.com"));
    }
    pin.check("email");
}

#[test]
fn every_character_in_an_account_name() {
    let mut pin = Pin::new();
    for c in scalars() {
        pin.add(IndicatorType::Account, &format!("x:a{c}b"));
        pin.add(IndicatorType::Account, &format!("x:{c}\u{5d0}"));
    }
    pin.check("account");
}

#[test]
fn every_character_in_each_part_of_a_url() {
    let mut pin = Pin::new();
    // Beyond the first planes of names, WHATWG treats all characters alike.
    for c in '\0'..'\u{3000}' {
        for (before, behind) in [
            ("http://", ".com/"),
            ("http://a", "b.com/"),
            ("http://u", "@example.com/"),
            ("http://example.com:8", "/"),
            ("https://example.com/a", "b"),
            ("ftp://example.com/?a", "b"),
            ("http://example.com/#", ""),
            ("http", "://example.com/"),
        ] {
            pin.add(IndicatorType::Url, &format!("{before}{c}{behind}"));
        }
    }
    pin.check("url");
}

#[test]
fn every_rule_of_the_public_suffix_list() {
    let mut pin = Pin::new();
    let list = list();
    let rules = list.lines().filter(|line| !line.starts_with("//"));
    for rule in rules.filter_map(|line| line.split_whitespace().next()) {
        let name = rule.trim_start_matches('!').replace('*', "w");
        for below in ["", "a.", "b.a."] {
            let name = format!("{below}{name}");
            pin.add(IndicatorType::RegistrableDomain, &name);
        }
    }
    pin.check("registrable_domain");
}

#[test]
fn many_numbers_of_every_region() {
    let mut pin = Pin::new();
    let canonicaliser = pin.canonicaliser.clone();
    let mut state = 1_u64;
    let mut digits = |length: usize| -> String {
        let digits = (0..length).map(|_| {
            // Knuth's MMIX generator; the high bits are the good ones.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'0' + u8::try_from((state >> 33) % 10).expect("a digit"))
        });
        digits.collect()
    };
    let letters = || 'A'..='Z';
    let codes = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let mut regions = 0;
    for region in codes.filter_map(|code| code.parse::<Region>().ok()) {
        regions += 1;
        pin.canonicaliser = canonicaliser.clone().with_default_region(region);
        for i in 0..240 {
            pin.add(IndicatorType::Phone, &digits(6 + i % 6));
        }
    }
    for code in 1..1_000 {
        for i in 0..12 {
            let text = format!("+{code}{}", digits(7 + i % 5));
            pin.add(IndicatorType::Phone, &text);
        }
    }
    pin.digest.update(format!("{regions} regions"));
    pin.check("phone");
}

#[test]
fn every_border_of_a_special_block() {
    let mut pin = Pin::new();
    let mut add = |address: IpAddr| {
        pin.add(IndicatorType::Ip, &address.to_string());
        let length = if address.is_ipv4() { "/32" } else { "/128" };
        pin.add(IndicatorType::Network, &format!("{address}{length}"));
    };
    // Every /16, every /24 of the /16 with special /24 in them, both ends.
    for half in 0..=u16::MAX {
        let first = u32::from(half) << 16;
        add(Ipv4Addr::from(first).into());
        add(Ipv4Addr::from(first | 0xffff).into());
        add(Ipv6Addr::from(u128::from(half) << 112).into());
        add(Ipv6Addr::from((u128::from(half) << 112) | (u128::MAX >> 16)).into());
    }
    for [a, b] in [[192, 0], [192, 88], [198, 51], [203, 0]] {
        for c in 0..=255 {
            add(Ipv4Addr::new(a, b, c, 0).into());
            add(Ipv4Addr::new(a, b, c, 255).into());
        }
    }
    for last in 0..=255 {
        add(Ipv4Addr::new(192, 0, 0, last).into());
        add(Ipv6Addr::from(u128::from(last)).into());
    }
    // The second group where the first one is split.
    for second in 0..=u16::MAX {
        for first in [0x2001, 0x64, 0x100] {
            add(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0).into());
            add(Ipv6Addr::new(first, second, 0, u16::MAX, 0, 0, 0, 1).into());
        }
    }
    pin.check("ip");
}
