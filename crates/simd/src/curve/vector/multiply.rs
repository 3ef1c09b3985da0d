//! Constant-time multiplication of eight points by secret scalars.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_abs_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_cmplt_epi64_mask, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srlv_epi64,
    _mm512_sub_epi64,
};

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::LANES;
use super::edwards::{Augend, Cached, Niels, Point};
use crate::lanes::from_lanes;

/// How many digits in radix 16 a scalar has.
pub(super) const DIGITS: usize = 64;

/// One scalar per lane, as words in which every digit has been raised by 8: the digits then are
/// in −8..=7 and come out one by one, without a carry.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct LaneScalars([__m512i; 4]);

impl LaneScalars {
    /// Eight times the digit 8 in each word.
    const RAISE: u64 = 0x8888_8888_8888_8888;

    /// Takes eight at most. Lanes past the last scalar get 0.
    pub(super) fn each(scalars: impl Iterator<Item = Scalar>) -> Self {
        let mut words = Zeroizing::new([[Self::RAISE; LANES]; 4]);
        for (lane, scalar) in scalars.take(LANES).enumerate() {
            let bytes = Zeroizing::new(scalar.to_bytes());
            let mut carry = false;
            for (row, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                // A scalar is below 2^253, so the last word leaves no carry.
                (row[lane], carry) = u64::from_le_bytes(*chunk).carrying_add(Self::RAISE, carry);
            }
        }
        Self(words.map(from_lanes))
    }

    pub(super) fn shared(scalar: &Scalar) -> Self {
        Self::each(std::iter::repeat_n(*scalar, LANES))
    }

    /// The digits of one place, of which 0 is the least significant.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn digits(&self, place: usize) -> __m512i {
        let shift = _mm512_set1_epi64(4 * (place % 16) as i64);
        let raised = _mm512_srlv_epi64(self.0[place / 16], shift);
        let digit = _mm512_and_si512(raised, _mm512_set1_epi64(15));
        _mm512_sub_epi64(digit, _mm512_set1_epi64(8))
    }
}

/// The lanes with a negative digit.
#[inline]
#[target_feature(enable = "avx512ifma")]
pub(super) fn negative(digits: __m512i) -> __mmask8 {
    _mm512_cmplt_epi64_mask(digits, _mm512_setzero_si512())
}

/// The multiples P to 8P of eight points.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Multiples([Cached; 8]);

impl Multiples {
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn of(point: &Point) -> Self {
        let first = point.cached();
        let next = |p: &Point| p.augend().add(&first, 0).extended();
        let double = |p: &Point| p.projective().double().extended();
        let p2 = double(point);
        let p3 = next(&p2);
        let p4 = double(&p2);
        let p5 = next(&p4);
        let p6 = double(&p3);
        let p7 = next(&p6);
        let p8 = double(&p4);
        Self([
            first,
            p2.cached(),
            p3.cached(),
            p4.cached(),
            p5.cached(),
            p6.cached(),
            p7.cached(),
            p8.cached(),
        ])
    }

    /// The multiple that each lane's digit asks for, ready for `Augend::add` with the lanes
    /// in which the digit is negative. Reads every entry whatever the digits are.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn select(&self, digits: __m512i) -> Cached {
        let magnitude = _mm512_abs_epi64(digits);
        let mut chosen = Point::identity().cached();
        for (entry, number) in self.0.iter().zip(1..) {
            let here = _mm512_cmpeq_epi64_mask(magnitude, _mm512_set1_epi64(number));
            let (niels, others) = (&chosen.niels, &entry.niels);
            chosen = Cached {
                niels: Niels {
                    y_plus_x: niels.y_plus_x.or_if(here, &others.y_plus_x),
                    y_minus_x: niels.y_minus_x.or_if(here, &others.y_minus_x),
                    t2d: niels.t2d.or_if(here, &others.t2d),
                },
                z2: chosen.z2.or_if(here, &entry.z2),
            };
        }
        Cached {
            niels: chosen.niels.exchanged(negative(digits)),
            z2: chosen.z2,
        }
    }
}

/// k P in each lane, by signed windows of four bits from the top.
#[target_feature(enable = "avx512ifma")]
pub(super) fn multiply(multiples: &Multiples, scalars: &LaneScalars) -> Point {
    let top = scalars.digits(DIGITS - 1);
    let mut sum = Augend::identity().add(&multiples.select(top), negative(top));
    for place in (0..DIGITS - 1).rev() {
        // Written out: each step fills a place of its own, where a loop would copy them about.
        let doubled_2 = sum.projective().double().projective().double();
        let doubled_4 = doubled_2.projective().double().projective().double();
        let digits = scalars.digits(place);
        let multiple = multiples.select(digits);
        sum = doubled_4.augend().add(&multiple, negative(digits));
    }
    sum.extended()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::to_lanes;

    #[test]
    fn digits_sum_to_the_scalar() {
        #[target_feature(enable = "avx512ifma")]
        fn check() {
            let scalars = [
                Scalar::ZERO,
                Scalar::ONE,
                -Scalar::ONE,
                Scalar::from_bytes_mod_order([0x77; 32]),
                Scalar::from_bytes_mod_order([0x88; 32]),
                Scalar::from_bytes_mod_order([0xff; 32]),
            ];
            let lanes = LaneScalars::each(scalars.into_iter());
            let mut sums = [Scalar::ZERO; LANES];
            for place in (0..DIGITS).rev() {
                for (sum, digit) in sums.iter_mut().zip(to_lanes(lanes.digits(place))) {
                    let digit = digit.cast_signed();
                    assert!((-8..8).contains(&digit));
                    let magnitude = Scalar::from(digit.unsigned_abs());
                    let signed = if digit < 0 { -magnitude } else { magnitude };
                    *sum = *sum * Scalar::from(16_u8) + signed;
                }
            }
            assert_eq!(sums[..6], scalars);
            assert_eq!(sums[6..], [Scalar::ZERO; 2]);
        }
        if is_x86_feature_detected!("avx512ifma") {
            // SAFETY: the feature is there.
            unsafe { check() }
        }
    }
}
