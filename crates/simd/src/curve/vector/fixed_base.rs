//! Constant-time multiples of one point, by a table of its own.

use std::arch::x86_64::{
    __m512i, _mm512_abs_epi64, _mm512_cmpeq_epi64_mask, _mm512_permutexvar_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_sub_epi64,
};

use curve25519_dalek::Scalar;

use super::constants::{ONE, TWO_D, ZERO};
use super::edwards::{Affine, Point};
use super::field::{FieldElement, invert};
use super::multiply::{DIGITS, LaneScalars, Multiples, multiply, negative};

/// For each digit's place i, the multiples 1 to 8 of 16^i B, one per lane: a vector holds the
/// same limb of all eight, so that permuting it looks up eight digits at once.
pub(super) struct FixedBase(Box<[Affine; DIGITS]>);

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
        // One inversion for all: what stands before a Z, then the inverse of the rest.
        let mut before = Vec::with_capacity(DIGITS);
        let mut product = FieldElement::splat(&ONE);
        for point in &places {
            before.push(product);
            product = product.multiply(&point.z);
        }
        let [mut inverse] = invert(&[product]);
        let zero = FieldElement::splat(&ZERO);
        let mut table = Box::new(
            [Affine {
                y_plus_x: zero,
                y_minus_x: zero,
                t2d: zero,
            }; DIGITS],
        );
        for ((entry, point), before) in table.iter_mut().zip(&places).zip(&before).rev() {
            let z_inv = inverse.multiply(before);
            inverse = inverse.multiply(&point.z);
            let (x, y) = (point.x.multiply(&z_inv), point.y.multiply(&z_inv));
            *entry = Affine {
                y_plus_x: y.add(&x),
                y_minus_x: y.sub(&x),
                t2d: x.multiply(&y).multiply(&FieldElement::splat(&TWO_D)),
            };
        }
        Self(table)
    }

    /// k B in each lane, for two groups of scalars: an addition waits for the one before it, so
    /// that two groups take little longer than one.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply(&self, scalars: [&LaneScalars; 2]) -> [Point; 2] {
        let (mut low, mut high) = (Point::identity(), Point::identity());
        for (index, place) in self.0.iter().enumerate() {
            let (row_low, row_high) = (scalars[0].digits(index), scalars[1].digits(index));
            let completed_low = low.add_affine(&place.select(row_low), negative(row_low));
            let completed_high = high.add_affine(&place.select(row_high), negative(row_high));
            low = completed_low.extended();
            high = completed_high.extended();
        }
        [low, high]
    }
}

impl Affine {
    /// The entry that each lane's digit asks for, ready for `Point::add_affine` with the lanes in
    /// which the digit is negative. The digits are in registers throughout.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn select(&self, digits: __m512i) -> Self {
        let magnitude = _mm512_abs_epi64(digits);
        let zero = _mm512_cmpeq_epi64_mask(magnitude, _mm512_setzero_si512());
        let negative = negative(digits);
        let index = _mm512_sub_epi64(magnitude, _mm512_set1_epi64(1));
        let look_up = |field: &FieldElement, neutral| {
            let found = FieldElement(field.0.map(|limb| _mm512_permutexvar_epi64(index, limb)));
            found.or_if(zero, &FieldElement::splat(neutral))
        };
        let y_plus_x = look_up(&self.y_plus_x, &ONE);
        let y_minus_x = look_up(&self.y_minus_x, &ONE);
        Self {
            y_plus_x: y_plus_x.or_if(negative, &y_minus_x),
            y_minus_x: y_minus_x.or_if(negative, &y_plus_x),
            t2d: look_up(&self.t2d, &ZERO),
        }
    }
}
