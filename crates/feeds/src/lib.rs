//! Readers of abuse feeds.
//!
//! Knows file formats and nothing else: it reads what is handed in as [`std::io::Read`], hands
//! out [`Row`]s of source values with their places, and leaves it to `indicator` to judge them.
//! Memory is bounded, whatever the feed.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod error;
mod excerpt;
mod options;
mod row;

pub use error::{BinaryKind, ColumnInfo, Compression, FeedError, JsonFault, Reached};
pub use excerpt::excerpt;
pub use options::{Column, Format, NotAColumn, Options, UnknownFormat};
pub use row::{Claim, Place, Row, RowFault, Value};
