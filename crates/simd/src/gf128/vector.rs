//! Four elements at a time, on AVX-512 with VPCLMULQDQ: an element in each 128-bit quarter.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_alignr_epi64, _mm512_bslli_epi128, _mm512_bsrli_epi128,
    _mm512_clmulepi64_epi128, _mm512_mask_blend_epi64, _mm512_mask_xor_epi64, _mm512_set_epi64,
    _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_xor_si512, _pdep_u64,
};

use super::{Gf128, serial};
use crate::backend::{Backend, Kind};

/// Elements in a vector.
const LANES: usize = 4;

/// Whether the backend is of vectors and the processor has what this needs.
pub(super) fn runs(backend: Backend) -> bool {
    backend.kind() == Kind::Avx512
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("bmi2")
}

const fn load(elements: &[Gf128; LANES]) -> __m512i {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(*elements) }
}

const fn store(vector: __m512i) -> [Gf128; LANES] {
    // SAFETY: both types are 64 bytes of plain integers, of which every bit pattern is valid.
    unsafe { std::mem::transmute(vector) }
}

const fn broadcast(element: Gf128) -> __m512i {
    load(&[element; LANES])
}

/// x^7 + x^2 + x + 1, which is x^128, in the low half of each quarter.
#[inline]
#[target_feature(enable = "avx512f")]
fn modulus() -> __m512i {
    _mm512_set_epi64(0, 0x87, 0, 0x87, 0, 0x87, 0, 0x87)
}

/// The products of the quarters.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn multiply(a: __m512i, b: __m512i) -> __m512i {
    let low = _mm512_clmulepi64_epi128::<0x00>(a, b);
    let high = _mm512_clmulepi64_epi128::<0x11>(a, b);
    let middle = _mm512_xor_si512(
        _mm512_clmulepi64_epi128::<0x10>(a, b),
        _mm512_clmulepi64_epi128::<0x01>(a, b),
    );
    let low = _mm512_xor_si512(low, _mm512_bslli_epi128::<8>(middle));
    let high = _mm512_xor_si512(high, _mm512_bsrli_epi128::<8>(middle));
    // The upper half of `high` folds to 64 bits further down, of which up to seven bits fold once
    // more with the lower half.
    let folded = _mm512_clmulepi64_epi128::<0x01>(high, modulus());
    let high = _mm512_xor_si512(high, _mm512_bsrli_epi128::<8>(folded));
    let low = _mm512_xor_si512(low, _mm512_bslli_epi128::<8>(folded));
    _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(high, modulus()))
}

/// The products with an element of degree below 64, in the low half of each quarter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn multiply_low(a: __m512i, factor: __m512i) -> __m512i {
    let low = _mm512_clmulepi64_epi128::<0x00>(a, factor);
    let middle = _mm512_clmulepi64_epi128::<0x01>(a, factor);
    let low = _mm512_xor_si512(low, _mm512_bslli_epi128::<8>(middle));
    let high = _mm512_bsrli_epi128::<8>(middle);
    _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(high, modulus()))
}

#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
pub(super) fn power_sum(x: Gf128, values: &[Gf128]) -> Gf128 {
    /// Sums that run side by side, each over every so many values.
    const SIDE: usize = 4;
    let (blocks, tail) = values.as_chunks::<{ SIDE * LANES }>();
    let mut step = x;
    for _ in 0..(SIDE * LANES).ilog2() {
        step = step * step;
    }
    let step = broadcast(step);
    let mut sums = [_mm512_setzero_si512(); SIDE];
    for block in blocks.iter().rev() {
        for (sum, part) in sums.iter_mut().zip(block.as_chunks().0) {
            *sum = _mm512_xor_si512(multiply(*sum, step), load(part));
        }
    }
    let sums = sums.map(store);
    let behind = x.power((blocks.len() * SIDE * LANES) as u64);
    serial::power_sum(x, sums.as_flattened()) + behind * serial::power_sum(x, tail)
}

#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
pub(super) fn add_scaled(target: &mut [Gf128], factor: Gf128, values: &[Gf128]) {
    let count = target.len().min(values.len());
    let (target, values) = (target.split_at_mut(count).0, values.split_at(count).0);
    let ((targets, target), (parts, rest)) = (target.as_chunks_mut(), values.as_chunks());
    let lanes = broadcast(factor);
    for (target, part) in targets.iter_mut().zip(parts) {
        let product = multiply(load(part), lanes);
        *target = store(_mm512_xor_si512(load(target), product));
    }
    serial::add_scaled(target, factor, rest);
}

#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
pub(super) fn add_polynomial(target: &mut [Gf128], points: &[Gf128], coefficients: &[Gf128]) {
    let count = target.len().min(points.len());
    let (target, points) = (target.split_at_mut(count).0, points.split_at(count).0);
    let ((targets, target), (parts, rest)) = (target.as_chunks_mut(), points.as_chunks());
    for (target, part) in targets.iter_mut().zip(parts) {
        let point = load(part);
        let mut sum = _mm512_setzero_si512();
        for &coefficient in coefficients.iter().rev() {
            sum = multiply(_mm512_xor_si512(sum, broadcast(coefficient)), point);
        }
        *target = store(_mm512_xor_si512(load(target), sum));
    }
    serial::add_polynomial(target, rest, coefficients);
}

/// Blocks of four entries that four entries reach into: their own, six, and one entry of the next.
const REACH: usize = 8;

/// Takes four entries at a time as long as all that they reach lies before the end; gives how many
/// taps it has used.
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq,bmi2")]
pub(super) fn accumulate(
    entries: &mut [Gf128],
    start: usize,
    taps: &[u32],
    constant: u64,
) -> usize {
    let factor = broadcast(Gf128::from_bits(constant.into()));
    let Some(entries) = entries.get_mut(start..) else {
        return 0;
    };
    let (blocks, _) = entries.as_chunks_mut::<LANES>();
    let (groups, _) = taps.as_chunks::<LANES>();
    let mut done = 0;
    for (at, group) in groups.iter().enumerate() {
        let Some(reached) = blocks.get_mut(at..).and_then(<[_]>::first_chunk_mut) else {
            break;
        };
        step(reached, group, factor);
        done += LANES;
    }
    done
}

/// Four steps of the accumulation.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq,bmi2")]
fn step(reached: &mut [[Gf128; LANES]; REACH], taps: &[u32; LANES], factor: __m512i) {
    let [first, middle @ .., seventh, eighth] = reached;
    // Bit 4j + l of a shifted tap is for lane l of block j; each lane has two 64-bit halves.
    let masks: [u64; LANES] = std::array::from_fn(|i| {
        let tap = taps.get(i).copied().unwrap_or_default();
        let spread = _pdep_u64(u64::from(tap) << (i + 1), 0x5555_5555_5555_5555);
        spread | spread << 1
    });
    let [m0, m1, m2, m3] = masks;
    // The entries themselves, each of which the ones before it reach.
    let own = load(first);
    let e0 = _mm512_shuffle_i64x2::<0b00_00_00_00>(own, own);
    let own = add(own, m0, 0, e0);
    let e1 = _mm512_shuffle_i64x2::<0b01_01_01_01>(own, own);
    let own = add(own, m1, 0, e1);
    let e2 = _mm512_shuffle_i64x2::<0b10_10_10_10>(own, own);
    let own = add(own, m2, 0, e2);
    let e3 = _mm512_shuffle_i64x2::<0b11_11_11_11>(own, own);
    *first = store(own);
    let each = |block: __m512i, number: u32| {
        let block = add(block, m0, number, e0);
        let block = add(block, m1, number, e1);
        let block = add(block, m2, number, e2);
        add(block, m3, number, e3)
    };
    for (number, block) in (1..).zip(middle) {
        *block = store(each(load(block), number));
    }
    // The 25th after each: three of the seventh block and one of the eighth. No tap has reached
    // them before they are multiplied.
    let (sixth, next) = (load(seventh), load(eighth));
    let last = _mm512_alignr_epi64::<2>(next, sixth);
    let last = multiply_low(_mm512_xor_si512(last, own), factor);
    let turned = _mm512_shuffle_i64x2::<0b10_01_00_11>(last, last);
    let sixth = _mm512_mask_blend_epi64(0b1111_1100, sixth, turned);
    *seventh = store(each(sixth, 6));
    *eighth = store(_mm512_mask_blend_epi64(0b0000_0011, next, turned));
}

/// Adds an entry to the lanes of block `number` that its mask names.
#[inline]
#[target_feature(enable = "avx512f")]
#[expect(clippy::cast_possible_truncation, reason = "takes one byte")]
fn add(block: __m512i, mask: u64, number: u32, entry: __m512i) -> __m512i {
    let mask = (mask >> (8 * number)) as __mmask8;
    _mm512_mask_xor_epi64(block, mask, block, entry)
}
