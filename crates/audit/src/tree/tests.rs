#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use super::*;

/// The leaves and roots of the reference tree that RFC 6962 implementations test with.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// MTH exactly as RFC 9162 §2.1.1 writes it.
fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(
                &merkle_tree_hash(&leaves[..k]),
                &merkle_tree_hash(&leaves[k..]),
            )
        }
    }
}

/// PATH exactly as RFC 9162 §2.1.3.1 writes it.
fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut inner, sibling) = if m < k {
        (path(m, left), right)
    } else {
        (path(m - k, right), left)
    };
    inner.push(merkle_tree_hash(sibling));
    inner
}

/// SUBPROOF exactly as RFC 9162 §2.1.4.1 writes it.
fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![merkle_tree_hash(leaves)]
        };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut inner, sibling) = if m <= k {
        (subproof(m, left, whole), right)
    } else {
        (subproof(m - k, right, false), left)
    };
    inner.push(merkle_tree_hash(sibling));
    inner
}

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_reference_tree_has_its_known_roots() {
    let hashes: Vec<Hash> = LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect();
    let mut range = CompactRange::default();
    for size in 0..=8 {
        assert_eq!(hex(&root(&hashes[..size])), ROOTS[size], "{size} leaves");
        assert_eq!(hex(&range.root()), ROOTS[size], "{size} leaves, appended");
        if let Some(leaf) = hashes.get(size) {
            range.append(*leaf);
        }
    }
}

#[test]
fn proofs_are_those_of_the_rfc_and_hold() {
    let all = leaves(70);
    for size in 1..=70_usize {
        let (leaves, root) = (&all[..size], merkle_tree_hash(&all[..size]));
        assert_eq!(super::root(leaves), root);
        for index in 0..size {
            let proof = inclusion_proof(leaves, index as u64).unwrap();
            assert_eq!(proof, path(index, leaves), "leaf {index} of {size}");
            verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root).unwrap();
        }
        for old in 1..=size {
            let old_root = merkle_tree_hash(&leaves[..old]);
            let proof = consistency_proof(leaves, old as u64).unwrap();
            assert_eq!(proof, subproof(old, leaves, true), "{old} in {size}");
            verify_consistency(old as u64, &old_root, size as u64, &root, &proof).unwrap();
        }
    }
}

#[test]
fn every_change_of_an_inclusion_proof_is_refused() {
    for size in 1..=20_u64 {
        let leaves = leaves(size);
        let root = root(&leaves);
        for index in 0..size {
            let leaf = leaves[index as usize];
            let proof = inclusion_proof(&leaves, index).unwrap();
            let verify = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size, proof, root)
            };
            for i in 0..proof.len() {
                let mut changed = proof.clone();
                changed[i][7] ^= 4;
                assert_eq!(
                    verify(&leaf, index, size, &changed, &root),
                    Err(ProofError::Root)
                );
            }
            let longer = [proof.as_slice(), &[[0; 32]]].concat();
            assert_eq!(
                verify(&leaf, index, size, &longer, &root),
                Err(ProofError::Length)
            );
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(
                    verify(&leaf, index, size, shorter, &root),
                    Err(ProofError::Length)
                );
            }
            assert_eq!(
                verify(&[9; 32], index, size, &proof, &root),
                Err(ProofError::Root)
            );
            assert_eq!(
                verify(&leaf, index, size, &proof, &[9; 32]),
                Err(ProofError::Root)
            );
            assert_eq!(
                verify(&leaf, size, size, &proof, &root),
                Err(ProofError::OutsideTree)
            );
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify(&leaf, other, size, &proof, &root).is_err());
            }
        }
    }
}

#[test]
fn every_change_of_a_consistency_proof_is_refused() {
    for size in 2..=20_u64 {
        let leaves = leaves(size);
        let new = root(&leaves);
        for old_size in 1..size {
            let old = root(&leaves[..old_size as usize]);
            let proof = consistency_proof(&leaves, old_size).unwrap();
            for i in 0..proof.len() {
                let mut changed = proof.clone();
                changed[i][0] ^= 1;
                assert_eq!(
                    verify_consistency(old_size, &old, size, &new, &changed),
                    Err(ProofError::Root)
                );
            }
            let longer = [proof.as_slice(), &[[0; 32]]].concat();
            assert_eq!(
                verify_consistency(old_size, &old, size, &new, &longer),
                Err(ProofError::Length)
            );
            let (_, shorter) = proof.split_last().unwrap();
            assert!(verify_consistency(old_size, &old, size, &new, shorter).is_err());
            let fork = [3; 32];
            assert_eq!(
                verify_consistency(old_size, &fork, size, &new, &proof),
                Err(ProofError::Root)
            );
            assert_eq!(
                verify_consistency(old_size, &old, size, &fork, &proof),
                Err(ProofError::Root)
            );
        }
    }
}

#[test]
fn the_edges_of_consistency() {
    let leaves = leaves(5);
    let (empty, all) = (root(&[]), root(&leaves));
    assert_eq!(consistency_proof(&leaves, 0), Some(Vec::new()));
    assert_eq!(consistency_proof(&leaves, 5), Some(Vec::new()));
    assert_eq!(consistency_proof(&leaves, 6), None);
    assert_eq!(inclusion_proof(&leaves, 5), None);
    assert_eq!(verify_consistency(0, &empty, 5, &all, &[]), Ok(()));
    assert_eq!(
        verify_consistency(0, &all, 5, &all, &[]),
        Err(ProofError::Root)
    );
    assert_eq!(verify_consistency(5, &all, 5, &all, &[]), Ok(()));
    assert_eq!(
        verify_consistency(5, &empty, 5, &all, &[]),
        Err(ProofError::Root)
    );
    assert_eq!(
        verify_consistency(5, &all, 5, &all, &[all]),
        Err(ProofError::Length)
    );
    assert_eq!(
        verify_consistency(6, &all, 5, &all, &[]),
        Err(ProofError::OutsideTree)
    );
    assert_eq!(
        verify_consistency(3, &all, 5, &all, &[]),
        Err(ProofError::Length)
    );
    // An empty tree has one root, whichever side it stands on.
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(
        verify_consistency(0, &empty, 0, &all, &[]),
        Err(ProofError::Root)
    );
    // Sizes that no tree has, with proofs as long as they would be: refused, not looped over.
    let long = vec![[1; 32]; 64];
    assert!(verify_consistency(1, &all, u64::MAX, &all, &long).is_err());
    assert!(verify_inclusion(&all, u64::MAX - 1, u64::MAX, &long, &all).is_err());
}

/// No tree is as large, but a size may come from anybody.
#[test]
fn paths_of_the_largest_sizes_are_as_long_as_their_proofs() {
    let half = 1 << 63;
    let path = inclusion_path(half, half + 1).unwrap();
    assert_eq!((path.len(), &path[0]), (1, &(0..half)));
    let path = consistency_path(half, half + 1).unwrap();
    assert_eq!((path.len(), &path[0]), (1, &(half..half + 1)));
    let path = inclusion_path(0, half + 1).unwrap();
    assert_eq!((path.len(), &path[63]), (64, &(half..half + 1)));
    let path = inclusion_path(u64::MAX - 1, u64::MAX).unwrap();
    assert_eq!((path.len(), &path[62]), (63, &(0..half)));
    let path = consistency_path(1, u64::MAX).unwrap();
    assert_eq!((path.len(), &path[63]), (64, &(half..u64::MAX)));
    assert_eq!(consistency_path(u64::MAX, u64::MAX), Some(Vec::new()));
}

#[test]
fn a_compact_range_is_rebuilt_from_what_it_keeps() {
    let leaves = leaves(21);
    let (first, rest) = leaves.split_at(13);
    let kept: CompactRange = first.iter().copied().collect();
    let mut range = CompactRange::new(kept.size(), kept.subtrees().to_vec()).unwrap();
    assert_eq!(range, kept);
    for leaf in rest {
        range.append(*leaf);
    }
    assert_eq!((range.size(), range.root()), (21, root(&leaves)));
    assert_eq!(CompactRange::new(13, vec![[0; 32]; 2]), None);
}
