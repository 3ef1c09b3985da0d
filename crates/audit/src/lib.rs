//! Signed records and the Merkle log that holds them, as pure functions over bytes.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod codec;
