//! The OT extension: SoftSpoken (Roy 2022) with k = 4 and its check against a receiver that
//! cheats. `spec/33-vole.md` §11.
//!
//! From 128 base OTs it makes L correlated OTs: the receiver holds u and τ, the sender q, and
//! q_l + τ_l = u_l·Δ at every position l. Both hold 128 bit-planes of L bits: plane 4j+b is bit
//! 4j+b of every q_l or τ_l.

use zeroize::Zeroizing;

use crate::ggm::{Ggm, Tree};
use crate::kernels::{combine, power_sum};
use crate::oracle::{Label, Oracle};
use crate::parameters::{BASE_OTS, LEAVES, NIBBLE, OT_TREES};
use crate::permutation::Generator;
use crate::wire::{Reader, bit, clear_padding, put_bits};
use crate::{Dimensions, Gf128, SessionId};

mod receiver;
mod sender;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use receiver::ReceiverExtension;
pub(crate) use sender::SenderExtension;

/// The trees, one for each nibble of Δ.
const TREE: Tree = Tree {
    leaves: LEAVES,
    depth: NIBBLE,
};

fn ggm(session: &SessionId) -> Ggm {
    Ggm::new(session, [Label::OT_TREE_LEFT, Label::OT_TREE_RIGHT])
}

/// The base OT that a level of a tree, counted from 1, uses: the top one carries the highest bit
/// of the nibble.
fn base_ot(tree: usize, level: usize) -> usize {
    NIBBLE * tree + NIBBLE - level
}

/// What the receiver sends, within F2.
pub(crate) struct Corrections {
    /// For each base OT in the order of trees and levels, the sums of the left and of the right
    /// children under the two keys.
    pub(crate) levels: Vec<[Gf128; 2]>,
    /// For each tree, the sum of its leaves' check values, and the hash of their list.
    pub(crate) leaves: Vec<[[u8; 32]; 2]>,
    /// u_j + u_0 for every tree j but the first.
    pub(crate) rows: Vec<Vec<u128>>,
}

impl Corrections {
    pub(crate) fn write(&self, dimensions: &Dimensions, out: &mut Vec<u8>) {
        out.extend(
            self.levels
                .as_flattened()
                .iter()
                .flat_map(|sum| sum.to_bytes()),
        );
        out.extend(self.leaves.as_flattened().as_flattened());
        for row in &self.rows {
            put_bits(out, row, dimensions.columns());
        }
    }

    pub(crate) fn read(dimensions: &Dimensions, reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            levels: (0..BASE_OTS)
                .map(|_| Some([reader.block()?, reader.block()?]))
                .collect::<Option<_>>()?,
            leaves: (0..OT_TREES)
                .map(|_| Some([reader.bytes()?, reader.bytes()?]))
                .collect::<Option<_>>()?,
            rows: (1..OT_TREES)
                .map(|_| reader.bits(dimensions.columns()))
                .collect::<Option<_>>()?,
        })
    }
}

/// A leaf opened: a check value, which its owner may show, and the seed that goes on.
fn open_leaf(session: &SessionId, tree: usize, leaf: usize, node: Gf128) -> ([u8; 32], Gf128) {
    let oracle = Oracle::new(Label::OT_LEAF).absorb(session.as_bytes());
    let oracle = oracle.absorb_index(tree).absorb_index(leaf);
    let bytes = Zeroizing::new(oracle.absorb(&node.to_bytes()).bytes::<48>());
    let (check, seed) = bytes.split_at(32);
    let (mut check_value, mut seed_bytes) = ([0; 32], Zeroizing::new([0; 16]));
    check_value.copy_from_slice(check);
    seed_bytes.copy_from_slice(seed);
    (check_value, Gf128::from_bytes(*seed_bytes))
}

/// The hash of the check values of all leaves of a tree.
fn leaves_hash(session: &SessionId, tree: usize, checks: &[[u8; 32]]) -> [u8; 32] {
    let oracle = Oracle::new(Label::OT_LEAVES)
        .absorb(session.as_bytes())
        .absorb_index(tree);
    oracle.absorb(checks.as_flattened()).bytes()
}

fn add_bytes(sum: &mut [u8; 32], value: &[u8; 32]) {
    sum.iter_mut()
        .zip(value)
        .for_each(|(sum, value)| *sum ^= value);
}

/// `columns` pseudo-random bits.
fn stream(seed: Gf128, columns: usize) -> Zeroizing<Vec<u128>> {
    let mut blocks = Zeroizing::new(vec![[0; 16]; columns.div_ceil(128)]);
    Generator::new(seed).fill(&mut blocks);
    let words = blocks.iter().map(|&block| u128::from_le_bytes(block));
    let mut words = Zeroizing::new(words.collect::<Vec<_>>());
    clear_padding(&mut words, columns);
    words
}

fn add_masked(sum: &mut [u128], words: &[u128], mask: u128) {
    sum.iter_mut()
        .zip(words)
        .for_each(|(sum, word)| *sum ^= word & mask);
}

/// Secret bit-planes, 128 of them.
pub(crate) struct Planes(pub(crate) Zeroizing<Vec<Vec<u128>>>);

impl Planes {
    fn new(columns: usize) -> Self {
        Self(Zeroizing::new(vec![
            vec![0; columns.div_ceil(128)];
            BASE_OTS
        ]))
    }

    /// The four planes of one tree.
    fn of_tree(&mut self, tree: usize) -> &mut [Vec<u128>] {
        self.0
            .get_mut(NIBBLE * tree..NIBBLE * (tree + 1))
            .unwrap_or_default()
    }

    /// The 128 bits at one position.
    pub(crate) fn position(&self, at: usize) -> Gf128 {
        let bits = (0..128u32).zip(self.0.iter());
        Gf128::from_bits(bits.fold(0, |row, (i, plane)| row | u128::from(bit(plane, at)) << i))
    }

    /// Σ x^l·(position 128·block + l): 128 correlated OTs of bits become one correlation of field
    /// elements. Plane i holds the coefficient of x^i of every position, so the sum over
    /// positions within a plane is the plane's own word.
    pub(crate) fn value(&self, block: usize) -> Gf128 {
        let words = self
            .0
            .iter()
            .map(|plane| plane.get(block).copied().unwrap_or_default());
        combine(&Zeroizing::new(
            words.map(Gf128::from_bits).collect::<Vec<_>>(),
        ))
    }
}

/// The hash of the consistency check: h(s) = Σ χ^{B−i}·s_i + s_m over the B main blocks of 128
/// bits, the last one padded with zeros, and the mask block. GF(2)-linear in s.
pub(crate) fn consistency_hash(challenge: Gf128, words: &[u128], positions: usize) -> Gf128 {
    let mut main: Zeroizing<Vec<u128>> = Zeroizing::new(
        words
            .iter()
            .take(positions.div_ceil(128))
            .copied()
            .collect(),
    );
    clear_padding(&mut main, positions);
    // `power_sum` has the highest power last, the hash has it first.
    let main: Zeroizing<Vec<_>> = Zeroizing::new(
        main.iter()
            .rev()
            .map(|&word| Gf128::from_bits(word))
            .collect(),
    );
    let at = |index: usize| words.get(index).copied().unwrap_or_default();
    let (word, shift) = (positions / 128, positions % 128);
    let mask = at(word) >> shift
        | if shift > 0 {
            at(word + 1) << (128 - shift)
        } else {
            0
        };
    power_sum(challenge, &main) + Gf128::from_bits(mask)
}
