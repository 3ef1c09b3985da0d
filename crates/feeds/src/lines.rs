//! Lines of a feed, in bounded memory: whole blocks are checked to be UTF-8, lines only where a
//! block is not.

use std::io::{self, Read};

use crate::error::{FeedError, Reached};
use crate::row::RowFault;
use crate::source::{Source, unreadable};

/// Longest line of a list or a table, in bytes without its end.
pub(crate) const LONGEST_LINE: usize = 64 << 10;
/// Longest JSON line.
pub(crate) const LONGEST_JSON_LINE: usize = 1 << 20;
/// How much of a line that cannot be read is shown.
const SHOWN: usize = 256;

/// One line without its end.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// The text, or the fault and the beginning of the line.
    pub(crate) text: Result<&'a str, (RowFault, &'a [u8])>,
}

/// Reads a source line by line.
pub(crate) struct Lines<'r> {
    source: Source<'r>,
    longest: usize,
    buffer: Vec<u8>,
    reached: Reached,
}

impl<'r> Lines<'r> {
    pub(crate) fn new(source: Source<'r>, longest: usize) -> Self {
        Self {
            source,
            longest,
            buffer: vec![0; (2 * longest).max(256 << 10)],
            reached: Reached::default(),
        }
    }

    /// Hands every line to `visit`, and tells how far it came; it does not count rows.
    pub(crate) fn each(mut self, mut visit: impl FnMut(Line<'_>)) -> Result<Reached, FeedError> {
        let mut filled = 0;
        // Inside a line that was found too long, up to its end.
        let mut skipping = false;
        loop {
            let read = match self
                .source
                .read(self.buffer.get_mut(filled..).unwrap_or_default())
            {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(unreadable(
                        error.kind(),
                        self.source.compression(),
                        self.reached,
                    ));
                }
            };
            self.reached.bytes += read as u64;
            let fresh = self.buffer.get(filled..filled + read).unwrap_or_default();
            let last = memchr::memrchr(b'\n', fresh).map(|at| filled + at + 1);
            filled += read;
            let held = self.buffer.get(..filled).unwrap_or_default();
            let (mut block, rest) = held.split_at(match last {
                Some(last) => last,
                None if read == 0 || filled > self.longest => filled,
                None => continue,
            });
            if skipping {
                // What was skipped is one line, which was handed out when it grew too long.
                let end = memchr::memchr(b'\n', block).map_or(block.len(), |at| at + 1);
                block = block.get(end..).unwrap_or_default();
            }
            self.reached.line = each_line(block, self.reached.line, self.longest, &mut visit);
            skipping = match last {
                Some(_) => false,
                None => skipping || filled > self.longest,
            };
            let rest = rest.len();
            self.buffer.copy_within(filled - rest..filled, 0);
            filled = rest;
            if read == 0 {
                return Ok(self.reached);
            }
        }
    }
}

/// Hands out the lines of `block`, of which only the last may lack its end; gives the number of
/// the last one.
pub(crate) fn each_line(
    block: &[u8],
    mut number: u64,
    longest: usize,
    mut visit: impl FnMut(Line<'_>),
) -> u64 {
    let whole = std::str::from_utf8(block).ok();
    let ends = memchr::memchr_iter(b'\n', block).chain(
        // The last line of a file may lack its end.
        (!block.is_empty() && !block.ends_with(b"\n")).then_some(block.len()),
    );
    let mut start = 0;
    for end in ends {
        number += 1;
        let line = block.get(start..end).unwrap_or_default();
        let text = if line.len() > longest {
            Err((RowFault::TooLong, line.get(..SHOWN).unwrap_or(line)))
        } else {
            match whole {
                Some(text) => Ok(text.get(start..end).unwrap_or_default()),
                None => std::str::from_utf8(line)
                    .map_err(|_| (RowFault::NotUtf8, line.get(..SHOWN).unwrap_or(line))),
            }
        };
        let text = text.map(|text| text.strip_suffix('\r').unwrap_or(text));
        visit(Line { number, text });
        start = end + 1;
    }
    number
}
