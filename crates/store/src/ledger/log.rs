//! The ledger as it stands on disk: opened by reading all of it once, read from then on in chunks
//! of 256 records, each checked against the tree before any of it is handed out.

use std::{
    collections::VecDeque,
    io::{BufReader, Seek, SeekFrom},
    ops::{Range, RangeInclusive},
};

use blindmatch_audit::{
    checkpoint::{Checkpoint, Continuation, Origin, SignedCheckpoint},
    note::NoteKey,
    proof::RecordProof,
    record::Record,
    tree::{self, Hash, ProofError},
};

use super::{
    LedgerError, cosigned, least_number,
    outline::Outline,
    scan::{at, damaged, open_segment, path, scan},
    segment::{Flaw, Segment},
};
use crate::disk::Disk;

/// A ledger at one moment: what is appended later is not in it.
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) disk: Disk,
    pub(super) outline: Outline,
    pub(super) head: SignedCheckpoint,
    /// The time of the last record.
    pub(super) time: u64,
    /// In their order; at least one.
    pub(super) incarnations: Vec<Incarnation>,
    /// States of earlier incarnations that are named as lost, each with the record that does.
    pub(super) lost: Vec<(u64, Lost)>,
}

/// Where an incarnation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    pub(super) number: u64,
    pub(super) record: u64,
    pub(super) time: u64,
}

/// The incarnation, size and root of a state that is lost.
pub(super) type Lost = (u64, u64, Hash);

/// What stands behind the last checkpoint: nothing of it was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Whole records.
    pub uncovered: u64,
    /// What was not written to its end.
    pub torn: Option<Torn>,
}

/// The beginning of an append that a crash ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file, below the home.
    pub path: String,
    /// Where it begins in the file.
    pub offset: u64,
    /// The number of bytes from there to the end of the file.
    pub bytes: u64,
    /// The number that its first record would have had.
    pub record: u64,
}

impl Log {
    /// Reads a ledger whose checkpoints one of `keys` signed. Nothing is changed: what a crash left
    /// behind the last checkpoint is noted, and cut when the ledger is next
    /// [opened](super::Ledger::open) by the owner of the home.
    ///
    /// # Errors
    ///
    /// [`LedgerError`], with what is damaged and where.
    pub fn open(disk: &Disk, keys: &[NoteKey]) -> Result<(Self, Tail), LedgerError> {
        let (log, tail, _) = scan(disk, keys)?;
        Ok((log, tail))
    }

    /// The number of records.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.outline.tree().size()
    }

    /// The root of the tree over all records.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.outline.tree().root()
    }

    /// The newest checkpoint that is on disk. Behind a crash it covers fewer records than there
    /// are, until the ledger is opened by its owner.
    #[must_use]
    pub const fn head(&self) -> &SignedCheckpoint {
        &self.head
    }

    /// The time of the last record, in seconds since 1970.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.time
    }

    /// The number of the last incarnation.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnations.last().map_or(1, |last| last.number)
    }

    /// The lowest number that a new delegation may have, beside that it is above those before: lost
    /// records may have given out all numbers below.
    #[must_use]
    pub fn least_number(&self) -> u64 {
        let last = self.incarnations.last();
        last.map_or(1, |last| least_number(last.number, last.time))
    }

    /// The origin of the next checkpoint.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            incarnation: self.incarnation(),
            ..self.head.unverified().origin.clone()
        }
    }

    /// One record.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchRecord`], or what is damaged.
    pub fn record(&self, index: u64) -> Result<Record, LedgerError> {
        let mut records = self.records(index..index.saturating_add(1));
        let record = records.next().ok_or(LedgerError::NoSuchRecord(index))?;
        Ok(record?.1)
    }

    /// The records of these numbers, as far as there are any, with their numbers.
    #[must_use]
    pub fn records(&self, range: Range<u64>) -> Records<'_> {
        Records {
            log: self,
            next: range.start,
            end: range.end.min(self.size()),
            chunk: VecDeque::new(),
        }
    }

    /// The root of the tree over the first `size` records.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchRecord`] where there are fewer, or what is damaged.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        if size > self.size() {
            return Err(LedgerError::NoSuchRecord(size - 1));
        }
        if size == 0 {
            return Ok(tree::root(&[]));
        }
        self.outline.root(0..size, &mut |leaf| self.leaves(leaf))
    }

    /// The inclusion proof of a record in the tree over the first `size` records.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchRecord`] where there are fewer, or what is damaged.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.path(tree::inclusion_path(index, size), size)
    }

    /// The proof that the first `old` records are a prefix of the first `size`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchRecord`] where there are fewer, or what is damaged.
    pub fn consistency_proof(&self, old: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.path(tree::consistency_path(old, size), size)
    }

    /// The proof that a record stands in the tree of this checkpoint, to be verified offline.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOurs`] where the checkpoint is of other records,
    /// [`LedgerError::NoSuchRecord`], or what is damaged.
    pub fn prove(
        &self,
        index: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<RecordProof, LedgerError> {
        let head = checkpoint.unverified();
        self.check_ours(head)?;
        Ok(RecordProof {
            record: self.record(index)?.encode(),
            index,
            path: self.inclusion_proof(index, head.size)?,
            checkpoint: checkpoint.clone(),
        })
    }

    /// The newest checkpoint that was kept with its witnesses' cosignatures.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Cosigned`], [`LedgerError::CosignedChecksum`], or the disk's.
    pub fn cosigned(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        cosigned::read(&self.disk)
    }

    /// Shows that the newest checkpoint goes on from `old`: that its records are kept, or that it is
    /// named as lost.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOurs`] where neither is the case, or what is damaged.
    pub fn continuation(&self, old: &Checkpoint) -> Result<Continuation, LedgerError> {
        let size = self.head.unverified().size;
        if let Some(loss) = self.loss(old, size)? {
            return Ok(loss);
        }
        self.check_ours(old)?;
        let proof = self.consistency_proof(old.size, size)?;
        Ok(Continuation::Kept(proof))
    }

    /// Shows that this ledger at `size` goes on from `old`, by what it says of itself: nothing where
    /// `old` is of a size that it never had, and is not named as lost. Whoever was shown other
    /// records of that size finds the fork.
    ///
    /// # Errors
    ///
    /// What is damaged.
    pub fn continuation_at(
        &self,
        old: &Checkpoint,
        size: u64,
    ) -> Result<Option<Continuation>, LedgerError> {
        if let Some(loss) = self.loss(old, size)? {
            return Ok(Some(loss));
        }
        let sizes = self.sizes_of(old.origin.incarnation);
        let had = sizes.is_some_and(|sizes| sizes.contains(&old.size)) && old.size <= size;
        let proof = had.then(|| self.consistency_proof(old.size, size));
        Ok(proof.transpose()?.map(Continuation::Kept))
    }

    /// What this ledger names as lost: the record that does, and the incarnation and size of the
    /// state.
    pub fn lost(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let lost = self.lost.iter();
        lost.map(|&(record, (incarnation, size, _))| (record, incarnation, size))
    }

    /// The record that names this state of the ledger as lost.
    #[must_use]
    pub fn names(&self, old: &Checkpoint) -> Option<u64> {
        let lost = state(old);
        let mut named = self.lost.iter();
        named.find(|(_, named)| *named == lost).map(|(at, _)| *at)
    }

    /// The record that names this state as lost, proven in the tree of `size`.
    fn loss(&self, old: &Checkpoint, size: u64) -> Result<Option<Continuation>, LedgerError> {
        let Some(index) = self.names(old).filter(|index| *index < size) else {
            return Ok(None);
        };
        let (record, path) = (self.record(index)?, self.inclusion_proof(index, size)?);
        let lost = Some((index, record.encode()));
        Ok(Some(Continuation::new(lost, path)))
    }

    pub(super) fn lose(&mut self, first: u64, lost: &[Checkpoint]) {
        self.lost.extend((first..).zip(lost.iter().map(state)));
    }

    /// The sizes at which this ledger is in an incarnation, where it ever was.
    pub(super) fn sizes_of(&self, incarnation: u64) -> Option<RangeInclusive<u64>> {
        let mut begun = self.incarnations.iter();
        let first = begun.find(|begun| begun.number == incarnation)?.record + 1;
        let last = begun.next().map_or_else(|| self.size(), |next| next.record);
        Some(first..=last)
    }

    pub(super) fn check_ours(&self, checkpoint: &Checkpoint) -> Result<(), LedgerError> {
        let Origin {
            ledger,
            incarnation,
        } = &checkpoint.origin;
        let (own, size) = (&self.head.unverified().origin.ledger, checkpoint.size);
        let sizes = self.sizes_of(*incarnation);
        if ledger != own || (size > 0 && !sizes.is_some_and(|sizes| sizes.contains(&size))) {
            return Err(LedgerError::NotOurs(ProofError::OutsideTree));
        }
        if self.root_at(checkpoint.size)? == checkpoint.root {
            Ok(())
        } else {
            Err(LedgerError::NotOurs(ProofError::Root))
        }
    }

    fn path(&self, path: Option<Vec<Range<u64>>>, size: u64) -> Result<Vec<Hash>, LedgerError> {
        let path = path.filter(|_| size <= self.size());
        let path = path.ok_or_else(|| LedgerError::NoSuchRecord(size.saturating_sub(1)))?;
        path.into_iter()
            .map(|range| self.outline.root(range, &mut |leaf| self.leaves(leaf)))
            .collect()
    }

    fn leaves(&self, leaf: u64) -> Result<Vec<Hash>, LedgerError> {
        if let Some(leaves) = self.outline.incomplete(leaf) {
            return Ok(leaves.to_vec());
        }
        let (_, records) = self.chunk(leaf)?;
        Ok(records
            .iter()
            .map(|record| tree::leaf_hash(record))
            .collect())
    }

    /// The records of the chunk that this one stands in, and the number of its first.
    fn chunk(&self, index: u64) -> Result<(u64, VecDeque<Vec<u8>>), LedgerError> {
        let chunk = self.outline.chunk(index);
        let chunk = chunk.ok_or(LedgerError::NoSuchRecord(index))?;
        let mut first = chunk.place.segment;
        let mut file = self.disk.open(&path(first))?;
        file.seek(SeekFrom::Start(chunk.place.offset))?;
        let mut segment = Segment::at(BufReader::new(file), chunk.place.offset);
        let mut records = VecDeque::new();
        while (records.len() as u64) < chunk.count {
            let next = chunk.first + records.len() as u64;
            match segment.next_frame().map_err(|e| at(first, next, e))? {
                Some(frame) => records.push_back(frame.record),
                // A segment that ends where it begins would be opened for ever.
                None if first == next => {
                    let to = self.size();
                    return Err(LedgerError::Missing { from: next, to });
                }
                None => {
                    first = next;
                    segment = open_segment(&self.disk, first)?.0;
                }
            }
        }
        let leaves: Vec<_> = records.iter().map(|r| tree::leaf_hash(r)).collect();
        if chunk.is(&leaves) {
            Ok((chunk.first, records))
        } else {
            let place = chunk.place;
            Err(damaged(
                place.segment,
                place.offset,
                chunk.first,
                Flaw::Changed,
            ))
        }
    }
}

/// Records in their order, read in chunks.
#[derive(Debug)]
pub struct Records<'a> {
    log: &'a Log,
    next: u64,
    end: u64,
    chunk: VecDeque<Vec<u8>>,
}

impl Records<'_> {
    fn read(&mut self) -> Result<(u64, Record), LedgerError> {
        let index = self.next;
        if self.chunk.is_empty() {
            let (first, mut chunk) = self.log.chunk(index)?;
            let skip = usize::try_from(index - first).unwrap_or(usize::MAX);
            chunk.drain(..skip.min(chunk.len()));
            self.chunk = chunk;
        }
        let record = self.chunk.pop_front().map(|record| Record::decode(&record));
        // Every record was decoded when the ledger was opened, and the chunk is the same.
        let Some(Ok(record)) = record else {
            return Err(LedgerError::NoSuchRecord(index));
        };
        self.next += 1;
        Ok((index, record))
    }
}

impl Iterator for Records<'_> {
    type Item = Result<(u64, Record), LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.next = self.end;
        }
        Some(read)
    }
}

const fn state(checkpoint: &Checkpoint) -> Lost {
    let incarnation = checkpoint.origin.incarnation;
    (incarnation, checkpoint.size, checkpoint.root)
}
