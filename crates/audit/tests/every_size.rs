//! Proofs of every record in every ledger up to 2,000 records, and of every ledger in every later
//! one, from complete subtrees as a store keeps them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::ops::Range;

use blindmatch_audit::tree::{
    CompactRange, Hash, consistency_path, inclusion_path, leaf_hash, node_hash, verify_consistency,
    verify_inclusion,
};

const SIZE: u64 = 2_000;

/// The root at every size, and those of the complete subtrees of 2^level leaves by level.
struct Ledger {
    roots: Vec<Hash>,
    levels: Vec<Vec<Hash>>,
}

impl Ledger {
    fn new() -> Self {
        let mut levels = vec![Vec::new()];
        let (mut tree, mut roots) = (CompactRange::default(), Vec::new());
        roots.push(tree.root());
        for leaf in (0..SIZE).map(|i| leaf_hash(&i.to_be_bytes())) {
            tree.append(leaf);
            roots.push(tree.root());
            levels[0].push(leaf);
        }
        while levels[levels.len() - 1].len() > 1 {
            let pairs = levels[levels.len() - 1].chunks_exact(2);
            let parents = pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(parents);
        }
        Self { roots, levels }
    }

    fn leaf(&self, index: u64) -> &Hash {
        &self.levels[0][index as usize]
    }

    fn root(&self, size: u64) -> &Hash {
        &self.roots[size as usize]
    }

    fn proof(&self, path: Vec<Range<u64>>) -> Vec<Hash> {
        path.into_iter()
            .map(|leaves| self.subtree(leaves))
            .collect()
    }

    /// The root over these leaves, from the complete subtrees that they consist of.
    fn subtree(&self, leaves: Range<u64>) -> Hash {
        let (mut start, mut subtrees) = (leaves.start, Vec::new());
        while let Some(level) = (leaves.end - start).checked_ilog2() {
            subtrees.push(self.levels[level as usize][(start >> level) as usize]);
            start += 1 << level;
        }
        let size = leaves.end - leaves.start;
        CompactRange::new(size, subtrees).unwrap().root()
    }
}

#[test]
fn every_record_of_every_ledger() {
    let ledger = Ledger::new();
    let mut proofs = 0;
    for size in 1..=SIZE {
        for index in 0..size {
            let proof = ledger.proof(inclusion_path(index, size).unwrap());
            let (leaf, root) = (ledger.leaf(index), ledger.root(size));
            let verified = verify_inclusion(leaf, index, size, &proof, root);
            assert_eq!(verified, Ok(()), "{index} in {size}");
            proofs += 1;
        }
    }
    assert_eq!(proofs, SIZE * (SIZE + 1) / 2);
}

#[test]
fn every_ledger_in_every_later_one() {
    let ledger = Ledger::new();
    let mut proofs = 0;
    for size in 0..=SIZE {
        for old in 0..=size {
            let proof = ledger.proof(consistency_path(old, size).unwrap());
            let (old_root, root) = (ledger.root(old), ledger.root(size));
            let verified = verify_consistency(old, old_root, size, root, &proof);
            assert_eq!(verified, Ok(()), "{old} in {size}");
            proofs += 1;
        }
    }
    assert_eq!(proofs, (SIZE + 1) * (SIZE + 2) / 2);
}
