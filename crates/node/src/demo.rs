//! A demonstration on one machine: a whole consortium, sets for its members, and what the exchange
//! has to find in them.
//!
//! Nothing here takes a short cut: [`Consortium`] calls what the commands call, in the order in
//! which operators and administrators type them. What has to be found ([`Expected`]) is computed
//! from the members' collections in the clear, without the exchange.

mod consortium;
mod ledgers;
mod outcome;
mod plain;
mod policy;
mod sets;

pub use consortium::{Consortium, Desk, Member};
pub use outcome::{Covered, Difference, Exchanged, Outcome, PairResult, RowKey, Step, differences};
pub use plain::{Expected, Question};
pub use sets::{GeneratedSet, INSIDE, PROVIDERS, generate, overlap};

/// The collection into which every set is imported.
pub const COLLECTION: &str = "demo";

/// The id of the purpose that every run is for.
pub const PURPOSE: &str = "abuse-prevention";
