//! What fields of records consist of (`spec/42 §2`).

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    codec::{DecodeError, Reader, Writer},
    tree::Hash,
};

/// The most bytes of a [`Name`].
pub const MAX_NAME: usize = 255;

const SALTED: &str = "blindmatch ledger digest v1";

/// The name of a member, a view, an operator, a legal basis or a log: 1 to [`MAX_NAME`] bytes of
/// UTF-8 without control characters. Never an indicator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// A count that is said as a class only: {4, 5, 6, 7}·2^k, from 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u64);

/// A digest under 32 random bytes of salt, for what could be guessed.
///
/// Most are salted with the nonce of their own record, so that who sees the record can check
/// them, and who sees its leaf hash can guess nothing. That of a release has a secret salt, which
/// is kept as sealed as the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Salted(pub Hash);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Field`] where it is empty, too long or has control characters in it.
    pub fn new(name: &str) -> Result<Self, DecodeError> {
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(DecodeError::Field);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = reader.bytes(MAX_NAME)?;
        Self::new(str::from_utf8(bytes).map_err(|_| DecodeError::Field)?)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Class {
    /// The class of exactly this many, if there is one.
    #[must_use]
    pub const fn exactly(count: u64) -> Option<Self> {
        if count < 8 {
            return None;
        }
        let significant = u64::BITS - count.leading_zeros() - count.trailing_zeros();
        if significant <= 3 {
            Some(Self(count))
        } else {
            None
        }
    }

    /// The number that stands for the class, its largest.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.0
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::exactly(reader.u64()?).ok_or(DecodeError::Field)
    }
}

impl Salted {
    /// The digest of `content` under `salt`.
    ///
    /// # Panics
    ///
    /// On a content of more than 4 GiB.
    #[must_use]
    pub fn new(salt: &[u8; 32], content: &[u8]) -> Self {
        let message = Writer::new(SALTED).fixed(salt).bytes(content).finish();
        Self(Sha256::digest(message).into())
    }
}
