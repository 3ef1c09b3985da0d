//! Constant-time multiplication of eight points by secret scalars.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_abs_epi64, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epi64_mask,
    _mm512_set1_epi64, _mm512_setzero_si512,
};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::LANES;
use super::edwards::{Cached, Point};
use crate::curve::digits::{DIGITS, Digits};
use crate::lanes::from_lanes;

/// The digits of one scalar per lane.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct LaneDigits([[i64; LANES]; DIGITS]);

impl LaneDigits {
    pub(super) fn shared(digits: &Digits) -> Self {
        Self(digits.0.map(|digit| [i64::from(digit); LANES]))
    }

    /// The digits of each place, the least significant first.
    #[inline]
    pub(super) fn rows(&self) -> impl Iterator<Item = __m512i> {
        self.0.iter().map(row)
    }

    /// Lanes past the end of `digits` get the scalar 0.
    pub(super) fn each(digits: &[Digits]) -> Self {
        let mut lanes = Self([[0; LANES]; DIGITS]);
        for (lane, digits) in digits.iter().take(LANES).enumerate() {
            for (row, digit) in lanes.0.iter_mut().zip(&digits.0) {
                row[lane] = i64::from(*digit);
            }
        }
        lanes
    }
}

/// One place's digits.
#[inline]
fn row(digits: &[i64; LANES]) -> __m512i {
    from_lanes(digits.map(i64::cast_unsigned))
}

/// The multiples P to 8P of eight points.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Multiples([Cached; 8]);

impl Multiples {
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn of(point: &Point) -> Self {
        let first = point.cached();
        let p2 = point.projective().double().extended();
        let p3 = p2.add(&first).extended();
        let p4 = p2.projective().double().extended();
        let p5 = p4.add(&first).extended();
        let p6 = p3.projective().double().extended();
        let p7 = p6.add(&first).extended();
        let p8 = p4.projective().double().extended();
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

    /// The multiple that each lane's digit asks for, ready for `Point::add_signed`, and the lanes
    /// in which the digit is negative. Reads every entry whatever the digits are.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn select(&self, digits: __m512i) -> (Cached, __mmask8) {
        let magnitude = _mm512_abs_epi64(digits);
        let mut chosen = Point::identity().cached();
        for (entry, number) in self.0.iter().zip(1..) {
            let here = _mm512_cmpeq_epi64_mask(magnitude, _mm512_set1_epi64(number));
            chosen = Cached {
                y_plus_x: chosen.y_plus_x.or_if(here, &entry.y_plus_x),
                y_minus_x: chosen.y_minus_x.or_if(here, &entry.y_minus_x),
                z2: chosen.z2.or_if(here, &entry.z2),
                t2d: chosen.t2d.or_if(here, &entry.t2d),
            };
        }
        let negative = _mm512_cmplt_epi64_mask(digits, _mm512_setzero_si512());
        let Cached {
            y_plus_x,
            y_minus_x,
            ..
        } = chosen;
        chosen.y_plus_x = y_plus_x.or_if(negative, &y_minus_x);
        chosen.y_minus_x = y_minus_x.or_if(negative, &y_plus_x);
        (chosen, negative)
    }
}

/// k P in each lane, by signed windows of four bits from the top.
#[target_feature(enable = "avx512ifma")]
pub(super) fn multiply(multiples: &Multiples, digits: &LaneDigits) -> Point {
    let [low @ .., top] = &digits.0;
    let (multiple, negative) = multiples.select(row(top));
    let mut sum = Point::identity().add_signed(&multiple, negative);
    for digits in low.iter().rev() {
        let mut doubled = sum.projective();
        for _ in 0..3 {
            doubled = doubled.double().projective();
        }
        let (multiple, negative) = multiples.select(row(digits));
        sum = doubled.double().extended().add_signed(&multiple, negative);
    }
    sum.extended()
}
