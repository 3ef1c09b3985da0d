//! VOLE
#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod gf128;
pub mod parameters;

pub use gf128::Gf128;
pub use parameters::{Dimensions, Shape};
