#![no_main]
//! Lists of exclusions: any bytes, and lists that are well-formed; who is on a list is excluded.

use std::sync::LazyLock;

use blindmatch_feeds::{Excluded, Exclusions};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Bytes(Vec<u8>, Vec<String>),
    List(ListType, Vec<Entry>),
}

#[derive(Arbitrary, Debug)]
enum ListType {
    Cidr,
    Hostname,
    String,
}

#[derive(Arbitrary, Debug)]
enum Entry {
    Text(String),
    V4([u8; 4], u8),
    V6(u128, u8),
    Name(u16, u8),
}

static CANONICALISER: LazyLock<Canonicaliser> = LazyLock::new(|| {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).expect("a list"))
});

fuzz_target!(|input: Input| match input {
    Input::Bytes(json, texts) => {
        if let Ok(exclusions) = Exclusions::parse(&json, &CANONICALISER) {
            for text in texts {
                if let Ok(indicator) = CANONICALISER.detect(&text) {
                    let _ = exclusions.reason_for(&indicator);
                }
            }
        }
    }
    Input::List(list_type, entries) => {
        let entries: Vec<_> = entries.iter().map(Entry::text).collect();
        let (list_type, types): (_, &[_]) = match list_type {
            ListType::Cidr => ("cidr", &[IndicatorType::Ip, IndicatorType::Network]),
            ListType::Hostname => ("hostname", &[IndicatorType::Domain, IndicatorType::UrlHost]),
            ListType::String => ("string", &[]),
        };
        let json = serde_json::json!({
            "name": "n", "description": "d", "version": 1, "type": list_type, "list": entries,
        });
        let json = json.to_string();
        let Ok(exclusions) = Exclusions::parse(json.as_bytes(), &CANONICALISER) else {
            return;
        };
        for text in &entries {
            let as_types = types.iter().map(|one| CANONICALISER.parse(*one, text));
            let by_form = types.is_empty().then(|| CANONICALISER.detect(text));
            for indicator in as_types.chain(by_form).flatten() {
                let excluded = exclusions.reason_for(&indicator);
                assert!(excluded.is_some_and(|Excluded { list, .. }| list.entries > 0));
            }
        }
    }
});

impl Entry {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::V4(address, length) => {
                format!("{}/{length}", std::net::Ipv4Addr::from(*address))
            }
            Self::V6(address, length) => {
                format!("{}/{length}", std::net::Ipv6Addr::from(*address))
            }
            Self::Name(number, depth) => {
                format!("{}n{number}.com", "a.".repeat(usize::from(depth % 8)))
            }
        }
    }
}
