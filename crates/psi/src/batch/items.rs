//! The responder's set as it is handed in.

use super::terms::LABEL_LENGTH;
use crate::lookup::Item;

/// The items that a responder serves, with their labels.
///
/// Of several that are equal the first counts.
pub trait LabelledItems: Send {
    /// How many there are.
    fn count(&self) -> u64;

    /// The next `count` items from `first` on, all of which exist; `None` where they cannot be
    /// read any more. Labels are not looked at where the run has none.
    fn read(&mut self, first: u64, count: usize) -> Option<Vec<(Item, [u8; LABEL_LENGTH])>>;
}

impl LabelledItems for Vec<(Item, [u8; LABEL_LENGTH])> {
    fn count(&self) -> u64 {
        // No `Vec` is longer than 2^63.
        self.len() as u64
    }

    fn read(&mut self, first: u64, count: usize) -> Option<Vec<(Item, [u8; LABEL_LENGTH])>> {
        let first = usize::try_from(first).ok()?;
        let items = self.get(first..first.checked_add(count)?)?;
        Some(items.to_vec())
    }
}
