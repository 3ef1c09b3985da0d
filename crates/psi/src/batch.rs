//! The batch protocol: two large sets against each other, over a VOLE (`spec/34-batch.md`).
//!
//! A [setup] needs no input and is made ahead of time. A run uses one up: the [`Querier`] sends
//! its encoded and masked set (flight F8), the [`Responder`] charges its budget, spends the setup
//! and answers with the tags and sealed labels of its own set (F9), both sign the receipt, and
//! only then does the querier compare tags ([`Concluded`]). The responder learns nothing of the
//! querier's set but its class.
//!
//! An answer, once stored, is sent as often as it is asked for. Nothing else of a run is ever
//! made twice: should it break off between, another run needs another setup.

mod concluded;
mod frame;
mod items;
mod journal;
mod loading;
mod own;
mod querier;
mod responder;
pub mod setup;
mod terms;
#[cfg(test)]
mod vectors;
mod work;

pub(crate) use self::work::{Outcome, Task};
pub use self::{
    concluded::{Concluded, Match, MatchError, Matches},
    items::LabelledItems,
    own::Own,
    querier::Querier,
    responder::Responder,
    terms::{LABEL_LENGTH, Labels, Terms, class_holding},
};

/// The bytes of F8 and F9 in one frame.
pub const PIECE: usize = 128 * 1024;

/// Chunks of F8 that may be under way: sent, and not yet evaluated.
pub const CHUNKS_AHEAD: u64 = 2;

/// How many pieces of work, or records, a side has under way at once where their number grows with
/// the sets.
const WINDOW: usize = 8;
