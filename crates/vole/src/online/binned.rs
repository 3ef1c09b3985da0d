//! The items of one side, sorted into the bins of a run's OKVS.

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::okvs::{Okvs, OkvsError};
use crate::{Gf128, Item};

/// The items of one side in the order of their bins, so that each bin is a work unit that reads
/// its own stretch of memory.
pub struct Binned {
    /// Where each bin starts, and where the last ends.
    starts: Vec<u32>,
    places: Zeroizing<Vec<u32>>,
    xs: Zeroizing<Vec<Gf128>>,
    vs: Zeroizing<Vec<Gf128>>,
}

/// The items of one bin.
#[derive(Clone, Copy)]
pub struct BinItems<'a> {
    /// The place of each among the items of its side.
    pub places: &'a [u32],
    /// Their placing hashes.
    pub xs: &'a [Gf128],
    /// Their value hashes.
    pub vs: &'a [Gf128],
}

impl Binned {
    /// Sorts items, whose places are their indices.
    pub fn new(okvs: &Okvs, items: &[Item]) -> Self {
        let bins = okvs.partition(items.iter().map(Item::x));
        let (starts, places) = bins.into_parts();
        let each = |part: fn(&Item) -> Gf128| {
            let item = |&place: &u32| items.get(place as usize).map(part).unwrap_or_default();
            Zeroizing::new(places.iter().map(item).collect())
        };
        let (xs, vs) = (each(Item::x), each(Item::v));
        Self {
            starts,
            places,
            xs,
            vs,
        }
    }

    /// The items of all bins, in their order.
    pub fn all(&self) -> BinItems<'_> {
        BinItems {
            places: &self.places,
            xs: &self.xs,
            vs: &self.vs,
        }
    }

    /// Whether an item occurs twice.
    pub fn repeats(&self) -> bool {
        let mut xs: Zeroizing<Vec<u128>> =
            Zeroizing::new(self.xs.iter().map(|x| x.to_bits()).collect());
        xs.sort_unstable();
        xs.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    /// Whether in each of these pairs of places stands one item.
    pub fn are_equal(&self, pairs: &[(u32, u32)]) -> bool {
        let mut sought: HashMap<u32, Gf128> = pairs
            .iter()
            .flat_map(|&(a, b)| [(a, Gf128::ZERO), (b, Gf128::ZERO)])
            .collect();
        for (place, &x) in self.places.iter().zip(self.xs.iter()) {
            if let Some(found) = sought.get_mut(place) {
                *found = x;
            }
        }
        pairs.iter().all(|(a, b)| sought.get(a) == sought.get(b))
    }

    /// The items of a bin; none beyond the last.
    pub fn bin(&self, bin: u32) -> BinItems<'_> {
        let at = |bin: u32| self.starts.get(bin as usize).map(|&start| start as usize);
        let range = at(bin).zip(bin.checked_add(1).and_then(at));
        let range = range.map_or(0..0, |(start, end)| start..end);
        BinItems {
            places: self.places.get(range.clone()).unwrap_or_default(),
            xs: self.xs.get(range.clone()).unwrap_or_default(),
            vs: self.vs.get(range).unwrap_or_default(),
        }
    }

    /// Whether a bin has more items than it has room for, those that occur twice counted twice.
    pub fn overflows(&self, okvs: &Okvs) -> bool {
        let most = okvs.shape().bin_rows();
        self.starts
            .windows(2)
            .any(|pair| matches!(pair, [start, end] if end - start > most))
    }
}

impl BinItems<'_> {
    /// The part of P that encodes these items, each of which counts once however often it occurs.
    ///
    /// # Errors
    /// [`OkvsError`]; another seed may help.
    pub fn encode(&self, okvs: &Okvs) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
        match okvs.encode_bin(self.xs, self.vs) {
            // Rare: what a side holds is distinct as a rule.
            Err(OkvsError::EqualItems) => {
                let mut pairs: Zeroizing<Vec<_>> = Zeroizing::new(
                    self.xs
                        .iter()
                        .zip(self.vs)
                        .map(|(x, &v)| (x.to_bits(), v))
                        .collect(),
                );
                pairs.sort_by_key(|&(x, _)| x);
                pairs.dedup_by_key(|&mut (x, _)| x);
                let xs: Vec<_> = pairs.iter().map(|&(x, _)| Gf128::from_bits(x)).collect();
                let vs: Vec<_> = pairs.iter().map(|&(_, v)| v).collect();
                okvs.encode_bin(&Zeroizing::new(xs), &Zeroizing::new(vs))
            }
            result => result,
        }
    }
}
