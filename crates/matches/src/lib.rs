//! The life of a match, from the run that found it until its time is over (`spec/70-matches.md`).
//!
//! A [`Life`] takes [`Event`]s: what runs found, what an operator decided, what the contributor withdrew.
//! [`State::after`] is the whole table of transitions, and an event that was applied before changes
//! nothing. [`may_leave`] says whether a match may go to where somebody acts on it, and why not.
//! Beside it, what a match has to have before it is shown: [`corroboration`], [`windows`], [`sharing`].
//!
//! Nothing here reads a file or a clock: times are in seconds since 1970 and handed in.
//!
//! ```
//! use blindmatch_matches::{Disposition, Event, EventId, Happening, Life, Verdict, may_leave};
//!
//! let event = |id, time, what| Event { id: EventId([id; 32]), time, what };
//! let mut life = Life::default();
//! life.apply(&event(1, 10, Happening::Found));
//! assert!(may_leave(&life).is_err(), "a match is a lead");
//!
//! let decided = Disposition {
//!     verdict: Verdict::Confirmed,
//!     by: "uid 1000".to_owned(),
//!     at: 20,
//!     case: "2026-117".to_owned(),
//!     reason: "same device and payout".to_owned(),
//! };
//! life.apply(&event(2, 20, Happening::Decided(decided)));
//! assert_eq!(may_leave(&life), Ok(()));
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod corroboration;
pub mod decision;
mod leave;
mod life;
pub mod message;
pub mod sharing;
mod state;
pub mod windows;

pub use leave::{Stays, may_leave};
pub use life::{Disposition, Event, EventId, Feedback, Happening, Life, Verdict};
pub use state::{Kind, State};
