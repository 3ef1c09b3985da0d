//! How a ledger stands to what its witnesses saw of it.

use blindmatch_audit::{checkpoint::Checkpoint, tree::ProofError};

use super::{LedgerError, Log};

/// What a checkpoint of a ledger says about the ledger that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ledger goes on from it, or ends with it.
    Holds,
    /// The ledger lacks records of it, and says so: it was restored since.
    Named,
    /// The ledger lacks records of it and does not say so: it was put back to an earlier state, and
    /// must not serve. What it lacks may be debits.
    Behind,
    /// It is of an incarnation that began later than the one here: this node was given up, and must
    /// not serve.
    Superseded,
    /// It is of other records.
    Forked,
}

impl Log {
    /// Holds the ledger against a checkpoint that a witness cosigned last, and whose signatures
    /// were verified.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOurs`] where it is of another ledger, or what is damaged.
    pub fn standing(&self, witnessed: &Checkpoint) -> Result<Standing, LedgerError> {
        let (own, origin) = (self.origin(), &witnessed.origin);
        if origin.ledger != own.ledger {
            return Err(LedgerError::NotOurs(ProofError::OutsideTree));
        }
        if origin.incarnation > own.incarnation {
            return Ok(Standing::Superseded);
        }
        let size = witnessed.size;
        let sizes = self.sizes_of(origin.incarnation);
        Ok(match sizes {
            _ if size == 0 => Standing::Holds,
            _ if self.names(witnessed).is_some() => Standing::Named,
            Some(sizes) if size <= *sizes.end() => {
                let same = sizes.contains(&size) && self.root_at(size)? == witnessed.root;
                if same {
                    Standing::Holds
                } else {
                    Standing::Forked
                }
            }
            _ => Standing::Behind,
        })
    }
}
