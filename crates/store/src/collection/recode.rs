//! Rewriting rows whose canonical form has a new version.

use std::collections::BTreeMap;

use blindmatch_indicator::IndicatorType;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::expire::push_mentions;
use super::import::{Merge, day_of};
use super::{CollectionError, CollectionKind, CollectionName, Collections, Derive};
use crate::merge::{Live, Rows};
use crate::row::{Origin, Row};

/// What becomes of a key.
pub enum Recoded {
    /// It is of the version in force.
    Current,
    /// It is this one now.
    Now(Zeroizing<Vec<u8>>),
    /// Its bytes do not say what it is now: only importing its source again helps.
    Lost,
}

/// Says what becomes of a key.
pub type Recode<'r> = dyn Fn(&[u8]) -> Recoded + 'r;

impl Collections {
    /// Brings a collection to the versions in force: each source that has an older row is rewritten.
    /// What [`Recoded::Lost`] names stays as it is; it is counted by type, for somebody to import
    /// it again.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`]; sources that were rewritten until then stay so.
    pub fn recode(
        &self,
        name: &CollectionName,
        now: u64,
        recode: &Recode<'_>,
        derive: &Derive<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<BTreeMap<IndicatorType, u64>, CollectionError> {
        let _occupied = self.occupy()?;
        let mut contents = self.contents(name)?;
        let today = day_of(now, &contents)?;
        let mut lost = BTreeMap::new();
        for (source_name, source) in contents.sources.clone() {
            let mut rows = Live::new(self.open_source(name, &source)?, today);
            let mut sorter = self.sorter(rng);
            let mut changed = false;
            while rows.advance()? {
                let Some(row) = rows.row().filter(|row| row.origin.given) else {
                    continue;
                };
                let recoded = recode(row.key);
                let key = match &recoded {
                    Recoded::Current => row.key,
                    Recoded::Now(key) => {
                        changed = true;
                        key
                    }
                    Recoded::Lost => {
                        if let Some(kind) = row.indicator_type() {
                            *lost.entry(kind).or_default() += 1;
                        }
                        row.key
                    }
                };
                let (given, derived) = (true, false);
                let row = Row {
                    key,
                    origin: Origin { given, derived },
                    ..row
                };
                push_mentions(&mut sorter, &row)?;
                for key in derive(row.key) {
                    let (given, derived) = (false, true);
                    let row = Row {
                        key: &key,
                        origin: Origin { given, derived },
                        handle: None,
                        since: 0,
                        ..row
                    };
                    push_mentions(&mut sorter, &row)?;
                }
            }
            if !changed {
                continue;
            }
            let merge = Merge {
                old: Some(self.open_source(name, &source)?),
                others: Vec::new(),
                has_handles: contents.kind == CollectionKind::Abuse,
                number: contents.imports.saturating_add(1),
                payment_key: source.payment_key,
            };
            let written = merge.write(self, &mut sorter.finish()?, rng)?;
            let discarded;
            (contents, discarded) =
                self.switch(contents, &source_name, written, source.imported, rng)?;
            discarded?;
        }
        Ok(lost)
    }
}
