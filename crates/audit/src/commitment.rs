//! The owner's own commitment to the matches of a run (`spec/40-audit.md` §5).
//!
//! The rows are salted and stand at random leaves of a Merkle tree whose root goes into the owner's
//! ledger. What of the tree has no row is hashes of nothing. A later release opens one leaf and says
//! nothing about the others: not their values, not their number, not which there are.
//!
//! Salts, places and padding are derived from one secret seed, and an opening shows the salt of its row
//! only. Time and memory follow the rows, not the leaves.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    codec::{DecodeError, Reader, Writer},
    tree::{self, Hash, ProofError},
};

mod parts;

pub use self::parts::{PARTS, Part, PartSalts, ShownRow};

/// The most bytes of a committed row.
pub const MAX_ROW: usize = 64 * 1024;

/// More rows than anybody has: with more, there would be no place for them.
const MOST: u64 = 1 << 40;

const LEAF: &str = "blindmatch result leaf v1";
const SALT: &str = "blindmatch result salt v1";
const PLACE: &str = "blindmatch result place v1";
const PADDING: &str = "blindmatch result padding v1";
const OPENING: &str = "blindmatch result opening v1";

/// A commitment with what is needed to open it: keep it as sealed as the rows.
pub struct ResultCommitment {
    seed: Zeroizing<[u8; 32]>,
    /// Of the tree above its leaves.
    levels: u32,
    /// Of each row, in their order.
    places: Vec<u64>,
    /// Of each row by its place.
    leaves: Vec<(u64, Hash)>,
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
    /// The fewest leaves among which so many rows stand.
    #[must_use]
    pub const fn leaves_for(rows: u64) -> u64 {
        let rows = if rows > MOST { MOST } else { rows };
        let leaves = (2 * rows).next_power_of_two();
        if leaves < 16 { 16 } else { leaves }
    }

    /// Commits to `rows` among `leaves` leaves, with a fresh secret `seed`.
    ///
    /// The same rows, number and seed give the same commitment, which is how an owner that keeps
    /// the seed opens it later. `None` for an empty row, and where the leaves are no power of two or
    /// fewer than twice as many as the rows.
    ///
    /// # Panics
    ///
    /// On a row of more than 4 GiB.
    #[must_use]
    pub fn new<R: AsRef<[u8]>>(rows: &[R], leaves: u64, seed: [u8; 32]) -> Option<Self> {
        let seed = Zeroizing::new(seed);
        let room = leaves / 2;
        let empty = rows.iter().any(|row| row.as_ref().is_empty());
        if empty || !leaves.is_power_of_two() || u64::try_from(rows.len()).ok()? > room {
            return None;
        }
        let (levels, keyed) = (leaves.trailing_zeros(), keyed(&seed));
        let mut places = Vec::with_capacity(rows.len());
        let mut taken = BTreeMap::new();
        for (number, row) in (0..).zip(rows) {
            let mut drawn = (0..).map(|attempt| place(&keyed, number, attempt, levels));
            // Half of the leaves or more are free.
            let place = drawn.find(|place| !taken.contains_key(place))?;
            taken.insert(place, leaf(&salt(&keyed, number), row.as_ref()));
            places.push(place);
        }
        Some(Self {
            seed,
            levels,
            places,
            leaves: taken.into_iter().collect(),
        })
    }

    /// The root: what goes into the ledger.
    #[must_use]
    pub fn root(&self) -> Hash {
        node(&keyed(&self.seed), &self.leaves, self.levels, 0)
    }

    /// Opens the leaf of `row`, which was the row at `number` of those committed to; `None` where
    /// it was not.
    ///
    /// # Panics
    ///
    /// On a row of more than 4 GiB.
    #[must_use]
    pub fn open(&self, number: u64, row: &[u8]) -> Option<Opening> {
        let keyed = keyed(&self.seed);
        let index = *self.places.get(usize::try_from(number).ok()?)?;
        let salt = salt(&keyed, number);
        let at = self
            .leaves
            .binary_search_by_key(&index, |(place, _)| *place);
        let (_, committed) = self.leaves.get(at.ok()?)?;
        if leaf(&salt, row) != *committed {
            return None;
        }
        let mut proof = Vec::new();
        for level in 0..self.levels {
            let sibling = index >> level ^ 1;
            let first = sibling << level;
            let from = self.leaves.partition_point(|(place, _)| *place < first);
            let behind = self.leaves.get(from..)?;
            let end = behind.partition_point(|(place, _)| *place >> level == sibling);
            proof.push(node(&keyed, behind.get(..end)?, level, sibling));
        }
        Some(Opening {
            index,
            leaves: 1 << self.levels,
            salt: *salt,
            proof,
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

/// HMAC-SHA-256 under the seed, so that one value says nothing about another.
fn keyed(seed: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC takes a key of any length.
    let Ok(keyed) = Hmac::new_from_slice(seed) else {
        unreachable!("HMAC takes a key of any length")
    };
    keyed
}

fn derive(keyed: &Hmac<Sha256>, of: &mut Writer) -> Hash {
    let mac = keyed.clone().chain_update(of.finish());
    mac.finalize().into_bytes().into()
}

/// The salt of the row at `number`. Secret until the row is opened, since rows can be guessed.
fn salt(keyed: &Hmac<Sha256>, number: u64) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(derive(keyed, Writer::new(SALT).u64(number)))
}

/// The leaf of the row at `number`, unless another row has it: then that of the next attempt.
fn place(keyed: &Hmac<Sha256>, number: u64, attempt: u32, levels: u32) -> u64 {
    let drawn = derive(keyed, Writer::new(PLACE).u64(number).u32(attempt));
    let first = drawn.first_chunk();
    let first = first.map_or(0, |first| u64::from_be_bytes(*first));
    first.checked_shr(64 - levels).unwrap_or(0)
}

/// The hash of the subtree of so many levels that is the `number`th of these, and which has `leaves`.
fn node(keyed: &Hmac<Sha256>, leaves: &[(u64, Hash)], level: u32, number: u64) -> Hash {
    match (leaves, level) {
        // Of at most 64 levels.
        ([], _) => {
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            derive(keyed, Writer::new(PADDING).u8(level).u64(number))
        }
        ([(_, leaf), ..], 0) => *leaf,
        (_, level) => {
            let right = number << 1 | 1;
            let middle = leaves.partition_point(|(place, _)| place >> (level - 1) < right);
            let (left_leaves, right_leaves) = leaves.split_at(middle);
            tree::node_hash(
                &node(keyed, left_leaves, level - 1, right ^ 1),
                &node(keyed, right_leaves, level - 1, right),
            )
        }
    }
}

fn leaf(salt: &[u8; 32], row: &[u8]) -> Hash {
    let mut writer = Writer::new(LEAF);
    writer.reserve(32 + 4 + row.len());
    let bytes = Zeroizing::new(writer.fixed(salt).bytes(row).finish());
    tree::leaf_hash(&bytes)
}

#[cfg(test)]
mod tests;
