//! One match and what happened to it.

use std::collections::BTreeSet;
use std::fmt;

use crate::state::{Kind, State};

/// Names an event: one that was applied changes nothing a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 32]);

/// Something that happened to a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its own id: of a run, a message, or a decision.
    pub id: EventId,
    /// When, in seconds since 1970.
    pub time: u64,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A run found it.
    Found,
    /// The last run of its collection did not find it.
    Missed,
    /// An operator decided.
    Decided(Disposition),
    /// A notice of its contributor lists its handle.
    Withdrawn,
    /// The contributor was told.
    Feedback(Feedback),
    /// Both sides saw it at times too far apart.
    Apart,
    /// The view in which it was found has a new key.
    Rotated,
    /// Its time is over.
    Over,
}

/// What an operator decided about a match, without which it leaves for no enforcement.
///
/// `Debug` shows neither case nor reason: people write names into them.
#[derive(Clone, PartialEq, Eq)]
pub struct Disposition {
    /// What.
    pub verdict: Verdict,
    /// Who, as the system names the user.
    pub by: String,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The case.
    pub case: String,
    /// Why.
    pub reason: String,
}

/// What an operator holds of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is what it seems.
    Confirmed,
    /// It is not.
    Disputed,
}

/// What the contributor of a match is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feedback {
    /// We hold the same.
    Agree,
    /// We hold otherwise.
    Disagree,
    /// It is somebody else's, or nobody's.
    FalsePositive,
}

/// How a match came to stand as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    state: Option<State>,
    since: u64,
    disposition: Option<Disposition>,
    feedback: Option<Feedback>,
    withdrawn: Option<u64>,
    found: Option<(u64, u64)>,
    applied: BTreeSet<EventId>,
}

impl Life {
    /// What follows from these events, the oldest first. Of one time, what people decided comes last, so
    /// that nothing of the same second takes its place.
    #[must_use]
    pub fn of(mut events: Vec<Event>) -> Self {
        events.sort_by_key(|event| (event.time, event.what.kind().rank(), event.id));
        let mut life = Self::default();
        for event in &events {
            life.apply(event);
        }
        life
    }

    /// Takes an event in. One that was applied before changes nothing, nor does one of a match that no run
    /// found yet, or whose time is over.
    pub fn apply(&mut self, event: &Event) {
        let kind = event.what.kind();
        let before = match (self.state, kind) {
            (None, Kind::Found) => None,
            (None, _) | (Some(State::Expired), _) => return,
            (state, _) => state,
        };
        if !self.applied.insert(event.id) {
            return;
        }
        let after = before.map_or(State::New, |state| state.after(kind));
        if before != Some(after) {
            self.since = event.time;
        }
        self.state = Some(after);
        match &event.what {
            Happening::Found => {
                let first = self.found.map_or(event.time, |(first, _)| first);
                self.found = Some((first, event.time));
            }
            Happening::Decided(disposition) => self.disposition = Some(disposition.clone()),
            Happening::Withdrawn => self.withdrawn = Some(event.time),
            Happening::Feedback(feedback) => self.feedback = Some(*feedback),
            Happening::Missed | Happening::Apart | Happening::Rotated | Happening::Over => {}
        }
    }

    /// How it stands; nothing where no run found it.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        self.state
    }

    /// Since when, in seconds since 1970.
    #[must_use]
    pub const fn since(&self) -> u64 {
        self.since
    }

    /// What an operator decided last.
    #[must_use]
    pub const fn disposition(&self) -> Option<&Disposition> {
        self.disposition.as_ref()
    }

    /// What its contributor was told last.
    #[must_use]
    pub const fn feedback(&self) -> Option<Feedback> {
        self.feedback
    }

    /// When its contributor withdrew it, where it did.
    #[must_use]
    pub const fn withdrawn(&self) -> Option<u64> {
        self.withdrawn
    }

    /// When it was found, first and last.
    #[must_use]
    pub const fn found(&self) -> Option<(u64, u64)> {
        self.found
    }
}

impl Happening {
    /// Its row of the table of transitions.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Found => Kind::Found,
            Self::Missed => Kind::Missed,
            Self::Decided(disposition) => match disposition.verdict {
                Verdict::Confirmed => Kind::Confirmed,
                Verdict::Disputed => Kind::Disputed,
            },
            Self::Withdrawn => Kind::Withdrawn,
            Self::Feedback(_) => Kind::Feedback,
            Self::Apart => Kind::Apart,
            Self::Rotated => Kind::Rotated,
            Self::Over => Kind::Over,
        }
    }
}

impl Verdict {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Disputed => "disputed",
        }
    }

    /// Its number in `spec/70-matches.md` §5.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Confirmed => 1,
            Self::Disputed => 2,
        }
    }

    /// The verdict of this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Confirmed),
            2 => Some(Self::Disputed),
            _ => None,
        }
    }
}

impl Feedback {
    /// Every word of it, in the order of the codes.
    pub const ALL: [Self; 3] = [Self::Agree, Self::Disagree, Self::FalsePositive];

    /// The word for it, as in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Disagree => "disagree",
            Self::FalsePositive => "false_positive",
        }
    }

    /// Its number in `spec/70-matches.md` §7.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Agree => 1,
            Self::Disagree => 2,
            Self::FalsePositive => 3,
        }
    }

    /// The word of this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

impl fmt::Debug for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disposition")
            .field("verdict", &self.verdict)
            .field("by", &self.by)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
