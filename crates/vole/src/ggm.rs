//! Trees of Goldreich, Goldwasser and Micali: one seed gives many leaves, and the XOR of the left
//! and of the right children of each level, one of the two a level, gives all leaves but one.
//! `spec/33-vole.md` §9.
//!
//! The OT extension and the PPRF both use them. A tree need not be full: at level d it keeps
//! ⌈leaves / 2^(depth−d)⌉ nodes. Where that is odd, the right child of the last node above is a
//! *phantom*: it is computed, counted in the sum of its side and handed to the caller, and never
//! expanded. Without it a path that leaves the tree would puncture nothing, and who chose it
//! would know every leaf (`spec/33-vole.md` §9.2).
//!
//! Which leaf is missing is a secret of who punctures: nothing here branches on it or indexes by
//! it.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::oracle::Label;
use crate::permutation::Permutation;
use crate::{Gf128, SessionId};

#[cfg(test)]
mod tests;

/// The shape of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Tree {
    pub(crate) leaves: usize,
    pub(crate) depth: usize,
}

impl Tree {
    /// Nodes at a level that are kept; the root is level 0.
    fn nodes(&self, level: usize) -> usize {
        self.leaves.div_ceil(1 << (self.depth - level))
    }

    /// The bit of a path that chooses at a level from 1 on, most significant first.
    #[expect(clippy::cast_possible_truncation, reason = "one bit")]
    pub(crate) fn path_bit(&self, path: usize, level: usize) -> Choice {
        Choice::from(((path >> (self.depth - level)) & 1) as u8)
    }
}

/// What who grows a whole tree gets besides its leaves.
pub(crate) struct Grown {
    /// For each level from 1 on, the sum of the left children and that of the right ones.
    pub(crate) sums: Zeroizing<Vec<[Gf128; 2]>>,
    /// The sum of all phantoms.
    pub(crate) phantoms: Gf128,
}

/// The two functions from a node to its children: AES under a session key, fed forward.
pub(crate) struct Ggm {
    left: Permutation,
    right: Permutation,
}

/// A level of children before they are put in their places.
struct Children {
    left: Zeroizing<Vec<Gf128>>,
    right: Zeroizing<Vec<Gf128>>,
}

impl Children {
    /// Room for the widest level, so that nothing moves and leaves a copy behind.
    fn of_tree(tree: Tree) -> Self {
        let side = || Zeroizing::new(Vec::with_capacity(tree.nodes(tree.depth - 1)));
        Self {
            left: side(),
            right: side(),
        }
    }

    fn grow(&mut self, ggm: &Ggm, nodes: &[Gf128]) {
        for (children, permutation) in [(&mut self.left, &ggm.left), (&mut self.right, &ggm.right)]
        {
            children.resize(nodes.len(), Gf128::ZERO);
            permutation.feed_forward_all(nodes, children);
        }
    }

    fn sums(&self) -> [Gf128; 2] {
        [&self.left, &self.right]
            .map(|side| side.iter().fold(Gf128::ZERO, |sum, &child| sum + child))
    }

    /// Interleaves the children into the next level, and returns the phantom, if there is one.
    fn place(&self, nodes: &mut [Gf128]) -> Gf128 {
        let children = self.left.iter().zip(self.right.iter());
        for (pair, (&left, &right)) in nodes.chunks_mut(2).zip(children) {
            if let Some(node) = pair.first_mut() {
                *node = left;
            }
            if let Some(node) = pair.get_mut(1) {
                *node = right;
            }
        }
        let phantom = if nodes.len() % 2 == 1 {
            self.right.last()
        } else {
            None
        };
        phantom.copied().unwrap_or_default()
    }
}

impl Ggm {
    pub(crate) fn new(session: &SessionId, [left, right]: [Label; 2]) -> Self {
        let permutation = |label| Permutation::for_session(label, session.as_bytes());
        Self {
            left: permutation(left),
            right: permutation(right),
        }
    }

    /// Grows a whole tree from its root into `leaves`, which has as many entries as the tree has
    /// leaves.
    pub(crate) fn grow(&self, tree: Tree, root: Gf128, leaves: &mut [Gf128]) -> Grown {
        let mut sums = Zeroizing::new(Vec::with_capacity(tree.depth));
        let mut phantoms = Gf128::ZERO;
        let mut children = Children::of_tree(tree);
        if let Some(node) = leaves.first_mut() {
            *node = root;
        }
        for level in 1..=tree.depth {
            children.grow(
                self,
                leaves.get(..tree.nodes(level - 1)).unwrap_or_default(),
            );
            sums.push(children.sums());
            let nodes = leaves.get_mut(..tree.nodes(level)).unwrap_or_default();
            phantoms += children.place(nodes);
        }
        Grown { sums, phantoms }
    }

    /// Grows all leaves but the one at `path`, which comes out as zero. `sides` holds, for each
    /// level from 1 on, the sum on the side that the path does not take. Returns the sum of the
    /// phantoms.
    pub(crate) fn grow_punctured(
        &self,
        tree: Tree,
        path: usize,
        sides: &[Gf128],
        leaves: &mut [Gf128],
    ) -> Gf128 {
        let mut phantoms = Gf128::ZERO;
        let mut children = Children::of_tree(tree);
        if let Some(node) = leaves.first_mut() {
            *node = Gf128::ZERO;
        }
        for (level, &side) in (1..=tree.depth).zip(sides) {
            children.grow(
                self,
                leaves.get(..tree.nodes(level - 1)).unwrap_or_default(),
            );
            let parent = (path >> (tree.depth - level + 1)) as u64;
            let takes_right = tree.path_bit(path, level);
            let pairs = || (0u64..).map(|at| at.ct_eq(&parent));
            // The children of the missing node were made of zero: take them out.
            for side in [&mut children.left, &mut children.right] {
                for (child, missing) in side.iter_mut().zip(pairs()) {
                    *child = Gf128::conditional_select(child, &Gf128::ZERO, missing);
                }
            }
            // What its side still lacks is the sibling of the path.
            let [left, right] = children.sums();
            let sibling = side + Gf128::conditional_select(&right, &left, takes_right);
            let placed = children.left.iter_mut().zip(children.right.iter_mut());
            for ((left, right), missing) in placed.zip(pairs()) {
                left.conditional_assign(&sibling, missing & takes_right);
                right.conditional_assign(&sibling, missing & !takes_right);
            }
            let nodes = leaves.get_mut(..tree.nodes(level)).unwrap_or_default();
            phantoms += children.place(nodes);
        }
        phantoms
    }
}
