#![no_main]
//! Merkle proofs: those of a tree hold, changed ones do not, and any others are refused.

use std::ops::Range;

use blindmatch_audit::tree::{
    CompactRange, Hash, consistency_path, consistency_proof, inclusion_path, inclusion_proof,
    leaf_hash, root, verify_consistency, verify_inclusion,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input {
    Inclusion(u8, u8, Change),
    Consistency(u8, u8, Change),
    AnyInclusion(Hash, u64, u64, Vec<Hash>, Hash),
    AnyConsistency(u64, Hash, u64, Hash, Vec<Hash>),
    InclusionPath(u64, u64),
    ConsistencyPath(u64, u64),
    Range(u64, Vec<Hash>),
}

/// What is done to a proof.
#[derive(Arbitrary, Debug)]
enum Change {
    Nothing,
    Flip(u8, u8),
    Remove(u8),
    Add(u8, Hash),
}

impl Change {
    fn apply(&self, proof: &mut Vec<Hash>) {
        let place = |at: u8| usize::from(at).checked_rem(proof.len()).unwrap_or(0);
        match *self {
            Self::Nothing => {}
            Self::Flip(at, bit) => {
                let at = place(at);
                if let Some(hash) = proof.get_mut(at) {
                    hash[usize::from(bit) / 8] ^= 1 << (bit % 8);
                }
            }
            Self::Remove(at) => {
                let at = place(at);
                if at < proof.len() {
                    proof.remove(at);
                }
            }
            Self::Add(at, hash) => proof.insert(place(at), hash),
        }
    }
}

fuzz_target!(|input: Input| match input {
    Input::Inclusion(index, size, change) => inclusion(index.into(), size, &change),
    Input::Consistency(old, size, change) => consistency(old, size, &change),
    Input::AnyInclusion(leaf, index, size, proof, root) => {
        // Only in a tree of one leaf is a leaf its own root.
        let held = verify_inclusion(&leaf, index, size, &proof, &root).is_ok();
        assert!(!held || (size == 1 && proof.is_empty() && leaf == root) || !proof.is_empty());
    }
    Input::AnyConsistency(old, old_root, size, root, proof) => {
        let _ = verify_consistency(old, &old_root, size, &root, &proof);
    }
    Input::InclusionPath(index, size) => match inclusion_path(index, size) {
        // With the leaf itself, all leaves once.
        Some(path) => assert_eq!(covered(&path) + 1, size),
        None => assert!(index >= size),
    },
    Input::ConsistencyPath(old, size) => match consistency_path(old, size) {
        Some(path) => assert!(path.len() <= 65 && covered(&path) <= size),
        None => assert!(old > size),
    },
    Input::Range(size, subtrees) => {
        if let Some(mut range) = CompactRange::new(size, subtrees)
            && size < u64::MAX
        {
            range.append([0; 32]);
            assert_eq!(range.size(), size + 1);
            assert_eq!(range.subtrees().len() as u32, (size + 1).count_ones());
            let _ = range.root();
        }
    }
});

/// How many leaves these ranges cover, none of which is empty.
fn covered(path: &[Range<u64>]) -> u64 {
    assert!(path.iter().all(|range| range.start < range.end));
    path.iter().map(|range| range.end - range.start).sum()
}

fn leaves(size: u8) -> Vec<Hash> {
    (0..size).map(|leaf| leaf_hash(&[leaf])).collect()
}

fn inclusion(index: u64, size: u8, change: &Change) {
    let leaves = leaves(size);
    let Some(proof) = inclusion_proof(&leaves, index) else {
        return assert!(index >= size.into());
    };
    let mut changed = proof.clone();
    change.apply(&mut changed);
    let leaf = usize::try_from(index).map(|index| leaves[index]);
    let leaf = leaf.expect("an index of a byte");
    let held = verify_inclusion(&leaf, index, size.into(), &changed, &root(&leaves));
    assert_eq!(held.is_ok(), changed == proof);
}

fn consistency(old: u8, size: u8, change: &Change) {
    let leaves = leaves(size);
    let Some(proof) = consistency_proof(&leaves, old.into()) else {
        return assert!(old > size);
    };
    let mut changed = proof.clone();
    change.apply(&mut changed);
    let (old_root, new_root) = (root(&leaves[..old.into()]), root(&leaves));
    let held = verify_consistency(old.into(), &old_root, size.into(), &new_root, &changed);
    assert_eq!(held.is_ok(), changed == proof);
}
