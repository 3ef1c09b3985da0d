//! The home directory: ledger, sealed sets, results and an index that can be rebuilt.
//!
//! - [`backup`]: what of a home can be put back, in one file.
//! - [`disk`]: the only place that writes.
//! - [`home`]: the layout, the lock, the version.
//! - [`index`]: what the ledger says, at once; made again where it is lost.
//! - [`keys`]: keys at rest.
//! - [`ledger`]: what is true.
//! - [`moment`]: times as people read them.
//! - [`sealed`]: files that only their key opens.
//! - [`row`]: what a collection knows of one indicator, and sorted files of it.
//! - [`merge`]: sorted streams of rows, and several of them as one.
//! - [`sort`]: any number of rows in bounded memory.
//! - [`runs`]: what a run stores to be resumed, its receipt, what it found.
//! - [`views`]: what is served of a view, and what was accepted of a peer's.
//! - [`collection`]: named sets of indicators, each the union of its sources.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod backup;
pub mod collection;
pub mod disk;
pub mod home;
pub mod index;
pub mod keys;
pub mod ledger;
pub mod merge;
pub mod moment;
pub mod row;
pub mod runs;
pub mod sealed;
pub mod sort;
pub mod views;
