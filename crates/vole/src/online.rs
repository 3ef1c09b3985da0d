//! What a run makes of a VOLE: the flights F8 and F9, bin by bin and piece by piece.
//! `spec/33-vole.md` §13.
//!
//! The order is part of the security. The receiver fixes the seed, its share and all of A + P
//! before it sees the sender's share, and the sender fixed its share before it saw any of that.
//! The receiver verifies the whole answer, whatever its items are, before it compares a tag.

mod answer;
mod binned;
mod label;
mod matching;
mod reader;
mod tags;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Answers, EqualTags, Pieces};
pub use binned::{BinItems, Binned};
pub use label::{BadLabel, LABEL_TAG, open, seal};
pub use matching::{Hit, Matching};
pub use reader::{AnswerError, AnswerReader, Part};
pub use tags::{TagCode, TagError, TagReader, TagWriter};

use crate::Gf128;

/// What F8 begins with: the seed of the OKVS and the receiver's share.
pub struct Opening {
    /// r.
    pub seed: [u8; 16],
    /// w_R.
    pub share: Gf128,
}

impl Opening {
    /// Its bytes.
    pub const BYTES: usize = 32;

    /// r ‖ w_R.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let both = self.seed.into_iter().chain(self.share.to_bytes());
        bytes.iter_mut().zip(both).for_each(|(to, byte)| *to = byte);
        bytes
    }

    /// Reads r ‖ w_R; every string is one.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (mut seed, mut share) = ([0; 16], [0; 16]);
        let both = seed.iter_mut().chain(&mut share);
        both.zip(bytes).for_each(|(to, &byte)| *to = byte);
        Self {
            seed,
            share: Gf128::from_bytes(share),
        }
    }
}

/// What F9 is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerForm {
    /// How the tags are coded: as many as the class of the sender's set has.
    pub tags: TagCode,
    /// The bytes of a label before it is sealed; zero where there are none.
    pub label: usize,
}

impl AnswerForm {
    /// The sender's share and what opens the commitment to it.
    pub(crate) const HEAD: usize = 48;

    /// The bytes of a sealed label; none where there are no labels.
    pub const fn sealed(&self) -> usize {
        match self.label {
            0 => 0,
            label => label + LABEL_TAG,
        }
    }

    /// The bytes of F9.
    pub const fn bytes(&self) -> usize {
        Self::HEAD + self.tags.bytes() + self.tags.count() as usize * self.sealed()
    }
}

/// A tag with something small beside it, in 24 bytes and not the 32 that a `u128` would take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tagged {
    high: u64,
    low: u64,
    place: u32,
    at: u32,
}

impl Tagged {
    #[expect(clippy::cast_possible_truncation, reason = "splits into halves")]
    const fn new(tag: u128, place: u32, at: u32) -> Self {
        Self {
            high: (tag >> 64) as u64,
            low: tag as u64,
            place,
            at,
        }
    }

    fn tag(&self) -> u128 {
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}
