//! The home directory: ledger, sealed sets, results and an index that can be rebuilt.
//!
//! - [`disk`]: the only place that writes.
//! - [`home`]: the layout, the lock, the version.
//! - [`keys`]: keys at rest.
//! - [`ledger`]: what is true.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod disk;
pub mod home;
pub mod keys;
pub mod ledger;
