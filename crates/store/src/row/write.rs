//! Writes rows into a sealed file.

use std::io::{self, Write};

use blindmatch_indicator::{Day, Label, LabelFields};
use zeroize::Zeroizing;

use super::Row;
use crate::sealed::{BLOCK, SealedWriter};

/// A row stands in one block; bits of its first byte, of which the highest is always set.
pub(super) const IS_ROW: u8 = 0x80;
pub(super) const GIVEN: u8 = 0x01;
pub(super) const DERIVED: u8 = 0x02;
pub(super) const FIELDS: u8 = 0x04;
pub(super) const HANDLE: u8 = 0x08;
pub(super) const REFERENCES: u8 = 0x10;
/// The key is as long as that of the row before.
pub(super) const SAME_LENGTH: u8 = 0x20;
/// `since` and `expires` are those of the row before.
pub(super) const SAME_DATES: u8 = 0x40;

/// The bytes at the end of a file: where the index begins.
pub(super) const TRAILER: usize = 8;
/// No row is as long: a URL, a handle, fields and all its references.
const ROW: usize = 20 << 10;
const SECONDS_A_DAY: i64 = 86_400;

/// Writes rows, which come in ascending order, into a sealed file.
pub struct RowWriter<W: Write> {
    sealed: SealedWriter<W>,
    /// The row before in the same block, as far as the next is coded against it.
    key: Zeroizing<Vec<u8>>,
    dates: (u32, u32),
    row: Zeroizing<Vec<u8>>,
    /// The first key of every block, as the index holds it.
    index: Zeroizing<Vec<u8>>,
    blocks: u64,
}

impl<W: Write> RowWriter<W> {
    /// Writes rows behind what `sealed` holds: nothing.
    #[must_use]
    pub fn new(sealed: SealedWriter<W>) -> Self {
        Self {
            sealed,
            key: Zeroizing::new(Vec::with_capacity(ROW)),
            dates: (0, 0),
            row: Zeroizing::new(Vec::with_capacity(ROW)),
            index: Zeroizing::default(),
            blocks: 0,
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn push(&mut self, row: &Row<'_>) -> io::Result<()> {
        let room = self.sealed.room();
        if room < BLOCK {
            self.encode(row);
            if self.row.len() <= room {
                return self.write(row);
            }
            pad(&mut self.sealed, room)?;
        }
        self.key.clear();
        self.dates = (0, 0);
        self.blocks += 1;
        write_number(&mut self.index, row.key.len());
        self.index.extend_from_slice(row.key);
        self.encode(row);
        self.write(row)
    }

    /// Writes the index and seals the last block; gives the sink.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn finish(mut self) -> io::Result<W> {
        let room = self.sealed.room();
        if room < BLOCK {
            pad(&mut self.sealed, room)?;
        }
        self.sealed.write_all(&self.index)?;
        let room = self.sealed.room();
        if room < TRAILER {
            pad(&mut self.sealed, room)?;
        }
        self.sealed.write_all(&self.blocks.to_be_bytes())?;
        self.sealed.finish()
    }

    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.sealed.write_all(&self.row)?;
        self.dates = dates(row);
        self.key.clear();
        self.key.extend_from_slice(row.key);
        Ok(())
    }

    fn encode(&mut self, row: &Row<'_>) {
        let out: &mut Vec<u8> = &mut self.row;
        out.clear();
        let same_length = row.key.len() == self.key.len();
        let same_dates = dates(row) == self.dates;
        out.push(head(row) | flag(same_length, SAME_LENGTH) | flag(same_dates, SAME_DATES));
        let shared = row
            .key
            .iter()
            .zip(self.key.iter())
            .take_while(|(a, b)| a == b)
            .count();
        write_number(out, shared);
        let (_, own) = row.key.split_at(shared);
        if !same_length {
            write_number(out, own.len());
        }
        out.extend_from_slice(own);
        write_attributes(out, row, !same_dates);
    }
}

const fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// The first byte of a row that is not coded against one before it.
pub(crate) fn head(row: &Row<'_>) -> u8 {
    IS_ROW
        | flag(row.origin.given, GIVEN)
        | flag(row.origin.derived, DERIVED)
        | flag(row.fields != LabelFields::default(), FIELDS)
        | flag(row.handle.is_some(), HANDLE)
        | flag(row.references.total > 0, REFERENCES)
}

/// All of a row but its first byte and its key.
pub(crate) fn write_attributes(out: &mut Vec<u8>, row: &Row<'_>, with_dates: bool) {
    if with_dates {
        let (since, expires) = dates(row);
        write_u32(out, since);
        write_u32(out, expires);
    }
    if row.fields != LabelFields::default() {
        let label = Label {
            handle: [0; 16],
            fields: row.fields,
        };
        let coded = label.encode();
        out.extend_from_slice(coded.split_at(16).1);
    }
    if let Some(handle) = &row.handle {
        out.extend_from_slice(handle);
    }
    if row.references.total > 0 {
        write_u32(out, row.references.total);
        write_number(out, row.references.encoded.len());
        out.extend_from_slice(row.references.encoded);
    }
}

/// `since`, and `expires` as a day counted from 1970-01-01, 0 for never.
fn dates(row: &Row<'_>) -> (u32, u32) {
    let day = |day: Day| u32::try_from(day.unix_seconds() / SECONDS_A_DAY).unwrap_or(0);
    (row.since, row.expires.map_or(0, day))
}

/// The day that `dates` coded.
pub(super) fn day(number: u32) -> Option<Day> {
    if number == 0 {
        return None;
    }
    Day::from_unix_seconds(i64::from(number) * SECONDS_A_DAY)
}

fn pad(sealed: &mut impl Write, length: usize) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), length as u64), sealed).map(drop)
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    // Lengths within one row or one block.
    write_u32(out, u32::try_from(number).unwrap_or(u32::MAX));
}

/// Seven bits a byte, the lowest first, the highest bit of a byte saying that more follow.
fn write_u32(out: &mut Vec<u8>, mut number: u32) {
    loop {
        let [.., low] = number.to_be_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}
