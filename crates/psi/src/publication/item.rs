//! The records that publications sort: items, and the dummies among them.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    dummy::{self, DummySeed},
    error::PublishError,
    label::{LABEL_LENGTH, LabelSeal, SealedLabel},
    scratch::Scratch,
    sort::{Sorted, Sorter},
};

/// Output, order, label: sorted by output, among equal ones in the order of handing in.
pub(super) const RECORD: usize = 64 + 8 + LABEL_LENGTH;

/// The order of a dummy, behind every item.
const DUMMY: u64 = u64::MAX;

/// An item or dummy on its way into a publication.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Item {
    pub(super) output: [u8; 64],
    order: u64,
    label: [u8; LABEL_LENGTH],
}

impl Item {
    /// The record of the item that was handed in as number `order`.
    pub(super) fn record(
        output: &[u8; 64],
        order: u64,
        label: &[u8; LABEL_LENGTH],
    ) -> Zeroizing<[u8; RECORD]> {
        let mut record = Zeroizing::new([0; RECORD]);
        let (output_part, rest) = record.split_at_mut(64);
        let (order_part, label_part) = rest.split_at_mut(8);
        output_part.copy_from_slice(output);
        order_part.copy_from_slice(&order.to_be_bytes());
        label_part.copy_from_slice(label);
        record
    }

    pub(super) fn read(record: &[u8; RECORD]) -> Self {
        let mut item = Self {
            output: [0; 64],
            order: 0,
            label: [0; LABEL_LENGTH],
        };
        let (output, rest) = record.split_at(64);
        let (order, label) = rest.split_at(8);
        item.output.copy_from_slice(output);
        item.order = order.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        item.label.copy_from_slice(label);
        item
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
        let dummies = seed.dummies(sequence);
        for counter in 0..count {
            let output = dummies.output(counter);
            sorter.push(&Self::record(&output, DUMMY, &[0; LABEL_LENGTH]))?;
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

/// How many distinct items there are among sorted ones.
pub(super) fn count_distinct<S: Scratch>(
    sorted: &mut Sorted<'_, S, RECORD>,
) -> Result<u64, PublishError> {
    let mut merge = sorted.merge()?;
    let mut before = Zeroizing::new([0; 64]);
    let mut items = 0;
    while let Some(record) = merge.next()? {
        let (output, _) = record.split_at(64);
        if items == 0 || output != before.as_slice() {
            items += 1;
            before.copy_from_slice(output);
        }
    }
    Ok(items)
}
