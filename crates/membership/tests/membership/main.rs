//! Rosters, cards, delegations and identities, from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod delegations;
mod drafts;
mod identities;
mod mutations;
mod texts;
mod trust;
mod words;
mod world;
