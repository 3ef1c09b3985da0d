//! The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1, with SHA-256.
//!
//! Trees are handed in as lists of leaf hashes, or grow as a [`CompactRange`]. What a proof
//! consists of is named by [`inclusion_path`] and [`consistency_path`] as ranges of leaves, so
//! that a store can answer from cached subtrees with the same code that a list uses.

use std::{fmt, ops::Range};

use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, a node, or a whole tree.
pub type Hash = [u8; 32];

/// The hash of a leaf, `SHA-256(0x00 ‖ leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// The hash of an inner node, `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the tree over these leaf hashes, MTH of RFC 9162 §2.1.1.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<CompactRange>().root()
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    subtrees: Vec<Hash>,
}

impl CompactRange {
    /// The tree of `size` leaves whose complete subtrees, largest first, have these roots, or
    /// `None` where their number does not fit the size: one for each bit set in it.
    #[must_use]
    pub fn new(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        (u64::try_from(subtrees.len()) == Ok(size.count_ones().into()))
            .then_some(Self { size, subtrees })
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first: what to keep of this range.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root of the tree; that of an empty one is the hash of the empty string.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.subtrees
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }
}

impl FromIterator<Hash> for CompactRange {
    fn from_iter<T: IntoIterator<Item = Hash>>(leaves: T) -> Self {
        let mut range = Self::default();
        for leaf in leaves {
            range.append(leaf);
        }
        range
    }
}

/// What an inclusion proof of leaf `index` in a tree of `size` leaves consists of: the ranges of
/// leaves whose subtree roots are its hashes, in order (RFC 9162 §2.1.3.1).
///
/// `None` where there is no such leaf.
#[must_use]
pub fn inclusion_path(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if index >= size {
        return None;
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = middle(&tree);
        if index < middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// What a consistency proof between the trees of the first `old` and of all `size` leaves consists
/// of, as in [`inclusion_path`] (RFC 9162 §2.1.4.1). It is empty where they are the same tree, or
/// the old one is empty.
///
/// `None` where the old tree is the larger one.
#[must_use]
pub fn consistency_path(old: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if old > size {
        return None;
    }
    let mut path = Vec::new();
    if old == 0 || old == size {
        return Some(path);
    }
    let mut tree = 0..size;
    while tree.end != old {
        let middle = middle(&tree);
        if old <= middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // A subtree that begins at the first leaf is the old tree itself, which the verifier knows.
    if tree.start > 0 {
        path.push(tree);
    }
    path.reverse();
    Some(path)
}

/// The inclusion proof of leaf `index` among these leaf hashes; `None` where there is no such leaf.
#[must_use]
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Option<Vec<Hash>> {
    subtree_roots(
        leaves,
        inclusion_path(index, leaves.len().try_into().ok()?)?,
    )
}

/// The proof that the first `old` of these leaf hashes are a prefix of them all; `None` where
/// there are fewer.
#[must_use]
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Option<Vec<Hash>> {
    subtree_roots(
        leaves,
        consistency_path(old, leaves.len().try_into().ok()?)?,
    )
}

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// A leaf outside the tree, or an old tree larger than the new one.
    OutsideTree,
    /// Another number of hashes than a proof between these sizes has.
    Length,
    /// The hashes lead to another root.
    Root,
}

/// Verifies that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves and this
/// root (RFC 9162 §2.1.3.2).
///
/// # Errors
///
/// [`ProofError`], with what does not hold.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutsideTree);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            climb_to_right_child(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    expect(last == 0, ProofError::Length)?;
    expect(hash == *root, ProofError::Root)
}

/// Verifies that the tree of `old_size` leaves and `old_root` is a prefix of the tree of `size`
/// leaves and `root` (RFC 9162 §2.1.4.2).
///
/// # Errors
///
/// [`ProofError`], with what does not hold.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    expect(old_size <= size, ProofError::OutsideTree)?;
    if old_size == 0 || old_size == size {
        expect(proof.is_empty(), ProofError::Length)?;
        let empty = CompactRange::default().root();
        let holds = match (old_size, size) {
            (0, 0) => *old_root == empty && *root == empty,
            (0, _) => *old_root == empty,
            _ => old_root == root,
        };
        return expect(holds, ProofError::Root);
    }
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::Length)?
    };
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shift, (size - 1) >> shift);
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            climb_to_right_child(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    expect(last == 0, ProofError::Length)?;
    expect(old_hash == *old_root && hash == *root, ProofError::Root)
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideTree => "the proof is about a leaf or a tree outside this tree",
            Self::Length => "the proof has another length than its tree asks for",
            Self::Root => "the proof leads to another root",
        })
    }
}

impl std::error::Error for ProofError {}

/// Where the tree over these leaves splits: behind the largest power of two below its size.
fn middle(tree: &Range<u64>) -> u64 {
    // Only trees of two leaves and more split; not by `next_power_of_two`, which most sizes above
    // 2^63 do not have.
    let last = (tree.end - tree.start).saturating_sub(1);
    tree.start + (1 << last.checked_ilog2().unwrap_or(0))
}

/// On the right border a level may lack a sibling: the climb skips such levels (both RFC
/// algorithms, "until LSB(fn) is set").
fn climb_to_right_child(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

fn subtree_roots(leaves: &[Hash], path: Vec<Range<u64>>) -> Option<Vec<Hash>> {
    path.into_iter()
        .map(|range| {
            let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
            leaves.get(range).map(root)
        })
        .collect()
}

fn expect(holds: bool, error: ProofError) -> Result<(), ProofError> {
    if holds { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
