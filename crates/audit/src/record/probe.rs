//! What a record of probing says (`spec/42 §2`, kind 26).

use crate::codec::DecodeError;

/// What follows from probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing but the record.
    Warn,
    /// Less may be asked in a day.
    Slow,
    /// Nothing may be asked until an operator vouches.
    Stop,
}

/// What gives rise to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Evaluations of a day, against the largest day before.
    Growth,
    /// Evaluations of seven days.
    Week,
    /// Runs of a day.
    Runs,
    /// Days on which the peer was slowed.
    Again,
    /// Blocks of neighbouring values.
    Dense,
    /// Values asked for that did not match.
    Misses,
}

impl Level {
    /// All, by their codes.
    pub const ALL: [Self; 3] = [Self::Warn, Self::Slow, Self::Stop];

    /// The name, as in `spec/42-ledger.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Slow => "slow",
            Self::Stop => "stop",
        }
    }

    /// Its code in a record.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Warn => 1,
            Self::Slow => 2,
            Self::Stop => 3,
        }
    }

    pub(super) fn from_code(code: u8) -> Result<Self, DecodeError> {
        let mut all = Self::ALL.into_iter();
        all.find(|level| level.code() == code)
            .ok_or(DecodeError::Field)
    }
}

impl Signal {
    /// All, by their codes.
    pub const ALL: [Self; 6] = [
        Self::Growth,
        Self::Week,
        Self::Runs,
        Self::Again,
        Self::Dense,
        Self::Misses,
    ];

    /// The name, as in `spec/42-ledger.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Growth => "growth",
            Self::Week => "week",
            Self::Runs => "runs",
            Self::Again => "again",
            Self::Dense => "dense",
            Self::Misses => "misses",
        }
    }

    /// Its code in a record.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Growth => 0,
            Self::Week => 1,
            Self::Runs => 2,
            Self::Again => 3,
            Self::Dense => 4,
            Self::Misses => 5,
        }
    }

    pub(super) fn from_code(code: u8) -> Result<Self, DecodeError> {
        let mut all = Self::ALL.into_iter();
        all.find(|signal| signal.code() == code)
            .ok_or(DecodeError::Field)
    }
}
