//! Budgets: how many evaluations a peer may still ask of a view (`spec/50-policy.md` §5).
//!
//! An OPRF stops guessing offline, not online, so every evaluation is charged before it is
//! answered. All of this is arithmetic over debits that the ledger holds: after a restart the same
//! debits give the same [`Usage`].

use blindmatch_indicator::Strength;

use crate::Protocol;

const SECONDS_A_DAY: u64 = 86_400;

/// The most evaluations of one view that one peer may ask in a UTC day and in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In a UTC day, across epochs.
    pub day: u64,
    /// In an epoch.
    pub epoch: u64,
}

/// One charge, as the ledger records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debit {
    /// When, in seconds since 1970.
    pub time: u64,
    /// The view's epoch.
    pub epoch: u64,
    /// Evaluations, padding and ladder tokens included.
    pub amount: u64,
}

/// What one peer was charged for one view, as far as any budget depends on it.
///
/// Neither the clock nor an old epoch gives anything back: the day and the epoch only go up, and an
/// epoch before the previous one counts as spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    day: u64,
    charged_day: u64,
    epoch: u64,
    charged_epoch: u64,
    charged_previous: u64,
}

/// What was charged in the day and the epoch in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    /// In the UTC day.
    pub day: u64,
    /// In the epoch.
    pub epoch: u64,
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

impl Debit {
    /// All that there is of a day and an epoch, whatever the budget: what a restored node counts
    /// as spent.
    #[must_use]
    pub const fn everything(time: u64, epoch: u64) -> Self {
        Self {
            time,
            epoch,
            amount: u64::MAX,
        }
    }
}

impl Usage {
    /// The usage that these debits of one peer and one view add up to, in the order of the ledger.
    #[must_use]
    pub fn of(debits: impl IntoIterator<Item = Debit>) -> Self {
        let mut usage = Self::default();
        debits.into_iter().for_each(|debit| usage.record(debit));
        usage
    }

    /// Adds a debit. One whose time lies before the newest day counts for the newest.
    pub const fn record(&mut self, debit: Debit) {
        let day = debit.time / SECONDS_A_DAY;
        if day > self.day {
            self.day = day;
            self.charged_day = 0;
        }
        self.charged_day = self.charged_day.saturating_add(debit.amount);
        if debit.epoch > self.epoch {
            let follows = debit.epoch - self.epoch == 1;
            self.charged_previous = if follows { self.charged_epoch } else { 0 };
            self.charged_epoch = 0;
            self.epoch = debit.epoch;
        }
        if debit.epoch == self.epoch {
            self.charged_epoch = self.charged_epoch.saturating_add(debit.amount);
        } else if self.epoch - debit.epoch == 1 {
            self.charged_previous = self.charged_previous.saturating_add(debit.amount);
        }
    }

    /// What counts against the budgets at `now`, in seconds since 1970, for a charge in `epoch`.
    #[must_use]
    pub const fn charged(&self, now: u64, epoch: u64) -> Charged {
        let day = if now / SECONDS_A_DAY > self.day {
            0
        } else {
            self.charged_day
        };
        let epoch = if epoch > self.epoch {
            0
        } else if epoch == self.epoch {
            self.charged_epoch
        } else if self.epoch - epoch == 1 {
            self.charged_previous
        } else {
            u64::MAX
        };
        Charged { day, epoch }
    }

    /// Charges `amount` and gives the debit to write, durably, before anything is evaluated.
    ///
    /// # Errors
    ///
    /// [`Over`]; then nothing is charged.
    pub fn charge(
        &mut self,
        budget: Budget,
        amount: u64,
        epoch: u64,
        now: u64,
    ) -> Result<Debit, Over> {
        budget.cover(self.charged(now, epoch), amount)?;
        let debit = Debit {
            time: now,
            epoch,
            amount,
        };
        self.record(debit);
        Ok(debit)
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
