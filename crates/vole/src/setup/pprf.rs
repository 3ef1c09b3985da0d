//! The noise vectors from their seeds: the sender's b from the roots of its trees, the
//! receiver's a and c from trees that each miss one leaf.

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Context;
use crate::Gf128;
use crate::ggm::Grown;

/// b: the leaves of all trees. `each` sees every tree while it is grown.
pub(super) fn grow(
    context: &Context,
    roots: &[Gf128],
    mut each: impl FnMut(usize, &Grown, &[Gf128]),
) -> Zeroizing<Vec<Gf128>> {
    let ggm = context.ggm();
    let mut noise = Zeroizing::new(vec![Gf128::ZERO; context.dimensions.noise()]);
    let blocks = noise.chunks_exact_mut(context.dimensions.block);
    for (tree, (leaves, &root)) in blocks.zip(roots).enumerate() {
        let grown = ggm.grow(context.tree(), root, leaves);
        each(tree, &grown, leaves);
    }
    noise
}

/// What the receiver knows of one tree.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Puncture {
    /// α, the missing leaf.
    pub(super) alpha: usize,
    /// U, the value of the noise there.
    pub(super) value: Gf128,
    /// For each level the sum that the path does not take.
    pub(super) sides: Vec<Gf128>,
    /// c at α.
    pub(super) leaf: Gf128,
}

/// c: the leaves of all trees. `complete` is given a tree's number and the sum of its leaves and
/// phantoms, α's left out, and sets c at α.
pub(super) fn grow_punctured(
    context: &Context,
    punctures: &mut [Puncture],
    mut complete: impl FnMut(usize, &mut Puncture, Gf128),
) -> Zeroizing<Vec<Gf128>> {
    let (ggm, block) = (context.ggm(), context.dimensions.block);
    let mut noise = Zeroizing::new(vec![Gf128::ZERO; context.dimensions.noise()]);
    for (tree, (leaves, puncture)) in noise.chunks_exact_mut(block).zip(punctures).enumerate() {
        let phantoms = ggm.grow_punctured(context.tree(), puncture.alpha, &puncture.sides, leaves);
        let known = leaves.iter().fold(phantoms, |sum, &leaf| sum + leaf);
        complete(tree, puncture, known);
        add_at(leaves, puncture.alpha, puncture.leaf);
    }
    noise
}

/// a: U_i at α_i of each block, zero elsewhere.
pub(super) fn sparse(context: &Context, punctures: &[Puncture]) -> Zeroizing<Vec<Gf128>> {
    let mut noise = Zeroizing::new(vec![Gf128::ZERO; context.dimensions.noise()]);
    for (block, puncture) in noise
        .chunks_exact_mut(context.dimensions.block)
        .zip(punctures)
    {
        add_at(block, puncture.alpha, puncture.value);
    }
    noise
}

/// Adds a value at a secret place: every entry is touched.
fn add_at(entries: &mut [Gf128], place: usize, value: Gf128) {
    for (at, entry) in (0u64..).zip(entries) {
        *entry += Gf128::from_bits(value.to_bits() & Gf128::mask(at.ct_eq(&(place as u64))));
    }
}
