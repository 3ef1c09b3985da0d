//! Counting distinct indicators without keeping them.

use std::hash::Hasher;

use blindmatch_indicator::Indicator;
use rayon::prelude::*;
use siphasher::sip128::{Hasher128, SipHasher13};

/// Digests share a partition by their first byte, so that sorting stays inside the cache and
/// partitions are sorted side by side.
const PARTITIONS: usize = 256;
/// Sorting waits for so many new digests at least.
const MIN_UNSORTED: usize = 1 << 20;

/// A set of indicators that can only be counted.
///
/// It keeps 16 bytes for each, a keyed hash under a key that nobody else holds: at 10^9
/// indicators the odds that two share one are below 2^-68. Memory is at most twice what the
/// distinct ones need.
pub struct Distinct {
    key: [u8; 16],
    partitions: Vec<Vec<u128>>,
    /// Digests that were added since the partitions were last sorted and distinct.
    unsorted: usize,
    /// How many there were then.
    sorted: usize,
}

impl Distinct {
    /// An empty set; `key` is fresh and random.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            partitions: vec![Vec::new(); PARTITIONS],
            unsorted: 0,
            sorted: 0,
        }
    }

    /// Adds an indicator.
    pub fn insert(&mut self, indicator: &Indicator) {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&indicator.prefix());
        hasher.write(indicator.as_bytes());
        let digest = hasher.finish128().as_u128();
        let [first, ..] = digest.to_be_bytes();
        if let Some(partition) = self.partitions.get_mut(usize::from(first)) {
            partition.push(digest);
        }
        self.unsorted += 1;
        if self.unsorted >= self.sorted.max(MIN_UNSORTED) {
            self.sort();
        }
    }

    /// How many different indicators were added so far.
    pub fn count(&mut self) -> u64 {
        if self.unsorted > 0 {
            self.sort();
        }
        self.sorted as u64
    }

    fn sort(&mut self) {
        self.partitions.par_iter_mut().for_each(|partition| {
            partition.sort_unstable();
            partition.dedup();
        });
        self.sorted = self.partitions.iter().map(Vec::len).sum();
        self.unsorted = 0;
    }
}
