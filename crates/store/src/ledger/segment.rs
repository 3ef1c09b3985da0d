//! One file of the ledger: a header, then records, each with its length and checksum
//! (`spec/43 §5`).
//!
//! What is decoded here is only known to be what was once written. That it is also what stands in
//! the ledger is for the tree to say.

use std::{
    fmt,
    io::{self, Read},
};

use blindmatch_audit::{
    codec::{Reader, Writer},
    record::MAX_RECORD,
};

/// The most records of one group.
pub const MAX_GROUP: usize = 1024;

/// The number of bytes of a header.
pub const HEADER_LENGTH: u64 = 41;

const CONTEXT: &str = "blindmatch ledger segment v1";
const HEADER: usize = 41;
const CHECKSUM: usize = 4;

/// The bit of a length that says that the group goes on in the next record.
const CONTINUES: u32 = 1 << 31;

/// The header of the segment that begins with record `first`.
#[must_use]
pub fn header(first: u64) -> Vec<u8> {
    let mut header = Writer::new(CONTEXT).u64(first).finish();
    let checksum = crc32fast::hash(&header);
    header.extend_from_slice(&checksum.to_be_bytes());
    header
}

/// Appends a record to `bytes` as it stands in a segment; `last` where its group ends with it.
///
/// # Errors
///
/// [`Flaw::Length`] for a record that is empty or of more than [`MAX_RECORD`] bytes.
pub fn write(record: &[u8], last: bool, bytes: &mut Vec<u8>) -> Result<(), Flaw> {
    let length = u32::try_from(record.len()).map_err(|_| Flaw::Length)?;
    if !is_length(record.len()) {
        return Err(Flaw::Length);
    }
    let length = if last { length } else { length | CONTINUES };
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&checksum(length, record).to_be_bytes());
    bytes.extend_from_slice(record);
    Ok(())
}

/// Reads a segment record by record.
#[derive(Debug)]
pub struct Segment<R> {
    reader: R,
    offset: u64,
}

/// A record as it stands in a segment.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its bytes.
    pub record: Vec<u8>,
    /// Whether its group ends with it.
    pub last: bool,
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// The header is not that of a segment, or of one that begins elsewhere.
    Header,
    /// The file ends within a record or a group.
    Truncated,
    /// A length that no record has.
    Length,
    /// The checksum of a record does not hold.
    Checksum,
    /// A group of more than [`MAX_GROUP`] records.
    Group,
    /// The checksum holds, and the record is malformed.
    Record,
    /// The record is older than the one before.
    Time,
    /// The record begins an incarnation that does not go on from what stands before it.
    Incarnation,
    /// The checksum holds, but this is not what stood here when the ledger was opened.
    Changed,
}

/// Why reading a segment ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum SegmentError {
    /// The disk failed.
    Disk(io::Error),
    /// The record that begins at this offset is damaged.
    Damaged(u64, Flaw),
}

impl<R: Read> Segment<R> {
    /// Reads the header and gives the number of the first record too.
    ///
    /// # Errors
    ///
    /// [`SegmentError`].
    pub fn open(mut reader: R) -> Result<(Self, u64), SegmentError> {
        let mut bytes = Vec::with_capacity(HEADER);
        fill(&mut reader, &mut bytes, HEADER)?;
        let first = read_header(&bytes).ok_or(SegmentError::Damaged(0, Flaw::Header))?;
        let offset = HEADER_LENGTH;
        Ok((Self { reader, offset }, first))
    }

    /// Goes on reading where a record begins at `offset`.
    pub const fn at(reader: R, offset: u64) -> Self {
        Self { reader, offset }
    }

    /// The next record; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// [`SegmentError`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, SegmentError> {
        let damaged = |flaw| SegmentError::Damaged(self.offset, flaw);
        let mut head = Vec::with_capacity(8);
        fill(&mut self.reader, &mut head, 8)?;
        if head.is_empty() {
            return Ok(None);
        }
        let Some((length, found)) = read_head(&head) else {
            return Err(damaged(Flaw::Truncated));
        };
        let size = (length & !CONTINUES) as usize;
        if !is_length(size) {
            return Err(damaged(Flaw::Length));
        }
        let mut record = Vec::with_capacity(size);
        fill(&mut self.reader, &mut record, size)?;
        if record.len() < size {
            return Err(damaged(Flaw::Truncated));
        }
        if checksum(length, &record) != found {
            return Err(damaged(Flaw::Checksum));
        }
        let offset = self.offset;
        self.offset += 8 + u64::from(length & !CONTINUES);
        Ok(Some(Frame {
            offset,
            record,
            last: length & CONTINUES == 0,
        }))
    }

    /// Where the next record begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

/// Hides the record, which holds its nonce.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("offset", &self.offset)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the header of the file is damaged or of another file",
            Self::Truncated => "the file ends within it",
            Self::Length => "its length is none that a record has",
            Self::Checksum => "its checksum does not hold",
            Self::Group => "its group is too long",
            Self::Record => "it is malformed",
            Self::Time => "it is older than the one before it",
            Self::Incarnation => "it does not go on from what stands before it",
            Self::Changed => "it is not what stood here before",
        })
    }
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn read_header(bytes: &[u8]) -> Option<u64> {
    let (header, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if crc32fast::hash(header) != u32::from_be_bytes(*checksum) {
        return None;
    }
    let mut reader = Reader::new(CONTEXT, header).ok()?;
    let first = reader.u64().ok()?;
    reader.finish().ok()?;
    Some(first)
}

fn read_head(head: &[u8]) -> Option<(u32, u32)> {
    let (length, checksum) = head.split_first_chunk()?;
    let checksum = checksum.try_into().ok()?;
    Some((u32::from_be_bytes(*length), u32::from_be_bytes(checksum)))
}

const fn is_length(length: usize) -> bool {
    length > 0 && length <= MAX_RECORD
}

/// Over the length too: a record is never read with another's.
fn checksum(length: u32, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_be_bytes());
    hasher.update(record);
    hasher.finalize()
}

/// Reads `length` bytes, or as many as are left.
fn fill(reader: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    reader.take(length as u64).read_to_end(bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests;
