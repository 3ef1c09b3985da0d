//! Which roster a node holds, and which one it takes next (`spec/41-membership.md` §5).

use std::fmt;

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    note::{MAX_NOTE, NoteError},
};

use crate::{
    CLOCK_TOLERANCE,
    roster::{Changes, Roster, SignedRoster},
    text::ReadError,
    words::Fingerprint,
};

const CONTEXT: &str = "blindmatch trust v1";

/// What a node knows of its consortium: a fingerprint that its operator has confirmed, the roster
/// that it holds, both, or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    confirmed: Option<Fingerprint>,
    held: Option<SignedRoster>,
}

/// What became of a roster that was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is the one that is held.
    AlreadyHeld,
    /// It takes the place of the one that is held.
    New(Box<Accepted>),
}

/// A new roster. It counts once `trust` is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What the node knows from here on.
    pub trust: Trust,
    /// Why the roster was believed.
    pub authority: Authority,
    /// What it changes; over a first roster everything is new, but for the keys.
    pub changes: Changes,
}

/// Why a new roster was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The operator had confirmed its fingerprint.
    Fingerprint,
    /// Enough keys of the roster held before signed it.
    Keys,
    /// Enough of the next keys that the roster held before names signed it.
    NextKeys,
}

/// Why a roster is refused, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RosterError {
    /// It is no roster.
    Read(ReadError),
    /// It is that of another consortium than the one that is held.
    OtherConsortium,
    /// There is no roster yet, and no fingerprint has been confirmed.
    NotTrusted,
    /// Its fingerprint is not the confirmed one.
    OtherFingerprint {
        /// The place of the first word that differs, from 1.
        word: usize,
    },
    /// A newer one is held.
    Older {
        /// The number of the roster that is held.
        held: u64,
        /// The number of this one.
        given: u64,
    },
    /// Two rosters of one number were signed: its own, or the one that it names as the one before.
    Fork {
        /// The number.
        number: u64,
    },
    /// Too few keys signed it: of its own, or of the roster that is held.
    TooFewSignatures {
        /// How many did.
        have: usize,
        /// How many have to.
        need: usize,
    },
    /// It is signed by keys that a roster between this one and the one that is held may have
    /// brought; that one has to be accepted first.
    Gap {
        /// The number of the roster that is held.
        held: u64,
        /// The number of this one.
        given: u64,
    },
    /// It comes into force later than now, by more than a clock may be off.
    NotYetValid,
    /// It is no longer in force.
    Expired,
}

impl Trust {
    /// Notes the fingerprint that the operator has heard from an administrator.
    ///
    /// A roster with it is taken whoever signed the one before: this is how a node begins, and how
    /// it goes on when a consortium has lost its keys. It still never goes back to a lower number.
    pub const fn confirm(&mut self, fingerprint: Fingerprint) {
        self.confirmed = Some(fingerprint);
    }

    /// The fingerprint that was confirmed and has not been used yet.
    #[must_use]
    pub const fn confirmed(&self) -> Option<&Fingerprint> {
        self.confirmed.as_ref()
    }

    /// The roster that is held, in force or not.
    #[must_use]
    pub const fn held(&self) -> Option<&SignedRoster> {
        self.held.as_ref()
    }

    /// The roster in force at `now`, in seconds of Unix time.
    ///
    /// # Errors
    ///
    /// [`RosterError::NotTrusted`] where none is held, [`RosterError::NotYetValid`],
    /// [`RosterError::Expired`].
    pub fn roster_at(&self, now: u64) -> Result<&Roster, RosterError> {
        let held = self.held.as_ref().ok_or(RosterError::NotTrusted)?;
        check_time(held.roster(), now)?;
        Ok(held.roster())
    }

    /// Judges a roster that came from anybody, at `now` in seconds of Unix time.
    ///
    /// # Errors
    ///
    /// [`RosterError`]; nothing has changed then. What could be forged by whoever has no keys is
    /// never reported as [`RosterError::Fork`].
    pub fn accept(&self, roster: &[u8], now: u64) -> Result<Acceptance, RosterError> {
        let given = SignedRoster::read(roster)?;
        let new = given.roster();
        let confirmed = self.confirmed == Some(new.fingerprint());
        let held = self.held.as_ref().map(SignedRoster::roster);
        match (held, self.confirmed) {
            (Some(held), _) if held.consortium != new.consortium => {
                return Err(RosterError::OtherConsortium);
            }
            (Some(held), _) if held.number > new.number => {
                return Err(RosterError::Older {
                    held: held.number,
                    given: new.number,
                });
            }
            (Some(held), _) if held.text() == new.text() => {
                given.check_own_signatures()?;
                return Ok(Acceptance::AlreadyHeld);
            }
            (None, None) => return Err(RosterError::NotTrusted),
            (None, Some(fingerprint)) => {
                if let Some(word) = fingerprint.differs_at(&new.fingerprint()) {
                    return Err(RosterError::OtherFingerprint { word });
                }
            }
            (Some(_), _) => {}
        }
        given.check_own_signatures()?;
        let authority = match held {
            _ if confirmed => Authority::Fingerprint,
            None => return Err(RosterError::NotTrusted),
            Some(held) => authority(held, &given)?,
        };
        if let Some(held) = held {
            check_history(held, new, authority)?;
        }
        check_time(new, now)?;
        let changes = match held {
            Some(held) => new.changes_since(held),
            None => Changes {
                added: new.members.keys().cloned().collect(),
                ..Changes::default()
            },
        };
        let trust = Self {
            confirmed: None,
            held: Some(given),
        };
        Ok(Acceptance::New(Box::new(Accepted {
            trust,
            authority,
            changes,
        })))
    }

    /// The canonical encoding (`spec/41-membership.md` §5.4).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        match &self.confirmed {
            None => writer.u32(0),
            Some(fingerprint) => writer.u32(1).fixed(fingerprint.as_bytes()),
        };
        let held = self.held.as_ref().map(ToString::to_string);
        writer.bytes(held.unwrap_or_default().as_bytes()).finish()
    }

    /// Reads the canonical encoding; the roster's own signatures have to hold.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let confirmed = reader
            .items(1, 16)?
            .first_chunk()
            .map(|bytes| Fingerprint::from_bytes(*bytes));
        let held = match reader.bytes(MAX_NOTE)? {
            [] => None,
            roster => {
                let held = SignedRoster::read(roster).map_err(|_| DecodeError::Field)?;
                held.check_own_signatures()
                    .map_err(|_| DecodeError::Field)?;
                Some(held)
            }
        };
        reader.finish()?;
        Ok(Self { confirmed, held })
    }
}

impl SignedRoster {
    /// Checks that enough of the roster's own keys signed it, each counted once.
    ///
    /// This shows that those keys exist, not that the roster is to be trusted: see
    /// [`Trust::accept`].
    ///
    /// # Errors
    ///
    /// [`RosterError::TooFewSignatures`], or [`RosterError::Read`] where a signature does not hold.
    pub fn check_own_signatures(&self) -> Result<(), RosterError> {
        let keys = &self.roster().keys;
        let have = keys.signed(self.note())?;
        if have < keys.threshold {
            return Err(RosterError::TooFewSignatures {
                have,
                need: keys.threshold,
            });
        }
        Ok(())
    }
}

/// Who, of the roster that is held, vouches for the one that was given.
fn authority(held: &Roster, given: &SignedRoster) -> Result<Authority, RosterError> {
    let have = held.keys.signed(given.note())?;
    if have >= held.keys.threshold {
        return Ok(Authority::Keys);
    }
    if held.next_keys.signed(given.note())? >= held.next_keys.threshold {
        return Ok(Authority::NextKeys);
    }
    let number = given.roster().number;
    if number.saturating_sub(held.number) > 1 {
        return Err(RosterError::Gap {
            held: held.number,
            given: number,
        });
    }
    Err(RosterError::TooFewSignatures {
        have,
        need: held.keys.threshold,
    })
}

/// Checks that a roster of other content goes on from the one that is held.
fn check_history(held: &Roster, new: &Roster, authority: Authority) -> Result<(), RosterError> {
    let succeeds = new.number.checked_sub(1) == Some(held.number);
    // Whoever confirms a fingerprint decides between two histories; not so of the same number.
    let other_past = succeeds
        && new.previous != Some(held.digest())
        && !matches!(authority, Authority::Fingerprint);
    if new.number == held.number || other_past {
        return Err(RosterError::Fork {
            number: held.number,
        });
    }
    Ok(())
}

fn check_time(roster: &Roster, now: u64) -> Result<(), RosterError> {
    if roster.not_before > now.saturating_add(CLOCK_TOLERANCE) {
        Err(RosterError::NotYetValid)
    } else if now >= roster.expires {
        Err(RosterError::Expired)
    } else {
        Ok(())
    }
}

impl From<ReadError> for RosterError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<NoteError> for RosterError {
    fn from(error: NoteError) -> Self {
        Self::Read(error.into())
    }
}

impl fmt::Display for RosterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::OtherConsortium => f.write_str("the roster is that of another consortium"),
            Self::NotTrusted => {
                f.write_str("no roster is held, and no fingerprint of one is confirmed")
            }
            Self::OtherFingerprint { word } => {
                write!(
                    f,
                    "word {word} of the roster's fingerprint is not the confirmed one"
                )
            }
            Self::Older { held, given } => {
                write!(
                    f,
                    "the roster has number {given}, and number {held} is held"
                )
            }
            Self::Fork { number } => write!(f, "two rosters of number {number} have been signed"),
            Self::TooFewSignatures { have, need } => {
                write!(f, "the roster has {have} of {need} signatures")
            }
            Self::Gap { held, given } => write!(
                f,
                "the keys that signed roster {given} are not those of roster {held}: \
                 one between them is missing",
            ),
            Self::NotYetValid => f.write_str("the roster is not yet in force"),
            Self::Expired => f.write_str("the roster has expired"),
        }
    }
}

impl std::error::Error for RosterError {}
