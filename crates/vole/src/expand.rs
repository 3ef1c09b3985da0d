//! The field-mixed expand-convolute code, `spec/33-vole.md` §8: N noise entries to n_v.
//!
//! The last M = N − n_v entries are accumulated in two passes; each output is its noise entry and
//! seven accumulated ones. An accumulation step multiplies by a constant that lies in no proper
//! subfield, so the code is linear over GF(2^128) and over nothing smaller: over a subfield, every
//! coordinate of the noise would have the one support, and the span of a few outputs would
//! show it (the splitting attack).
//!
//! The code is public and fixed by n_v and t; what goes through it is secret, and neither branched
//! on nor indexed by.

use zeroize::Zeroizing;

use crate::permutation::Generator;
use crate::{Dimensions, Gf128, kernels};

#[cfg(test)]
mod tests;

/// c, which generates GF(2^64) modulo x^64+x^4+x^3+x+1 and lies in no proper subfield of
/// GF(2^128) either.
pub(crate) const CODE_CONSTANT: u64 = 0x9e37_79b9_7f4a_7c15;

/// Accumulation passes.
const PASSES: u8 = 2;

/// Taps in one block of the generator: 24 bits each, one byte over.
const TAPS_PER_BLOCK: usize = 5;

/// Compresses N noise entries, which are wiped, to n_v.
pub(crate) fn expand(
    dimensions: &Dimensions,
    noise: Zeroizing<Vec<Gf128>>,
) -> Zeroizing<Vec<Gf128>> {
    expand_with(dimensions, noise, CODE_CONSTANT)
}

/// The code with another constant, which tests take to see what the constant is good for.
fn expand_with(
    dimensions: &Dimensions,
    mut noise: Zeroizing<Vec<Gf128>>,
    constant: u64,
) -> Zeroizing<Vec<Gf128>> {
    let entries = dimensions.entries;
    let held = entries.min(noise.len());
    let (outputs, tail) = noise.split_at_mut(held);
    for pass in 0..PASSES {
        accumulate(&mut generator(entries, pass), tail, constant);
    }
    add_expanded(&mut generator(entries, PASSES), outputs, tail);
    // A copy of its own: the outputs outlive the noise, which is twice as long.
    Zeroizing::new(outputs.to_vec())
}

/// The generator of one part of the code.
fn generator(entries: usize, part: u8) -> Generator {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(b"vp1 exconv")
        .update(&(entries as u64).to_le_bytes())
        .update(&[part]);
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    Generator::new(Gf128::from_bytes(key))
}

/// One pass over all entries, with a tap for each.
fn accumulate(generator: &mut Generator, tail: &mut [Gf128], constant: u64) {
    let mut blocks = [[0; 16]; 256];
    let mut taps = [0; TAPS_PER_BLOCK * 256];
    for start in (0..tail.len()).step_by(taps.len()) {
        generator.fill(&mut blocks);
        // The last byte of a block is no tap's.
        let words = blocks.iter().flat_map(|block| block.as_chunks::<3>().0);
        for (tap, &[a, b, c]) in taps.iter_mut().zip(words) {
            *tap = u32::from_le_bytes([a, b, c, 0]);
        }
        let taps = taps.split_at(taps.len().min(tail.len() - start)).0;
        kernels::accumulate(tail, start, taps, constant);
    }
}

/// Adds to each output four entries of the tail, one from each quarter, and three from anywhere.
#[expect(
    clippy::indexing_slicing,
    reason = "a word is scaled to below the length"
)]
fn add_expanded(places: &mut Generator, outputs: &mut [Gf128], tail: &[Gf128]) {
    let quarter = tail.len() / 4;
    let scale = |word: u32, bound: usize| ((u64::from(word) * bound as u64) >> 32) as usize;
    let mut blocks = [[0; 16]; 256];
    for outputs in outputs.chunks_mut(blocks.len() / 2) {
        places.fill(&mut blocks);
        for (output, pair) in outputs.iter_mut().zip(blocks.as_chunks::<2>().0) {
            let words = pair.as_flattened().as_chunks::<4>().0;
            for (number, &word) in words.iter().take(7).enumerate() {
                let word = u32::from_le_bytes(word);
                let place = match number {
                    0..4 => number * quarter + scale(word, quarter),
                    _ => scale(word, tail.len()),
                };
                *output += tail[place];
            }
        }
    }
}
