//! From bytes to text: decompression, byte order mark, and what is no text.

use std::io::{self, Cursor, Read};

use crate::error::{BinaryKind, Compression, FeedError, Reached};

/// How much of a feed is looked at before it is read.
pub(crate) const HEAD: usize = 64 << 10;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";

/// The text of a feed, with its beginning held for inspection.
pub(crate) struct Source<'r> {
    head: Vec<u8>,
    /// How much of the head was read again.
    at: usize,
    rest: Box<dyn Read + 'r>,
    /// An error met while the head was read; it comes up again behind the head.
    held: Option<io::Error>,
    compression: Option<Compression>,
    whole: bool,
}

impl<'r> Source<'r> {
    /// Opens an input, gzip or zstd by its first bytes, and refuses what is no UTF-8 text.
    pub(crate) fn open(mut input: impl Read + 'r) -> Result<Self, FeedError> {
        let mut magic = Vec::with_capacity(4);
        if let Err(error) = input.by_ref().take(4).read_to_end(&mut magic) {
            return Err(unreadable(error.kind(), None, Reached::default()));
        }
        let compression = Compression::of(&magic);
        let input = Cursor::new(magic).chain(input);
        let mut rest: Box<dyn Read + 'r> = match compression {
            None => Box::new(input),
            // Both go on to the next member or frame by themselves.
            Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(input)),
            Some(Compression::Zstd) => match zstd::Decoder::new(input) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => {
                    return Err(unreadable(error.kind(), compression, Reached::default()));
                }
            },
        };
        let mut head = Vec::with_capacity(HEAD);
        let held = rest.by_ref().take(HEAD as u64).read_to_end(&mut head).err();
        let whole = head.len() < HEAD && held.is_none();
        let at = if head.starts_with(UTF8_BOM) { 3 } else { 0 };
        let source = Self {
            head,
            at,
            rest,
            held,
            compression,
            whole,
        };
        source.check_text()?;
        Ok(source)
    }

    /// The first 64 KiB, without the byte order mark.
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(self.at..).unwrap_or_default()
    }

    /// Whether the head is all there is.
    pub(crate) fn head_is_whole(&self) -> bool {
        self.whole
    }

    /// The error that waits behind the head: where there is one, nothing about the shape of the
    /// head is worth saying.
    pub(crate) fn held_error(&self) -> Option<FeedError> {
        let reached = Reached {
            bytes: self.head.len() as u64,
            ..Reached::default()
        };
        let error = self.held.as_ref()?;
        Some(unreadable(error.kind(), self.compression, reached))
    }

    pub(crate) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    fn check_text(&self) -> Result<(), FeedError> {
        let head = self.head();
        if matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
            || matches!(head, [0, a, 0, b, ..] | [a, 0, b, 0, ..] if *a != 0 && *b != 0)
            || head.starts_with(&[0, 0, 0xfe, 0xff])
        {
            return Err(FeedError::Utf16);
        }
        let looks_like = BinaryKind::of(head);
        if looks_like.is_some() || memchr::memchr(0, head).is_some() {
            return Err(FeedError::Binary { looks_like });
        }
        if head.trim_ascii().is_empty() && self.whole {
            return Err(self.held_error().unwrap_or(FeedError::Empty));
        }
        Ok(())
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.head().read(buffer)?;
        if read > 0 {
            self.at += read;
            return Ok(read);
        }
        if !self.head.is_empty() {
            self.head = Vec::new();
        }
        match self.held.take() {
            Some(error) => Err(error),
            None => self.rest.read(buffer),
        }
    }
}

/// What an error of the input means, by what was being decompressed.
pub(crate) fn unreadable(
    kind: io::ErrorKind,
    compression: Option<Compression>,
    reached: Reached,
) -> FeedError {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    match (compression, kind) {
        (Some(compression), UnexpectedEof) => FeedError::Truncated {
            compression,
            reached,
        },
        (Some(compression), InvalidData | InvalidInput | Other) => FeedError::Corrupt {
            compression,
            reached,
        },
        (_, kind) => FeedError::Io { kind, reached },
    }
}

impl Compression {
    fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or a skippable frame before it (RFC 8878 §3.1).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }
}

impl BinaryKind {
    fn of(head: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], BinaryKind); 8] = [
            (b"PK\x03\x04", BinaryKind::Zip),
            (b"BZh", BinaryKind::Bzip2),
            (b"\xfd7zXZ\0", BinaryKind::Xz),
            (b"7z\xbc\xaf\x27\x1c", BinaryKind::SevenZip),
            (b"%PDF-", BinaryKind::Pdf),
            (b"SQLite format 3\0", BinaryKind::Sqlite),
            (b"PAR1", BinaryKind::Parquet),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", BinaryKind::Xls),
        ];
        let (_, kind) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic))?;
        // "BZh" and "PAR1" could begin a word.
        let is_text = std::str::from_utf8(head).is_ok() && memchr::memchr(0, head).is_none();
        (!is_text || matches!(kind, Self::Pdf)).then_some(*kind)
    }
}

#[cfg(test)]
mod tests;
