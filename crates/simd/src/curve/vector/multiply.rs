//! Constant-time multiplication of eight points by secret scalars.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm_cvtsi64_si128, _mm512_abs_epi64, _mm512_cmpeq_epi64_mask,
    _mm512_cmplt_epi64_mask, _mm512_cvtepi8_epi64, _mm512_maskz_mov_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_ternarylogic_epi64,
};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::LANES;
use super::edwards::{Cached, Point};
use super::field::FieldElement;
use crate::curve::digits::{DIGITS, Digits};

/// The digits of one scalar per lane.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct LaneDigits([[i8; LANES]; DIGITS]);

impl LaneDigits {
    pub(super) fn shared(digits: &Digits) -> Self {
        Self(digits.0.map(|digit| [digit; LANES]))
    }

    /// Lanes past the end of `digits` get the scalar 0.
    pub(super) fn each(digits: &[Digits]) -> Self {
        let mut lanes = Self([[0; LANES]; DIGITS]);
        for (lane, digits) in digits.iter().take(LANES).enumerate() {
            for (row, digit) in lanes.0.iter_mut().zip(&digits.0) {
                row[lane] = *digit;
            }
        }
        lanes
    }
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
    pub(super) fn select(&self, digits: &[i8; LANES]) -> (Cached, __mmask8) {
        let digits = _mm512_cvtepi8_epi64(_mm_cvtsi64_si128(i64::from_le_bytes(
            digits.map(i8::cast_unsigned),
        )));
        let negative = _mm512_cmplt_epi64_mask(digits, _mm512_setzero_si512());
        let magnitude = _mm512_abs_epi64(digits);
        let is = |entry: i64| _mm512_cmpeq_epi64_mask(magnitude, _mm512_set1_epi64(entry));
        let masks = [is(1), is(2), is(3), is(4), is(5), is(6), is(7), is(8)];
        let zero = is(0);
        let t = &self.0;
        let y_plus_x = pick(&masks, t.each_ref().map(|entry| &entry.y_plus_x), (zero, 1));
        let y_minus_x = pick(
            &masks,
            t.each_ref().map(|entry| &entry.y_minus_x),
            (zero, 1),
        );
        let cached = Cached {
            y_plus_x: y_plus_x.or_if(negative, &y_minus_x),
            y_minus_x: y_minus_x.or_if(negative, &y_plus_x),
            z2: pick(&masks, t.each_ref().map(|entry| &entry.z2), (zero, 2)),
            t2d: pick(&masks, t.each_ref().map(|entry| &entry.t2d), (zero, 0)),
        };
        (cached, negative)
    }
}

/// The entry whose mask has the lane's bit, or the small number in the lanes of `default`.
#[inline]
#[target_feature(enable = "avx512ifma")]
fn pick(
    masks: &[__mmask8; 8],
    entries: [&FieldElement; 8],
    (default, small): (__mmask8, i64),
) -> FieldElement {
    let limb = |k: usize, first: __m512i| {
        let at = |entry: usize| _mm512_maskz_mov_epi64(masks[entry], entries[entry].0[k]);
        // 0xfe is the truth table of a | b | c.
        let sum = _mm512_ternarylogic_epi64::<0xfe>(first, at(0), at(1));
        let sum = _mm512_ternarylogic_epi64::<0xfe>(sum, at(2), at(3));
        let sum = _mm512_ternarylogic_epi64::<0xfe>(sum, at(4), at(5));
        _mm512_ternarylogic_epi64::<0xfe>(sum, at(6), at(7))
    };
    let zero = _mm512_setzero_si512();
    FieldElement([
        limb(0, _mm512_maskz_mov_epi64(default, _mm512_set1_epi64(small))),
        limb(1, zero),
        limb(2, zero),
        limb(3, zero),
        limb(4, zero),
    ])
}

/// k P in each lane, by signed windows of four bits from the top.
#[target_feature(enable = "avx512ifma")]
pub(super) fn multiply(multiples: &Multiples, digits: &LaneDigits) -> Point {
    let [low @ .., top] = &digits.0;
    let (multiple, negative) = multiples.select(top);
    let mut sum = Point::identity().add_signed(&multiple, negative);
    for row in low.iter().rev() {
        let mut doubled = sum.projective();
        for _ in 0..3 {
            doubled = doubled.double().projective();
        }
        let (multiple, negative) = multiples.select(row);
        sum = doubled.double().extended().add_signed(&multiple, negative);
    }
    sum.extended()
}
