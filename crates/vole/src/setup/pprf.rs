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

/// The receiver's noise: a is U_i at α_i and zero elsewhere, c the leaves.
pub(super) struct Noise {
    pub(super) a: Zeroizing<Vec<Gf128>>,
    pub(super) c: Zeroizing<Vec<Gf128>>,
}

/// Grows all punctured trees. `complete` is given a tree's number and the sum of its leaves and
/// phantoms, α's left out, and sets c at α.
pub(super) fn grow_punctured(
    context: &Context,
    punctures: &mut [Puncture],
    mut complete: impl FnMut(usize, &mut Puncture, Gf128),
) -> Noise {
    let (ggm, block) = (context.ggm(), context.dimensions.block);
    let zeros = || Zeroizing::new(vec![Gf128::ZERO; context.dimensions.noise()]);
    let (mut a, mut c) = (zeros(), zeros());
    let blocks = a.chunks_exact_mut(block).zip(c.chunks_exact_mut(block));
    for (tree, ((a, c), puncture)) in blocks.zip(punctures).enumerate() {
        let phantoms = ggm.grow_punctured(context.tree(), puncture.alpha, &puncture.sides, c);
        let known = c.iter().fold(phantoms, |sum, &leaf| sum + leaf);
        complete(tree, puncture, known);
        let alpha = puncture.alpha as u64;
        for (at, (a, c)) in (0u64..).zip(a.iter_mut().zip(c)) {
            let here = Gf128::mask(at.ct_eq(&alpha));
            *a = Gf128::from_bits(puncture.value.to_bits() & here);
            // It was zero.
            *c += Gf128::from_bits(puncture.leaf.to_bits() & here);
        }
    }
    Noise { a, c }
}
