use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{
    Corrections, Planes, TREE, add_bytes, add_masked, base_ot, consistency_hash, ggm, leaves_hash,
    open_leaf, stream,
};
use crate::delta::Delta;
use crate::parameters::{LEAVES, NIBBLE};
use crate::{Dimensions, Gf128, SessionId};

/// The sender's side: q in planes, and whether the trees hold.
pub(crate) struct SenderExtension {
    pub(crate) planes: Planes,
    leaves_hold: Choice,
}

impl SenderExtension {
    /// Grows every tree but the leaf that Δ names, and sums with x + Δ_j in place of x: the
    /// missing leaf is in no sum. Nothing is refused here; a wrong leaf shows in
    /// [`verify`](Self::verify), together with everything else.
    pub(crate) fn new(
        session: &SessionId,
        dimensions: &Dimensions,
        delta: &Delta,
        keys: &[Gf128],
        corrections: &Corrections,
    ) -> Self {
        let columns = dimensions.columns();
        let ggm = ggm(session);
        let mut planes = Planes::new(columns);
        let mut leaves_hold = Choice::from(1);
        let no_correction = vec![0; columns.div_ceil(128)];
        let rows = [&no_correction].into_iter().chain(&corrections.rows);
        let trees = corrections
            .levels
            .chunks(NIBBLE)
            .zip(&corrections.leaves)
            .zip(rows);
        for (tree, ((levels, [total, hash]), row)) in trees.enumerate() {
            let nibble = delta.nibble(tree);
            let mut sides = Zeroizing::new([Gf128::ZERO; NIBBLE]);
            for (level, (side, [left, right])) in (1..).zip(sides.iter_mut().zip(levels)) {
                // The side that the path does not take is the choice of the base OT.
                let takes_right = TREE.path_bit(nibble, level);
                let key = keys.get(base_ot(tree, level)).copied().unwrap_or_default();
                *side = key + Gf128::conditional_select(right, left, takes_right);
            }
            let mut leaves = Zeroizing::new([Gf128::ZERO; LEAVES]);
            ggm.grow_punctured(TREE, nibble, &*sides, &mut *leaves);

            let (mut missing, mut checks) = (*total, Zeroizing::new([[0; 32]; LEAVES]));
            for ((leaf, &node), check) in leaves.iter().enumerate().zip(checks.iter_mut()) {
                let (value, seed) = open_leaf(session, tree, leaf, node);
                let known = !(leaf as u64).ct_eq(&(nibble as u64));
                *check = <[u8; 32]>::conditional_select(&[0; 32], &value, known);
                add_bytes(&mut missing, check);
                let stream = stream(seed, columns);
                for (b, plane) in planes.of_tree(tree).iter_mut().enumerate() {
                    // All bits of x + Δ_j are zero for the missing leaf.
                    let set = ((leaf ^ nibble) >> b & 1) as u128;
                    add_masked(plane, &stream, set.wrapping_neg());
                }
            }
            for (leaf, check) in checks.iter_mut().enumerate() {
                check.conditional_assign(&missing, (leaf as u64).ct_eq(&(nibble as u64)));
            }
            leaves_hold &= leaves_hash(session, tree, &*checks).ct_eq(hash);
            for (b, plane) in planes.of_tree(tree).iter_mut().enumerate() {
                add_masked(plane, row, delta.times_bit(NIBBLE * tree + b, u128::MAX));
            }
        }
        Self {
            planes,
            leaves_hold,
        }
    }

    /// Whether the trees hold and h(q_i) = h(τ_i) + Δ_i·h(u) for every plane i by itself. `hashes`
    /// is F4, h(u) first. One answer for all: which of the checks failed would tell bits of Δ.
    pub(crate) fn verify(
        &self,
        dimensions: &Dimensions,
        delta: &Delta,
        challenge: Gf128,
        hashes: &[Gf128],
    ) -> bool {
        let Some((choices, planes)) = hashes.split_first() else {
            return false;
        };
        let mut holds = self.leaves_hold;
        for (index, (plane, hash)) in self.planes.0.iter().zip(planes).enumerate() {
            let own = consistency_hash(challenge, plane, dimensions.positions());
            let theirs = hash.to_bits() ^ delta.times_bit(index, choices.to_bits());
            holds &= own.ct_eq(&Gf128::from_bits(theirs));
        }
        holds.into()
    }
}
