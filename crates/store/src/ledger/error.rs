//! What can be wrong with a ledger.

use std::{fmt, io, sync::Arc};

use blindmatch_audit::{checkpoint::CheckpointError, record::MAX_RECORD, tree::ProofError};

use super::{
    COSIGNED, HEAD,
    segment::{Flaw, MAX_GROUP},
};
use crate::moment::Moment;

/// Why a ledger does not open, or does not take or give a record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LedgerError {
    /// The disk failed; nothing was recorded.
    Disk(Arc<io::Error>),
    /// There is a ledger already.
    Exists,
    /// The checkpoint is missing: there is no ledger, or it lost it.
    NoCheckpoint,
    /// The checkpoint is damaged, of another ledger, or signed by another key.
    Checkpoint(CheckpointError),
    /// The same with the newest cosigned one.
    Cosigned(CheckpointError),
    /// The file that holds it is not what was written.
    CosignedChecksum,
    /// A record is damaged.
    Damaged {
        /// The file, below the home.
        path: String,
        /// Where in the file the record begins.
        offset: u64,
        /// The number of the record.
        record: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The records from the first of these to before the second are not there.
    Missing {
        /// The first that is missing.
        from: u64,
        /// The first behind them, or the size that a checkpoint names.
        to: u64,
    },
    /// A checkpoint is of other records than these.
    Fork {
        /// Up to here one held.
        from: u64,
        /// The size of the checkpoint that does not hold.
        to: u64,
    },
    /// A file that does not belong into the ledger.
    Stray(String),
    /// The clock shows an earlier time than the last record.
    Time {
        /// The time of the last record, in seconds since 1970.
        last: u64,
        /// What the clock shows.
        now: u64,
    },
    /// No events at once, too many, or one that only the ledger itself records.
    Events,
    /// An append failed in a way that left open whether it was recorded: the ledger must be
    /// opened again.
    Stopped(Arc<io::Error>),
    /// There is no such record, or no such size.
    NoSuchRecord(u64),
    /// The checkpoint to keep or to prove by is not one of this ledger.
    NotOurs(ProofError),
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Exists => f.write_str("there is a ledger here already"),
            Self::NoCheckpoint => write!(f, "{HEAD} is missing"),
            Self::Checkpoint(error) => write!(f, "{HEAD}: {error}"),
            Self::Cosigned(error) => write!(f, "{COSIGNED}: {error}"),
            Self::CosignedChecksum => write!(f, "{COSIGNED}: its checksum does not hold"),
            Self::Damaged {
                path,
                offset,
                record,
                flaw,
            } => write!(
                f,
                "{path}: record {record} at byte {offset} is damaged: {flaw}"
            ),
            Self::Missing { from, to } => write!(
                f,
                "ledger: the records from {from} to before {to} are missing"
            ),
            Self::Fork { from, to } => write!(
                f,
                "ledger: the checkpoint of {to} records is of other records than these, from {from} on"
            ),
            Self::Stray(path) => write!(
                f,
                "{path} does not belong into the ledger: move it elsewhere"
            ),
            Self::Time { last, now } => write!(
                f,
                "the clock shows {}, and the last record is of {}: set the clock right",
                Moment(*now),
                Moment(*last)
            ),
            Self::Events => write!(
                f,
                "an append takes 1 to {MAX_GROUP} events of at most {MAX_RECORD} bytes, none of them an incarnation or a loss"
            ),
            Self::Stopped(error) => write!(
                f,
                "an append failed half-way, and nothing more is recorded until the ledger is opened again: {error}"
            ),
            Self::NoSuchRecord(index) => write!(f, "there is no record {index}"),
            Self::NotOurs(error) => write!(f, "the checkpoint is not one of this ledger: {error}"),
        }
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) | Self::Stopped(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for LedgerError {
    fn from(error: io::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}
