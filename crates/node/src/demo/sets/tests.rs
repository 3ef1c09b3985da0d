#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashSet};

use blindmatch_indicator::{PublicSuffixes, ladder};

use super::*;

type Sets = BTreeMap<(&'static str, IndicatorType), HashSet<Indicator>>;

/// The values of every set and what follows from them, all of them valid.
fn sets(seed: u64) -> Sets {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list).unwrap());
    let mut sets = Sets::new();
    for set in generate(&canonicaliser, seed, 1_763_798_400) {
        for line in set.csv.lines().skip(1) {
            let value = line.split(',').next().unwrap();
            let parsed = canonicaliser.parse(set.indicator_type, value);
            let indicator = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
            for derived in canonicaliser.derive(&indicator) {
                let of = (set.provider, derived.indicator_type());
                if derived.indicator_type() != IndicatorType::Network {
                    sets.entry(of).or_default().insert(derived);
                }
            }
            let new = sets.entry((set.provider, set.indicator_type)).or_default();
            assert!(new.insert(indicator), "twice: {line}");
        }
    }
    sets
}

#[test]
fn overlaps_are_as_they_are_said_to_be() {
    for seed in 0..3 {
        let sets = sets(seed);
        for querier in PROVIDERS {
            let size = |kind| sets.get(&(querier, kind)).map_or(0, HashSet::len);
            let rows: usize = IndicatorType::ALL.into_iter().map(size).sum();
            assert!((3_000..10_000).contains(&rows), "{querier}: {rows}");
            for responder in PROVIDERS.into_iter().filter(|other| *other != querier) {
                for ((_, kind), own) in sets.iter().filter(|((of, _), _)| *of == querier) {
                    let theirs = sets.get(&(responder, *kind)).unwrap();
                    let mut common = own.intersection(theirs).count();
                    if *kind == IndicatorType::Network {
                        let tokens: HashSet<_> = theirs.iter().flat_map(ladder::split).collect();
                        let addresses = sets.get(&(querier, IndicatorType::Ip)).unwrap();
                        let inside = |address: &&Indicator| {
                            ladder::ancestors(address).any(|token| tokens.contains(&token))
                        };
                        common += addresses.iter().filter(inside).count();
                    }
                    assert_eq!(common, overlap(*kind), "{querier} at {responder}: {kind}");
                }
            }
        }
    }
}

#[test]
fn a_seed_makes_the_same_sets_again() {
    let sizes = |sets: Sets| sets.into_values().map(|set| set.len()).collect::<Vec<_>>();
    assert!(sets(1) == sets(1));
    assert!(sets(1) != sets(2));
    assert_eq!(sizes(sets(1)), sizes(sets(2)));
}
