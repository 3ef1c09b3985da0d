//! Which ledger, and which of its incarnations (`spec/42-ledger.md` §1).

use std::fmt;

use super::read_decimal;
use crate::note::{KeyName, NoteKey};

/// What a checkpoint is of: one incarnation of a ledger.
///
/// Within one, a ledger only grows. A restore begins the next, and may have lost records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the ledger, the same for all its incarnations.
    pub ledger: KeyName,
    /// The number of the incarnation, from 1.
    pub incarnation: u64,
}

impl Origin {
    /// The first incarnation of a ledger.
    #[must_use]
    pub const fn first(ledger: KeyName) -> Self {
        Self {
            ledger,
            incarnation: 1,
        }
    }

    /// Reads `LEDGER/INCARNATION`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ledger, incarnation) = text.rsplit_once('/')?;
        Some(Self {
            ledger: KeyName::new(ledger).ok()?,
            incarnation: read_decimal(incarnation).filter(|number| *number > 0)?,
        })
    }

    /// The name that checkpoints of this origin are signed under.
    #[must_use]
    pub fn key_name(&self) -> KeyName {
        let Ok(name) = KeyName::new(&self.to_string()) else {
            unreachable!("a number behind the name of a key")
        };
        name
    }

    /// This key as it signs here, if it is one of this ledger, under whichever incarnation it was
    /// given.
    #[must_use]
    pub fn signed_by(&self, key: &NoteKey) -> Option<NoteKey> {
        let name = key.name();
        let same = *name == self.ledger
            || Self::parse(name.as_str()).is_some_and(|origin| origin.ledger == self.ledger);
        same.then(|| NoteKey::new(self.key_name(), *key.key()))
    }
}

/// The first line of a checkpoint.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ledger.as_str(), self.incarnation)
    }
}
