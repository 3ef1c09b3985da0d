//! What the querier has of its own items: it compares this with the answer once it has signed.

use std::sync::Arc;

use blindmatch_vole::{
    Decoded, Gf128, Item as Hashed, Okvs,
    online::{Binned, Opening},
    power_sum,
};
use zeroize::Zeroizing;

use super::{journal::Entry, terms::Terms};
use crate::{lookup::Items, session::State, stop::Fault};

/// The querier's items in the order of their bins, with what it evaluates them by.
pub struct Own {
    pub(super) binned: Arc<Binned>,
    /// In the order of the bins.
    pub(super) decoded: Decoded,
    pub(super) opening: Opening,
    /// Items, without padding.
    pub(super) count: u32,
    /// The responder's, to its share.
    pub(super) commitment: [u8; 32],
}

impl Own {
    /// Computes it anew, where the session that made it is gone: from the items, the same in the
    /// same order, and from the states that the run stored.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] for states that are not this run's or do not begin it, [`Fault::Items`]
    /// for other items.
    pub fn restore<'a, I: Items>(
        terms: &Terms,
        items: &mut I,
        states: impl IntoIterator<Item = &'a State>,
    ) -> Result<Self, Fault> {
        let mut sealed = None;
        for state in states {
            if let Entry::Sealed(found) = Entry::read(&terms.run(), state)? {
                sealed = Some(found);
            }
        }
        let sealed = sealed.ok_or(Fault::Journal)?;
        let count = items.count();
        let all = usize::try_from(count).map_err(|_| Fault::Items)?;
        let items = match all {
            0 => Vec::new(),
            _ => items.read(0, all).ok_or(Fault::Items)?,
        };
        let hasher = terms.hasher();
        let hashed: Vec<Hashed> = items.iter().map(|item| hasher.hash(item)).collect();
        if seal_of(&hashed, key_of(&sealed.items)) != sealed.items {
            return Err(Fault::Items);
        }
        let opening = Opening::from_bytes(&sealed.opening);
        let okvs = Okvs::new(*terms.shape(), &terms.session(), &opening.seed);
        let binned = Binned::new(&okvs, &hashed);
        let mut decoded = Decoded::with_capacity(hashed.len());
        for chunk in terms.chunks() {
            let vole = sealed.setup.expand(&chunk).ok_or(Fault::Journal)?;
            let bins = vole.into_bins(terms.shape(), chunk.bins);
            for bin in bins.ok_or(Fault::Journal)? {
                let number = bin.bin();
                let key = bin.into_key(terms.shape()).ok_or(Fault::Journal)?;
                let values = key.decode(&okvs, binned.bin(number).xs);
                decoded.append(&values.ok_or(Fault::Journal)?);
            }
        }
        Ok(Self {
            binned: Arc::new(binned),
            decoded,
            opening,
            // As many as a class holds.
            count: u32::try_from(count).map_err(|_| Fault::Items)?,
            commitment: *sealed.setup.commitment(),
        })
    }
}

/// A key, and the sum of the items under it.
pub(super) fn seal_of(items: &[Hashed], key: Gf128) -> [u8; 32] {
    let xs: Zeroizing<Vec<_>> = Zeroizing::new(items.iter().map(Hashed::x).collect());
    let mut seal = [0; 32];
    let sum = power_sum(key, &xs) + Gf128::from_bits(xs.len() as u128);
    let both = key.to_bytes().into_iter().chain(sum.to_bytes());
    seal.iter_mut().zip(both).for_each(|(to, byte)| *to = byte);
    seal
}

fn key_of(seal: &[u8; 32]) -> Gf128 {
    let mut key = [0; 16];
    key.iter_mut().zip(seal).for_each(|(to, &byte)| *to = byte);
    Gf128::from_bytes(key)
}
