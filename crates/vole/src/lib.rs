//! VOLE
#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod gf128;

pub use gf128::Gf128;
