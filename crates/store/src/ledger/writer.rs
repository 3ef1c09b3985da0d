//! The end of the ledger: what the one writer of it does to the disk, in which order.

use std::{
    io::{self, Write},
    sync::Arc,
};

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    tree::{self, CompactRange, Hash},
};

use super::{
    COSIGNED, HEAD, LEDGER, LedgerError, cosigned,
    outline::Place,
    scan::{End, path},
    segment::{self, Flaw, HEADER_LENGTH, Segment},
};
use crate::disk::{Disk, DiskFile};

pub(super) struct Writer {
    disk: Disk,
    key: SigningKey,
    file: DiskFile,
    end: End,
    /// From which length of a file on the next is begun.
    limit: u64,
    /// The newest checkpoint, where it is not published yet.
    uncovered: Option<SignedCheckpoint>,
    /// Why it is open what is on disk.
    stopped: Option<Arc<io::Error>>,
}

/// Records as they are written.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// The leaf hash of each, and where it begins.
    leaves: Vec<(Hash, u64)>,
}

impl Frames {
    /// One append: a group that is there whole or not at all.
    pub(super) fn new(records: &[Vec<u8>]) -> Result<Self, Flaw> {
        let mut frames = Self::default();
        for (number, record) in records.iter().enumerate() {
            let at = frames.bytes.len() as u64;
            segment::write(record, number + 1 == records.len(), &mut frames.bytes)?;
            frames.leaves.push((tree::leaf_hash(record), at));
        }
        Ok(frames)
    }

    /// Puts another append behind this one.
    pub(super) fn extend(&mut self, other: &Self) {
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&other.bytes);
        let leaves = other.leaves.iter();
        self.leaves
            .extend(leaves.map(|(leaf, offset)| (*leaf, at + offset)));
    }

    pub(super) const fn count(&self) -> u64 {
        self.leaves.len() as u64
    }
}

impl Writer {
    pub(super) fn open(
        disk: &Disk,
        key: SigningKey,
        end: End,
        limit: u64,
    ) -> Result<Self, LedgerError> {
        Ok(Self {
            file: disk.open_to_append(&path(end.segment))?,
            disk: disk.clone(),
            key,
            end,
            limit,
            uncovered: None,
            stopped: None,
        })
    }

    /// Cuts what stands behind the last whole group.
    pub(super) fn cut(&self) -> Result<(), LedgerError> {
        self.file.truncate(self.end.length)?;
        self.file.sync();
        Ok(())
    }

    /// Puts a checkpoint over all that is there.
    pub(super) fn cover(
        &mut self,
        tree: &CompactRange,
        origin: Origin,
    ) -> Result<SignedCheckpoint, LedgerError> {
        self.file.sync();
        let head = Checkpoint {
            origin,
            size: tree.size(),
            root: tree.root(),
        };
        let head = head.sign(&self.key);
        publish(&self.disk, HEAD, head.to_string().as_bytes())?;
        self.uncovered = None;
        Ok(head)
    }

    /// Publishes the newest checkpoint, unless it is.
    pub(super) fn cover_ahead(&mut self) -> Result<(), LedgerError> {
        self.check_stopped()?;
        if let Some(head) = &self.uncovered {
            publish(&self.disk, HEAD, head.to_string().as_bytes())?;
            self.uncovered = None;
        }
        Ok(())
    }

    /// Writes records behind the tree, syncs them, puts a checkpoint over them, unless that is to
    /// follow; gives it and each record's leaf hash and place.
    ///
    /// Nothing is recorded where it fails with [`LedgerError::Disk`].
    pub(super) fn append(
        &mut self,
        frames: &Frames,
        origin: Origin,
        tree: &CompactRange,
        cover: bool,
    ) -> Result<(SignedCheckpoint, Vec<(Hash, Place)>), LedgerError> {
        self.check_stopped()?;
        let mut grown = tree.clone();
        frames
            .leaves
            .iter()
            .for_each(|(leaf, _)| grown.append(*leaf));
        let head = Checkpoint {
            origin,
            size: grown.size(),
            root: grown.root(),
        };
        let head = head.sign(&self.key);
        if self.end.length >= self.limit {
            // What is torn is only ever in the last file.
            self.cover_ahead()?;
            self.begin_segment(tree.size())?;
        }

        // The checkpoint lies ready aside before anything counts on it.
        let written = self.file.write_all(&frames.bytes).and_then(|()| {
            if !cover {
                return Ok(None);
            }
            let mut aside = self.disk.aside()?;
            write!(aside, "{head}")?;
            Ok(Some(aside))
        });
        let aside = match written {
            Ok(aside) => aside,
            Err(error) => return Err(self.undo(error)),
        };
        self.file.sync();
        self.uncovered = match aside.map(|aside| aside.publish(HEAD)) {
            Some(Ok(())) => None,
            Some(Err(error)) => return Err(self.stop(error)),
            None => Some(head.clone()),
        };

        let Place { segment, offset } = self.place();
        let place = |at: u64| Place {
            segment,
            offset: offset + at,
        };
        let leaves = frames.leaves.iter();
        let leaves = leaves.map(|(leaf, at)| (*leaf, place(*at))).collect();
        self.end.length += frames.bytes.len() as u64;
        Ok((head, leaves))
    }

    pub(super) fn replace_key(&mut self, key: SigningKey) -> Result<(), LedgerError> {
        self.check_stopped()?;
        self.key = key;
        Ok(())
    }

    pub(super) fn keep_cosigned(&self, cosigned: &SignedCheckpoint) -> Result<(), LedgerError> {
        publish(&self.disk, COSIGNED, cosigned::encode(cosigned).as_bytes())
    }

    fn check_stopped(&self) -> Result<(), LedgerError> {
        match &self.stopped {
            Some(error) => Err(LedgerError::Stopped(error.clone())),
            None => Ok(()),
        }
    }

    const fn place(&self) -> Place {
        Place {
            segment: self.end.segment,
            offset: self.end.length,
        }
    }

    fn begin_segment(&mut self, first: u64) -> Result<(), LedgerError> {
        let path = path(first);
        let begun = publish(&self.disk, &path, &segment::header(first));
        let opened = begun.and_then(|()| Ok(self.disk.open_to_append(&path)?));
        match opened {
            Ok(file) => {
                self.file = file;
                self.end = End {
                    segment: first,
                    length: HEADER_LENGTH,
                };
                Ok(())
            }
            // With that file there, nothing more may go into the one before it.
            Err(LedgerError::Disk(error)) if !matches!(self.disk.exists(&path), Ok(false)) => {
                self.stopped = Some(error.clone());
                Err(LedgerError::Stopped(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes back what was written in part, and was synced by nobody.
    fn undo(&mut self, error: io::Error) -> LedgerError {
        match self.file.truncate(self.end.length) {
            Ok(()) => error.into(),
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, error: io::Error) -> LedgerError {
        let error = Arc::new(error);
        self.stopped = Some(error.clone());
        LedgerError::Stopped(error)
    }
}

/// Whether there is a ledger, other than one whose `create` did not end.
pub(super) fn exists(disk: &Disk) -> Result<bool, LedgerError> {
    if !disk.exists(LEDGER)? {
        return Ok(false);
    }
    let files = disk.list(LEDGER)?;
    if files
        .iter()
        .any(|name| format!("{LEDGER}/{name}") != path(0))
    {
        return Ok(true);
    }
    if files.is_empty() {
        return Ok(false);
    }
    // Without a checkpoint it holds the one record that it began with, or has lost it.
    let mut first = disk.open(&path(0))?;
    let Ok((mut segment, 0)) = Segment::open(&mut first) else {
        return Ok(true);
    };
    let records = [segment.next_frame(), segment.next_frame()];
    Ok(!matches!(records, [Ok(Some(_)), Ok(None)]))
}

/// Writes the first segment and the checkpoint over it.
pub(super) fn create(
    disk: &Disk,
    record: &[u8],
    head: &SignedCheckpoint,
) -> Result<(), LedgerError> {
    disk.create_directory(LEDGER)?;
    let mut bytes = segment::header(0);
    segment::write(record, true, &mut bytes).map_err(|_| LedgerError::Events)?;
    publish(disk, &path(0), &bytes)?;
    publish(disk, HEAD, head.to_string().as_bytes())
}

fn publish(disk: &Disk, path: &str, bytes: &[u8]) -> Result<(), LedgerError> {
    Ok(disk.publish(path, |file| file.write_all(bytes))?)
}
