//! Sixteen pairs at a time, on VAES: four in each vector, each 128-bit quarter with its own key.

use std::arch::x86_64::{
    __m512i, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_bslli_epi128,
    _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_xor_si512,
};

use super::serial;
use crate::backend::{Backend, Kind};
use crate::lanes::{from_bytes, to_bytes};

/// Pairs that are worked on side by side, and the vectors that they take.
const SIDE: usize = 16;
const VECTORS: usize = 4;

/// The round constants of FIPS 197 §5.2.
const CONSTANTS: [i32; 10] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36];

/// Whether the backend is of vectors and the processor has what this needs.
pub(super) fn runs(backend: Backend) -> bool {
    backend.kind() == Kind::Avx512 && is_x86_feature_detected!("vaes")
}

#[target_feature(enable = "avx512f,avx512bw,vaes")]
pub(super) fn feed_forward(keys: &[[u8; 16]], blocks: &[[u8; 16]], out: &mut [[u8; 16]]) {
    let ((keys, last_keys), (blocks, last_blocks)) =
        (keys.as_chunks::<SIDE>(), blocks.as_chunks::<SIDE>());
    let (out, last_out) = out.as_chunks_mut::<SIDE>();
    for ((keys, blocks), out) in keys.iter().zip(blocks).zip(out) {
        sixteen(keys, blocks, out);
    }
    serial::feed_forward(last_keys, last_blocks, last_out);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn sixteen(keys: &[[u8; 16]; SIDE], blocks: &[[u8; 16]; SIDE], out: &mut [[u8; 16]; SIDE]) {
    let mut keys = load(keys);
    let blocks = load(blocks);
    let mut states = blocks;
    for (state, key) in states.iter_mut().zip(keys) {
        *state = _mm512_xor_si512(*state, key);
    }
    let [rounds @ .., last] = CONSTANTS;
    for constant in rounds {
        for (state, key) in states.iter_mut().zip(&mut keys) {
            *key = next_key(*key, constant);
            *state = _mm512_aesenc_epi128(*state, *key);
        }
    }
    for (state, key) in states.iter_mut().zip(&mut keys) {
        *key = next_key(*key, last);
        *state = _mm512_aesenclast_epi128(*state, *key);
    }
    let (quarters, _) = out.as_chunks_mut::<4>();
    for (out, (state, block)) in quarters.iter_mut().zip(states.iter().zip(blocks)) {
        let sum = to_bytes(_mm512_xor_si512(*state, block));
        out.as_flattened_mut().copy_from_slice(&sum);
    }
}

fn load(bytes: &[[u8; 16]; SIDE]) -> [__m512i; VECTORS] {
    let (vectors, _) = bytes.as_flattened().as_chunks::<64>();
    std::array::from_fn(|i| from_bytes(vectors.get(i).copied().unwrap_or([0; 64])))
}

/// The next round key of each quarter.
///
/// The last word, turned by a byte, stands in all four columns, so that shifting rows changes
/// nothing and the last round of the cipher is the S-box and the constant.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes")]
fn next_key(key: __m512i, constant: i32) -> __m512i {
    // Bytes 13, 14, 15, 12 of each quarter, four times.
    let turn = _mm512_set1_epi32(0x0c0f_0e0d);
    let turned = _mm512_shuffle_epi8(key, turn);
    let word = _mm512_aesenclast_epi128(turned, _mm512_set1_epi32(constant));
    let key = _mm512_xor_si512(key, _mm512_bslli_epi128::<4>(key));
    let key = _mm512_xor_si512(key, _mm512_bslli_epi128::<8>(key));
    _mm512_xor_si512(key, word)
}
