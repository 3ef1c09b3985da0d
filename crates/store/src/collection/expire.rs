//! Rewriting a source without some of its rows: removal and expiry.

use std::io;

use blindmatch_indicator::Day;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::import::{Merge, day_of};
use super::{CollectionError, CollectionKind, CollectionName, Collections};
use crate::keys::FileKeys;
use crate::merge::{Live, Rows, Union};
use crate::row::{Origin, References, Row, RowReader, RowWriter, append};
use crate::sealed::{Kind, SealedError, SealedReader, SealedWriter};
use crate::sort::Sorter;

/// Gives the keys of the indicators that follow from the one with this key.
pub type Derive<'d> = dyn Fn(&[u8]) -> Vec<Zeroizing<Vec<u8>>> + 'd;

impl Collections {
    /// Destroys what has expired: each source that has an expired row is rewritten without it, and
    /// the key of the old file destroyed. Gives the number of values that are gone, those of each
    /// source counted. (Reading shows expired rows no more from the day on.)
    ///
    /// # Errors
    ///
    /// A [`CollectionError`]; sources that were rewritten until then stay so.
    pub fn expire(
        &self,
        name: &CollectionName,
        now: u64,
        derive: &Derive<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<u64, CollectionError> {
        let _occupied = self.occupy()?;
        let mut contents = self.contents(name)?;
        let today = day_of(now, &contents)?;
        let is_due = |expires: Option<Day>| expires.is_some_and(|day| day <= today);
        let due: Vec<_> = contents
            .sources
            .iter()
            .filter(|(_, source)| is_due(source.expires))
            .map(|(name, source)| (name.clone(), source.clone()))
            .collect();
        let mut expired = 0;
        for (source_name, source) in &due {
            let old = self.open_source(name, source)?;
            let mut rows = remaining(self, &mut Live::new(old, today), &mut Nothing, derive, rng)?;
            let merge = Merge {
                old: Some(self.open_source(name, source)?),
                others: Vec::new(),
                has_handles: contents.kind == CollectionKind::Abuse,
                number: contents.imports.saturating_add(1),
                payment_key: source.payment_key,
            };
            let written = merge.write(self, &mut rows, rng)?;
            let (had, has) = (source.counts.given_total(), written.counts.given_total());
            expired += had.saturating_sub(has);
            let discarded;
            (contents, discarded) =
                self.switch(contents, source_name, written, source.imported, rng)?;
            discarded?;
        }
        Ok(expired)
    }
}

/// The rows of `old` that are given and not in `without`, and what follows from them.
pub(super) fn remaining(
    collections: &Collections,
    old: &mut dyn Rows,
    without: &mut dyn Rows,
    derive: &Derive<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Union<Box<dyn Rows>>, SealedError> {
    let (id, key) = FileKeys::draw(rng);
    let mut kept = RowWriter::new(SealedWriter::new(
        collections.disk.aside()?,
        Kind::Run,
        id,
        &key,
    )?);
    let mut derived = collections.sorter(rng);
    while old.advance()? {
        let Some(row) = old.row().filter(|row| row.origin.given) else {
            continue;
        };
        without.advance_to(row.key)?;
        if without
            .row()
            .is_some_and(|other| other.origin.given && other.key == row.key)
        {
            continue;
        }
        let origin = Origin {
            given: true,
            derived: false,
        };
        kept.push(&Row { origin, ..row })?;
        for key in derive(row.key) {
            let origin = Origin {
                given: false,
                derived: true,
            };
            let row = Row {
                key: &key,
                origin,
                handle: None,
                since: 0,
                ..row
            };
            push_mentions(&mut derived, &row)?;
        }
    }
    // Whoever counts what was removed counts all of it.
    while without.advance()? {}
    let file = kept.finish()?;
    let kept = RowReader::new(SealedReader::open(file, Kind::Run, &key)?)?;
    let streams: Vec<Box<dyn Rows>> = vec![Box::new(kept), Box::new(derived.finish()?)];
    Ok(Union::new(streams))
}

/// Adds a row to a sort, once for each of its references.
pub(super) fn push_mentions(sorter: &mut Sorter, row: &Row<'_>) -> io::Result<()> {
    if row.references.total() == 0 {
        return sorter.push(row);
    }
    let mut encoded = Zeroizing::new(Vec::new());
    for reference in row.references.iter() {
        encoded.clear();
        append(&mut encoded, reference);
        sorter.push(&Row {
            references: References::one(&encoded),
            ..*row
        })?;
    }
    Ok(())
}

/// No rows.
struct Nothing;

impl Rows for Nothing {
    fn advance(&mut self) -> Result<bool, SealedError> {
        Ok(false)
    }

    fn row(&self) -> Option<Row<'_>> {
        None
    }
}
