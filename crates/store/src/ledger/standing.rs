//! How a ledger stands to what its witnesses saw of it.

use blindmatch_audit::{checkpoint::Checkpoint, tree::ProofError};

use super::{LedgerError, Log};

/// What a checkpoint of a ledger says about the ledger that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ledger goes on from it, or ends with it.
    Holds,
    /// The ledger lacks this many of its records: it was put back to an earlier state, and must not
    /// serve. What it lacks may be debits.
    Behind(u64),
    /// It is of other records.
    Forked,
}

impl Log {
    /// Holds the ledger against a checkpoint that a witness cosigned last, and whose signatures
    /// were verified.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOurs`] where it is of another origin, or what is damaged.
    pub fn standing(&self, witnessed: &Checkpoint) -> Result<Standing, LedgerError> {
        let behind = witnessed.size.saturating_sub(self.size());
        if behind > 0 && witnessed.origin == self.head().unverified().origin {
            return Ok(Standing::Behind(behind));
        }
        match self.check_ours(witnessed) {
            Ok(()) => Ok(Standing::Holds),
            Err(LedgerError::NotOurs(ProofError::Root)) => Ok(Standing::Forked),
            Err(error) => Err(error),
        }
    }
}
