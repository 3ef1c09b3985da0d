//! What a run stored, read back.

use std::{path::PathBuf, sync::Arc, vec};

use blindmatch_audit::receipt::SignedReceipt;
use blindmatch_psi::session::{Debit, Record, State};

use super::{
    error::RunError,
    log::{self, FrameKind, Frames, LogError, Next},
    run::log_error,
};
use crate::disk::DiskFile;

/// The records of a run, debits first, then that its setup is spent, up to the moment at which they
/// were asked for.
pub struct Records {
    debits: vec::IntoIter<Debit>,
    spent: Option<[u8; 32]>,
    /// What is left of a frame that holds several.
    joined: vec::IntoIter<Record>,
    file: DiskFile,
    frames: Arc<Frames>,
    at: u64,
    number: u64,
    length: u64,
    path: PathBuf,
}

impl Records {
    pub(super) fn new(
        debits: Vec<Debit>,
        spent: Option<[u8; 32]>,
        file: DiskFile,
        frames: Arc<Frames>,
        (at, number): (u64, u64),
        length: u64,
        path: PathBuf,
    ) -> Self {
        Self {
            debits: debits.into_iter(),
            spent,
            joined: Vec::new().into_iter(),
            file,
            frames,
            at,
            number,
            length,
            path,
        }
    }

    fn read(&mut self) -> Result<Option<Record>, LogError> {
        loop {
            if let Some(record) = self.joined.next() {
                return Ok(Some(record));
            }
            let next = self
                .frames
                .next(&mut self.file, self.length, self.at, self.number)?;
            let place = match next {
                Next::Frame(place) => place,
                Next::End => return Ok(None),
                // All of it was whole when the log was opened, or was written since.
                Next::Torn => return Err(LogError::Damaged { at: self.at }),
            };
            let damaged = LogError::Damaged { at: place.at };
            let content = self.frames.open(&mut self.file, &place)?;
            (self.at, self.number) = (place.behind(), self.number + 1);
            match place.kind {
                FrameKind::State => return Ok(Some(Record::State(State::from_bytes(content)))),
                FrameKind::Receipt => {
                    return match SignedReceipt::decode(&content) {
                        Ok(signed) => Ok(Some(Record::Receipt(Box::new(signed)))),
                        Err(_) => Err(damaged),
                    };
                }
                FrameKind::Several => match log::split(&content) {
                    Some(several) => self.joined = several.records.into_iter(),
                    None => return Err(damaged),
                },
                FrameKind::Found => {}
                FrameKind::Head | FrameKind::Asked | FrameKind::Begun | FrameKind::Setup => {
                    return Err(damaged);
                }
            }
        }
    }
}

impl Iterator for Records {
    type Item = Result<Record, RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(debit) = self.debits.next() {
            return Some(Ok(Record::Debit(debit)));
        }
        if let Some(setup) = self.spent.take() {
            return Some(Ok(Record::Spent { setup }));
        }
        let read = self.read();
        if read.is_err() {
            // Nothing behind damage is in any order.
            self.length = self.at;
        }
        let path = || self.path.clone();
        read.map_err(|error| log_error(error, path())).transpose()
    }
}
