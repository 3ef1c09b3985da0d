//! Opening: all of a ledger is read once, record by record, and held against its checkpoints
//! (`spec/43 §5.3`).

use std::io::{self, BufReader};

use blindmatch_audit::{
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint},
    note::{MAX_NOTE, NoteError, NoteKey},
    record::Event,
    replay::{Replay, ReplayError},
    tree,
};

use super::{
    COSIGNED, HEAD, LEDGER, LedgerError, cosigned,
    log::{Incarnation, Log, Lost, Tail, Torn},
    outline::{Outline, Place},
    segment::{Flaw, Frame, MAX_GROUP, Segment, SegmentError},
};
use crate::disk::{Disk, DiskFile};

/// Where the last segment ends behind its last whole group.
pub(super) struct End {
    pub(super) segment: u64,
    pub(super) length: u64,
}

/// Reads all of a ledger.
pub(super) fn scan(disk: &Disk, keys: &[NoteKey]) -> Result<(Log, Tail, End), LedgerError> {
    // The checkpoint first: a process that appends meanwhile only adds to what it covers.
    let head = read_head(disk)?;
    let head = head.ok_or(LedgerError::NoCheckpoint)?;
    let mut expected = vec![verified(&head, keys).map_err(LedgerError::Checkpoint)?];
    if let Some(cosigned) = cosigned::read(disk)? {
        expected.push(verified(&cosigned, keys).map_err(LedgerError::Cosigned)?);
    }
    let covered = expected.iter().map(|checkpoint| checkpoint.size).max();
    let mut scan = Scan {
        covered: covered.unwrap_or(0),
        replay: Replay::new(expected),
        outline: Outline::default(),
        time: 0,
        incarnations: Vec::new(),
        lost: Vec::new(),
        torn: None,
    };
    let segments = segments(disk)?;
    let mut end = End {
        segment: 0,
        length: 0,
    };
    for (number, first) in segments.iter().enumerate() {
        let last = number + 1 == segments.len();
        end = scan.segment(disk, *first, last)?;
    }
    let size = scan.size();
    scan.replay.finish().map_err(|error| missing(error, size))?;
    let log = Log {
        disk: disk.clone(),
        outline: scan.outline,
        time: scan.time,
        incarnations: scan.incarnations,
        lost: scan.lost,
        head,
    };
    let tail = Tail {
        uncovered: size - log.head.unverified().size.min(size),
        torn: scan.torn,
    };
    Ok((log, tail, end))
}

struct Scan {
    /// The size of the largest checkpoint.
    covered: u64,
    replay: Replay,
    outline: Outline,
    time: u64,
    incarnations: Vec<Incarnation>,
    lost: Vec<(u64, Lost)>,
    torn: Option<Torn>,
}

impl Scan {
    const fn size(&self) -> u64 {
        self.outline.tree().size()
    }

    fn segment(&mut self, disk: &Disk, first: u64, last: bool) -> Result<End, LedgerError> {
        if first > self.size() {
            let from = self.size();
            return Err(LedgerError::Missing { from, to: first });
        }
        if first < self.size() {
            return Err(LedgerError::Stray(path(first)));
        }
        let (mut segment, length) = open_segment(disk, first)?;
        loop {
            let offset = segment.offset();
            match next_group(&mut segment) {
                Ok(group) if group.is_empty() => break,
                Ok(group) => group
                    .into_iter()
                    .try_for_each(|frame| self.record(first, &frame))?,
                Err((nth, SegmentError::Damaged(at, flaw))) => {
                    let record = self.size();
                    if last && record >= self.covered {
                        self.torn = Some(Torn {
                            path: path(first),
                            offset,
                            bytes: length.saturating_sub(offset),
                            record,
                        });
                        return Ok(End {
                            segment: first,
                            length: offset,
                        });
                    }
                    let record = record + nth as u64;
                    return Err(damaged(first, at, record, flaw));
                }
                Err((_, SegmentError::Disk(error))) => return Err(error.into()),
            }
        }
        Ok(End {
            segment: first,
            length: segment.offset(),
        })
    }

    fn record(&mut self, segment: u64, frame: &Frame) -> Result<(), LedgerError> {
        let index = self.size();
        let damaged = |flaw| damaged(segment, frame.offset, index, flaw);
        let record = match self.replay.record(index, &frame.record) {
            Ok(record) => record,
            Err(ReplayError::Record(..)) => return Err(damaged(Flaw::Record)),
            Err(ReplayError::Time(_)) => return Err(damaged(Flaw::Time)),
            Err(ReplayError::Incarnation(_)) => return Err(damaged(Flaw::Incarnation)),
            Err(error) => return Err(missing(error, index)),
        };
        self.time = record.time;
        match record.event {
            Event::Incarnation { number, .. } => self.incarnations.push(Incarnation {
                number,
                record: index,
                time: record.time,
            }),
            Event::Lost {
                incarnation,
                size,
                root,
            } => self.lost.push((index, (incarnation, size, root))),
            _ => {}
        }
        let offset = frame.offset;
        let leaf = tree::leaf_hash(&frame.record);
        self.outline.append(leaf, Place { segment, offset });
        Ok(())
    }
}

/// The records of one group; none at the end of the segment. An error comes with the number of
/// whole records before it.
fn next_group(segment: &mut Segment<impl io::Read>) -> Result<Vec<Frame>, (usize, SegmentError)> {
    let mut group = Vec::new();
    loop {
        let at = segment.offset();
        let damaged = |flaw| SegmentError::Damaged(at, flaw);
        if group.len() == MAX_GROUP {
            return Err((group.len(), damaged(Flaw::Group)));
        }
        match segment.next_frame() {
            Ok(Some(frame)) => {
                let last = frame.last;
                group.push(frame);
                if last {
                    return Ok(group);
                }
            }
            Ok(None) if group.is_empty() => return Ok(group),
            Ok(None) => return Err((group.len(), damaged(Flaw::Truncated))),
            Err(error) => return Err((group.len(), error)),
        }
    }
}

/// Where the segment that begins with this record is.
pub(super) fn path(first: u64) -> String {
    format!("{LEDGER}/{first:016}.log")
}

/// The first records of all segments, ascending.
pub(super) fn segments(disk: &Disk) -> Result<Vec<u64>, LedgerError> {
    let mut firsts = Vec::new();
    for name in disk.list(LEDGER)? {
        let file = format!("{LEDGER}/{name}");
        if file == HEAD || file == COSIGNED {
            continue;
        }
        let first = name.strip_suffix(".log").and_then(|name| name.parse().ok());
        match first {
            Some(first) if path(first) == file => firsts.push(first),
            _ => return Err(LedgerError::Stray(file)),
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// Opens a segment and gives the length of its file too.
pub(super) fn open_segment(
    disk: &Disk,
    first: u64,
) -> Result<(Segment<BufReader<DiskFile>>, u64), LedgerError> {
    let file = disk.open(&path(first))?;
    let length = file.length()?;
    let reader = BufReader::with_capacity(1 << 16, file);
    let (segment, found) = Segment::open(reader).map_err(|e| at(first, first, e))?;
    if found == first {
        Ok((segment, length))
    } else {
        Err(damaged(first, 0, first, Flaw::Header))
    }
}

fn read_head(disk: &Disk) -> Result<Option<SignedCheckpoint>, LedgerError> {
    let too_long = CheckpointError::Note(NoteError::TooLong);
    let head = match disk.read(HEAD, MAX_NOTE as u64) {
        Ok(bytes) => SignedCheckpoint::parse(&bytes).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(too_long),
        Err(e) => return Err(e.into()),
    };
    head.map_err(LedgerError::Checkpoint)
}

/// The checkpoint, if one of the keys signed it. A key that is not the one is no reason to stop.
fn verified(
    checkpoint: &SignedCheckpoint,
    keys: &[NoteKey],
) -> Result<Checkpoint, CheckpointError> {
    let mut refused = CheckpointError::OtherLedger;
    for key in keys {
        match checkpoint.verify(key) {
            Ok(verified) => return Ok(verified.clone()),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn missing(error: ReplayError, size: u64) -> LedgerError {
    match error {
        ReplayError::Fork { from, to } => LedgerError::Fork { from, to },
        ReplayError::Unnamed { size, .. } => LedgerError::Fork { from: 0, to: size },
        ReplayError::Missing { from, to } => LedgerError::Missing { from, to },
        _ => LedgerError::NoSuchRecord(size),
    }
}

pub(super) fn at(first: u64, record: u64, error: SegmentError) -> LedgerError {
    match error {
        SegmentError::Disk(error) => error.into(),
        SegmentError::Damaged(offset, flaw) => damaged(first, offset, record, flaw),
    }
}

pub(super) fn damaged(first: u64, offset: u64, record: u64, flaw: Flaw) -> LedgerError {
    LedgerError::Damaged {
        path: path(first),
        offset,
        record,
        flaw,
    }
}
