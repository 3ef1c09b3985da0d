//! What a node does: the commands and jobs behind the binary.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod import;
