//! Budgets: how many evaluations a peer may still ask of a view (`spec/50-policy.md` §5).
//!
//! An OPRF stops guessing offline, not online, so every evaluation is charged before it is
//! answered. What was charged is read from the ledger, by whoever keeps it
//! (`spec/45-index-backup.md` §1), and handed in as [`Charged`].

use blindmatch_indicator::Strength;

use crate::Protocol;

/// The most evaluations of one view that one peer may ask in a UTC day and in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In a UTC day, across epochs.
    pub day: u64,
    /// In an epoch.
    pub epoch: u64,
}

/// What was charged in the day and the epoch in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    /// In the UTC day.
    pub day: u64,
    /// In the epoch.
    pub epoch: u64,
}

impl Charged {
    /// More than any budget: what was charged is not known, because records of it may be lost with the
    /// home that this one was restored from (`spec/45-index-backup.md` §1).
    pub const UNKNOWN: u64 = u64::MAX;
}

/// Which budget does not cover a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The day's, of which this is left.
    Day {
        /// Evaluations.
        left: u64,
    },
    /// The epoch's, of which this is left; another day does not help.
    Epoch {
        /// Evaluations.
        left: u64,
    },
}

impl Budget {
    /// Less than one padded query could never be used.
    pub const FLOOR: u64 = 8;
    /// How many times the default a policy may allow.
    pub const CEILING_FACTOR: u64 = 8;

    /// What holds where the policy says nothing.
    #[must_use]
    pub const fn default_of(strength: Strength) -> Self {
        let (day, epoch) = match strength {
            Strength::Enumerable => (1 << 21, 1 << 23),
            Strength::Weak => (1 << 22, 1 << 25),
            Strength::Strong => (1 << 23, 1 << 26),
        };
        Self { day, epoch }
    }

    /// The most that a policy may allow.
    #[must_use]
    pub const fn ceiling_of(strength: Strength) -> Self {
        let default = Self::default_of(strength);
        Self {
            day: default.day * Self::CEILING_FACTOR,
            epoch: default.epoch * Self::CEILING_FACTOR,
        }
    }

    /// What is left of it.
    #[must_use]
    pub const fn left(self, charged: Charged) -> Self {
        Self {
            day: self.day.saturating_sub(charged.day),
            epoch: self.epoch.saturating_sub(charged.epoch),
        }
    }

    /// What is left once `amount` is charged too.
    ///
    /// # Errors
    ///
    /// [`Over`]: the epoch's first, because waiting for another day would not help.
    pub const fn cover(self, charged: Charged, amount: u64) -> Result<Self, Over> {
        let left = self.left(charged);
        match (left.day.checked_sub(amount), left.epoch.checked_sub(amount)) {
            (_, None) => Err(Over::Epoch { left: left.epoch }),
            (None, _) => Err(Over::Day { left: left.day }),
            (Some(day), Some(epoch)) => Ok(Self { day, epoch }),
        }
    }
}

impl Protocol {
    /// What a run costs whose querier puts in this many items, padding and ladder tokens
    /// included. In batch a cheat could program twice as many.
    #[must_use]
    pub const fn charge(self, query_class: u64) -> u64 {
        match self {
            Self::Lookup => query_class,
            Self::Batch => query_class.saturating_mul(2),
        }
    }
}

#[cfg(test)]
mod tests;
