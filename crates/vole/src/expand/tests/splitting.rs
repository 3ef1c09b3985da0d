//! The column-space test, against the code that is shipped (`spec/33-vole.md` §8.2).
//!
//! Over a code that is linear over GF(2), every bit-plane of A is a sum of the columns at the
//! support of the noise. With weight t ≤ 128 the 128 planes span (nearly) all of these columns,
//! so the support falls out of plain linear algebra. Over the field-mixed code no column, in none
//! of its GF(2)-images, may lie in the span.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use zeroize::Zeroizing;

use super::super::{CODE_CONSTANT, expand_with};
use crate::parameters::NOISE_WEIGHT;
use crate::{Dimensions, Gf128};

type Bits = Vec<u64>;

/// A basis of a space over GF(2), by highest set bit.
#[derive(Default)]
struct Span(BTreeMap<usize, Bits>);

impl Span {
    fn highest(vector: &Bits) -> Option<usize> {
        let word = vector.iter().rposition(|&word| word != 0)?;
        Some(64 * word + vector[word].ilog2() as usize)
    }

    fn reduce(&self, mut vector: Bits) -> Option<(usize, Bits)> {
        while let Some(top) = Self::highest(&vector) {
            let Some(base) = self.0.get(&top) else {
                return Some((top, vector));
            };
            vector.iter_mut().zip(base).for_each(|(v, b)| *v ^= b);
        }
        None
    }

    fn insert(&mut self, vector: Bits) {
        if let Some((top, vector)) = self.reduce(vector) {
            self.0.insert(top, vector);
        }
    }

    fn contains(&self, vector: Bits) -> bool {
        self.reduce(vector).is_none()
    }
}

/// Bit `plane` of every entry.
fn plane(entries: &[Gf128], plane: usize) -> Bits {
    let mut bits = vec![0; entries.len().div_ceil(64)];
    for (at, entry) in entries.iter().enumerate() {
        bits[at / 64] |= u64::try_from(entry.to_bits() >> plane & 1).unwrap() << (at % 64);
    }
    bits
}

/// Positions of the noise that the test finds: (all, of the true support).
fn found(constant: u64, trees: usize, rng: &mut StdRng) -> (usize, usize) {
    let dimensions = Dimensions::with_trees(1024, trees);
    let code = |noise| expand_with(&dimensions, Zeroizing::new(noise), constant);
    let unit = |at: usize, value: Gf128| {
        let mut noise = vec![Gf128::ZERO; dimensions.noise()];
        noise[at] = value;
        noise
    };
    let support: Vec<_> = (0..trees)
        .map(|tree| tree * dimensions.block + rng.random_range(0..dimensions.block))
        .collect();
    let mut noise = vec![Gf128::ZERO; dimensions.noise()];
    support
        .iter()
        .for_each(|&at| noise[at] = Gf128::random(rng));
    let outputs = code(noise);
    let mut span = Span::default();
    (0..128).for_each(|bit| span.insert(plane(&outputs, bit)));

    // All GF(2)-images of a column: its bit-planes span what any linear form makes of it, so a
    // column is found if any plane that is not zero lies in the span.
    let hits: Vec<_> = (0..dimensions.noise())
        .filter(|&at| {
            let column = code(unit(at, Gf128::ONE));
            (0..128)
                .map(|bit| plane(&column, bit))
                .any(|image| image.iter().any(|&word| word != 0) && span.contains(image))
        })
        .collect();
    (
        hits.len(),
        hits.iter().filter(|at| support.contains(at)).count(),
    )
}

#[test]
fn the_support_shows_without_mixing_and_not_with_it() {
    let mut rng = StdRng::seed_from_u64(33);
    // c = 1: the same code, linear over GF(2). All of the support, and nothing else.
    assert_eq!(found(1, 120, &mut rng), (120, 120));
    assert_eq!(found(CODE_CONSTANT, 120, &mut rng), (0, 0));
    // The shipped weight: nothing either.
    assert_eq!(found(CODE_CONSTANT, NOISE_WEIGHT, &mut rng), (0, 0));
}

#[test]
fn the_weight_is_what_the_rule_asks_for() {
    // 128 bits of security need a weight of 128 over a field-mixed code, but (128 + ℓ)/0.415 over
    // one that is linear over GF(2) with noise of ℓ bits.
    let (weight, bits) = (f64::from(u32::try_from(NOISE_WEIGHT).unwrap()), 128.0);
    let mixed = CODE_CONSTANT != 1 && {
        let c = Gf128::from_bits(u128::from(CODE_CONSTANT));
        let mut power = c;
        (1..128).all(|_| {
            power = power * power;
            power != c
        })
    };
    assert!(if mixed {
        weight >= bits
    } else {
        weight >= (128.0 + bits) / 0.415
    });
    assert!(mixed);
}
