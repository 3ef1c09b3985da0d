//! States and the table of transitions (`spec/70-matches.md` §2).

use std::fmt;

/// How a match stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// One run found it.
    New,
    /// A later run found it again.
    Seen,
    /// An operator holds that it is what it seems.
    Confirmed,
    /// An operator holds that it is not.
    Disputed,
    /// Its contributor withdrew it, and no operator has decided since.
    Withdrawn,
    /// The last run did not find it, or both sides saw it at times too far apart.
    Stale,
    /// Its time is over; nothing changes any more.
    Expired,
}

/// What can happen to a match, without particulars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A run found it.
    Found,
    /// The last run of its collection did not find it.
    Missed,
    /// An operator confirmed it.
    Confirmed,
    /// An operator disputed it.
    Disputed,
    /// A notice of its contributor lists its handle.
    Withdrawn,
    /// The contributor was told what this member thinks of it.
    Feedback,
    /// Both sides say when they saw it, too far apart.
    Apart,
    /// The view in which it was found has a new key.
    Rotated,
    /// Its time is over.
    Over,
}

impl State {
    /// Every state, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Seen,
        Self::Confirmed,
        Self::Disputed,
        Self::Withdrawn,
        Self::Stale,
        Self::Expired,
    ];

    /// The state behind an event: the whole table.
    #[must_use]
    pub const fn after(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Expired, _) | (_, Kind::Over) => Self::Expired,
            (_, Kind::Confirmed) => Self::Confirmed,
            (_, Kind::Disputed) => Self::Disputed,
            (_, Kind::Withdrawn) => Self::Withdrawn,
            (Self::New | Self::Seen | Self::Stale, Kind::Found) => Self::Seen,
            (Self::New | Self::Seen | Self::Stale, Kind::Missed | Kind::Apart) => Self::Stale,
            // What people and contributors said stands, whatever runs find, and keys say nothing of it.
            (state, Kind::Found | Kind::Missed | Kind::Apart | Kind::Feedback | Kind::Rotated) => {
                state
            }
        }
    }

    /// The word for it, as in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Seen => "seen",
            Self::Confirmed => "confirmed",
            Self::Disputed => "disputed",
            Self::Withdrawn => "withdrawn",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Kind {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Found,
        Self::Missed,
        Self::Confirmed,
        Self::Disputed,
        Self::Withdrawn,
        Self::Feedback,
        Self::Apart,
        Self::Rotated,
        Self::Over,
    ];

    /// Its place among events of one time (`spec/70-matches.md` §2).
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Found => 0,
            Self::Missed | Self::Apart => 1,
            Self::Rotated | Self::Feedback => 2,
            Self::Withdrawn => 3,
            Self::Confirmed | Self::Disputed => 4,
            Self::Over => 5,
        }
    }

    /// The word for it in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Missed => "missed",
            Self::Confirmed => "confirm",
            Self::Disputed => "dispute",
            Self::Withdrawn => "withdraw",
            Self::Feedback => "feedback",
            Self::Apart => "apart",
            Self::Rotated => "rotated",
            Self::Over => "over",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
