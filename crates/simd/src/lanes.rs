//! Vectors of eight 64-bit lanes, in and out of arrays.

use std::arch::x86_64::{
    __m512i, _mm512_shuffle_i64x2, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

/// How many lanes a vector has.
pub(crate) const LANES: usize = 8;

/// Lane 0 first.
#[inline]
pub(crate) const fn to_lanes(vector: __m512i) -> [u64; LANES] {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(vector) }
}

/// Lane 0 first.
#[inline]
pub(crate) const fn from_lanes(lanes: [u64; LANES]) -> __m512i {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(lanes) }
}

/// Lane 0 first, each least significant byte first.
#[inline]
pub(crate) const fn to_bytes(vector: __m512i) -> [u8; 64] {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(vector) }
}

/// Lane 0 first, each least significant byte first.
#[inline]
pub(crate) const fn from_bytes(bytes: [u8; 64]) -> __m512i {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(bytes) }
}

/// Eight rows of eight lanes, with rows and lanes exchanged.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let pairs = [(r0, r1), (r2, r3), (r4, r5), (r6, r7)]
        .map(|(a, b)| (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)));
    // Even columns come from the low halves of pairs, odd ones from the high halves.
    let even = gather(pairs.map(|(low, _)| low));
    let odd = gather(pairs.map(|(_, high)| high));
    [
        even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3],
    ]
}

/// Column k is the k-th 128-bit quarter of each row, in order.
#[inline]
#[target_feature(enable = "avx512f")]
fn gather([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    // The immediates name two quarters of the first operand, then two of the second.
    let ab_02 = _mm512_shuffle_i64x2::<0b10_00_10_00>(a, b);
    let ab_13 = _mm512_shuffle_i64x2::<0b11_01_11_01>(a, b);
    let cd_02 = _mm512_shuffle_i64x2::<0b10_00_10_00>(c, d);
    let cd_13 = _mm512_shuffle_i64x2::<0b11_01_11_01>(c, d);
    [
        _mm512_shuffle_i64x2::<0b10_00_10_00>(ab_02, cd_02),
        _mm512_shuffle_i64x2::<0b10_00_10_00>(ab_13, cd_13),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(ab_02, cd_02),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(ab_13, cd_13),
    ]
}
