//! Private set intersection without IO: bytes in, bytes out.
//!
//! - [`agreement`]: what both sides agree on before a run.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod agreement;
