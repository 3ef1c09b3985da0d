//! Blocks of addresses as sorted ranges.

use std::cmp::Reverse;

/// Disjoint ranges, each with the number of its list, in ascending order.
#[derive(Default)]
pub(super) struct Ranges<A>(Vec<Range<A>>);

#[derive(Clone, Copy)]
struct Range<A> {
    first: A,
    last: A,
    list: usize,
}

impl<A: Copy + Ord> Ranges<A> {
    /// Adds the blocks of a list, as first and last address.
    ///
    /// Of two blocks one lies inside the other or they are disjoint, so the outermost are all that
    /// a search needs.
    pub(super) fn add(&mut self, blocks: Vec<(A, A)>, list: usize) {
        if blocks.is_empty() {
            return;
        }
        let blocks = blocks
            .into_iter()
            .map(|(first, last)| Range { first, last, list });
        self.0.extend(blocks);
        self.0
            .sort_by_key(|range| (range.first, Reverse(range.last), range.list));
        let mut end: Option<A> = None;
        self.0.retain(|range| {
            let is_inside = end.is_some_and(|end| range.last <= end);
            if !is_inside {
                end = Some(range.last);
            }
            !is_inside
        });
        self.0.shrink_to_fit();
    }

    /// The list of the block around all of `first..=last`.
    pub(super) fn around(&self, first: A, last: A) -> Option<usize> {
        let behind = self.0.partition_point(|range| range.first <= first);
        let range = self.0.get(behind.checked_sub(1)?)?;
        (last <= range.last).then_some(range.list)
    }
}
