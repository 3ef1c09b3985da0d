//! Today's lists held against what was imported before them.
//!
//! A list that is added later holds back nothing of what is there already. So whoever shows rows,
//! serves them or asks with them looks again.

use std::collections::BTreeMap;

use blindmatch_feeds::{Excluded, Exclusions};
use blindmatch_indicator::Canonicaliser;
use blindmatch_store::merge::Rows;
use blindmatch_store::row::Row;
use blindmatch_store::sealed::SealedError;

/// Why the indicator that is encoded as `key` is excluded; nothing where no list has it.
#[must_use]
pub fn reason_for<'e>(
    exclusions: &'e Exclusions,
    canonicaliser: &Canonicaliser,
    key: &[u8],
) -> Option<Excluded<'e>> {
    if exclusions.lists().is_empty() {
        return None;
    }
    exclusions.reason_for(&canonicaliser.decode(key)?)
}

/// How many of `rows` are excluded, by the name of the list and by the reason.
///
/// # Errors
///
/// A [`SealedError`].
pub fn count(
    rows: &mut impl Rows,
    exclusions: &Exclusions,
    canonicaliser: &Canonicaliser,
) -> Result<BTreeMap<(String, String), u64>, SealedError> {
    let mut counts = BTreeMap::new();
    if exclusions.lists().is_empty() {
        return Ok(counts);
    }
    while rows.advance()? {
        let excluded = rows
            .row()
            .and_then(|row| reason_for(exclusions, canonicaliser, row.key));
        if let Some(excluded) = excluded {
            let reason = (excluded.list.name.clone(), excluded.to_string());
            *counts.entry(reason).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Rows without those that are excluded: what is served and asked with.
pub struct Unexcluded<'e, R> {
    rows: R,
    exclusions: &'e Exclusions,
    canonicaliser: &'e Canonicaliser,
}

impl<'e, R: Rows> Unexcluded<'e, R> {
    /// Those of `rows`, whose reader has not yet advanced.
    #[must_use]
    pub const fn new(
        rows: R,
        exclusions: &'e Exclusions,
        canonicaliser: &'e Canonicaliser,
    ) -> Self {
        Self {
            rows,
            exclusions,
            canonicaliser,
        }
    }

    fn is_excluded(&self) -> bool {
        let Self {
            rows,
            exclusions,
            canonicaliser,
        } = self;
        rows.row()
            .is_some_and(|row| reason_for(exclusions, canonicaliser, row.key).is_some())
    }
}

impl<R: Rows> Rows for Unexcluded<'_, R> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        while self.rows.advance()? {
            if !self.is_excluded() {
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
        if found && self.is_excluded() {
            self.advance()
        } else {
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests;
