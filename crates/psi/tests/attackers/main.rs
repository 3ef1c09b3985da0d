//! Peers that break the lookup protocol, each with the exact refusal (threats 6, 9, 10, 12 to 14,
//! 17 and 35 of the threat table).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod evaluations;
mod frames;
mod peer;
mod receipts;
mod runs;
