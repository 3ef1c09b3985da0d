//! Signed records and the Merkle log that holds them, as pure functions over bytes.
//!
//! - [`codec`]: the canonical encoding of all that is signed, hashed or sent.
//! - [`tree`]: the Merkle tree of RFC 6962 and RFC 9162 with its two proofs.
//! - [`note`]: C2SP signed notes, the text form in which checkpoints are signed.
//! - [`record`]: what a node records in its ledger.
//! - [`checkpoint`], [`cosignature`]: the head of a ledger's tree, and the witnesses that saw it.
//! - [`proof`]: that a record stands in a ledger; verified offline.
//! - [`witness`]: what a witness cosigns.
//! - [`replay`]: a whole ledger against its checkpoints.
//! - [`receipt`]: what both sides of a run sign.
//! - [`commitment`]: what an owner commits its matches to, to open one of them later.
//!
//! Nothing here reads a file or a clock or draws randomness; nothing here holds an indicator but
//! [`commitment`], which hashes rows that it is given and forgets them.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod checkpoint;
pub mod codec;
pub mod commitment;
pub mod cosignature;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod record;
pub mod replay;
pub mod tree;
pub mod witness;

pub use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
