//! Fingerprints that people read to each other.

use std::{fmt, str::FromStr};

use bip39::{Error, Language, Mnemonic};
use blindmatch_audit::codec::Writer;
use sha2::{Digest, Sha256};

const CONTEXT: &str = "blindmatch fingerprint v1";

/// How many words a fingerprint has: 128 bits and a checksum of 4.
pub const WORDS: usize = 12;

/// The first 128 bits of a hash of a text, written as twelve English words (`spec/41-membership.md` §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 16]);

/// What is wrong with words that should be a fingerprint. Words count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WordsError {
    /// Not [`WORDS`] words.
    Count(usize),
    /// This word is not on the list.
    Unknown(usize),
    /// Each word is on the list, but they do not belong together: one is wrong, or two have
    /// changed places.
    Checksum,
}

impl Fingerprint {
    /// That of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let message = Writer::new(CONTEXT).bytes(text.as_bytes()).finish();
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(Sha256::digest(message)) {
            *to = from;
        }
        Self(first)
    }

    /// The fingerprint of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The place, from 1, of the first word that differs.
    #[must_use]
    pub fn differs_at(&self, other: &Self) -> Option<usize> {
        let (own, other) = (self.to_string(), other.to_string());
        let at = own
            .split(' ')
            .zip(other.split(' '))
            .position(|(a, b)| a != b)?;
        Some(at + 1)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 16 bytes are one of the lengths that BIP-39 has words for.
        Mnemonic::from_entropy(&self.0)
            .map_err(|_| fmt::Error)?
            .fmt(f)
    }
}

impl FromStr for Fingerprint {
    type Err = WordsError;

    /// Reads words as people type them: in any case, with any white space between.
    fn from_str(text: &str) -> Result<Self, WordsError> {
        let text = text.to_ascii_lowercase();
        let count = text.split_whitespace().count();
        if count != WORDS {
            return Err(WordsError::Count(count));
        }
        let words = Mnemonic::parse_in_normalized(Language::English, &text);
        let (bytes, _) = words
            .map_err(|error| match error {
                Error::UnknownWord(at) => WordsError::Unknown(at + 1),
                _ => WordsError::Checksum,
            })?
            .to_entropy_array();
        let first = bytes.first_chunk().ok_or(WordsError::Checksum)?;
        Ok(Self(*first))
    }
}

impl fmt::Display for WordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "a fingerprint has {WORDS} words, not {count}"),
            Self::Unknown(at) => write!(f, "word {at} is none that a fingerprint can have"),
            Self::Checksum => f.write_str("the words do not belong together: one is wrong"),
        }
    }
}

impl std::error::Error for WordsError {}
