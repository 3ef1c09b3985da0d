//! Who may ask what, and how much of it: pure decisions.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
