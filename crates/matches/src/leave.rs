//! Whether a match may go to where somebody acts on it (`spec/70-matches.md` §3).

use std::fmt;

use crate::life::{Life, Verdict};
use crate::state::State;

/// Why a match may not leave for enforcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stays {
    /// No run found it.
    Unknown,
    /// No operator has decided: a match is a lead, and no more.
    Undecided,
    /// An operator holds that it is not what it seems.
    Disputed,
    /// Its contributor withdrew it behind the decision: it has to be decided anew.
    Withdrawn,
    /// Its time is over.
    Expired,
}

impl Stays {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Undecided,
        Self::Disputed,
        Self::Withdrawn,
        Self::Expired,
    ];

    /// The word for it, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Undecided => "undecided",
            Self::Disputed => "disputed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// Whether a match may be exported to where it is acted upon: only one that a person confirmed, and
/// that nobody took back since.
///
/// # Errors
///
/// [`Stays`] says why it may not.
pub fn may_leave(life: &Life) -> Result<(), Stays> {
    match life.state() {
        None => Err(Stays::Unknown),
        Some(State::Expired) => Err(Stays::Expired),
        Some(State::Withdrawn) => Err(Stays::Withdrawn),
        Some(State::Disputed) => Err(Stays::Disputed),
        Some(State::New | State::Seen | State::Stale) => Err(Stays::Undecided),
        Some(State::Confirmed) => match life.disposition() {
            Some(decided) if decided.verdict == Verdict::Confirmed && !decided.by.is_empty() => {
                Ok(())
            }
            _ => Err(Stays::Undecided),
        },
    }
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "no run of this node found it",
            Self::Undecided => "no operator has confirmed it: a match is a lead",
            Self::Disputed => "an operator disputes it",
            Self::Withdrawn => "its contributor withdrew it, and nobody confirmed it since",
            Self::Expired => "its time is over",
        })
    }
}

impl std::error::Error for Stays {}
