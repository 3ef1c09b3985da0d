//! RFC 9497 OPRF and VOPRF over ristretto255 with SHA-512, single and batched.
//!
//! The owner of a [`SecretKey`] evaluates a pseudo-random function F(k, x) on what others ask
//! without seeing x; who asks learns F(k, x) and nothing else of k. [`oprf`] is the RFC's base
//! mode, [`voprf`] adds a proof that the owner used the key he published, one for a whole batch.
//! [`additive`] is a cheaper way to blind for VOPRF, open only to who holds an authenticated
//! public key. All of it is specified in `spec/20-oprf.md`.
//!
//! The names are those of the RFC. Functions on single values take types whose existence proves
//! that the bytes were checked; functions on batches take and give the wire's 32 bytes.
//! Randomness is always an argument, and nothing here keeps the state of a generator.
//!
//! Batches run on the fastest kernels that the processor has, with the same bytes on all
//! ([`Backend`]); single values on curve25519-dalek.
//!
//! ```
//! use blindmatch_oprf::{Blind, SecretKey, voprf};
//! # use rand::SeedableRng;
//! # let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//!
//! let key = SecretKey::random(&mut rng);
//!
//! // The client blinds, the server evaluates and proves, the client verifies and unblinds.
//! let inputs = ["one", "two"];
//! let blinds = [Blind::random(&mut rng), Blind::random(&mut rng)];
//! let blinded = voprf::blind_batch(&inputs, &blinds)?;
//! let (evaluated, proof) = voprf::blind_evaluate_batch(&key, &blinded, &[7; 32])?;
//! let outputs = voprf::finalize_batch(
//!     &inputs, &blinds, &evaluated, &blinded, key.public_key(), &proof,
//! )?;
//!
//! // The server computes the same for its own set.
//! assert_eq!(outputs, voprf::evaluate_batch(&key, &inputs)?);
//! # Ok::<(), blindmatch_oprf::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod additive;
mod backend;
mod dleq;
mod element;
mod error;
mod hash;
mod mode;
pub mod oprf;
mod secret;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
pub mod voprf;

pub use backend::{Backend, NoBackend, backend, choose_backend, with_backend};
pub use dleq::Proof;
pub use element::{BlindedElement, EvaluationElement, PublicKey};
pub use error::{Error, Malformed};
pub use secret::{Blind, Output, SecretKey};

/// Most elements in a batch under one proof.
///
/// The RFC's own limit is 65,535, a two-byte index. Smaller batches fail sooner, bound memory,
/// and stay close to the single evaluations that the RFC's security analysis covers.
pub const MAX_BATCH: usize = 4_096;
