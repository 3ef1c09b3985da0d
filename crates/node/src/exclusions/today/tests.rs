#![expect(clippy::unwrap_used, reason = "tests")]

use blindmatch_indicator::{Day, IndicatorType, LabelFields, PublicSuffixes};
use blindmatch_store::collection::{CollectionKind, Collections, ImportPlan, Mention, Mode};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::Home;
use blindmatch_store::keys::StorageKey;

use super::*;

const NOW: u64 = 1_763_798_400;
const VALUES: [&str; 6] = [
    "8.8.4.4",
    "8.8.8.8",
    "8.8.8.9",
    "9.9.9.9",
    "198.51.7.1",
    "2.3.4.5",
];
const RESOLVERS: &str = r#"{"name": "Resolvers", "description": "", "version": 3, "type": "cidr",
    "list": ["8.8.8.8/32", "8.8.4.4/32", "9.9.9.9"]}"#;

fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

fn encoded(canonicaliser: &Canonicaliser, text: &str) -> Vec<u8> {
    let ip = canonicaliser.parse(IndicatorType::Ip, text).unwrap();
    ip.encode().to_vec()
}

/// The keys of all rows, by `advance` alone.
fn keys(mut rows: impl Rows) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    while rows.advance().unwrap() {
        keys.push(rows.row().unwrap().key.to_vec());
    }
    assert!(rows.row().is_none());
    keys
}

#[test]
fn rows_that_a_later_list_excludes_are_counted_and_skipped() {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::new(&place.path().join("home"));
    let home = Home::create(disk, &StorageKey::new(&[1; 32]), NOW).unwrap();
    let collections = Collections::open(&home).unwrap();
    let canonicaliser = canonicaliser();
    let plan = ImportPlan {
        collection: "abusers".parse().unwrap(),
        kind: Some(CollectionKind::Abuse),
        source: "feed".parse().unwrap(),
        mode: Mode::Replace,
        now: NOW,
        ttl: Default::default(),
        allow_shrink: false,
        discard_damaged: false,
        payment_key: None,
    };
    let rng = &mut rand::rng();
    let mut import = collections.import(plan, rng).unwrap();
    for value in VALUES {
        let mention = Mention {
            key: &encoded(&canonicaliser, value),
            fields: LabelFields::default(),
            reference: None,
        };
        import.push(&mention).unwrap();
    }
    let contents = import.finish(&|_| Vec::new(), rng).unwrap().contents;
    let today = Day::from_unix_seconds(NOW.try_into().unwrap()).unwrap();
    let rows = || collections.rows(&contents, today).unwrap();

    let none = Exclusions::default();
    assert!(
        count(&mut rows(), &none, &canonicaliser)
            .unwrap()
            .is_empty()
    );
    let all = keys(rows());
    assert_eq!(keys(Unexcluded::new(rows(), &none, &canonicaliser)), all);

    let lists = Exclusions::parse(RESOLVERS.as_bytes(), &canonicaliser).unwrap();
    let counts = count(&mut rows(), &lists, &canonicaliser).unwrap();
    let reason = "lies in a block of `Resolvers` (version 3)".to_owned();
    assert_eq!(
        counts,
        BTreeMap::from([(("Resolvers".to_owned(), reason), 3)])
    );
    let left: Vec<_> = all
        .iter()
        .filter(|key| {
            let shown = reason_for(&lists, &canonicaliser, key);
            assert_eq!(
                shown.is_some(),
                VALUES.iter().any(|value| {
                    ["8.8.8.8", "8.8.4.4", "9.9.9.9"].contains(value)
                        && encoded(&canonicaliser, value) == **key
                })
            );
            shown.is_none()
        })
        .cloned()
        .collect();
    assert_eq!(left.len(), 3);
    let unexcluded = || Unexcluded::new(rows(), &lists, &canonicaliser);
    assert_eq!(keys(unexcluded()), left);
    // To jump to a key, excluded or not, leads to the first that is not.
    for key in &all {
        let mut rows = unexcluded();
        let next = left.iter().find(|left| *left >= key);
        assert_eq!(rows.advance_to(key).unwrap(), next.is_some());
        assert_eq!(rows.row().map(|row| row.key.to_vec()).as_ref(), next);
    }
}
