//! Sorted streams of rows, and several of them as one.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use blindmatch_indicator::{Day, IndicatorType, LabelFields};
use zeroize::Zeroizing;

use crate::row::{Gathered, Origin, Row, RowReader, merge_expiry, merge_fields};
use crate::sealed::SealedError;

/// Rows in ascending order of their keys, one at a time.
pub trait Rows {
    /// Goes to the next row, and tells whether there is one.
    ///
    /// # Errors
    ///
    /// A [`SealedError`]; there is no row then.
    fn advance(&mut self) -> Result<bool, SealedError>;

    /// The row to which it has come: none before the first `advance` and behind the last row.
    fn row(&self) -> Option<Row<'_>>;

    /// Goes forward to the first row whose key is `key` or greater, and tells whether there is one.
    ///
    /// # Errors
    ///
    /// A [`SealedError`]; there is no row then.
    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        if self.row().is_some_and(|row| row.key >= key) {
            return Ok(true);
        }
        while self.advance()? {
            if self.row().is_some_and(|row| row.key >= key) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<R: Read + Seek> Rows for RowReader<R> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        Self::advance(self)
    }

    fn row(&self) -> Option<Row<'_>> {
        Self::row(self)
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        Self::advance_to(self, key)
    }
}

impl<T: Rows + ?Sized> Rows for Box<T> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        (**self).advance()
    }

    fn row(&self) -> Option<Row<'_>> {
        (**self).row()
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        (**self).advance_to(key)
    }
}

/// The rows that are there on one day.
pub struct Live<C> {
    rows: C,
    today: Day,
}

impl<C: Rows> Live<C> {
    /// Those of `rows`, whose reader has not yet advanced.
    #[must_use]
    pub fn new(rows: C, today: Day) -> Self {
        Self { rows, today }
    }

    fn is_dead(&self) -> bool {
        self.rows.row().is_some_and(|row| !row.is_live(self.today))
    }
}

impl<C: Rows> Rows for Live<C> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        while self.rows.advance()? {
            if !self.is_dead() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn row(&self) -> Option<Row<'_>> {
        self.rows.row()
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        let found = self.rows.advance_to(key)?;
        if found && self.is_dead() {
            self.advance()
        } else {
            Ok(found)
        }
    }
}

/// Several streams as one in which every key comes once, with all that they say about it.
///
/// In a stream that feeds it a key may come several times in a row, with its references ascending.
pub struct Union<C> {
    streams: Vec<Stream<C>>,
    /// There is one stream, in which every key comes once: it passes as it is.
    passes: bool,
    /// Indices of the streams that have a row, the one with the smallest on top.
    heap: Vec<usize>,
    started: bool,
    is_row: bool,
    key: Zeroizing<Vec<u8>>,
    origin: Origin,
    fields: LabelFields,
    handle: Option<[u8; 16]>,
    since: u32,
    expires: Option<Day>,
    references: Gathered,
}

struct Stream<C> {
    rows: C,
    /// The beginning of the key it has come to, so that most comparisons read nothing else.
    prefix: u64,
}

/// The order of keys as far as 8 bytes tell it: seven of the key, zeros behind a shorter one, and
/// its length up to 8. Of equal prefixes below 8 the keys are equal.
pub(crate) fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let (head, length) = bytes.split_at_mut(7);
    head.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    length.fill(u8::try_from(key.len().min(8)).unwrap_or(8));
    u64::from_be_bytes(bytes)
}

/// Whether a key is no longer than its prefix shows.
pub(crate) fn is_short(prefix: u64) -> bool {
    prefix & 0xff < 8
}

impl<C: Rows> Union<C> {
    /// The union of `streams`, none of which has advanced yet.
    #[must_use]
    pub fn new(streams: Vec<C>) -> Self {
        let stream = |rows| Stream { rows, prefix: 0 };
        Self {
            streams: streams.into_iter().map(stream).collect(),
            passes: false,
            heap: Vec::new(),
            started: false,
            is_row: false,
            key: Zeroizing::new(Vec::with_capacity(256)),
            origin: Origin::default(),
            fields: LabelFields::default(),
            handle: None,
            since: 0,
            expires: None,
            references: Gathered::default(),
        }
    }

    /// The same of streams in each of which every key comes once.
    #[must_use]
    pub fn of_distinct(streams: Vec<C>) -> Self {
        let passes = streams.len() == 1;
        Self {
            passes,
            ..Self::new(streams)
        }
    }

    /// The stream that passes as it is.
    fn only(&mut self) -> Option<&mut C> {
        let only = self.streams.first_mut().filter(|_| self.passes);
        only.map(|stream| &mut stream.rows)
    }

    fn start(&mut self) -> Result<(), SealedError> {
        self.started = true;
        for at in 0..self.streams.len() {
            if self.step(at)? {
                self.heap.push(at);
            }
        }
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
        Ok(())
    }

    /// Advances one stream.
    fn step(&mut self, at: usize) -> Result<bool, SealedError> {
        let Some(stream) = self.streams.get_mut(at) else {
            return Ok(false);
        };
        let found = stream.rows.advance()?;
        stream.prefix = stream.rows.row().map_or(0, |row| prefix(row.key));
        Ok(found)
    }

    /// Advances the stream on top and gives it its new place.
    fn next(&mut self) -> Result<(), SealedError> {
        let Some(&top) = self.heap.first() else {
            return Ok(());
        };
        if !self.step(top)? {
            let last = self.heap.pop();
            if let (Some(last), Some(first)) = (last, self.heap.first_mut()) {
                *first = last;
            }
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            if self.is_less(left, least) {
                least = left;
            }
            if self.is_less(right, least) {
                least = right;
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    /// Whether the stream at one place of the heap comes before that at another.
    fn is_less(&self, a: usize, b: usize) -> bool {
        let stream = |at: usize| self.heap.get(at).and_then(|&at| self.streams.get(at));
        let (Some(a), Some(b)) = (stream(a), stream(b)) else {
            return false;
        };
        if a.prefix != b.prefix {
            return a.prefix < b.prefix;
        }
        let (Some(a), Some(b)) = (a.rows.row(), b.rows.row()) else {
            return false;
        };
        let references = || a.references.iter().next().cmp(&b.references.iter().next());
        a.key.cmp(b.key).then_with(references).is_lt()
    }
}

impl<C: Rows> Rows for Union<C> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        if let Some(only) = self.only() {
            return only.advance();
        }
        self.is_row = false;
        if !self.started {
            self.start()?;
        }
        let Some(&top) = self.heap.first() else {
            return Ok(false);
        };
        let Some(Stream { rows, prefix: head }) = self.streams.get(top) else {
            return Ok(false);
        };
        let Some(row) = rows.row() else {
            return Ok(false);
        };
        let head = *head;
        self.key.clear();
        self.key.extend_from_slice(row.key);
        self.origin = row.origin;
        self.fields = row.fields;
        self.handle = row.handle;
        self.since = row.since;
        self.expires = row.expires;
        self.references.set(row.references);
        self.next()?;
        while let Some(stream) = self.streams.get(*self.heap.first().unwrap_or(&usize::MAX)) {
            if stream.prefix != head {
                break;
            }
            let Some(row) = stream.rows.row() else {
                break;
            };
            if !is_short(head) && row.key != self.key.as_slice() {
                break;
            }
            self.origin = self.origin.merge(row.origin);
            self.fields = merge_fields(self.fields, row.fields);
            self.handle = self.handle.or(row.handle);
            self.since = match (self.since, row.since) {
                (0, since) | (since, 0) => since,
                (a, b) => a.min(b),
            };
            self.expires = merge_expiry(self.expires, row.expires);
            self.references.merge(row.references);
            self.next()?;
        }
        self.is_row = true;
        Ok(true)
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        if let Some(only) = self.only() {
            return only.advance_to(key);
        }
        if self.is_row && self.key.as_slice() >= key {
            return Ok(true);
        }
        self.started = true;
        self.heap.clear();
        for (at, stream) in self.streams.iter_mut().enumerate() {
            if stream.rows.advance_to(key)? {
                stream.prefix = stream.rows.row().map_or(0, |row| prefix(row.key));
                self.heap.push(at);
            }
        }
        for at in (0..self.heap.len() / 2).rev() {
            self.sift_down(at);
        }
        self.advance()
    }

    fn row(&self) -> Option<Row<'_>> {
        if self.passes {
            return self.streams.first()?.rows.row();
        }
        self.is_row.then(|| Row {
            key: &self.key,
            origin: self.origin,
            fields: self.fields,
            handle: self.handle,
            since: self.since,
            expires: self.expires,
            references: self.references.references(),
        })
    }
}

/// How many rows there are of each type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Values of the source.
    pub given: BTreeMap<IndicatorType, u64>,
    /// What follows from them.
    pub derived: BTreeMap<IndicatorType, u64>,
}

impl Counts {
    /// Values of the source, of all types together.
    #[must_use]
    pub fn given_total(&self) -> u64 {
        self.given.values().sum()
    }

    pub(crate) fn add(&mut self, row: &Row<'_>) {
        let Some(kind) = row.indicator_type() else {
            return;
        };
        if row.origin.given {
            *self.given.entry(kind).or_default() += 1;
        }
        if row.origin.derived {
            *self.derived.entry(kind).or_default() += 1;
        }
    }
}

/// Counts what goes by.
pub(crate) struct Counted<'c, C> {
    pub(crate) rows: C,
    pub(crate) counts: &'c mut Counts,
}

impl<C: Rows> Rows for Counted<'_, C> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        let found = self.rows.advance()?;
        if let Some(row) = self.rows.row() {
            self.counts.add(&row);
        }
        Ok(found)
    }

    fn row(&self) -> Option<Row<'_>> {
        self.rows.row()
    }
}

#[cfg(test)]
mod tests;
