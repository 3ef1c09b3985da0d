//! The rows beside the newest publication of a view: all that there were at one time, and those that
//! changed since (`spec/46 §7`).

use std::cmp::Ordering;

use blindmatch_indicator::LabelFields;

use super::{error::ViewError, folder::Folder, state::OwnRows};
use crate::{
    disk::{Aside, DiskFile},
    merge::Rows,
    row::{Origin, References, Row, RowReader, RowWriter},
    sealed::{BLOCK, SealedError},
};

/// What changed is written anew with all rows where it is longer than one in so many bytes of them.
const SHARE: u64 = 8;

/// Rows with what changed of them, ascending by their keys.
pub struct EpochRows {
    whole: Option<RowReader<DiskFile>>,
    /// One without a handle says that there is no such row any more.
    changed: Option<RowReader<DiskFile>>,
    /// Which of them stand at the row to which it has come, once it has come to one.
    at: Option<Side>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Whole,
    Changed,
    Both,
}

impl EpochRows {
    pub(super) fn open(folder: &Folder, rows: &OwnRows) -> Result<Self, ViewError> {
        let open = |id| Ok::<_, ViewError>(RowReader::new(folder.sealed(id)?)?);
        let changed = rows.changed.map(open).transpose()?;
        Ok(Self::new(Some(open(rows.whole)?), changed))
    }

    pub(super) const fn new(
        whole: Option<RowReader<DiskFile>>,
        changed: Option<RowReader<DiskFile>>,
    ) -> Self {
        Self {
            whole,
            changed,
            at: None,
        }
    }

    /// Goes to the next row, be it one that says that there is none.
    fn step(&mut self) -> Result<bool, SealedError> {
        let begins = self.at.is_none();
        let has_passed = |side| begins || self.at == Some(side) || self.at == Some(Side::Both);
        let (of_whole, of_changed) = (has_passed(Side::Whole), has_passed(Side::Changed));
        if let Some(whole) = self.whole.as_mut().filter(|_| of_whole) {
            whole.advance()?;
        }
        if let Some(changed) = self.changed.as_mut().filter(|_| of_changed) {
            changed.advance()?;
        }
        let whole = self.whole.as_ref().and_then(RowReader::row);
        let changed = self.changed.as_ref().and_then(RowReader::row);
        let side = match (whole, changed) {
            (_, None) => Side::Whole,
            (None, Some(_)) => Side::Changed,
            (Some(whole), Some(changed)) => match whole.key.cmp(changed.key) {
                Ordering::Less => Side::Whole,
                Ordering::Equal => Side::Both,
                Ordering::Greater => Side::Changed,
            },
        };
        self.at = Some(side);
        Ok(self.stands().is_some())
    }

    fn stands(&self) -> Option<Row<'_>> {
        let rows = match self.at? {
            Side::Whole => &self.whole,
            Side::Changed | Side::Both => &self.changed,
        };
        rows.as_ref()?.row()
    }
}

impl Rows for EpochRows {
    fn advance(&mut self) -> Result<bool, SealedError> {
        while self.step()? {
            if self.row().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn row(&self) -> Option<Row<'_>> {
        self.stands().filter(|row| row.handle.is_some())
    }
}

/// Writes what changed `before` and what changed now, of one row the latter, with the origin that `settle`
/// gives it: where it gives none, there is no such row any more.
pub(super) fn write_changed(
    before: Option<RowReader<DiskFile>>,
    now: RowReader<DiskFile>,
    settle: &mut dyn FnMut(&Row<'_>) -> Option<Origin>,
    to: &mut RowWriter<Aside>,
) -> Result<(), ViewError> {
    let mut rows = EpochRows::new(before, Some(now));
    while rows.step()? {
        let Some(row) = rows.stands() else {
            break;
        };
        let settled = match rows.at {
            Some(Side::Whole) => Some(row.origin),
            _ => settle(&row),
        };
        to.push(&settled.map_or_else(|| no_row(row.key), |origin| Row { origin, ..row }))?;
    }
    Ok(())
}

/// Writes all rows anew.
pub(super) fn write_whole(mut rows: EpochRows, to: &mut RowWriter<Aside>) -> Result<(), ViewError> {
    while rows.advance()? {
        if let Some(row) = rows.row() {
            to.push(&row)?;
        }
    }
    Ok(())
}

/// Whether there are so many bytes of changes that all rows are written anew.
pub(super) const fn are_many(changed: u64, whole: u64) -> bool {
    // Files are blocks: nothing is won where they are few.
    changed > whole / SHARE && changed > 2 * BLOCK as u64
}

/// What says that there is no row of this key any more.
#[must_use]
pub fn no_row(key: &[u8]) -> Row<'_> {
    Row {
        key,
        origin: Origin::default(),
        fields: LabelFields::default(),
        handle: None,
        since: 0,
        expires: None,
        references: References::default(),
    }
}
