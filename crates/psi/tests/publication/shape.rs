//! What a file shows of the set, and what a lookup finds in it.

use std::collections::BTreeSet;

use blindmatch_psi::publication::{FileError, LabelSeal, Match, SetClass};
use proptest::prelude::*;

use crate::world::{Responder, domain, item, label, output};

/// Looks numbers up; the matching ones, whose labels must open.
fn look_up(responder: &Responder, numbers: impl IntoIterator<Item = u64>) -> BTreeSet<u64> {
    let publication = responder.publication();
    let mut queries: Vec<_> = numbers
        .into_iter()
        .map(|number| (item(number), number))
        .collect();
    queries.sort_unstable();
    let mut matches = BTreeSet::new();
    let mut check = |found: Match| {
        let (output, number) = queries[usize::try_from(found.query).unwrap()];
        let seal = LabelSeal::new(&domain(), found.sequence);
        let opened = seal.open(&output, &found.sealed).unwrap();
        assert_eq!(*opened.as_bytes(), label(number));
        assert_eq!(
            publication.find(&output),
            Ok(Some(Match { query: 0, ..found }))
        );
        matches.insert(number);
    };
    let outputs = queries.iter().map(|(output, _)| output);
    publication.lookup(outputs, &mut check).unwrap();
    matches
}

#[test]
fn every_item_is_found_and_its_label_opens() {
    let responder = Responder::publish(0..3_000);
    assert_eq!(look_up(&responder, 2_900..3_100), (2_900..3_000).collect());
    assert_eq!(look_up(&responder, 0..3_000), (0..3_000).collect());
    assert_eq!(look_up(&responder, 3_000..9_000), BTreeSet::new());
    let publication = responder.publication();
    assert_eq!(publication.find(&[0; 64]), Ok(None));
    assert_eq!(publication.find(&[0xff; 64]), Ok(None));
    assert_eq!(publication.lookup(&[], |_| unreachable!()), Ok(()));
}

#[test]
fn a_set_of_nothing_is_all_dummies() {
    let responder = Responder::publish([]);
    assert_eq!(responder.published.items, 0);
    assert_eq!(responder.published.edition.class().entries(), 1_024);
    assert_eq!(look_up(&responder, 0..100), BTreeSet::new());
}

#[test]
fn sets_on_either_side_of_a_class_boundary() {
    let mut lengths = Vec::new();
    for (items, entries) in [
        (899, 1_024),
        (900, 1_024),
        (901, 1_280),
        (1_125, 1_280),
        (1_126, 1_536),
        (1_575, 1_792),
        (1_576, 2_048),
        (4_500, 5_120),
        (4_501, 6_144),
    ] {
        let responder = Responder::publish(0..items);
        let edition = responder.published.edition;
        assert_eq!(edition.class().entries(), entries);
        assert_eq!(edition.file_length(), responder.file.len() as u64);
        assert_eq!(look_up(&responder, items - 50..items + 50).len(), 50);
        lengths.push((entries, responder.file.len()));
    }
    for pair in lengths.windows(2) {
        assert_eq!(pair[0].0 == pair[1].0, pair[0].1 == pair[1].1);
    }
}

#[test]
fn duplicates_go_in_once_with_the_first_label() {
    let responder = Responder::publish_labelled(
        (0..40).flat_map(|number| [(item(number), label(number)), (item(number), label(1_000))]),
    );
    assert_eq!(
        (responder.published.items, responder.published.duplicates),
        (40, 40)
    );
    assert_eq!(look_up(&responder, 0..100), (0..40).collect());
}

#[test]
fn the_order_of_handing_in_changes_nothing() {
    let forwards = Responder::publish(0..1_500);
    let backwards = Responder::publish((0..1_500).rev());
    assert_eq!(forwards.file, backwards.file);
    assert_eq!(forwards.roll, backwards.roll);
}

#[test]
fn queries_must_ascend_and_may_repeat() {
    let responder = Responder::publish(0..10);
    let mut two = [item(1), item(2)];
    two.sort_unstable();
    let publication = responder.publication();
    let mut found = Vec::new();
    let repeated = [two[0], two[0], two[1], two[1]];
    publication
        .lookup(&repeated, |entry| found.push(entry.query))
        .unwrap();
    assert_eq!(found, [0, 1, 2, 3]);
    two.reverse();
    assert_eq!(publication.lookup(&two, |_| {}), Err(FileError::Unsorted));
}

#[test]
fn a_dummys_label_is_a_match_without_a_label() {
    // Nobody can ask for a dummy but who has its seed; here, whoever reads its tag from the file.
    let responder = Responder::publish([]);
    let publication = responder.publication();
    let proof = publication.prove(0).unwrap();
    let mut output = [0; 64];
    output[..10].copy_from_slice(&(proof.first_tag() << 7).to_be_bytes()[6..]);
    let found = publication.find(&output).unwrap().unwrap();
    assert_eq!(found.entry, 0);
    let seal = LabelSeal::new(&domain(), found.sequence);
    assert!(seal.open(&output, &found.sealed).is_err());
}

#[test]
fn bytes_per_entry_stay_within_a_tenth_of_the_limit() {
    let classes = (0..)
        .map(|k| 1_024_u64 << k)
        .take_while(|entries| *entries <= 1 << 30);
    for entries in classes.flat_map(|four| [4, 5, 6, 7].map(|n| four / 4 * n)) {
        let class = SetClass::from_entries(entries).unwrap();
        for budget in 23..=29 {
            let edition = crate::scale::edition(class, 1 << budget);
            let ratio = crate::scale::ratio_to_limit(&edition);
            assert!(
                ratio <= 1.10,
                "{entries} entries, 2^{budget} queries: {ratio}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_lookup_is_the_intersection(
        served in prop::collection::btree_set(0_u64..6_000, 0..5_000),
        asked in prop::collection::btree_set(0_u64..6_000, 0..500),
    ) {
        let responder = Responder::publish(served.iter().copied());
        let expected: BTreeSet<_> = served.intersection(&asked).copied().collect();
        prop_assert_eq!(look_up(&responder, asked), expected);
    }

    #[test]
    fn files_of_a_class_are_equally_long(items in 1_126_u64..=1_350, other in 0_u64..1 << 40) {
        let one = Responder::publish(0..items);
        let another = Responder::publish_labelled(
            (0..1_126).map(|number| (output("other", other + number), label(0))),
        );
        prop_assert_eq!(one.file.len(), another.file.len());
        prop_assert_ne!(one.published.root, another.published.root);
    }
}
