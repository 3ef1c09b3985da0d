//! The owner's own commitment to the matches of a run (`spec/40-audit.md` §5).
//!
//! The rows are salted, padded to a number of leaves that says little, and put into a Merkle tree
//! whose root goes into the owner's ledger. A later release opens one leaf of it and says nothing
//! about the others: not their values, not their number, not which leaves are padding.
//!
//! Salts are derived from one secret seed, and an opening shows the salt of its row only. Leaves
//! stand in the order of their hashes, so that a position says nothing about a row either.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    codec::{DecodeError, Reader, Writer},
    tree::{self, Hash, ProofError},
};

/// The most bytes of a committed row.
pub const MAX_ROW: usize = 64 * 1024;

const LEAF: &str = "blindmatch result leaf v1";
const SALT: &str = "blindmatch result salt v1";
const OPENING: &str = "blindmatch result opening v1";

/// A commitment with what is needed to open it: keep it as sealed as the rows.
pub struct ResultCommitment {
    seed: Zeroizing<[u8; 32]>,
    /// Ascending.
    leaves: Vec<Hash>,
}

/// One opened leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The leaf's place among the leaves.
    pub index: u64,
    /// The number of leaves, padding included.
    pub leaves: u64,
    /// The salt of this row.
    pub salt: [u8; 32],
    /// The inclusion proof, from the leaf to the root.
    pub proof: Vec<Hash>,
}

/// An opening that shows no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpeningError {
    /// An empty row: padding, which is nobody's match.
    Padding,
    /// The row is not in the tree.
    Proof(ProofError),
}

impl ResultCommitment {
    /// Commits to `rows`, padded to `leaves` leaves, with a fresh secret `seed`.
    ///
    /// The same rows, number and seed give the same commitment, which is how an owner that keeps
    /// the seed opens it later. `None` where there are more rows than leaves, no leaves, or an
    /// empty row.
    ///
    /// # Panics
    ///
    /// On a row of more than 4 GiB.
    #[must_use]
    pub fn new<R: AsRef<[u8]>>(rows: &[R], leaves: u64, seed: [u8; 32]) -> Option<Self> {
        let seed = Zeroizing::new(seed);
        let empty = rows.iter().any(|row| row.as_ref().is_empty());
        if empty || leaves == 0 || u64::try_from(rows.len()).ok()? > leaves {
            return None;
        }
        // An empty row is padding; of an unopened leaf nobody sees whether it is.
        let padded = rows
            .iter()
            .map(AsRef::as_ref)
            .chain(std::iter::repeat(&[][..]));
        let mut hashes: Vec<Hash> = (0..leaves)
            .zip(padded)
            .map(|(number, row)| leaf(&salt(&seed, number), row))
            .collect();
        hashes.sort_unstable();
        Some(Self {
            seed,
            leaves: hashes,
        })
    }

    /// The root: what goes into the ledger.
    #[must_use]
    pub fn root(&self) -> Hash {
        tree::root(&self.leaves)
    }

    /// Opens the leaf of `row`, which was the row at `number` of those committed to; `None` where
    /// it was not, and for an empty row, which is padding.
    ///
    /// # Panics
    ///
    /// On a row of more than 4 GiB.
    #[must_use]
    pub fn open(&self, number: u64, row: &[u8]) -> Option<Opening> {
        if row.is_empty() {
            return None;
        }
        let salt = salt(&self.seed, number);
        let index = self.leaves.binary_search(&leaf(&salt, row)).ok()?;
        let index = u64::try_from(index).ok()?;
        Some(Opening {
            index,
            leaves: u64::try_from(self.leaves.len()).ok()?,
            salt: *salt,
            proof: tree::inclusion_proof(&self.leaves, index)?,
        })
    }
}

impl Opening {
    /// Verifies that `row` is one of the rows that `root` commits to.
    ///
    /// The number of leaves is the owner's word: a root alone does not fix it.
    ///
    /// # Errors
    ///
    /// [`OpeningError`].
    ///
    /// # Panics
    ///
    /// On a row of more than 4 GiB.
    pub fn verify(&self, row: &[u8], root: &Hash) -> Result<(), OpeningError> {
        if row.is_empty() {
            return Err(OpeningError::Padding);
        }
        let leaf = leaf(&self.salt, row);
        tree::verify_inclusion(&leaf, self.index, self.leaves, &self.proof, root)
            .map_err(OpeningError::Proof)
    }

    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(OPENING);
        writer.u64(self.index).u64(self.leaves).fixed(&self.salt);
        // A proof has at most 64 hashes: `decode` and the tree hold it to that.
        writer.u8(u8::try_from(self.proof.len()).unwrap_or(u8::MAX));
        for hash in &self.proof {
            writer.fixed(hash);
        }
        writer.finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(OPENING, bytes)?;
        let (index, leaves, salt) = (reader.u64()?, reader.u64()?, reader.fixed()?);
        let length = reader.u8()?;
        if length > 64 {
            return Err(DecodeError::TooLong);
        }
        let proof = (0..length)
            .map(|_| reader.fixed())
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            index,
            leaves,
            salt,
            proof,
        })
    }
}

impl fmt::Display for OpeningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Padding => f.write_str("the opening is of padding"),
            Self::Proof(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpeningError {}

/// The salt of the row at `number`: HMAC-SHA-256, so that one salt says nothing about another.
/// Secret until the row is opened, since rows can be guessed.
fn salt(seed: &[u8; 32], number: u64) -> Zeroizing<[u8; 32]> {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(seed) else {
        unreachable!("HMAC takes a key of any length")
    };
    mac.update(&Writer::new(SALT).u64(number).finish());
    let mut salt = Zeroizing::new([0; 32]);
    salt.copy_from_slice(&mac.finalize().into_bytes());
    salt
}

fn leaf(salt: &[u8; 32], row: &[u8]) -> Hash {
    let mut writer = Writer::new(LEAF);
    writer.reserve(32 + 4 + row.len());
    let bytes = Zeroizing::new(writer.fixed(salt).bytes(row).finish());
    tree::leaf_hash(&bytes)
}

#[cfg(test)]
mod tests;
