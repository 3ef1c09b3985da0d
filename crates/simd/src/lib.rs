//! Kernels that work on several items at once, chosen at run time from what the processor has,
//! and scalar twins with byte-identical results.
//!
//! The only crate with `unsafe`: transmutes between vectors and arrays, and the calls into
//! kernels that need processor features, which [`Backend`] proves to be there. The scalar twins
//! of the curve are curve25519-dalek, and its [`Scalar`] is the scalar type of both.
//!
//! It knows no protocol: `oprf` sits on it and has the suite's names, domain separation and
//! proofs.
//!
//! [`Scalar`]: curve25519_dalek::Scalar

#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![expect(unsafe_code, reason = "this is the crate that has it")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod backend;
mod curve;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod sha512;

pub use backend::{Backend, UnknownBackend};
pub use curve::{FixedBase, Points, Undecodable};
pub use sha512::{expand_message_xmd, sha512};
