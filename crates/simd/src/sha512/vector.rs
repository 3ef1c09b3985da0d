//! Eight messages at a time, on AVX-512: a lane each, a vector for each 64-bit word.

#![expect(
    clippy::indexing_slicing,
    reason = "arrays of fixed size; indices come from loops over them, never from input"
)]

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_mask_blend_epi64, _mm512_ror_epi64,
    _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srli_epi64, _mm512_ternarylogic_epi64,
};

use zeroize::{Zeroize, Zeroizing};

use super::{Suffix, Z_PAD};
use crate::backend::Kind;
use crate::lanes::{LANES, from_bytes, to_bytes, to_lanes, transpose};
use crate::work::count;

const BLOCK: usize = 128;

/// The initial value (FIPS 180-4 §5.3.5).
const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

pub(super) fn sha512<'a, const PARTS: usize>(
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    count(Kind::Avx512, messages.len());
    let mut group = Group::default();
    let mut digests = Zeroizing::new(Vec::with_capacity(messages.len()));
    each_group(messages, |messages| {
        group.fill(messages, &[], 0);
        // SAFETY: the backend proved the processor's features.
        unsafe { push(&mut digests, group.hash(&INITIAL), messages) }
    });
    digests
}

pub(super) fn expand_message_xmd<'a, const PARTS: usize>(
    suffix: &Suffix,
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    count(Kind::Avx512, messages.len());
    // SAFETY: the backend proved the processor's features.
    let padded = unsafe { after(&Z_PAD) };
    let second = after_b_0(suffix);
    let mut group = Group::default();
    let mut expanded = Zeroizing::new(Vec::with_capacity(messages.len()));
    each_group(messages, |messages| {
        group.fill(messages, &suffix.first, Z_PAD.len());
        // SAFETY: as above.
        unsafe {
            // b_0 = H(Z_pad || msg || l_i_b_str || I2OSP(0, 1) || DST_prime)
            let b_0 = group.hash(&padded);
            // b_1 = H(b_0 || I2OSP(1, 1) || DST_prime)
            push(&mut expanded, hash_words(&b_0, &second), messages);
        }
    });
    expanded
}

/// Calls `hash` with eight messages at a time, of which the last may be missing some.
fn each_group<'a, const PARTS: usize>(
    mut messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
    mut hash: impl FnMut(&[Option<[&'a [u8]; PARTS]>; LANES]),
) {
    while messages.len() > 0 {
        hash(&std::array::from_fn(|_| messages.next()));
    }
}

/// Appends the digests in the eight lanes, but those of missing messages.
#[target_feature(enable = "avx512bw")]
fn push<M>(digests: &mut Vec<[u8; 64]>, state: [__m512i; 8], messages: &[Option<M>; LANES]) {
    let rows = swap_words(transpose(state));
    digests.extend(
        rows.iter()
            .zip(messages)
            .filter(|(_, m)| m.is_some())
            .map(|(row, _)| to_bytes(*row)),
    );
}

/// Eight messages in full blocks, wiped on drop.
#[derive(Default)]
struct Group([Vec<u8>; LANES]);

impl Group {
    /// Takes eight messages in the place of the last ones, each followed by `suffix` and padded
    /// (FIPS 180-4 §5.1.2) as if `hashed` bytes stood before it. A missing message is empty.
    fn fill<const PARTS: usize>(
        &mut self,
        messages: &[Option<[&[u8]; PARTS]>; LANES],
        suffix: &[u8],
        hashed: usize,
    ) {
        for (bytes, message) in self.0.iter_mut().zip(messages) {
            let parts = message.iter().flatten().copied().chain([suffix]);
            let len: usize = parts.clone().map(<[u8]>::len).sum();
            let padded = (len + 17).next_multiple_of(BLOCK);
            if padded > bytes.capacity() {
                bytes.zeroize();
                *bytes = Vec::with_capacity(padded);
            }
            bytes.clear();
            for part in parts {
                bytes.extend_from_slice(part);
            }
            bytes.push(0x80);
            bytes.resize(padded - 16, 0);
            bytes.extend_from_slice(&(8 * (hashed as u128 + len as u128)).to_be_bytes());
        }
    }

    /// The state of each lane after all blocks of its message.
    #[target_feature(enable = "avx512bw")]
    fn hash(&self, state: &[u64; 8]) -> [__m512i; 8] {
        let lanes = self.0.each_ref().map(|bytes| bytes.as_chunks::<BLOCK>().0);
        let mut state = state.map(|word| _mm512_set1_epi64(word.cast_signed()));
        for index in 0..lanes.map(<[_]>::len).into_iter().max().unwrap_or(0) {
            // A message that has no further block is hashed along and its lane left as it is.
            let mut unfinished: __mmask8 = 0;
            for (lane, blocks) in lanes.iter().enumerate() {
                unfinished |= __mmask8::from(index < blocks.len()) << lane;
            }
            let blocks = lanes.map(|blocks| blocks.get(index).unwrap_or(&Z_PAD));
            let next = compress(&state, words(blocks));
            for (word, next) in state.iter_mut().zip(next) {
                *word = _mm512_mask_blend_epi64(unfinished, *word, next);
            }
        }
        state
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What follows b_0 in the expander's second hash, with the padding: the words of its blocks, the
/// first without the eight that b_0 fills.
fn after_b_0(suffix: &Suffix) -> Vec<u64> {
    let mut bytes = [[0; 64].as_slice(), &suffix.second, &[0x80]].concat();
    let bits = 8 * (bytes.len() as u128 - 1);
    bytes.resize((bytes.len() + 16).next_multiple_of(BLOCK) - 16, 0);
    bytes.extend_from_slice(&bits.to_be_bytes());
    let (words, _) = bytes.as_chunks::<8>();
    words
        .iter()
        .skip(8)
        .map(|word| u64::from_be_bytes(*word))
        .collect()
}

/// The hash of eight words of each lane followed by words that all lanes have.
#[target_feature(enable = "avx512bw")]
fn hash_words(first: &[__m512i; 8], rest: &[u64]) -> [__m512i; 8] {
    let mut state = INITIAL.map(|word| _mm512_set1_epi64(word.cast_signed()));
    let rest = rest
        .iter()
        .map(|word| _mm512_set1_epi64(word.cast_signed()));
    let mut words = first.iter().copied().chain(rest);
    while let Some(word) = words.next() {
        let mut block = [word; 16];
        for (place, word) in block[1..].iter_mut().zip(&mut words) {
            *place = word;
        }
        state = compress(&state, block);
    }
    state
}

/// The state after one block.
#[target_feature(enable = "avx512bw")]
fn after(block: &[u8; BLOCK]) -> [u64; 8] {
    let initial = INITIAL.map(|word| _mm512_set1_epi64(word.cast_signed()));
    let state = compress(&initial, words([block; LANES]));
    state.map(|word| to_lanes(word)[0])
}

/// The sixteen words of each lane's block.
#[inline]
#[target_feature(enable = "avx512bw")]
fn words(blocks: [&[u8; BLOCK]; LANES]) -> [__m512i; 16] {
    let halves = blocks.map(|block| {
        let (halves, _) = block.as_chunks::<64>();
        (from_bytes(halves[0]), from_bytes(halves[1]))
    });
    let mut words = [_mm512_setzero_si512(); 16];
    words[..8].copy_from_slice(&transpose(swap_words(halves.map(|(low, _)| low))));
    words[8..].copy_from_slice(&transpose(swap_words(halves.map(|(_, high)| high))));
    words
}

/// FIPS 180-4 §6.4.2, of one block in each lane.
#[target_feature(enable = "avx512bw")]
fn compress(state: &[__m512i; 8], block: [__m512i; 16]) -> [__m512i; 8] {
    let mut schedule = block;
    let mut s = *state;
    let (constants, _) = CONSTANTS.as_chunks::<16>();
    for (index, constants) in constants.iter().enumerate() {
        if index > 0 {
            schedule = next_schedule(schedule);
        }
        for (constants, words) in constants.chunks_exact(8).zip(schedule.chunks_exact(8)) {
            s = round::<0>(s, constants, words);
            s = round::<1>(s, constants, words);
            s = round::<2>(s, constants, words);
            s = round::<3>(s, constants, words);
            s = round::<4>(s, constants, words);
            s = round::<5>(s, constants, words);
            s = round::<6>(s, constants, words);
            s = round::<7>(s, constants, words);
        }
    }
    for (word, before) in s.iter_mut().zip(state) {
        *word = _mm512_add_epi64(*word, *before);
    }
    s
}

/// One round. After AT rounds the variables a to h stand AT places further back in a circle, so
/// that after eight they are where they were.
#[inline]
#[target_feature(enable = "avx512bw")]
fn round<const AT: usize>(
    mut s: [__m512i; 8],
    constants: &[u64],
    words: &[__m512i],
) -> [__m512i; 8] {
    let place = |variable: usize| (variable + 8 - AT) % 8;
    let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(place);
    let constant = _mm512_set1_epi64(constants[AT].cast_signed());
    let sigma_1 = xor3(
        _mm512_ror_epi64::<14>(s[e]),
        _mm512_ror_epi64::<18>(s[e]),
        _mm512_ror_epi64::<41>(s[e]),
    );
    // Truth tables: e ? f : g, and the majority.
    let choice = _mm512_ternarylogic_epi64::<0xca>(s[e], s[f], s[g]);
    let majority = _mm512_ternarylogic_epi64::<0xe8>(s[a], s[b], s[c]);
    let sigma_0 = xor3(
        _mm512_ror_epi64::<28>(s[a]),
        _mm512_ror_epi64::<34>(s[a]),
        _mm512_ror_epi64::<39>(s[a]),
    );
    let input = _mm512_add_epi64(_mm512_add_epi64(s[h], constant), words[AT]);
    let t1 = _mm512_add_epi64(_mm512_add_epi64(input, choice), sigma_1);
    s[d] = _mm512_add_epi64(s[d], t1);
    s[h] = _mm512_add_epi64(_mm512_add_epi64(t1, majority), sigma_0);
    s
}

/// The next sixteen words of the message schedule.
#[inline]
#[target_feature(enable = "avx512bw")]
fn next_schedule(mut w: [__m512i; 16]) -> [__m512i; 16] {
    for t in 0..16 {
        let (w2, w15) = (w[(t + 14) % 16], w[(t + 1) % 16]);
        let sigma_0 = xor3(
            _mm512_ror_epi64::<1>(w15),
            _mm512_ror_epi64::<8>(w15),
            _mm512_srli_epi64::<7>(w15),
        );
        let sigma_1 = xor3(
            _mm512_ror_epi64::<19>(w2),
            _mm512_ror_epi64::<61>(w2),
            _mm512_srli_epi64::<6>(w2),
        );
        let sum = _mm512_add_epi64(_mm512_add_epi64(w[t], sigma_0), w[(t + 9) % 16]);
        w[t] = _mm512_add_epi64(sum, sigma_1);
    }
    w
}

#[inline]
#[target_feature(enable = "avx512bw")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// Big-endian words from bytes and back.
#[inline]
#[target_feature(enable = "avx512bw")]
fn swap_words(rows: [__m512i; 8]) -> [__m512i; 8] {
    let (low, high) = (0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let order = _mm512_set_epi64(high, low, high, low, high, low, high, low);
    rows.map(|row| _mm512_shuffle_epi8(row, order))
}

/// The first 64 bits of the fractional parts of the cube roots of the first eighty primes (FIPS
/// 180-4 §4.2.3).
const CONSTANTS: [u64; 80] = [
    0x428a_2f98_d728_ae22,
    0x7137_4491_23ef_65cd,
    0xb5c0_fbcf_ec4d_3b2f,
    0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538,
    0x59f1_11f1_b605_d019,
    0x923f_82a4_af19_4f9b,
    0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242,
    0x1283_5b01_4570_6fbe,
    0x2431_85be_4ee4_b28c,
    0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f,
    0x80de_b1fe_3b16_96b1,
    0x9bdc_06a7_25c7_1235,
    0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2,
    0xefbe_4786_384f_25e3,
    0x0fc1_9dc6_8b8c_d5b5,
    0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275,
    0x4a74_84aa_6ea6_e483,
    0x5cb0_a9dc_bd41_fbd4,
    0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab,
    0xa831_c66d_2db4_3210,
    0xb003_27c8_98fb_213f,
    0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2,
    0xd5a7_9147_930a_a725,
    0x06ca_6351_e003_826f,
    0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc,
    0x2e1b_2138_5c26_c926,
    0x4d2c_6dfc_5ac4_2aed,
    0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de,
    0x766a_0abb_3c77_b2a8,
    0x81c2_c92e_47ed_aee6,
    0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364,
    0xa81a_664b_bc42_3001,
    0xc24b_8b70_d0f8_9791,
    0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218,
    0xd699_0624_5565_a910,
    0xf40e_3585_5771_202a,
    0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8,
    0x1e37_6c08_5141_ab53,
    0x2748_774c_df8e_eb99,
    0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63,
    0x4ed8_aa4a_e341_8acb,
    0x5b9c_ca4f_7763_e373,
    0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc,
    0x78a5_636f_4317_2f60,
    0x84c8_7814_a1f0_ab72,
    0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28,
    0xa450_6ceb_de82_bde9,
    0xbef9_a3f7_b2c6_7915,
    0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c,
    0xd186_b8c7_21c0_c207,
    0xeada_7dd6_cde0_eb1e,
    0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba,
    0x0a63_7dc5_a2c8_98a6,
    0x113f_9804_bef9_0dae,
    0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84,
    0x32ca_ab7b_40c7_2493,
    0x3c9e_be0a_15c9_bebc,
    0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6,
    0x597f_299c_fc65_7e2a,
    0x5fcb_6fab_3ad6_faec,
    0x6c44_198c_4a47_5817,
];
