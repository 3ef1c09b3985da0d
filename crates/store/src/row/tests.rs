#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Cursor;

use blindmatch_indicator::{Reason, Role, Severity};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::keys::{FileId, Key};
use crate::sealed::{Kind, SealedReader, SealedWriter};

/// A row that owns what it says.
#[derive(Clone, Debug, PartialEq)]
struct Owned {
    key: Vec<u8>,
    origin: Origin,
    fields: LabelFields,
    handle: Option<[u8; 16]>,
    since: u32,
    expires: Option<Day>,
    references: Vec<String>,
}

fn day() -> impl Strategy<Value = Option<Day>> {
    let day = |number: i64| Day::from_unix_seconds(946_684_800 + number * 86_400);
    prop_oneof![Just(None), (0_i64..30_000).prop_map(day)]
}

fn fields() -> impl Strategy<Value = LabelFields> {
    let seen = prop_oneof![
        Just((None, None)),
        (day(), day()).prop_map(|(a, b)| (a.min(b), a.max(b)))
    ]
    .prop_filter("both or neither", |(a, b)| a.is_some() == b.is_some());
    (0..16_usize, 0..=10_u8, 0..4_usize, seen, 0..3_u16).prop_map(
        |(reason, severity, role, (first_seen, last_seen), count)| LabelFields {
            reason: Reason::ALL[reason],
            severity: Severity::new(severity).unwrap(),
            role: Role::ALL[role],
            first_seen,
            last_seen,
            count,
        },
    )
}

fn owned() -> impl Strategy<Value = Owned> {
    let key = prop_oneof![
        prop::collection::vec(0..3_u8, 0..6),
        prop::collection::vec(any::<u8>(), 0..40),
        (7_900..8_002_usize).prop_map(|length| vec![9; length]),
    ];
    (
        key,
        any::<(bool, bool)>(),
        prop_oneof![Just(LabelFields::default()), fields()],
        any::<Option<[u8; 16]>>(),
        prop_oneof![Just(1), any::<u32>()],
        day(),
        prop::collection::vec("[a-c]{0,3}", 0..20),
    )
        .prop_map(
            |(key, (given, derived), fields, handle, since, expires, mut references)| {
                references.sort();
                references.dedup();
                references.truncate(MAX_REFERENCES);
                Owned {
                    key,
                    origin: Origin { given, derived },
                    fields,
                    handle,
                    since,
                    expires,
                    references,
                }
            },
        )
}

fn key() -> Key {
    Zeroizing::new([1; 32])
}

fn written(rows: &[Owned]) -> Vec<u8> {
    let id = FileId::random(&mut rand::rng());
    let sealed = SealedWriter::new(Vec::new(), Kind::Source, id, &key()).unwrap();
    let mut writer = RowWriter::new(sealed);
    for row in rows {
        let mut references = Gathered::default();
        row.references
            .iter()
            .for_each(|reference| references.push_ascending(reference));
        writer
            .push(&Row {
                key: &row.key,
                origin: row.origin,
                fields: row.fields,
                handle: row.handle,
                since: row.since,
                expires: row.expires,
                references: references.references(),
            })
            .unwrap();
    }
    writer.finish().unwrap()
}

fn reader(file: &[u8]) -> RowReader<Cursor<&[u8]>> {
    let sealed = SealedReader::open(Cursor::new(file), Kind::Source, &key()).unwrap();
    RowReader::new(sealed).unwrap()
}

fn own(row: &Row<'_>) -> Owned {
    Owned {
        key: row.key.to_vec(),
        origin: row.origin,
        fields: row.fields,
        handle: row.handle,
        since: row.since,
        expires: row.expires,
        references: row.references.iter().map(str::to_owned).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn rows_come_back_as_they_were_written(rows in prop::collection::vec(owned(), 0..300)) {
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        let rows: Vec<_> = rows.into_values().collect();
        let file = written(&rows);
        let mut reader = reader(&file);
        for expected in &rows {
            prop_assert!(reader.advance().unwrap());
            prop_assert_eq!(&own(&reader.row().unwrap()), expected);
        }
        prop_assert!(!reader.advance().unwrap());
        prop_assert!(reader.row().is_none());
    }

    #[test]
    fn seeking_forward_finds_what_a_scan_finds(
        rows in prop::collection::vec(owned(), 0..200),
        mut wanted in prop::collection::vec(prop::collection::vec(0..10_u8, 0..6), 1..20),
    ) {
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.key.clone(), row)).collect();
        wanted.sort();
        let file = written(&rows.values().cloned().collect::<Vec<_>>());
        let mut reader = reader(&file);
        for key in wanted {
            let expected = rows.range(key.clone()..).next().map(|(_, row)| row.clone());
            prop_assert_eq!(reader.advance_to(&key).unwrap(), expected.is_some());
            prop_assert_eq!(reader.row().map(|row| own(&row)), expected);
        }
    }

    #[test]
    fn merging_fields_is_blind_to_order_and_repetition(
        a in fields(), b in fields(), c in fields(),
    ) {
        prop_assert_eq!(merge_fields(a, b), merge_fields(b, a));
        prop_assert_eq!(
            merge_fields(merge_fields(a, b), c),
            merge_fields(a, merge_fields(b, c))
        );
        prop_assert_eq!(merge_fields(a, a), a);
        prop_assert_eq!(merge_fields(merge_fields(a, b), b), merge_fields(a, b));
    }

    #[test]
    fn merging_references_keeps_the_smallest(
        a in prop::collection::btree_set("[a-z]{1,2}", 0..30),
        b in prop::collection::btree_set("[a-z]{1,2}", 0..30),
    ) {
        let gather = |set: &std::collections::BTreeSet<String>| {
            let mut gathered = Gathered::default();
            set.iter().for_each(|reference| gathered.push_ascending(reference));
            gathered
        };
        let mut merged = gather(&a);
        merged.merge(gather(&b).references());
        let union: Vec<_> = a.union(&b).cloned().collect();
        let kept: Vec<_> = merged.references().iter().map(str::to_owned).collect();
        prop_assert_eq!(&kept, &union[..union.len().min(MAX_REFERENCES)]);
        prop_assert!(merged.references().total() as usize <= union.len());
        if a.len().max(b.len()) <= MAX_REFERENCES {
            prop_assert_eq!(merged.references().total() as usize, union.len());
        }
    }
}

#[test]
fn the_later_expiry_stands_and_never_is_latest() {
    let day = Day::from_unix_seconds;
    let (soon, late) = (day(1_700_000_000), day(1_800_000_000));
    assert_eq!(merge_expiry(soon, late), late);
    assert_eq!(merge_expiry(late, soon), late);
    assert_eq!(merge_expiry(None, soon), None);
}

#[test]
fn the_more_severe_word_stands_whole() {
    let word = |severity, reason, role| LabelFields {
        severity: Severity::new(severity).unwrap(),
        reason,
        role,
        ..LabelFields::default()
    };
    let mild = word(2, Reason::Spyware, Role::Reseller);
    let severe = word(9, Reason::Spam, Role::Unknown);
    assert_eq!(merge_fields(mild, severe), severe);
}

#[test]
fn a_reference_is_cut_between_characters() {
    let long = "é".repeat(LONGEST_REFERENCE);
    assert_eq!(cut(&long), "é".repeat(LONGEST_REFERENCE / 2));
    let odd = format!("a{long}");
    assert_eq!(cut(&odd).len(), LONGEST_REFERENCE - 1);
}
