//! What the readers of JSON share: documents read as a stream, in bounded memory.
//!
//! `serde_json` bounds depth where it recurses, but neither the length of a string nor the depth
//! of what it skips; [`Guard`] does. No message of `serde_json` is passed on, because it may quote
//! the document.

mod guard;
mod node;
mod pick;

use std::io::BufReader;

use serde::de::DeserializeSeed;
use serde_json::error::Category;

use crate::error::{FeedError, JsonFault, Reached};
use crate::source::{Source, unreadable};

use guard::Guard;
use node::skip_entries;
pub(crate) use node::{Node, Scalar, Seed};
pub(crate) use pick::{Names, Pick, Picked};

/// Reads one JSON document, `root` being the whole; an error does not know how many rows came
/// before it.
pub(crate) fn read_document<N>(source: Source<'_>, root: N) -> Result<Reached, FeedError>
where
    N: for<'de> Node<'de>,
{
    let compression = source.compression();
    let mut guard = Guard::new(BufReader::with_capacity(64 << 10, source));
    let mut json = serde_json::Deserializer::from_reader(&mut guard);
    let read = Seed(root).deserialize(&mut json).and_then(|_| json.end());
    let reached = Reached {
        rows: 0,
        line: guard.line,
        bytes: guard.bytes,
    };
    let Err(error) = read else {
        return Ok(reached);
    };
    let fault = match (error.classify(), guard.fault) {
        (_, Some(fault)) => {
            return Err(FeedError::Json {
                fault,
                column: guard.column,
                reached,
            });
        }
        (Category::Io, None) => {
            let kind = error.io_error_kind().unwrap_or(std::io::ErrorKind::Other);
            return Err(unreadable(kind, compression, reached));
        }
        (Category::Eof, None) => JsonFault::EndsEarly,
        (Category::Syntax, None) => JsonFault::Syntax,
        // The only complaint of the nodes themselves.
        (Category::Data, None) => JsonFault::DuplicateKey,
    };
    Err(FeedError::Json {
        fault,
        column: error.column() as u64,
        reached: Reached {
            line: error.line() as u64,
            ..reached
        },
    })
}

/// Appends a key to a JSON pointer (RFC 6901 §3).
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
