use blindmatch_indicator::{Canonicaliser, Day, PaymentKey, Reason, Role, Severity};
use proptest::prelude::*;

use super::*;
use crate::testing::canonicaliser;
use crate::{Claim, Format, Opinion, Options, read, read_feedback};

/// Values of every type that is written.
const VALUES: [(IndicatorType, &[&str]); 18] = [
    (IndicatorType::Ip, &["203.0.114.7", "2606:4700::1111"]),
    (IndicatorType::Network, &["45.12.0.0/22", "2606:4700::/32"]),
    (
        IndicatorType::Email,
        &["jane@evil.com", "o'neill+tag@evil.com"],
    ),
    // Also what is an address by itself.
    (
        IndicatorType::EmailFolded,
        &["janedoe@gmail.com", "jane@evil.com"],
    ),
    (IndicatorType::Phone, &["+78121234567", "+32471234567"]),
    (
        IndicatorType::Account,
        &["github:evil_one", "mastodon.example:o'brien"],
    ),
    (IndicatorType::Domain, &["evil.com", "xn--bcher-kva.com"]),
    (IndicatorType::RegistrableDomain, &["evil.com"]),
    (
        IndicatorType::Url,
        &["http://evil.com/a'b?c=\\d", "https://evil.com/[x](.)y"],
    ),
    (IndicatorType::UrlHost, &["login.evil.com"]),
    (IndicatorType::Iban, &["DE89370400440532013000"]),
    (IndicatorType::Btc, &["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]),
    (
        IndicatorType::Eth,
        &["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
    ),
    (IndicatorType::Tron, &["TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"]),
    (
        IndicatorType::SshKey,
        &["SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDnxRPV32kVRuvCJ0s"],
    ),
    (
        IndicatorType::Ja4,
        &["t13d1516h2_8daaf6152771_e5627efa2ab1"],
    ),
    (IndicatorType::Asn, &["AS13335", "AS205100"]),
    (IndicatorType::Lei, &["529900T8BM49AURSDO55"]),
];

fn publisher() -> Publisher {
    Publisher::new("acme", Zeroizing::new([7; 32]), Tlp::default())
}

fn lead(indicator: Indicator, label: LabelFields) -> Lead {
    let finding = Finding {
        id: "5f1c0a9be27d4433".to_owned(),
        label,
        first_found: 1_790_000_000,
        last_found: 1_790_090_000,
    };
    Lead {
        indicator,
        findings: vec![finding],
    }
}

fn leads() -> Vec<Lead> {
    let canonicaliser = canonicaliser();
    let all = VALUES.iter().flat_map(|(kind, texts)| {
        let parse = |text: &&str| canonicaliser.parse(*kind, text).unwrap();
        texts.iter().map(parse)
    });
    all.map(|one| lead(one, LabelFields::default())).collect()
}

fn written(format: Format, leads: &[Lead]) -> (String, Written) {
    let mut to = Vec::new();
    let leads = leads.iter().cloned();
    let written = match format {
        Format::Stix => publisher().stix(leads, &mut to),
        _ => publisher().misp(leads, &mut to),
    };
    (String::from_utf8(to).unwrap(), written.unwrap())
}

/// What the reader that finds out the format makes of it, each as canonical text.
fn read_back(format: Format, text: &str) -> Vec<(IndicatorType, String, LabelFields)> {
    let canonicaliser = canonicaliser();
    let mut found = Vec::new();
    let summary = read(
        text.as_bytes(),
        &Options::default(),
        &canonicaliser,
        &mut |row| {
            for value in row.values {
                let indicator = match value.claim {
                    Claim::Typed(kind) => canonicaliser.parse(kind, value.text),
                    // What a wallet's coin is called stands beside its address.
                    Claim::NotMatchable("text") if ["ETH", "TRX"].contains(&value.text) => continue,
                    claim => panic!("{claim:?}"),
                };
                let indicator = indicator.unwrap();
                let text = indicator.to_text().to_string();
                found.push((indicator.indicator_type(), text, row.label));
            }
        },
    );
    assert_eq!(summary.unwrap().format, format);
    found
}

#[test]
fn what_is_written_of_every_type_is_read_again() {
    let leads = leads();
    for format in [Format::Stix, Format::Misp] {
        let (text, written) = written(format, &leads);
        let expected = u64::try_from(leads.len()).unwrap();
        assert_eq!((written.indicators, written.withheld), (expected, 0));
        let mut found: Vec<_> = read_back(format, &text)
            .into_iter()
            .map(|(kind, text, _)| (kind, text))
            .collect();
        let mut wanted: Vec<_> = leads
            .iter()
            .map(|lead| {
                let kind = lead.indicator.indicator_type();
                (kind, lead.indicator.to_text().to_string())
            })
            .collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{format}");
    }
    let mut types: Vec<_> = VALUES.iter().map(|(kind, _)| *kind).collect();
    types.sort();
    let exportable = IndicatorType::ALL
        .into_iter()
        .filter(|kind| is_exportable(*kind));
    assert_eq!(types, exportable.collect::<Vec<_>>());
}

#[test]
fn what_is_said_of_a_value_is_read_again() {
    let day = |seconds| Day::from_unix_seconds(seconds);
    let one = canonicaliser()
        .parse(IndicatorType::Ip, "203.0.114.7")
        .unwrap();
    for reason in Reason::ALL {
        for role in Role::ALL {
            let label = LabelFields {
                reason,
                role,
                severity: Severity::new(7).unwrap(),
                first_seen: day(1_780_000_000),
                last_seen: day(1_789_000_000),
                count: 3,
            };
            for format in [Format::Stix, Format::Misp] {
                let (text, _) = written(format, &[lead(one.clone(), label)]);
                let [(_, _, read)] = read_back(format, &text).try_into().unwrap();
                assert_eq!((read.reason, read.role), (reason, role), "{text}");
                assert_eq!(read.first_seen, label.first_seen);
                if format == Format::Misp {
                    assert_eq!(read.last_seen, label.last_seen);
                }
            }
        }
    }
}

proptest! {
    /// Whatever a value has in it, quotes and escapes and brackets of others' making.
    #[test]
    fn texts_of_any_kind_come_back(text in "[ -~é\\\\'\"\\[\\]]{1,40}", octets: [u8; 4], bits in 16_u8..=32) {
        let canonicaliser = canonicaliser();
        let address = std::net::Ipv4Addr::from(octets);
        let network = u32::from(address) & u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or(0);
        let network = std::net::Ipv4Addr::from(network);
        for (kind, value) in [
            (IndicatorType::Url, format!("http://evil.com/{text}")),
            (IndicatorType::Account, format!("github:{text}")),
            (IndicatorType::Email, format!("{text}@evil.com")),
            (IndicatorType::Ip, address.to_string()),
            (IndicatorType::Network, format!("{network}/{bits}")),
            (IndicatorType::Asn, u32::from(address).to_string()),
        ] {
            let Ok(indicator) = canonicaliser.parse(kind, &value) else { continue };
            let wanted = (kind, indicator.to_text().to_string());
            for format in [Format::Stix, Format::Misp] {
                let lead = lead(indicator.clone(), LabelFields::default());
                let (text, _) = written(format, &[lead]);
                let [(kind, text, _)] = read_back(format, &text).try_into().unwrap();
                prop_assert_eq!((kind, text), wanted.clone());
            }
        }
    }
}

#[test]
fn cards_are_never_written() {
    let key = PaymentKey::new(&[3; 32]);
    let canonicaliser: Canonicaliser = canonicaliser().with_payment_key(key);
    let cards = [
        (IndicatorType::Pan, "4111111111111111"),
        (IndicatorType::CardWeak, "411111******1111 12/29"),
    ];
    let cards: Vec<_> = cards
        .iter()
        .map(|(kind, text)| {
            let card = canonicaliser.parse(*kind, text).unwrap();
            lead(card, LabelFields::default())
        })
        .collect();
    for format in [Format::Stix, Format::Misp] {
        let (text, said) = written(format, &cards);
        assert_eq!((said.indicators, said.findings, said.withheld), (0, 0, 2));
        let empty = written(format, &[]).0;
        // But for what stands for when and for all of it, the file is that of no lead at all.
        assert_eq!(text.lines().count(), empty.lines().count(), "{text}");
        for card in &cards {
            assert!(!text.contains(card.indicator.to_text().as_str()));
        }
        assert!(!text.contains("411111") && !text.contains("\"1111"));
    }
}

#[test]
fn ids_are_the_same_each_night_and_nobody_without_the_key_knows_them() {
    let leads = leads();
    let mut later = leads.clone();
    for lead in &mut later {
        lead.findings[0].last_found += 86_400;
    }
    let ids = |text: &str| {
        let ids = text.split("\"id\":\"").skip(1);
        let ids = ids.map(|rest| rest.split('"').next().unwrap().to_owned());
        let ids: Vec<_> = ids.filter(|id| !id.starts_with("bundle")).collect();
        assert!(ids.len() > leads.len());
        ids
    };
    let first = written(Format::Stix, &leads).0;
    assert_eq!(first, written(Format::Stix, &leads).0);
    let second = written(Format::Stix, &later).0;
    assert_eq!(ids(&first), ids(&second));
    assert_ne!(first, second);
    // Under another key nothing but the marking, which is the same everywhere, has the same id.
    let other = Publisher::new("acme", Zeroizing::new([8; 32]), Tlp::default());
    let mut text = Vec::new();
    other.stix(leads.iter().cloned(), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let first: std::collections::BTreeSet<_> = ids(&first).into_iter().collect();
    let same: Vec<_> = ids(&text)
        .into_iter()
        .filter(|id| first.contains(id))
        .collect();
    assert_eq!(
        same,
        ["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]
    );
}

#[test]
fn every_object_is_marked_and_says_that_it_is_a_lead() {
    for tlp in Tlp::ALL {
        assert_eq!(tlp.name().parse(), Ok(tlp));
        let publisher = Publisher::new("acme", Zeroizing::new([7; 32]), tlp);
        let mut text = Vec::new();
        publisher.stix(leads().into_iter(), &mut text).unwrap();
        let bundle: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let objects = bundle["objects"].as_array().unwrap();
        let marking = objects[0]["id"].as_str().unwrap();
        for object in &objects[1..] {
            assert_eq!(object["object_marking_refs"][0], marking, "{object}");
            if object["type"] != "identity" {
                let said = object["description"].as_str().unwrap();
                assert!(said.starts_with("A match is a lead"), "{object}");
            }
        }
        let mut text = Vec::new();
        publisher.misp(leads().into_iter(), &mut text).unwrap();
        let event: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let event = &event["Event"];
        assert_eq!(event["Tag"][0]["name"], format!("tlp:{tlp}"));
        assert!(
            event["info"]
                .as_str()
                .unwrap()
                .contains("A match is a lead")
        );
    }
}

#[test]
fn our_own_sightings_are_known_again() {
    let leads = leads();
    let publisher = publisher();
    for format in [Format::Stix, Format::Misp] {
        let text = written(format, &leads).0;
        let mut said = Vec::new();
        read_feedback(text.as_bytes(), &mut |one| said.push(one)).unwrap();
        assert_eq!(said.len(), leads.len());
        for one in said {
            assert_eq!(one.by, Some(publisher.finding_id("5f1c0a9be27d4433")));
            assert_eq!(one.opinion, Opinion::Agree);
            let known = leads
                .iter()
                .any(|lead| publisher.indicator_id(&lead.indicator) == one.of);
            assert!(known, "{one:?}");
        }
    }
}

/// By the programs that `tests/formats/install.sh` installs.
#[test]
#[expect(clippy::disallowed_methods, reason = "other programs read files")]
fn other_programs_take_what_is_written_of_every_type() {
    let Some(python) = std::env::var_os("FORMATS_PYTHON") else {
        println!("skipped: FORMATS_PYTHON names no python, see tests/formats/install.sh");
        return;
    };
    let label = LabelFields {
        reason: Reason::Phishing,
        role: Role::Victim,
        severity: Severity::new(7).unwrap(),
        first_seen: Day::from_unix_seconds(1_780_000_000),
        last_seen: Day::from_unix_seconds(1_789_000_000),
        count: 3,
    };
    let canonicaliser = canonicaliser();
    let leads: Vec<_> = VALUES
        .iter()
        .flat_map(|(kind, texts)| texts.iter().map(move |text| (*kind, *text)))
        .map(|(kind, text)| lead(canonicaliser.parse(kind, text).unwrap(), label))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let files = [Format::Stix, Format::Misp].map(|format| {
        let path = folder.path().join(format.name());
        std::fs::write(&path, written(format, &leads).0).unwrap();
        path
    });
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/formats/check.py");
    let output = std::process::Command::new(python)
        .arg(check)
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = leads.len();
    assert_eq!(found["stix"]["indicator"], all);
    assert_eq!(found["stix"]["sighting"], all);
    assert_eq!(found["stix"]["identity"], 1);
    assert_eq!(found["misp"]["attribute"], all);
    assert_eq!(found["misp"]["sighting"], all);
    assert_eq!(found["misp"]["tags"][0], "tlp:amber+strict");
}
