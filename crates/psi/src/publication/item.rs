//! The records that publications sort: items, and the dummies among them.

use std::array;

use super::{
    dummy::{self, DummySeed},
    error::PublishError,
    label::{LABEL_LENGTH, LabelSeal, SealedLabel},
    scratch::Scratch,
    sort::{Sorted, Sorter},
    tag::Output,
};

/// Output, order, label: sorted by output, among equal ones in the order of handing in.
pub(super) const RECORD: usize = 64 + 8 + LABEL_LENGTH;

/// The order of a dummy, behind every item.
const DUMMY: u64 = u64::MAX;

/// An item or dummy on its way into a publication.
pub(super) struct Item {
    pub(super) output: Output,
    order: u64,
    label: [u8; LABEL_LENGTH],
}

impl Item {
    /// The record of the item that was handed in as number `order`.
    pub(super) fn record(output: &Output, order: u64, label: &[u8; LABEL_LENGTH]) -> [u8; RECORD] {
        let order = order.to_be_bytes();
        let mut bytes = output.iter().chain(&order).chain(label).copied();
        array::from_fn(|_| bytes.next().unwrap_or(0))
    }

    pub(super) fn read(record: &[u8; RECORD]) -> Self {
        let mut bytes = record.iter().copied();
        let mut next = || bytes.next().unwrap_or(0);
        Self {
            output: array::from_fn(|_| next()),
            order: u64::from_be_bytes(array::from_fn(|_| next())),
            label: array::from_fn(|_| next()),
        }
    }

    /// Sorts so many dummies of a publication.
    pub(super) fn dummies<'a, S: Scratch>(
        seed: &DummySeed,
        sequence: u64,
        count: u64,
        scratch: &'a S,
        working_set: usize,
    ) -> Result<Sorted<'a, S, RECORD>, PublishError> {
        let mut sorter = Sorter::new(scratch, working_set)?;
        for counter in 0..count {
            let output = seed.dummy(sequence, counter);
            sorter.push(Self::record(&output, DUMMY, &[0; LABEL_LENGTH]))?;
        }
        sorter.finish()
    }

    /// Its place among the items handed in; none for a dummy.
    pub(super) fn order(&self) -> Option<u64> {
        (self.order != DUMMY).then_some(self.order)
    }

    /// Whether this repeats `first`, which has the same tag; if not, why nothing is published.
    pub(super) fn check_repeats(&self, first: &Self) -> Result<(), PublishError> {
        match (first.order(), self.order()) {
            (Some(_), Some(_)) if first.output == self.output => Ok(()),
            (Some(_), Some(_)) => Err(PublishError::SameTag),
            _ => Err(PublishError::Collision),
        }
    }

    pub(super) fn seal(&self, seal: &LabelSeal) -> SealedLabel {
        if self.order == DUMMY {
            dummy::sealed(&self.output)
        } else {
            seal.seal(&self.output, &self.label)
        }
    }
}
