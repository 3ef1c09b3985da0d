//! What is kept in memory of the ledger's tree: the roots of all complete subtrees of 256 leaves
//! and more, and the leaves of the last, incomplete one.
//!
//! That is 64 bytes, and 16 for the place, for each 256 records: 32 MiB for 10^8. The leaf hashes
//! that a proof needs beside them are computed from one chunk of 256 records, read from disk.

use std::ops::Range;

use blindmatch_audit::tree::{self, CompactRange, Hash};

/// The number of leaves of a chunk.
pub(super) const CHUNK: u64 = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Outline {
    tree: CompactRange,
    /// The roots of the complete subtrees of 2^(8 + level) leaves, by level.
    levels: Vec<Vec<Hash>>,
    /// The leaves of the incomplete chunk.
    leaves: Vec<Hash>,
    /// Where the chunks begin.
    places: Vec<Place>,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The first record of its segment.
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// A chunk's place, and what its records must hash to.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) place: Place,
    pub(super) first: u64,
    pub(super) count: u64,
    root: Hash,
}

impl Chunk {
    pub(super) fn is(&self, leaves: &[Hash]) -> bool {
        u64::try_from(leaves.len()) == Ok(self.count) && tree::root(leaves) == self.root
    }
}

impl Outline {
    pub(super) const fn tree(&self) -> &CompactRange {
        &self.tree
    }

    pub(super) fn append(&mut self, leaf: Hash, place: Place) {
        if self.leaves.is_empty() {
            self.places.push(place);
        }
        self.tree.append(leaf);
        self.leaves.push(leaf);
        if self.leaves.len() as u64 == CHUNK {
            let root = tree::root(&self.leaves);
            self.leaves.clear();
            self.complete(root);
        }
    }

    /// The chunk of the record `index`; `None` where there is no such record.
    pub(super) fn chunk(&self, index: u64) -> Option<Chunk> {
        let number = usize::try_from(index / CHUNK).ok()?;
        let complete = self.levels.first().and_then(|roots| roots.get(number));
        let (root, count) = match complete {
            Some(root) => (*root, CHUNK),
            None => (tree::root(&self.leaves), self.leaves.len() as u64),
        };
        let first = index - index % CHUNK;
        (index < first + count).then_some(Chunk {
            place: *self.places.get(number)?,
            first,
            count,
            root,
        })
    }

    /// The leaves of the incomplete chunk, where the leaf `index` is of it.
    pub(super) fn incomplete(&self, index: u64) -> Option<&[Hash]> {
        let first = self.tree.size() - self.leaves.len() as u64;
        (first..self.tree.size())
            .contains(&index)
            .then_some(&self.leaves)
    }

    /// The root of the subtree over these leaves, one that a path of [`tree`] names or the tree of
    /// an earlier size. `read` gives the leaf hashes of the chunk that a leaf stands in.
    pub(super) fn root<E>(
        &self,
        leaves: Range<u64>,
        read: &mut impl FnMut(u64) -> Result<Vec<Hash>, E>,
    ) -> Result<Hash, E> {
        if let Some(known) = self.known(&leaves) {
            return Ok(known);
        }
        let size = leaves.end - leaves.start;
        if size <= CHUNK {
            let chunk = read(leaves.start)?;
            let skip = usize::try_from(leaves.start % CHUNK).unwrap_or(usize::MAX);
            let count = usize::try_from(size).unwrap_or(usize::MAX);
            let leaves = chunk.into_iter().skip(skip).take(count);
            return Ok(leaves.collect::<CompactRange>().root());
        }
        let middle = leaves.start + (size.next_power_of_two() >> 1);
        let left = self.root(leaves.start..middle, read)?;
        let right = self.root(middle..leaves.end, read)?;
        Ok(tree::node_hash(&left, &right))
    }

    fn known(&self, leaves: &Range<u64>) -> Option<Hash> {
        let size = leaves.end.checked_sub(leaves.start)?;
        if size < CHUNK || !size.is_power_of_two() || !leaves.start.is_multiple_of(size) {
            return None;
        }
        let level = usize::try_from((size / CHUNK).ilog2()).ok()?;
        let number = usize::try_from(leaves.start / size).ok()?;
        self.levels.get(level)?.get(number).copied()
    }

    /// Adds the root of a chunk, and of each larger subtree that it completes.
    fn complete(&mut self, root: Hash) {
        let mut root = root;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(roots) = self.levels.get_mut(level) else {
                return;
            };
            roots.push(root);
            match roots.as_slice() {
                [.., left, right] if roots.len().is_multiple_of(2) => {
                    root = tree::node_hash(left, right)
                }
                _ => return,
            }
            level += 1;
        }
    }
}

#[cfg(test)]
mod tests;
