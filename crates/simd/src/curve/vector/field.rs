//! Eight elements of GF(2^255 − 19) at once, one per lane, on AVX-512 IFMA.
//!
//! An element is five limbs in radix 2^52, the width that `vpmadd52luq` and `vpmadd52huq`
//! multiply: the low and the high half of a product of limbs i and j belong to limbs i + j and
//! i + j + 1 without a shift. A [`FieldElement`] always is in *digit form*:
//!
//! - The low 52 bits of limbs 0 to 3 are digits. What stands above them has been handed on to the
//!   next limb and no longer counts; the multiplier does not read it, and [`FieldElement::wide`]
//!   takes it away.
//! - Limb 4 is below 2^47 + 2^12, so a value is below 2^255 + 2^220 and stands for its residue.
//!
//! Sums and products first are [`Wide`]: limbs that have not been carried yet. A point formula
//! adds and subtracts them as they are and carries once, in [`Wide::carry`]. What each operation
//! may take and what it makes, limb by limb:
//!
//! | operation | takes | makes |
//! |---|---|---|
//! | `multiply_wide`, `square_wide` | digit form | below 10 · 2^52 |
//! | `multiply_raised`, `square_raised` | digit form | the same + 2^9 p |
//! | `add` | a sum below 2^63 | the sum |
//! | `sub` | no limb of the subtrahend above that of the minuend | the difference |
//! | `raise` | below 2^62 | the same + 2^9 p |
//! | `carry` | below 2^63 | digit form |
//!
//! Each limb of 2^9 p is above 2^56 − 2^10, so a raised product may have a plain one taken away.
//! No operation branches on a value or addresses memory by one.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mask_sub_epi64,
    _mm512_or_si512, _mm512_permutexvar_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_srli_epi64, _mm512_sub_epi64, _mm512_test_epi64_mask,
    _mm512_testn_epi64_mask,
};

use zeroize::Zeroize;

use super::LANES;
use super::constants::{Limbs, SQRT_M1, ZERO};
use crate::lanes::{from_lanes, to_lanes};

/// Eight field elements in digit form (see the module's documentation).
#[derive(Clone, Copy, Zeroize)]
pub(super) struct FieldElement(pub(super) [__m512i; 5]);

/// Eight sums or products whose limbs have not been carried.
#[derive(Clone, Copy)]
pub(super) struct Wide([__m512i; 5]);

const LOW_52: i64 = (1 << 52) - 1;
const LOW_47: i64 = (1 << 47) - 1;
/// 2^260 = 2^5 · 19 modulo p.
const FOLD: i64 = 19 << 5;

/// 2^9 p, zero in disguise: what is added so that no limb of a difference goes below zero.
const RAISE: Limbs = [
    (LOW_52 - 18) << 9,
    LOW_52 << 9,
    LOW_52 << 9,
    LOW_52 << 9,
    LOW_47 << 9,
];

/// 2^8 p.
const HALF_RAISE: Limbs = [
    RAISE[0] >> 1,
    RAISE[1] >> 1,
    RAISE[2] >> 1,
    RAISE[3] >> 1,
    RAISE[4] >> 1,
];
/// 2^10 p.
const RAISE_TWICE: Limbs = [
    RAISE[0] << 1,
    RAISE[1] << 1,
    RAISE[2] << 1,
    RAISE[3] << 1,
    RAISE[4] << 1,
];

#[inline]
#[target_feature(enable = "avx512ifma")]
fn splat(value: i64) -> __m512i {
    _mm512_set1_epi64(value)
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([
            _mm512_add_epi64(a[0], b[0]),
            _mm512_add_epi64(a[1], b[1]),
            _mm512_add_epi64(a[2], b[2]),
            _mm512_add_epi64(a[3], b[3]),
            _mm512_add_epi64(a[4], b[4]),
        ])
    }

    /// `self − other`, limb by limb: see the module's documentation for what may stand there.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn sub(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([
            _mm512_sub_epi64(a[0], b[0]),
            _mm512_sub_epi64(a[1], b[1]),
            _mm512_sub_epi64(a[2], b[2]),
            _mm512_sub_epi64(a[3], b[3]),
            _mm512_sub_epi64(a[4], b[4]),
        ])
    }

    /// `2^10 p − self`, for what is below 2^62 − 2^11, and below 2^57 − 2^11 in limb 4.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn negate(&self) -> Self {
        Self(FieldElement::splat(&RAISE_TWICE).0).sub(self)
    }

    /// `self + 2^9 p`.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn raise(&self) -> Self {
        self.add(&Self(FieldElement::splat(&RAISE).0))
    }

    /// The digit form: what stands above 2^255 comes back as 19 times itself, and then every
    /// limb hands what it has above 52 bits to the next. That is at most 2^11, so limb 4 ends
    /// below 2^47 + 2^12.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn carry(&self) -> FieldElement {
        let [r0, r1, r2, r3, r4] = self.0;
        let above = _mm512_srli_epi64::<47>(r4);
        let r4 = _mm512_and_si512(r4, splat(LOW_47));
        let r0 = _mm512_madd52lo_epu64(r0, above, splat(19));
        let r1 = _mm512_add_epi64(r1, _mm512_srli_epi64::<52>(r0));
        let r2 = _mm512_add_epi64(r2, _mm512_srli_epi64::<52>(r1));
        let r3 = _mm512_add_epi64(r3, _mm512_srli_epi64::<52>(r2));
        let r4 = _mm512_add_epi64(r4, _mm512_srli_epi64::<52>(r3));
        FieldElement([r0, r1, r2, r3, r4])
    }
}

impl FieldElement {
    /// The constant `limbs` in every lane.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn splat(limbs: &Limbs) -> Self {
        Self([
            splat(limbs[0]),
            splat(limbs[1]),
            splat(limbs[2]),
            splat(limbs[3]),
            splat(limbs[4]),
        ])
    }

    /// Reads 32 little-endian bytes per lane. Bit 255 is ignored and the rest need not be below
    /// p; the mask names the lanes whose 32 bytes are the canonical encoding of an element.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn from_bytes(bytes: [&[u8; 32]; LANES]) -> (Self, __mmask8) {
        let words = [0, 1, 2, 3].map(|k| {
            from_lanes(bytes.map(|lane| {
                let (words, _) = lane.as_chunks::<8>();
                u64::from_le_bytes(words[k])
            }))
        });
        let [w0, w1, w2, w3] = words;
        let low_52 = splat(LOW_52);
        let join_1 = _mm512_or_si512(_mm512_srli_epi64::<52>(w0), _mm512_slli_epi64::<12>(w1));
        let join_2 = _mm512_or_si512(_mm512_srli_epi64::<40>(w1), _mm512_slli_epi64::<24>(w2));
        let join_3 = _mm512_or_si512(_mm512_srli_epi64::<28>(w2), _mm512_slli_epi64::<36>(w3));
        let top = _mm512_srli_epi64::<16>(w3);
        let element = Self([
            _mm512_and_si512(w0, low_52),
            _mm512_and_si512(join_1, low_52),
            _mm512_and_si512(join_2, low_52),
            _mm512_and_si512(join_3, low_52),
            _mm512_and_si512(top, splat(LOW_47)),
        ]);
        let reduced = element.reduce();
        let same = _mm512_cmpeq_epi64_mask(reduced.0[0], element.0[0])
            & _mm512_cmpeq_epi64_mask(reduced.0[1], element.0[1])
            & _mm512_cmpeq_epi64_mask(reduced.0[2], element.0[2])
            & _mm512_cmpeq_epi64_mask(reduced.0[3], element.0[3])
            & _mm512_cmpeq_epi64_mask(reduced.0[4], top);
        (element, same)
    }

    /// The canonical encoding of each lane.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn to_bytes(self) -> [[u8; 32]; LANES] {
        let [l0, l1, l2, l3, l4] = self.reduce().0;
        let words = [
            _mm512_or_si512(l0, _mm512_slli_epi64::<52>(l1)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(l1), _mm512_slli_epi64::<40>(l2)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(l2), _mm512_slli_epi64::<28>(l3)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(l3), _mm512_slli_epi64::<16>(l4)),
        ]
        .map(to_lanes);
        std::array::from_fn(|lane| {
            let mut bytes = [0; 32];
            let (chunks, _) = bytes.as_chunks_mut::<8>();
            for (chunk, word) in chunks.iter_mut().zip(&words) {
                *chunk = word[lane].to_le_bytes();
            }
            bytes
        })
    }

    /// The digits alone.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn wide(&self) -> Wide {
        let [l0, l1, l2, l3, l4] = self.0;
        let low_52 = splat(LOW_52);
        Wide([
            _mm512_and_si512(l0, low_52),
            _mm512_and_si512(l1, low_52),
            _mm512_and_si512(l2, low_52),
            _mm512_and_si512(l3, low_52),
            l4,
        ])
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        self.wide().add(&other.wide()).carry()
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn sub(&self, other: &Self) -> Self {
        self.wide().raise().sub(&other.wide()).carry()
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn negate(&self) -> Self {
        Self::splat(&ZERO).sub(self)
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn negate_if(&self, mask: __mmask8) -> Self {
        let bound = Self::splat(&RAISE).0;
        let a = self.wide().0;
        Wide([
            _mm512_mask_sub_epi64(a[0], mask, bound[0], a[0]),
            _mm512_mask_sub_epi64(a[1], mask, bound[1], a[1]),
            _mm512_mask_sub_epi64(a[2], mask, bound[2], a[2]),
            _mm512_mask_sub_epi64(a[3], mask, bound[3], a[3]),
            _mm512_mask_sub_epi64(a[4], mask, bound[4], a[4]),
        ])
        .carry()
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply(&self, other: &Self) -> Self {
        self.multiply_wide(other).carry()
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn square(&self) -> Self {
        self.square_wide().carry()
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply_wide(&self, other: &Self) -> Wide {
        self.multiply_from(&ZERO, other)
    }

    /// The product + 2^9 p, at the same price.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply_raised(&self, other: &Self) -> Wide {
        self.multiply_from(&RAISE, other)
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn square_wide(&self) -> Wide {
        self.square_from(&ZERO)
    }

    /// The square + 2^9 p, at the same price.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn square_raised(&self) -> Wide {
        self.square_from(&HALF_RAISE)
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn multiply_from(&self, start: &Limbs, other: &Self) -> Wide {
        let (a, b) = (&self.0, &other.0);
        let mut t = starting_at(start);
        for i in 0..5 {
            for j in 0..5 {
                t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], b[j]);
            }
            for j in 0..5 {
                t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], b[j]);
            }
        }
        fold(t)
    }

    #[inline]
    #[target_feature(enable = "avx512ifma")]
    fn square_from(&self, half_start: &Limbs) -> Wide {
        let a = &self.0;
        let mut t = starting_at(half_start);
        for i in 0..5 {
            for j in i + 1..5 {
                t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], a[j]);
            }
            for j in i + 1..5 {
                t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], a[j]);
            }
        }
        for sum in &mut t[..9] {
            *sum = _mm512_add_epi64(*sum, *sum);
        }
        for i in 0..5 {
            t[2 * i] = _mm512_madd52lo_epu64(t[2 * i], a[i], a[i]);
            t[2 * i + 1] = _mm512_madd52hi_epu64(t[2 * i + 1], a[i], a[i]);
        }
        fold(t)
    }

    /// The representative in 0..p. A value in digit form is below 2p, so p is subtracted at most
    /// once: exactly if adding 19 reaches bit 255.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn reduce(&self) -> Self {
        let nineteen = splat(19);
        let [l0, l1, l2, l3, l4] = self.wide().0;
        let c = _mm512_srli_epi64::<52>(_mm512_add_epi64(l0, nineteen));
        let c = _mm512_srli_epi64::<52>(_mm512_add_epi64(l1, c));
        let c = _mm512_srli_epi64::<52>(_mm512_add_epi64(l2, c));
        let c = _mm512_srli_epi64::<52>(_mm512_add_epi64(l3, c));
        let reached = _mm512_srli_epi64::<47>(_mm512_add_epi64(l4, c));
        let low_52 = splat(LOW_52);
        let r0 = _mm512_madd52lo_epu64(l0, reached, nineteen);
        let r1 = _mm512_add_epi64(l1, _mm512_srli_epi64::<52>(r0));
        let r2 = _mm512_add_epi64(l2, _mm512_srli_epi64::<52>(r1));
        let r3 = _mm512_add_epi64(l3, _mm512_srli_epi64::<52>(r2));
        let r4 = _mm512_add_epi64(l4, _mm512_srli_epi64::<52>(r3));
        Self([
            _mm512_and_si512(r0, low_52),
            _mm512_and_si512(r1, low_52),
            _mm512_and_si512(r2, low_52),
            _mm512_and_si512(r3, low_52),
            _mm512_and_si512(r4, splat(LOW_47)),
        ])
    }

    /// The lanes whose canonical encoding is odd: RFC 9496 §3.1 calls them negative.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn is_negative(&self) -> __mmask8 {
        _mm512_test_epi64_mask(self.reduce().0[0], splat(1))
    }

    /// The lanes that are zero modulo p.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn is_zero(&self) -> __mmask8 {
        let [l0, l1, l2, l3, l4] = self.reduce().0;
        let any = _mm512_or_si512(_mm512_or_si512(l0, l1), _mm512_or_si512(l2, l3));
        let any = _mm512_or_si512(any, l4);
        _mm512_testn_epi64_mask(any, any)
    }

    /// The lanes in which both are the same element.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn equals(&self, other: &Self) -> __mmask8 {
        self.sub(other).is_zero()
    }

    /// `other` in the lanes of `mask`, `self` in the others.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn or_if(&self, mask: __mmask8, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([
            _mm512_mask_blend_epi64(mask, a[0], b[0]),
            _mm512_mask_blend_epi64(mask, a[1], b[1]),
            _mm512_mask_blend_epi64(mask, a[2], b[2]),
            _mm512_mask_blend_epi64(mask, a[3], b[3]),
            _mm512_mask_blend_epi64(mask, a[4], b[4]),
        ])
    }

    /// The element of one lane in all of them.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn broadcast(&self, lane: usize) -> Self {
        let index = from_lanes([lane as u64; LANES]);
        Self(self.0.map(|limb| _mm512_permutexvar_epi64(index, limb)))
    }

    /// The non-negative one of ±`self`.
    #[inline]
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn absolute(&self) -> Self {
        self.negate_if(self.is_negative())
    }
}

/// Ten accumulators, the lower five of which hold `start` already.
#[inline]
#[target_feature(enable = "avx512ifma")]
fn starting_at(start: &Limbs) -> [__m512i; 10] {
    let mut t = [_mm512_setzero_si512(); 10];
    for (t, start) in t.iter_mut().zip(start) {
        *t = splat(*start);
    }
    t
}

/// Takes ten limbs, each a sum of at most nine halves of products, back to five. The upper five
/// become digits, carried from the lower end; a multiple of 2^260 is 608 times as many units.
///
/// A product of two values below 2^255 + 2^220 leaves at most 2^42 + 2^9 in limb 9, and 608 times
/// that is below 2^52: it has no high half.
#[inline]
#[target_feature(enable = "avx512ifma")]
fn fold(t: [__m512i; 10]) -> Wide {
    let [mut r0, mut r1, mut r2, mut r3, mut r4, t5, t6, t7, t8, t9] = t;
    let factor = splat(FOLD);
    // The multiplier reads the low 52 bits, so a digit needs no mask.
    let t6 = _mm512_add_epi64(t6, _mm512_srli_epi64::<52>(t5));
    let t7 = _mm512_add_epi64(t7, _mm512_srli_epi64::<52>(t6));
    let t8 = _mm512_add_epi64(t8, _mm512_srli_epi64::<52>(t7));
    let t9 = _mm512_add_epi64(t9, _mm512_srli_epi64::<52>(t8));
    r0 = _mm512_madd52lo_epu64(r0, t5, factor);
    r1 = _mm512_madd52hi_epu64(r1, t5, factor);
    r1 = _mm512_madd52lo_epu64(r1, t6, factor);
    r2 = _mm512_madd52hi_epu64(r2, t6, factor);
    r2 = _mm512_madd52lo_epu64(r2, t7, factor);
    r3 = _mm512_madd52hi_epu64(r3, t7, factor);
    r3 = _mm512_madd52lo_epu64(r3, t8, factor);
    r4 = _mm512_madd52hi_epu64(r4, t8, factor);
    r4 = _mm512_madd52lo_epu64(r4, t9, factor);
    Wide([r0, r1, r2, r3, r4])
}

#[inline]
#[target_feature(enable = "avx512ifma")]
fn square_times<const N: usize>(x: [FieldElement; N], times: u32) -> [FieldElement; N] {
    let mut x = x;
    for _ in 0..times {
        for element in &mut x {
            *element = element.square();
        }
    }
    x
}

#[inline]
#[target_feature(enable = "avx512ifma")]
fn multiply_each<const N: usize>(
    a: &[FieldElement; N],
    b: &[FieldElement; N],
) -> [FieldElement; N] {
    let mut product = *a;
    for (x, y) in product.iter_mut().zip(b) {
        *x = x.multiply(y);
    }
    product
}

/// x^(2^250 − 1) and x^11 of each. Groups are independent of each other, so with two of them one
/// fills the pipeline while the other waits.
#[inline]
#[target_feature(enable = "avx512ifma")]
fn power_ladder<const N: usize>(x: &[FieldElement; N]) -> ([FieldElement; N], [FieldElement; N]) {
    let x2 = square_times(*x, 1);
    let x9 = multiply_each(&square_times(x2, 2), x);
    let x11 = multiply_each(&x9, &x2);
    let n5 = multiply_each(&square_times(x11, 1), &x9); // 2^5 − 1
    let n10 = multiply_each(&square_times(n5, 5), &n5);
    let n20 = multiply_each(&square_times(n10, 10), &n10);
    let n40 = multiply_each(&square_times(n20, 20), &n20);
    let n50 = multiply_each(&square_times(n40, 10), &n10);
    let n100 = multiply_each(&square_times(n50, 50), &n50);
    let n200 = multiply_each(&square_times(n100, 100), &n100);
    (multiply_each(&square_times(n200, 50), &n50), x11)
}

/// 1/x of each, and 0 for 0.
#[target_feature(enable = "avx512ifma")]
pub(super) fn invert<const N: usize>(x: &[FieldElement; N]) -> [FieldElement; N] {
    // p − 2 = (2^250 − 1) · 2^5 + 11
    let (n250, x11) = power_ladder(x);
    multiply_each(&square_times(n250, 5), &x11)
}

/// RFC 9496 §4.2 `SQRT_RATIO_M1`, of each (u, v): the lanes in which u/v is a square, and the
/// non-negative root of u/v, or of √−1 · u/v in the others.
#[target_feature(enable = "avx512ifma")]
pub(super) fn sqrt_ratio<const N: usize>(
    u: &[FieldElement; N],
    v: &[FieldElement; N],
) -> ([__mmask8; N], [FieldElement; N]) {
    let v3 = multiply_each(&square_times(*v, 1), v);
    let v7 = multiply_each(&square_times(v3, 1), v);
    let x = multiply_each(u, &v7);
    // (p − 5)/8 = (2^250 − 1) · 2^2 + 1
    let power = multiply_each(&square_times(power_ladder(&x).0, 2), &x);
    let mut root = multiply_each(&multiply_each(u, &v3), &power);
    let check = multiply_each(v, &square_times(root, 1));
    let mut was_square = [0; N];
    let sqrt_m1 = FieldElement::splat(&SQRT_M1);
    for (((root, was_square), check), u) in root.iter_mut().zip(&mut was_square).zip(&check).zip(u)
    {
        let correct = check.equals(u);
        let minus_u = u.negate();
        let flipped = check.equals(&minus_u);
        let flipped_i = check.equals(&minus_u.multiply(&sqrt_m1));
        *root = root
            .or_if(flipped | flipped_i, &root.multiply(&sqrt_m1))
            .absolute();
        *was_square = correct | flipped;
    }
    (was_square, root)
}

#[cfg(test)]
mod tests;
