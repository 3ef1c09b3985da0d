//! What any protocol must do, as checks that tests of each call.
//!
//! A protocol under test runs whole between two sides and says what its querier found and how
//! long everything was that either side sent or published. The checks compare that with
//! [`in_the_clear`] and name what differs.

use std::{collections::HashMap, fmt};

use blindmatch_audit::receipt::Side;
use rand_core::Rng;

use crate::lookup::Item;

/// A label as it is before sealing.
pub type Label = [u8; 24];

/// An item of the responder's set, and its label.
pub type Labelled = (Item, Label);

/// A protocol, run from the two sets to the querier's results.
pub trait Conforming {
    /// Runs it; `seed` gives all randomness of both sides.
    ///
    /// Items may occur several times on either side. Of several labels of one item in the set the
    /// first counts.
    fn run(&mut self, queries: &[Item], set: &[Labelled], seed: u64) -> Observed;

    /// The smallest number of items that is treated the same as `items` queries.
    fn query_class(&self, items: usize) -> usize;

    /// The same for items of the set.
    fn set_class(&self, items: usize) -> usize;
}

/// What a run showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The places of the queries that matched, ascending, and their labels as far as they opened.
    pub matches: Vec<(u64, Option<Label>)>,
    /// Who sent or published how many bytes, in order.
    pub lengths: Vec<(Side, usize)>,
}

/// What a protocol does not hold to, and the seed of the run that showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Other matches than the plaintext has.
    Matches {
        /// The run's.
        seed: u64,
    },
    /// A label that is not the set's, or that did not open.
    Label {
        /// The run's.
        seed: u64,
    },
    /// Lengths that differ between sets of the same classes.
    Lengths {
        /// The run's.
        seed: u64,
    },
}

/// The places of those queries that are in the set, ascending: what every protocol must find.
#[must_use]
pub fn in_the_clear(queries: &[Item], set: &[Item]) -> Vec<u64> {
    let set: std::collections::HashSet<&[u8]> = set.iter().map(|item| item.as_slice()).collect();
    let places = (0..).zip(queries);
    places
        .filter(|(_, query)| set.contains(query.as_slice()))
        .map(|(place, _)| place)
        .collect()
}

/// Random sets of random sizes up to `largest`, with no, one, some and all items common.
///
/// # Errors
///
/// [`Violation`].
pub fn check_random_sets(
    protocol: &mut dyn Conforming,
    rng: &mut dyn Rng,
    runs: u64,
    largest: usize,
) -> Result<(), Violation> {
    for _ in 0..runs {
        let (queries, set) = (below(rng, largest + 1), below(rng, largest + 1));
        let smaller = queries.min(set);
        for common in [0, smaller.min(1), below(rng, smaller + 1), smaller] {
            let (queries, set) = sets(rng, queries, set, common);
            check_run(protocol, &queries, &set, rng.next_u64())?;
        }
    }
    Ok(())
}

/// Sizes on either side of each boundary between classes, up to `largest`, on each side of the run
/// in turn.
///
/// # Errors
///
/// [`Violation`].
pub fn check_class_boundaries(
    protocol: &mut dyn Conforming,
    rng: &mut dyn Rng,
    largest: usize,
) -> Result<(), Violation> {
    let boundaries = |class: &dyn Fn(usize) -> usize| {
        let below = (1..largest).filter(|items| class(*items) != class(items + 1));
        below
            .flat_map(|items| [items, items + 1])
            .collect::<Vec<_>>()
    };
    for size in boundaries(&|items| protocol.query_class(items)) {
        let (queries, set) = sets(rng, size, 20, 10.min(size));
        check_run(protocol, &queries, &set, rng.next_u64())?;
    }
    for size in boundaries(&|items| protocol.set_class(items)) {
        let (queries, set) = sets(rng, 20, size, 10.min(size));
        check_run(protocol, &queries, &set, rng.next_u64())?;
    }
    Ok(())
}

/// Items that repeat, among the queries and in the set, and items that differ in one bit, in
/// length, or by a prefix, on either side.
///
/// # Errors
///
/// [`Violation`].
pub fn check_duplicates_and_neighbours(
    protocol: &mut dyn Conforming,
    rng: &mut dyn Rng,
) -> Result<(), Violation> {
    let (mut queries, mut set) = sets(rng, 30, 30, 15);
    queries.extend_from_within(..);
    check_run(protocol, &queries, &set, rng.next_u64())?;
    let again = set.iter().map(|(item, _)| item.clone()).collect();
    set.extend(labelled(rng, again));
    shuffle(rng, &mut set);
    check_run(protocol, &queries, &set, rng.next_u64())?;

    let items = random_items(rng, 10);
    let near = neighbours(&items);
    let (set, near_set) = (labelled(rng, items.clone()), labelled(rng, near.clone()));
    check_run(protocol, &near, &set, rng.next_u64())?;
    check_run(protocol, &items, &near_set, rng.next_u64())?;
    let all = [items, near].concat();
    check_run(protocol, &all, &set, rng.next_u64())?;
    // Each with its own label, though all are alike.
    let set = [set, near_set].concat();
    check_run(protocol, &all, &set, rng.next_u64()).map(|_| ())
}

/// Runs whose sets have the same classes but differ in size, content and matches, which must not
/// show in any length.
///
/// # Errors
///
/// [`Violation`].
pub fn check_lengths(
    protocol: &mut dyn Conforming,
    rng: &mut dyn Rng,
    runs: u64,
    largest: usize,
) -> Result<(), Violation> {
    let mut seen = HashMap::new();
    for _ in 0..runs {
        let (mut queries, mut set) = (below(rng, largest), below(rng, largest));
        let classes = (protocol.query_class(queries), protocol.set_class(set));
        for _ in 0..3 {
            let common = below(rng, queries.min(set) + 1);
            let (asked, served) = sets(rng, queries, set, common);
            let seed = rng.next_u64();
            let observed = check_run(protocol, &asked, &served, seed)?;
            let lengths = seen
                .entry(classes)
                .or_insert_with(|| observed.lengths.clone());
            if *lengths != observed.lengths {
                return Err(Violation::Lengths { seed });
            }
            // Other sizes of the same classes.
            queries = resize(rng, queries, &|items| protocol.query_class(items));
            set = resize(rng, set, &|items| protocol.set_class(items));
        }
    }
    Ok(())
}

/// One run against the plaintext.
///
/// # Errors
///
/// [`Violation::Matches`] or [`Violation::Label`].
pub fn check_run(
    protocol: &mut dyn Conforming,
    queries: &[Item],
    set: &[Labelled],
    seed: u64,
) -> Result<Observed, Violation> {
    let observed = protocol.run(queries, set, seed);
    // Backwards, so that the first of several stays.
    let labels: HashMap<&[u8], Label> = set
        .iter()
        .rev()
        .map(|(item, label)| (item.as_slice(), *label))
        .collect();
    let items: Vec<Item> = set.iter().map(|(item, _)| item.clone()).collect();
    let places = observed.matches.iter().map(|(place, _)| *place);
    if !places.eq(in_the_clear(queries, &items)) {
        return Err(Violation::Matches { seed });
    }
    for (place, label) in &observed.matches {
        let query = usize::try_from(*place)
            .ok()
            .and_then(|place| queries.get(place));
        let expected = query.and_then(|query| labels.get(query.as_slice()));
        if label.as_ref() != expected {
            return Err(Violation::Label { seed });
        }
    }
    Ok(observed)
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matches { seed } => write!(f, "other matches than in the clear, seed {seed}"),
            Self::Label { seed } => write!(f, "another label than the set's, seed {seed}"),
            Self::Lengths { seed } => write!(f, "lengths that tell sets apart, seed {seed}"),
        }
    }
}

impl std::error::Error for Violation {}

/// Queries and a set without repetition that have `common` items in common, in random places.
fn sets(
    rng: &mut dyn Rng,
    queries: usize,
    set: usize,
    common: usize,
) -> (Vec<Item>, Vec<Labelled>) {
    let shared = random_items(rng, common);
    let mut with = |total: usize| {
        let mut items = shared.clone();
        items.extend(random_items(rng, total - common));
        shuffle(rng, &mut items);
        items
    };
    let (queries, set) = (with(queries), with(set));
    (queries, labelled(rng, set))
}

/// Items that differ from one of `items` in a bit, or by a byte more or less at the end, and the
/// empty one.
fn neighbours(items: &[Item]) -> Vec<Item> {
    let mut near = Vec::new();
    for item in items {
        for bit in 0..8 * item.len() {
            let mut flipped = item.clone();
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            near.push(flipped);
        }
        let longer = [item.as_slice(), &[0]].concat();
        let shorter = item.split_last().map_or(&[][..], |(_, shorter)| shorter);
        near.extend([Item::new(longer), Item::new(shorter.to_vec())]);
    }
    near.push(Item::new(Vec::new()));
    near
}

/// Items of 12 to 35 random bytes, of which none will occur twice.
fn random_items(rng: &mut dyn Rng, count: usize) -> Vec<Item> {
    let item = |_| {
        let mut bytes = vec![0; 12 + below(rng, 24)];
        rng.fill_bytes(&mut bytes);
        Item::new(bytes)
    };
    (0..count).map(item).collect()
}

fn labelled(rng: &mut dyn Rng, items: Vec<Item>) -> Vec<Labelled> {
    let with_label = |item| {
        let mut label = [0; 24];
        rng.fill_bytes(&mut label);
        (item, label)
    };
    items.into_iter().map(with_label).collect()
}

fn shuffle<T>(rng: &mut dyn Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

/// Another number of the same class, or the same.
fn resize(rng: &mut dyn Rng, size: usize, class: &dyn Fn(usize) -> usize) -> usize {
    let other = size.saturating_sub(below(rng, size / 8 + 2)) + below(rng, size / 8 + 2);
    if class(other) == class(size) {
        other
    } else {
        size
    }
}

/// A number below `limit`, near enough to uniform for choosing test cases.
fn below(rng: &mut dyn Rng, limit: usize) -> usize {
    usize::try_from(rng.next_u64() % (limit as u64).max(1)).unwrap_or(0)
}
