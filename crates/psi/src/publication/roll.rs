//! The responder's roll: every tag of the epoch and what stands behind it (`spec/32 §6`).
//!
//! It never leaves the responder: it tells items from dummies.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::{epoch::Current, error::PublishError, merkle::Hash, scratch::Stored, tag::Tag};

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

/// A tag in 16 bytes, big-endian, and its status.
const RECORD: usize = 17;

/// Records read at a time.
const CHUNK: usize = 256;

/// Writes a roll in the order of the tags.
pub(super) struct RollWriter<W> {
    roll: W,
    chunk: Vec<u8>,
    digest: Sha256,
    records: u64,
}

/// Reads the roll that the state describes.
pub(super) struct RollReader<'a> {
    roll: &'a dyn Stored,
    expected: Current,
    chunk: Vec<u8>,
    digest: Sha256,
    next: u64,
    after: Option<Tag>,
}

impl<W: Write> RollWriter<W> {
    pub(super) fn new(roll: W) -> Self {
        Self {
            roll,
            chunk: Vec::with_capacity(RECORD * CHUNK),
            digest: Sha256::new(),
            records: 0,
        }
    }

    pub(super) fn push(&mut self, tag: Tag, status: Status) -> Result<(), PublishError> {
        self.chunk.extend_from_slice(&tag.0.to_be_bytes());
        self.chunk.push(status as u8);
        self.records += 1;
        if self.chunk.len() == RECORD * CHUNK {
            self.end_chunk()?;
        }
        Ok(())
    }

    /// The number of records, and the digest by which the state knows the roll.
    pub(super) fn finish(mut self) -> Result<(u64, Hash), PublishError> {
        self.end_chunk()?;
        self.roll.flush()?;
        Ok((self.records, self.digest.finalize().into()))
    }

    fn end_chunk(&mut self) -> Result<(), PublishError> {
        self.digest.update(&self.chunk);
        self.roll.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<'a> RollReader<'a> {
    pub(super) fn new(roll: &'a dyn Stored, expected: Current) -> Result<Self, PublishError> {
        if roll.length()? != expected.roll_records.saturating_mul(RECORD as u64) {
            return Err(PublishError::Roll);
        }
        Ok(Self {
            roll,
            expected,
            chunk: Vec::new(),
            digest: Sha256::new(),
            next: 0,
            after: None,
        })
    }

    /// The next record; at the end, none or the finding that this was another roll.
    pub(super) fn read(&mut self) -> Result<Option<(Tag, Status)>, PublishError> {
        let left = self.expected.roll_records - self.next;
        if left == 0 {
            let digest: Hash = self.digest.clone().finalize().into();
            return if digest == self.expected.roll_digest {
                Ok(None)
            } else {
                Err(PublishError::Roll)
            };
        }
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let within = (self.next % CHUNK as u64) as usize;
        if within == 0 {
            let records = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            self.chunk.resize(records * RECORD, 0);
            self.roll
                .read_at(self.next * RECORD as u64, &mut self.chunk)?;
            self.digest.update(&self.chunk);
        }
        self.next += 1;
        let record = self.chunk.as_chunks::<RECORD>().0.get(within);
        let [tag @ .., status] = record.ok_or(PublishError::Roll)?;
        let tag = Tag(u128::from_be_bytes(*tag));
        let status = match *status {
            0 => Status::Item,
            1 => Status::Dummy,
            2 => Status::Left,
            _ => return Err(PublishError::Roll),
        };
        if self.after.is_some_and(|after| after >= tag) {
            return Err(PublishError::Roll);
        }
        self.after = Some(tag);
        Ok(Some((tag, status)))
    }
}
