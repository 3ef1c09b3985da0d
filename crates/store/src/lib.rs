//! The home directory: ledger, sealed sets, results and an index that can be rebuilt.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
