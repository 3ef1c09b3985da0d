//! The hash tree of RFC 6962 over a file's header and blocks, from leaf hashes that stream past.

use sha2::{Digest, Sha256};

/// A SHA-256 hash.
pub(super) type Hash = [u8; 32];

/// Computes a root, and the audit path of one leaf, in memory logarithmic in the leaves.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Complete subtrees, from left to right, of falling size.
    subtrees: Vec<Subtree>,
    leaves: u64,
    /// The leaf whose path is wanted.
    wanted: Option<u64>,
    path: Vec<Hash>,
}

#[derive(Debug)]
struct Subtree {
    hash: Hash,
    leaves: u64,
    holds_wanted: bool,
}

impl Tree {
    /// A tree that also finds the audit path of a leaf.
    pub(super) fn with_path(leaf: u64) -> Self {
        Self {
            wanted: Some(leaf),
            ..Self::default()
        }
    }

    /// Appends a leaf by its hash.
    pub(super) fn push(&mut self, hash: Hash) {
        self.subtrees.push(Subtree {
            hash,
            leaves: 1,
            holds_wanted: self.wanted == Some(self.leaves),
        });
        self.leaves += 1;
        while let [.., left, right] = self.subtrees.as_slice()
            && left.leaves == right.leaves
        {
            self.join();
        }
    }

    /// The root and the path of the wanted leaf, from the leaf upwards.
    pub(super) fn finish(mut self) -> (Hash, Vec<Hash>) {
        while self.subtrees.len() > 1 {
            self.join();
        }
        // The root of no leaves is the hash of nothing (RFC 6962 §2.1).
        let root = self
            .subtrees
            .pop()
            .map_or_else(|| Sha256::digest([]).into(), |tree| tree.hash);
        (root, self.path)
    }

    fn join(&mut self) {
        let (Some(right), Some(left)) = (self.subtrees.pop(), self.subtrees.pop()) else {
            return;
        };
        if left.holds_wanted {
            self.path.push(right.hash);
        } else if right.holds_wanted {
            self.path.push(left.hash);
        }
        self.subtrees.push(Subtree {
            hash: node(&left.hash, &right.hash),
            leaves: left.leaves + right.leaves,
            holds_wanted: left.holds_wanted || right.holds_wanted,
        });
    }
}

/// The hash that begins a leaf: the leaf's bytes follow.
pub(super) fn leaf() -> Sha256 {
    Sha256::new_with_prefix([0])
}

/// The root that a leaf and its audit path lead to; none where the path has another length
/// (RFC 9162 §2.1.3.2).
pub(super) fn root_from_path(
    leaves: u64,
    leaf: u64,
    leaf_hash: Hash,
    path: &[Hash],
) -> Option<Hash> {
    let (mut at, mut last) = (leaf, leaves.checked_sub(1)?);
    if at > last {
        return None;
    }
    let mut hash = leaf_hash;
    for sibling in path {
        if last == 0 {
            return None;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_hash(leaf: u64) -> Hash {
        super::leaf()
            .chain_update(leaf.to_be_bytes())
            .finalize()
            .into()
    }

    /// The recursive definition of RFC 6962 §2.1.
    fn defined_root(from: u64, to: u64) -> Hash {
        if to - from == 1 {
            return leaf_hash(from);
        }
        let split = from + (to - from).next_power_of_two() / 2;
        node(&defined_root(from, split), &defined_root(split, to))
    }

    #[test]
    fn agrees_with_the_definition() {
        for leaves in 1..70 {
            let root = defined_root(0, leaves);
            for leaf in 0..leaves {
                let mut tree = Tree::with_path(leaf);
                (0..leaves).for_each(|leaf| tree.push(leaf_hash(leaf)));
                let (streamed, path) = tree.finish();
                assert_eq!(streamed, root);
                assert_eq!(
                    root_from_path(leaves, leaf, leaf_hash(leaf), &path),
                    Some(root)
                );
                let other = root_from_path(leaves, (leaf + 1) % leaves, leaf_hash(leaf), &path);
                assert!(leaves == 1 || other != Some(root));
                let longer = [path.as_slice(), &[root]].concat();
                assert_eq!(root_from_path(leaves, leaf, leaf_hash(leaf), &longer), None);
            }
        }
    }

    #[test]
    fn no_leaves_and_leaves_beyond_the_last() {
        let (root, path) = Tree::default().finish();
        assert_eq!((root, path), (Sha256::digest([]).into(), Vec::new()));
        assert_eq!(root_from_path(0, 0, root, &[]), None);
        assert_eq!(root_from_path(2, 2, root, &[root]), None);
    }
}
