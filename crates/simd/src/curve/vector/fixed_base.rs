//! Constant-time multiples of one point, by a table of its own.

use std::arch::x86_64::{
    __m512i, _mm512_abs_epi64, _mm512_cmpeq_epi64_mask, _mm512_permutexvar_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sub_epi64,
};

use curve25519_dalek::Scalar;

use super::constants::{ONE, ZERO};
use super::edwards::{Augend, Niels, Point};
use super::field::FieldElement;
use super::multiply::{DIGITS, LaneScalars, Multiples, multiply, negative};

/// For each digit's place i, the multiples 1 to 8 of 16^i B, one per lane: a vector holds the
/// same limb of all eight, so that permuting it looks up eight digits at once.
pub(super) struct FixedBase(Vec<Niels>);

impl FixedBase {
    /// The table of the point in lane 0.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn of(point: &Point) -> Self {
        let numbers = (1..=8_u8).map(Scalar::from);
        let first = multiply(
            &Multiples::of(&point.broadcast(0)),
            &LaneScalars::each(numbers),
        );
        let mut places = vec![first];
        for _ in 1..DIGITS {
            let mut last = places[places.len() - 1].projective();
            for _ in 0..3 {
                last = last.double().projective();
            }
            places.push(last.double().extended());
        }
        Self(Niels::normalise(&places))
    }

    /// k B in each lane, for two groups of scalars: an addition waits for the one before it, so
    /// that two groups take little longer than one.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply(&self, scalars: [&LaneScalars; 2]) -> [Point; 2] {
        let neutral = Augend::identity();
        let step = |sum: &Augend, index: usize, scalars: &LaneScalars| {
            let digits = scalars.digits(index);
            sum.add_niels(&self.0[index].select(digits), negative(digits))
        };
        let (mut low, mut high) = (step(&neutral, 0, scalars[0]), step(&neutral, 0, scalars[1]));
        for index in 1..DIGITS {
            let (augend_low, augend_high) = (low.augend(), high.augend());
            low = step(&augend_low, index, scalars[0]);
            high = step(&augend_high, index, scalars[1]);
        }
        [low.extended(), high.extended()]
    }
}

impl Niels {
    /// The entry that each lane's digit asks for, ready for `Augend::add_niels` with the lanes in
    /// which the digit is negative. The digits are in registers throughout.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn select(&self, digits: __m512i) -> Self {
        let magnitude = _mm512_abs_epi64(digits);
        let zero = _mm512_cmpeq_epi64_mask(magnitude, _mm512_setzero_si512());
        let index = _mm512_sub_epi64(magnitude, _mm512_set1_epi64(1));
        let look_up = |field: &FieldElement, neutral| {
            let found = FieldElement(field.0.map(|limb| _mm512_permutexvar_epi64(index, limb)));
            found.or_if(zero, &FieldElement::splat(neutral))
        };
        let found = Self {
            y_plus_x: look_up(&self.y_plus_x, &ONE),
            y_minus_x: look_up(&self.y_minus_x, &ONE),
            t2d: look_up(&self.t2d, &ZERO),
        };
        found.exchanged(negative(digits))
    }
}
