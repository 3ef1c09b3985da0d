#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use blindmatch_indicator::{Reason, Severity};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::row::{MAX_REFERENCES, References, append, merge_fields};

/// A key, whether it is given, its severity, and a reference.
type Mention = (Vec<u8>, bool, u8, Option<String>);
/// What is known of a key after all.
type Known = (bool, bool, LabelFields, Vec<String>, u32);

fn mention() -> impl Strategy<Value = Mention> {
    let key = prop_oneof![
        prop::collection::vec(0..3_u8, 0..9),
        prop::collection::vec(0..3_u8, 20..24),
    ];
    (
        key,
        any::<bool>(),
        prop_oneof![Just(0), 0..=10_u8],
        prop::option::of("[a-z]{0,2}"),
    )
}

fn fields(severity: u8) -> LabelFields {
    LabelFields {
        severity: Severity::new(severity).unwrap(),
        reason: if severity > 5 {
            Reason::Scam
        } else {
            Reason::default()
        },
        ..LabelFields::default()
    }
}

fn sorted(mentions: &[Mention], capacity: usize) -> Vec<(Vec<u8>, Known)> {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut rng = StdRng::seed_from_u64(44);
    let mut sorter = Sorter::new(disk.clone(), &mut rng, capacity);
    for (key, given, severity, reference) in mentions {
        let mut encoded = Vec::new();
        if let Some(reference) = reference {
            append(&mut encoded, reference);
        }
        let row = Row {
            key,
            origin: Origin {
                given: *given,
                derived: !given,
            },
            fields: fields(*severity),
            handle: None,
            since: 0,
            expires: None,
            references: References::one(&encoded),
        };
        sorter.push(&row).unwrap();
    }
    let mut rows = sorter.finish().unwrap();
    let mut all = Vec::new();
    while rows.advance().unwrap() {
        let row = rows.row().unwrap();
        let references = row.references.iter().map(str::to_owned).collect();
        all.push((
            row.key.to_vec(),
            (
                row.origin.given,
                row.origin.derived,
                row.fields,
                references,
                row.references.total(),
            ),
        ));
    }
    drop(rows);
    let left = disk.list(crate::disk::ASIDE).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn sorts_as_a_map_does_however_small_its_runs(
        mentions in prop::collection::vec(mention(), 0..400),
        capacity in prop::sample::select(vec![200, 1_000, 1 << 20]),
    ) {
        let mut expected: BTreeMap<Vec<u8>, Known> = BTreeMap::new();
        for (key, given, severity, reference) in &mentions {
            let known = expected.entry(key.clone()).or_default();
            known.0 |= given;
            known.1 |= !given;
            known.2 = merge_fields(known.2, fields(*severity));
            known.3.extend(reference.clone());
        }
        for (_, _, _, references, total) in expected.values_mut() {
            references.sort();
            references.dedup();
            *total = u32::try_from(references.len()).unwrap();
            references.truncate(MAX_REFERENCES);
        }
        let expected: Vec<_> = expected.into_iter().collect();
        prop_assert_eq!(sorted(&mentions, capacity), expected);
    }
}

#[test]
fn the_references_of_one_key_are_counted_however_many() {
    let mentions: Vec<Mention> = (0..5_000)
        .map(|number| (vec![1; 6], true, 0, Some(format!("{}", number % 1_000))))
        .collect();
    let rows = sorted(&mentions, 10_000);
    let [(_, known)] = rows.as_slice() else {
        panic!("one key");
    };
    assert_eq!(known.4, 1_000);
    assert_eq!(known.3.len(), MAX_REFERENCES);
    assert_eq!(known.3.first().unwrap(), "0");
    assert_eq!(known.3.last().unwrap(), "111");
}

#[test]
fn what_is_spilled_is_sealed() {
    let home = tempfile::tempdir().unwrap();
    let disk = Disk::new(home.path());
    let mut sorter = Sorter::new(disk.clone(), &mut rand::rng(), 1);
    let row = Row {
        key: b"\x03\x01marked.value@example.com",
        origin: Origin {
            given: true,
            derived: false,
        },
        fields: LabelFields::default(),
        handle: None,
        since: 0,
        expires: None,
        references: References::default(),
    };
    sorter.push(&row).unwrap();
    sorter.wait().unwrap();
    let names = disk.list(crate::disk::ASIDE).unwrap();
    assert_eq!(names.len(), 1);
    for name in names {
        let bytes = disk.read(&format!("{}/{name}", crate::disk::ASIDE), 1 << 20);
        let bytes = bytes.unwrap();
        assert!(bytes.len() > row.key.len());
        assert!(!bytes.windows(12).any(|part| part == b"marked.value"));
    }
    drop(sorter);
    assert!(disk.list(crate::disk::ASIDE).unwrap().is_empty());
}
