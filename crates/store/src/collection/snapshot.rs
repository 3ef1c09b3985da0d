//! Reading a collection: its sources as one sorted stream, and what two of them differ by.

use std::cmp::Ordering;

use blindmatch_indicator::Day;

use super::{
    CollectionError, CollectionName, Collections, Contents, Source, SourceName, SourceRows,
};
use crate::merge::{Live, Rows, Union};
use crate::row::Row;
use crate::sealed::SealedError;

/// The rows of a collection on one day: every key once, ascending. It goes on reading what it was
/// opened for when an import replaces it meanwhile.
pub struct SnapshotRows(Union<Live<SourceRows>>);

impl Collections {
    /// Opens the rows of a collection in the state that `contents` names, as of `today`.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`]; a file or key that is not there any more was replaced since, or is
    /// lost.
    pub fn rows(&self, contents: &Contents, today: Day) -> Result<SnapshotRows, CollectionError> {
        let sources = contents
            .sources
            .values()
            .map(|source| {
                let rows = self.open_source(&contents.name, source)?;
                Ok(Live::new(rows, today))
            })
            .collect::<Result<_, CollectionError>>()?;
        Ok(SnapshotRows(Union::of_distinct(sources)))
    }

    /// Reads every file that `contents` names from its first byte to its last.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`] that names the first file that does not read, or whose key does not.
    pub fn verify(&self, contents: &Contents) -> Result<(), CollectionError> {
        let mut sources = contents.sources.values();
        sources.try_for_each(|source| self.verify_source(&contents.name, source))
    }

    /// The sources that do not read, or whose keys do not, and why.
    pub(super) fn damaged(
        &self,
        contents: &Contents,
    ) -> Result<Vec<(SourceName, CollectionError)>, CollectionError> {
        let mut damaged = Vec::new();
        for (name, source) in &contents.sources {
            match self.verify_source(&contents.name, source) {
                Err(error) if error.is_damage() => damaged.push((name.clone(), error)),
                verified => verified?,
            }
        }
        Ok(damaged)
    }

    fn verify_source(&self, name: &CollectionName, source: &Source) -> Result<(), CollectionError> {
        self.read_source(name, source, |mut sealed| {
            (0..sealed.blocks()).try_for_each(|number| sealed.block(number).map(|_| ()))
        })
    }
}

impl Rows for SnapshotRows {
    fn advance(&mut self) -> Result<bool, SealedError> {
        self.0.advance()
    }

    fn row(&self) -> Option<Row<'_>> {
        self.0.row()
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        self.0.advance_to(key)
    }
}

/// One difference between two states.
pub enum Change<'a> {
    /// Only the new state has it.
    Added(Row<'a>),
    /// Only the old state had it.
    Removed(Row<'a>),
    /// Both have it, and say something else about it.
    Changed {
        /// As it was.
        old: Row<'a>,
        /// As it is.
        new: Row<'a>,
    },
}

/// Hands every difference between two states to `visit`, ascending. Times of expiry and references
/// are nobody else's business, so they make none.
///
/// # Errors
///
/// A [`SealedError`]; what was handed out until then is right.
pub fn difference(
    old: &mut impl Rows,
    new: &mut impl Rows,
    visit: &mut dyn FnMut(Change<'_>),
) -> Result<(), SealedError> {
    let mut more = (old.advance()?, new.advance()?);
    loop {
        let order = match (old.row(), new.row()) {
            (None, None) => return Ok(()),
            (Some(row), None) => {
                visit(Change::Removed(row));
                Ordering::Less
            }
            (None, Some(row)) => {
                visit(Change::Added(row));
                Ordering::Greater
            }
            (Some(a), Some(b)) => {
                let order = a.key.cmp(b.key);
                match order {
                    Ordering::Less => visit(Change::Removed(a)),
                    Ordering::Greater => visit(Change::Added(b)),
                    Ordering::Equal if says(&a) != says(&b) => {
                        visit(Change::Changed { old: a, new: b });
                    }
                    Ordering::Equal => {}
                }
                order
            }
        };
        if more.0 && order.is_le() {
            more.0 = old.advance()?;
        }
        if more.1 && order.is_ge() {
            more.1 = new.advance()?;
        }
    }
}

/// What a peer could see of a row.
fn says(row: &Row<'_>) -> impl PartialEq {
    (row.fields, row.handle, row.origin)
}
