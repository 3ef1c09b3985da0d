//! External sort: any number of rows in bounded memory (`spec/44-sealed.md` §3).
//!
//! Rows gather in a buffer; a full one is sorted beside the work of its owner and spilled as a
//! sealed run, under a key that is never stored and dies with the sort. At the end the runs are
//! merged. Rows of the same key become one.

use std::cmp::Ordering;
use std::io;
use std::thread::JoinHandle;

use blindmatch_indicator::LabelFields;
use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::disk::{Aside, Disk};
use crate::keys::{FileId, Key};
use crate::merge::{Rows, Union, is_short, prefix};
use crate::row::{Attributes, Bytes, Origin, Row, RowReader, RowWriter, head, write_attributes};
use crate::sealed::{Kind, SealedError, SealedReader, SealedWriter, file_key};

/// What a buffer takes by default, in bytes; at most three are held at a time.
pub const BUFFER: usize = 48 << 20;

/// Sorts rows.
pub struct Sorter {
    disk: Disk,
    key: Key,
    /// Ids of runs count up from a random one.
    next: u128,
    capacity: usize,
    buffer: Buffer,
    /// At most one buffer is being spilled.
    spilling: Option<JoinHandle<io::Result<Run>>>,
    runs: Vec<Run>,
}

/// A spilled run, removed when it is dropped.
struct Run {
    file: Aside,
    id: FileId,
}

/// What a sort gives out: every key once, ascending.
pub struct Sorted(Union<Box<dyn Rows + Send>>);

impl Sorter {
    /// A sort that spills to `disk` whenever a buffer of `capacity` bytes is full.
    #[must_use]
    pub fn new(disk: Disk, rng: &mut (impl CryptoRng + ?Sized), capacity: usize) -> Self {
        let mut key = Key::default();
        rng.fill_bytes(key.as_mut_slice());
        Self {
            disk,
            key,
            next: u128::from_be_bytes(FileId::random(rng).0),
            capacity,
            buffer: Buffer::new(capacity),
            spilling: None,
            runs: Vec::new(),
        }
    }

    /// Adds a row. It has at most one reference: what has several is several rows.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn push(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.buffer.push(row);
        if self.buffer.size() >= self.capacity {
            self.spill()?;
        }
        Ok(())
    }

    /// Ends the input.
    ///
    /// # Errors
    ///
    /// A [`SealedError`].
    pub fn finish(mut self) -> Result<Sorted, SealedError> {
        let mut buffer = std::mem::replace(&mut self.buffer, Buffer::new(0));
        buffer.sort();
        self.wait()?;
        let mut streams: Vec<Box<dyn Rows + Send>> = vec![Box::new(SortedBuffer::new(buffer))];
        for Run { file, id } in self.runs.drain(..) {
            let sealed = SealedReader::open(file, Kind::Run, &file_key(&self.key, id))?;
            streams.push(Box::new(RowReader::new(sealed)?));
        }
        Ok(Sorted(Union::new(streams)))
    }

    fn spill(&mut self) -> io::Result<()> {
        self.wait()?;
        self.next = self.next.wrapping_add(1);
        let id = FileId(self.next.to_be_bytes());
        let key = file_key(&self.key, id);
        let disk = self.disk.clone();
        let mut buffer = std::mem::replace(&mut self.buffer, Buffer::new(self.capacity));
        let spill = move || {
            buffer.sort();
            let sealed = SealedWriter::new(disk.aside()?, Kind::Run, id, &key)?;
            let mut run = RowWriter::new(sealed);
            let mut rows = SortedBuffer::new(buffer);
            while rows.advance()? {
                if let Some(row) = rows.row() {
                    run.push(&row)?;
                }
            }
            let file = run.finish()?;
            Ok(Run { file, id })
        };
        self.spilling = Some(std::thread::Builder::new().spawn(spill)?);
        Ok(())
    }

    fn wait(&mut self) -> io::Result<()> {
        let Some(spilling) = self.spilling.take() else {
            return Ok(());
        };
        let run = spilling
            .join()
            .map_err(|_| io::Error::other("a thread of the sort ended early"))?;
        self.runs.push(run?);
        Ok(())
    }
}

impl Drop for Sorter {
    /// Waits, so that a run is not removed from under the feet of its thread.
    fn drop(&mut self) {
        let _ = self.wait();
    }
}

impl Rows for Sorted {
    fn advance(&mut self) -> Result<bool, SealedError> {
        self.0.advance()
    }

    fn row(&self) -> Option<Row<'_>> {
        self.0.row()
    }
}

/// One row of a buffer. A row of up to seven bytes of key that says nothing else stands in the
/// entry as a whole.
#[derive(Clone, Copy)]
struct Entry {
    prefix: u64,
    /// Where in the arena the row stands, or that it does not.
    at: u32,
}

/// No row stands there: the entry is the row, given or derived.
const GIVEN: u32 = u32::MAX;
const DERIVED: u32 = u32::MAX - 1;

/// Rows in no order; wiped on drop, as far as there are any: neither part ever gets shorter.
struct Buffer {
    entries: Vec<Entry>,
    arena: Vec<u8>,
}

impl Buffer {
    fn new(capacity: usize) -> Self {
        Self {
            // Untouched pages of either cost nothing.
            entries: Vec::with_capacity(capacity.div_ceil(size_of::<Entry>())),
            arena: Vec::with_capacity(capacity.saturating_add(32 << 10)),
        }
    }

    fn size(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.arena.len()
    }

    fn push(&mut self, row: &Row<'_>) {
        let prefix = prefix(row.key);
        let is_plain = is_short(prefix)
            && row.fields == LabelFields::default()
            && row.handle.is_none()
            && row.since == 0
            && row.expires.is_none()
            && row.references.total() == 0;
        let at = match row.origin {
            Origin {
                given: true,
                derived: false,
            } if is_plain => GIVEN,
            Origin {
                given: false,
                derived: true,
            } if is_plain => DERIVED,
            _ => self.store(row),
        };
        self.entries.push(Entry { prefix, at });
    }

    /// Two bytes of length, the key, and what else the row says.
    fn store(&mut self, row: &Row<'_>) -> u32 {
        // Buffers are far below 4 GiB, and keys below 64 KiB.
        let at = u32::try_from(self.arena.len()).unwrap_or(0);
        let length = u16::try_from(row.key.len()).unwrap_or(u16::MAX);
        self.arena.extend_from_slice(&length.to_be_bytes());
        self.arena.extend_from_slice(row.key);
        self.arena.push(head(row));
        write_attributes(&mut self.arena, row, true);
        at
    }

    fn sort(&mut self) {
        let arena: &[u8] = &self.arena;
        self.entries
            .par_sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| tie(arena, *a, *b)));
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.entries.iter_mut().for_each(|entry| {
            entry.prefix.zeroize();
        });
        self.arena.as_mut_slice().zeroize();
    }
}

/// The order of two rows whose prefixes are equal.
fn tie(arena: &[u8], a: Entry, b: Entry) -> Ordering {
    if is_short(a.prefix) && a.at >= DERIVED && b.at >= DERIVED {
        return Ordering::Equal;
    }
    let keys = if is_short(a.prefix) {
        Ordering::Equal
    } else {
        stored_key(arena, a.at).cmp(stored_key(arena, b.at))
    };
    keys.then_with(|| {
        let a = stored_attributes(arena, a.at);
        let b = stored_attributes(arena, b.at);
        let (a, b) = (a.row(&[], arena), b.row(&[], arena));
        a.references.iter().next().cmp(&b.references.iter().next())
    })
}

fn stored_key(arena: &[u8], at: u32) -> &[u8] {
    stored(arena, at).map_or(&[], |(key, _)| key)
}

/// What an entry says besides its key.
fn stored_attributes(arena: &[u8], at: u32) -> Attributes {
    let Some((_, behind)) = stored(arena, at) else {
        return Attributes::default();
    };
    let mut rest = Bytes {
        block: arena,
        at: behind + 1,
        number: 0,
    };
    let head = arena.get(behind).copied().unwrap_or_default();
    Attributes::read(head, &mut rest, (0, 0)).unwrap_or_default()
}

/// The key of a row in the arena, and where what else it says begins; nothing where the row does
/// not stand there.
fn stored(arena: &[u8], at: u32) -> Option<(&[u8], usize)> {
    let at = usize::try_from(at).ok()?;
    let (length, rest) = arena.get(at..)?.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    Some((rest.get(..length)?, at + 2 + length))
}

/// The rows of a buffer that was sorted.
struct SortedBuffer {
    buffer: Buffer,
    next: usize,
    /// The entry that is the row now.
    entry: Option<Entry>,
    short: [u8; 8],
    attributes: Attributes,
}

impl SortedBuffer {
    fn new(buffer: Buffer) -> Self {
        Self {
            buffer,
            next: 0,
            entry: None,
            short: [0; 8],
            attributes: Attributes::default(),
        }
    }
}

impl Rows for SortedBuffer {
    fn advance(&mut self) -> Result<bool, SealedError> {
        loop {
            let entry = self.buffer.entries.get(self.next).copied();
            self.next += 1;
            // Plain rows that come again say nothing new.
            let again = entry
                .zip(self.entry)
                .is_some_and(|(a, b)| a.at >= DERIVED && a.at == b.at && a.prefix == b.prefix);
            if again {
                continue;
            }
            self.entry = entry;
            let Some(entry) = entry else {
                return Ok(false);
            };
            self.short = entry.prefix.to_be_bytes();
            self.attributes = match entry.at {
                GIVEN | DERIVED => Attributes::of_origin(Origin {
                    given: entry.at == GIVEN,
                    derived: entry.at == DERIVED,
                }),
                at => stored_attributes(&self.buffer.arena, at),
            };
            return Ok(true);
        }
    }

    fn row(&self) -> Option<Row<'_>> {
        let entry = self.entry?;
        let arena: &[u8] = &self.buffer.arena;
        let key = if is_short(entry.prefix) {
            let [key @ .., length] = &self.short;
            key.get(..usize::from(*length)).unwrap_or_default()
        } else {
            stored_key(arena, entry.at)
        };
        Some(self.attributes.row(key, arena))
    }
}

#[cfg(test)]
mod tests;
