//! The responder's roll: every tag of the epoch and what stands behind it (`spec/32 §6.3`).
//!
//! It never leaves the responder: it tells items from dummies.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::{
    block::Entry,
    epoch::Current,
    error::{FileError, PublishError},
    merkle::Hash,
    scratch::Stored,
    tag::Tag,
};

/// What stands behind a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// An item of the view.
    Item = 0,
    /// A dummy of the newest publication.
    Dummy = 1,
    /// An item or dummy that was taken out and does not return within the epoch.
    Left = 2,
}

/// So many bytes are read or written at a time.
const CHUNK: usize = 4_096;

/// Writes a roll in the order of the tags: a byte with the status, and behind that of one that left its
/// tag in 16 bytes, big-endian. Those of the others stand in the publication.
pub(super) struct RollWriter<W> {
    roll: W,
    chunk: Vec<u8>,
    digest: Sha256,
    length: u64,
}

/// Reads the roll that the state describes, beside the entries of its publication.
pub(super) struct RollReader<'a, T> {
    roll: &'a dyn Stored,
    entries: T,
    expected: Current,
    chunk: Vec<u8>,
    /// What was read of the chunk.
    within: usize,
    /// Where the next chunk begins.
    next: u64,
    digest: Sha256,
    after: Option<Tag>,
}

/// What the roll knows of a tag.
#[derive(Clone, Copy)]
pub(super) struct Recorded<E> {
    pub(super) tag: Tag,
    pub(super) status: Status,
    /// The entry, unless it left.
    pub(super) entry: Option<E>,
}

/// An entry, or what is read of one.
pub(super) trait Tagged {
    fn tag(&self) -> Tag;
}

impl Tagged for Tag {
    fn tag(&self) -> Tag {
        *self
    }
}

impl Tagged for Entry {
    fn tag(&self) -> Tag {
        self.tag
    }
}

impl<W: Write> RollWriter<W> {
    pub(super) fn new(roll: W) -> Self {
        Self {
            roll,
            chunk: Vec::with_capacity(CHUNK + 17),
            digest: Sha256::new(),
            length: 0,
        }
    }

    pub(super) fn push(&mut self, tag: Tag, status: Status) -> Result<(), PublishError> {
        self.chunk.push(status as u8);
        if status == Status::Left {
            self.chunk.extend_from_slice(&tag.0.to_be_bytes());
        }
        if self.chunk.len() >= CHUNK {
            self.end_chunk()?;
        }
        Ok(())
    }

    /// The length in bytes, and the digest by which the state knows the roll.
    pub(super) fn finish(mut self) -> Result<(u64, Hash), PublishError> {
        self.end_chunk()?;
        self.roll.flush()?;
        Ok((self.length, self.digest.finalize().into()))
    }

    fn end_chunk(&mut self) -> Result<(), PublishError> {
        self.digest.update(&self.chunk);
        self.roll.write_all(&self.chunk)?;
        self.length += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }
}

impl<'a, E: Tagged, T: Iterator<Item = Result<E, FileError>>> RollReader<'a, T> {
    pub(super) fn new(
        roll: &'a dyn Stored,
        entries: T,
        expected: Current,
    ) -> Result<Self, PublishError> {
        if roll.length()? != expected.roll_length {
            return Err(PublishError::Roll);
        }
        Ok(Self {
            roll,
            entries,
            expected,
            chunk: Vec::new(),
            within: 0,
            next: 0,
            digest: Sha256::new(),
            after: None,
        })
    }

    /// The next tag; at the end, none or the finding that this was another roll.
    pub(super) fn read(&mut self) -> Result<Option<Recorded<E>>, PublishError> {
        let status = match self.byte()? {
            Some(0) => Status::Item,
            Some(1) => Status::Dummy,
            Some(2) => Status::Left,
            Some(_) => return Err(PublishError::Roll),
            None => {
                let digest: Hash = self.digest.clone().finalize().into();
                let is_whole = digest == self.expected.roll_digest && self.entries.next().is_none();
                return is_whole.then_some(None).ok_or(PublishError::Roll);
            }
        };
        let entry = match status {
            Status::Left => None,
            _ => Some(self.entries.next().ok_or(PublishError::Roll)??),
        };
        let tag = match &entry {
            Some(entry) => entry.tag(),
            None => self.left()?,
        };
        if self.after.is_some_and(|after| after >= tag) {
            return Err(PublishError::Roll);
        }
        self.after = Some(tag);
        Ok(Some(Recorded { tag, status, entry }))
    }

    /// The tag of an entry that left.
    fn left(&mut self) -> Result<Tag, PublishError> {
        let mut tag = 0;
        for _ in 0..16 {
            tag = tag << 8 | u128::from(self.byte()?.ok_or(PublishError::Roll)?);
        }
        Ok(Tag(tag))
    }

    fn byte(&mut self) -> Result<Option<u8>, PublishError> {
        if self.within == self.chunk.len() {
            let left = self.expected.roll_length - self.next;
            let length = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            self.chunk.resize(length, 0);
            self.within = 0;
            self.roll.read_at(self.next, &mut self.chunk)?;
            self.next += length as u64;
            self.digest.update(&self.chunk);
        }
        let byte = self.chunk.get(self.within).copied();
        self.within += usize::from(byte.is_some());
        Ok(byte)
    }
}
