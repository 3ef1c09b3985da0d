//! What a node does: the commands and jobs behind the binary.
//!
//! The binary parses and prints; what happens is here. This is where the clock and randomness
//! enter.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod backup;
pub mod clock;
pub mod collections;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod exchange;
pub mod exclusions;
pub mod expiry;
pub mod exported;
pub mod files;
pub mod identity;
pub mod import;
pub mod init;
pub mod kernels;
pub mod leads;
pub mod ledger;
pub mod matches;
pub mod node;
pub mod node_keys;
pub mod notify;
mod opened;
pub mod payment;
pub mod policy;
pub mod probing;
pub mod recorded;
pub mod roster;
pub mod shell;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod status;
pub mod versions;

pub use blindmatch_audit as audit;
pub use blindmatch_membership as membership;
pub use blindmatch_policy as rules;
pub use blindmatch_store as store;
pub use blindmatch_transport as transport;
pub use error::Error;
pub use node::{Node, NodeFiles};
