//! What a run asks for: the rows that were there when it began.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use blindmatch_psi::lookup::{Item, Items};

use super::{
    log::{Frames, LogError, Place},
    rows::{self, OwnedRow},
};
use crate::{disk::DiskFile, merge::Rows, row::Row, sealed::SealedError};

/// The rows that a run asks for, in order; as [`Items`] what a session asks with.
pub struct Asked {
    file: DiskFile,
    path: PathBuf,
    frames: Arc<Frames>,
    places: Arc<[Place]>,
    count: u64,
    /// The next frame to read.
    frame: usize,
    /// What is left of the one that was read.
    rows: VecDeque<OwnedRow>,
    row: Option<OwnedRow>,
    /// The place of the row that `advance` gives next.
    next: u64,
}

impl Asked {
    pub(super) const fn new(
        file: DiskFile,
        path: PathBuf,
        frames: Arc<Frames>,
        places: Arc<[Place]>,
        count: u64,
    ) -> Self {
        Self {
            file,
            path,
            frames,
            places,
            count,
            frame: 0,
            rows: VecDeque::new(),
            row: None,
            next: 0,
        }
    }

    /// Goes back to the beginning.
    pub fn rewind(&mut self) {
        self.frame = 0;
        self.rows.clear();
        self.row = None;
        self.next = 0;
    }

    fn read_frame(&mut self, place: &Place) -> Result<(), SealedError> {
        let damaged = || {
            let block = place.number;
            SealedError::Damaged { block }.in_file(self.path.clone())
        };
        let content = match self.frames.open(&mut self.file, place) {
            Ok(content) => content,
            Err(LogError::Disk(error)) => return Err(SealedError::Io(error)),
            Err(_) => return Err(damaged()),
        };
        let mut at = 0;
        while at < content.len() {
            let (row, end) = rows::read(&content, at).ok_or_else(damaged)?;
            self.rows.push_back(row);
            at = end;
        }
        Ok(())
    }
}

impl Rows for Asked {
    fn advance(&mut self) -> Result<bool, SealedError> {
        self.row = None;
        while self.rows.is_empty() {
            let Some(place) = self.places.get(self.frame).copied() else {
                return Ok(false);
            };
            self.frame += 1;
            self.read_frame(&place)?;
        }
        self.row = self.rows.pop_front();
        self.next += 1;
        Ok(true)
    }

    fn row(&self) -> Option<Row<'_>> {
        self.row.as_ref().map(OwnedRow::row)
    }
}

impl Items for Asked {
    fn count(&self) -> u64 {
        self.count
    }

    fn read(&mut self, first: u64, count: usize) -> Option<Vec<Item>> {
        if first < self.next {
            self.rewind();
        }
        while self.next < first {
            self.advance().ok().filter(|there| *there)?;
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            self.advance().ok().filter(|there| *there)?;
            items.push(Item::new(self.row()?.key.to_vec()));
        }
        Some(items)
    }
}
