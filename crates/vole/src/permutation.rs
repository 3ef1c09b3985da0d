//! What is made of AES-128, `spec/33-vole.md` §3: hashes with a key that the session fixes, and a
//! generator keyed by its seed.
//!
//! The `aes` crate takes VAES or AES-NI where the processor has them and bit-sliced code where it
//! does not: no table is indexed by a secret.

use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use crate::Gf128;
use crate::oracle::{Label, Oracle};

#[cfg(test)]
mod tests;

type Block = aes::Block;

/// Blocks that go through the cipher together, enough to fill its pipeline.
const BATCH: usize = 64;

/// AES-128 under one key, written π below.
pub(crate) struct Permutation(Aes128Enc);

impl Permutation {
    pub(crate) fn new(key: Gf128) -> Self {
        Self(Aes128Enc::new(&Array(key.to_bytes())))
    }

    /// A key of its own for every label and session.
    pub(crate) fn for_session(label: Label, session: &[u8; 32]) -> Self {
        Self::new(Oracle::new(label).absorb(session).block())
    }

    fn apply(&self, block: Gf128) -> Gf128 {
        let mut block = Array(block.to_bytes());
        self.0.encrypt_block(&mut block);
        Gf128::from_bytes(block.0)
    }

    /// π(x) ⊕ x.
    #[cfg(test)]
    pub(crate) fn feed_forward(&self, x: Gf128) -> Gf128 {
        self.apply(x) + x
    }

    /// `out[i]` = π(x\[i\]) ⊕ x\[i\] for every i that both have.
    pub(crate) fn feed_forward_all(&self, xs: &[Gf128], out: &mut [Gf128]) {
        let mut blocks = [Block::default(); BATCH];
        for (xs, out) in xs.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            for (block, x) in blocks.iter_mut().zip(xs) {
                *block = Array(x.to_bytes());
            }
            let used = xs.len();
            if let Some(blocks) = blocks.get_mut(..used) {
                self.0.encrypt_blocks(blocks);
            }
            for ((block, &x), out) in blocks.iter().zip(xs).zip(out) {
                *out = Gf128::from_bytes(block.0) + x;
            }
        }
    }

    /// π(π(x) ⊕ tweak) ⊕ π(x): the hash of Guo, Katz, Wang and Yu (TMMO) that stays
    /// correlation-robust when inputs of a known difference meet with different tweaks.
    pub(crate) fn tweaked(&self, x: Gf128, tweak: usize) -> Gf128 {
        let once = self.apply(x);
        self.apply(once + Gf128::from_bits(tweak as u128)) + once
    }
}

/// AES-128 in counter mode under a seed: block i is AES(seed, i), i little-endian.
pub(crate) struct Generator {
    cipher: Aes128Enc,
    next: u128,
}

impl Generator {
    pub(crate) fn new(seed: Gf128) -> Self {
        Self {
            cipher: Aes128Enc::new(&Array(seed.to_bytes())),
            next: 0,
        }
    }

    /// The next blocks of the stream.
    pub(crate) fn fill(&mut self, out: &mut [[u8; 16]]) {
        let mut blocks = [Block::default(); BATCH];
        for out in out.chunks_mut(BATCH) {
            for block in &mut blocks {
                *block = Array(self.next.to_le_bytes());
                self.next += 1;
            }
            self.next -= (BATCH - out.len()) as u128;
            let used = out.len();
            if let Some(blocks) = blocks.get_mut(..used) {
                self.cipher.encrypt_blocks(blocks);
            }
            for (block, out) in blocks.iter().zip(out) {
                *out = block.0;
            }
        }
    }
}
