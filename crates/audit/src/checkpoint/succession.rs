//! That a ledger goes on from an earlier checkpoint of it (`spec/42-ledger.md` §3): what witnesses
//! and all who follow a ledger ask before they take the newer for the older.

use std::fmt;

use super::Checkpoint;
use crate::{
    record::{Event, Record},
    tree::{self, Hash, ProofError, verify_consistency},
};

/// How a checkpoint goes on from an earlier one of the ledger.
#[derive(Clone, PartialEq, Eq)]
pub enum Continuation {
    /// All records of the earlier one are there: the consistency proof.
    Kept(Vec<Hash>),
    /// Records of the earlier one are lost, and a record of a later incarnation names it.
    Lost {
        /// The canonical bytes of the record.
        record: Vec<u8>,
        /// Its place in the ledger, from 0.
        index: u64,
        /// Its inclusion proof.
        path: Vec<Hash>,
    },
}

/// Why one checkpoint of a ledger is not known to go on from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuccessionError {
    /// They are of two ledgers.
    OtherLedger,
    /// The newer one is of an incarnation that ended when this one began.
    Superseded {
        /// The number of the later incarnation.
        by: u64,
    },
    /// The newer one is the smaller.
    Rollback {
        /// The size that was there before.
        from: u64,
        /// The smaller size.
        to: u64,
    },
    /// Both are of this size and have different roots: whoever signed both is convicted.
    Fork(u64),
    /// The proof between the two does not hold.
    Proof(ProofError),
    /// The record says nothing of lost records, or nothing may be lost within one incarnation.
    NoLoss,
    /// The record names the loss of another state of the ledger than the earlier one.
    OtherLoss {
        /// The incarnation that it names.
        incarnation: u64,
        /// The size that it names.
        size: u64,
    },
}

impl Continuation {
    /// A consistency proof, or the place and the bytes of a record with its inclusion proof.
    #[must_use]
    pub fn new(lost: Option<(u64, Vec<u8>)>, hashes: Vec<Hash>) -> Self {
        match lost {
            None => Self::Kept(hashes),
            Some((index, record)) => Self::Lost {
                record,
                index,
                path: hashes,
            },
        }
    }
}

impl Checkpoint {
    /// Checks that this may be the newer of two: of the same ledger, and neither of an incarnation
    /// that has ended, nor smaller, nor another of the same size.
    ///
    /// # Errors
    ///
    /// [`SuccessionError`], with what speaks against it.
    pub fn check_newer(&self, old: &Self) -> Result<(), SuccessionError> {
        if self.origin.ledger != old.origin.ledger {
            Err(SuccessionError::OtherLedger)
        } else if self.origin.incarnation < old.origin.incarnation {
            let by = old.origin.incarnation;
            Err(SuccessionError::Superseded { by })
        } else if self.origin.incarnation > old.origin.incarnation {
            Ok(())
        } else if self.size < old.size {
            Err(self.rollback(old))
        } else if self.size == old.size && self.root != old.root {
            Err(SuccessionError::Fork(self.size))
        } else {
            Ok(())
        }
    }

    /// Verifies that this ledger goes on from `old`: that its first `old.size` records are the same,
    /// or that it is of a later incarnation, which names `old` as lost.
    ///
    /// # Errors
    ///
    /// [`SuccessionError`], with what does not hold.
    pub fn verify_succession(&self, old: &Self, how: &Continuation) -> Result<(), SuccessionError> {
        self.check_newer(old)?;
        let later = self.origin.incarnation > old.origin.incarnation;
        match how {
            // An incarnation begins with a record of its own.
            Continuation::Kept(_) if later && self.size <= old.size => Err(self.rollback(old)),
            Continuation::Kept(proof) => {
                verify_consistency(old.size, &old.root, self.size, &self.root, proof)
                    .map_err(SuccessionError::Proof)
            }
            Continuation::Lost { .. } if !later => Err(SuccessionError::NoLoss),
            Continuation::Lost {
                record,
                index,
                path,
            } => {
                let leaf = tree::leaf_hash(record);
                tree::verify_inclusion(&leaf, *index, self.size, path, &self.root)
                    .map_err(SuccessionError::Proof)?;
                old.check_named(record)
            }
        }
    }

    /// Whether this record names this state of the ledger as lost.
    fn check_named(&self, record: &[u8]) -> Result<(), SuccessionError> {
        let Ok(Event::Lost {
            incarnation,
            size,
            root,
        }) = Record::decode(record).map(|record| record.event)
        else {
            return Err(SuccessionError::NoLoss);
        };
        if (incarnation, size, root) == (self.origin.incarnation, self.size, self.root) {
            Ok(())
        } else {
            Err(SuccessionError::OtherLoss { incarnation, size })
        }
    }

    const fn rollback(&self, old: &Self) -> SuccessionError {
        SuccessionError::Rollback {
            from: old.size,
            to: self.size,
        }
    }
}

/// Hides the bytes of the record, which hold its nonce.
impl fmt::Debug for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(proof) => f.debug_tuple("Kept").field(&proof.len()).finish(),
            Self::Lost { index, .. } => f.debug_tuple("Lost").field(index).finish(),
        }
    }
}

impl fmt::Display for SuccessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLedger => f.write_str("the checkpoints are of two ledgers"),
            Self::Superseded { by } => {
                write!(f, "the ledger was restored since, as incarnation {by}")
            }
            Self::Rollback { from, to } => {
                write!(f, "the ledger went back from {from} records to {to}")
            }
            Self::Fork(size) => write!(f, "the ledger has two roots at {size} records"),
            Self::Proof(error) => error.fmt(f),
            Self::NoLoss => f.write_str("no record says that records were lost"),
            Self::OtherLoss { incarnation, size } => write!(
                f,
                "the record names another loss, of incarnation {incarnation} at {size} records"
            ),
        }
    }
}

impl std::error::Error for SuccessionError {}
