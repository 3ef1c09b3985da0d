//! Changing one source of a collection: replace, append, remove (`spec/44-sealed.md` §5).

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU16;

use blindmatch_indicator::{Day, IndicatorType, LabelFields};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::contents::MAX_SOURCES;
use super::expire::{Derive, remaining};
use super::{
    BEGUN, CollectionError, CollectionKind, CollectionName, Collections, Contents, Occupied,
    PaymentKeyId, Source, SourceName, SourceRows, begun, current, directory, source_path,
};
use crate::disk::{Aside, Disk};
use crate::keys::{FileId, FileKeys, Key};
use crate::merge::{Counted, Counts, Live, Rows, Union};
use crate::row::{Origin, References, Row, RowWriter, append};
use crate::sealed::{Hashing, Kind, SealedError, SealedWriter};
use crate::sort::Sorter;

const SECONDS_A_DAY: i64 = 86_400;

/// What an import does to its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The source becomes what is imported.
    #[default]
    Replace,
    /// What is imported is added.
    Append,
    /// What is imported is taken out.
    Remove,
}

/// How long indicators stay, in days, by type; a type that is not named stays until its source is
/// replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ttl(pub BTreeMap<IndicatorType, NonZeroU16>);

/// What is to be imported where.
#[derive(Clone, Debug)]
pub struct ImportPlan {
    /// The collection, which is made where it is missing.
    pub collection: CollectionName,
    /// Its kind: where it is not said that of the collection, `customers` for a new one.
    pub kind: Option<CollectionKind>,
    /// The source.
    pub source: SourceName,
    /// What to do to it.
    pub mode: Mode,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// How long indicators stay from now on.
    pub ttl: Ttl,
    /// Whether a replacement may take more than 30 % from its source.
    pub allow_shrink: bool,
    /// Whether a replacement does without what it would read of damaged sources: handles, and what
    /// is new.
    pub discard_damaged: bool,
    /// Names the payment key under which the card numbers are hashed that are imported.
    pub payment_key: Option<PaymentKeyId>,
}

/// One indicator and what a row of a feed says about it.
#[derive(Clone, Copy)]
pub struct Mention<'a> {
    /// Type code ‖ canonicalisation version ‖ canonical bytes.
    pub key: &'a [u8],
    /// The coded fields.
    pub fields: LabelFields,
    /// The owner's own id; what is longer than 512 bytes is cut.
    pub reference: Option<&'a str>,
}

/// Says whether an indicator, by its key, is one that imports leave out.
pub type IsExcluded<'e> = dyn Fn(&[u8]) -> bool + 'e;

/// An import under way. Dropped unfinished, it has changed nothing.
pub struct Import<'c> {
    collections: &'c Collections,
    contents: Contents,
    plan: ImportPlan,
    today: Day,
    sorter: Sorter,
    reference: Zeroizing<Vec<u8>>,
    is_excluded: Option<&'c IsExcluded<'c>>,
    // In this order: whoever comes next finds it gone.
    _new: Option<New>,
    _occupied: Occupied,
}

/// The directory of a collection whose first import is under way: it goes where that changes
/// nothing.
struct New {
    disk: Disk,
    name: CollectionName,
}

impl Drop for New {
    fn drop(&mut self) {
        let Self { disk, name } = self;
        let directory = directory(name);
        let is_empty = disk
            .list(&directory)
            .is_ok_and(|files| files.iter().all(|file| file == BEGUN));
        // What cannot be removed now is no collection, and the next to open the home tries again.
        if is_empty && disk.remove(&begun(name)).is_ok() {
            let _ = disk.remove_directory(&directory);
        }
    }
}

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// Different indicators that were imported.
    pub counts: Counts,
    /// How many indicators the source has now that it did not have before.
    pub added: u64,
    /// How many it had before and has no more. Where what it had could not be read, all of that
    /// counts as removed and all that it has as added.
    pub removed: u64,
    /// What the replacement did without: damaged sources and what is wrong with them. Of the one
    /// that was replaced the values have new handles, except where another source gave them.
    pub discarded: Vec<(SourceName, CollectionError)>,
    /// The collection as it is now.
    pub contents: Contents,
    /// Why the file that was replaced is not destroyed yet. The next import tries again, and so
    /// does the next to open the home.
    pub left_behind: Option<CollectionError>,
}

/// Whether a source shrinks by more than 30 % when it goes from `before` values to `after`.
#[must_use]
pub fn shrinks(before: u64, after: u64) -> bool {
    u128::from(after) * 10 < u128::from(before) * 7
}

impl Ttl {
    /// The first day on which an indicator that comes in today is no longer there.
    #[must_use]
    pub fn expiry(&self, kind: IndicatorType, today: Day) -> Option<Day> {
        let days = self.0.get(&kind)?.get();
        Day::from_unix_seconds(today.unix_seconds() + i64::from(days) * SECONDS_A_DAY)
    }
}

impl Collections {
    /// Begins an import.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`]: the collection is of another kind, there is nothing to remove from,
    /// or an import was later than now.
    pub fn import(
        &self,
        plan: ImportPlan,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Import<'_>, CollectionError> {
        let occupied = self.occupy()?;
        self.sweep()?;
        let mut new = None;
        let contents = match self.contents(&plan.collection) {
            Err(CollectionError::Missing) if plan.mode != Mode::Remove => {
                let kind = plan.kind.unwrap_or_default();
                self.disk.create_directory(&directory(&plan.collection))?;
                new = Some(New {
                    disk: self.disk.clone(),
                    name: plan.collection.clone(),
                });
                let nothing = |_: &mut Aside| Ok::<_, io::Error>(());
                self.disk.publish(&begun(&plan.collection), nothing)?;
                Contents::empty(plan.collection.clone(), kind)
            }
            contents => contents?,
        };
        if plan.kind.is_some_and(|kind| kind != contents.kind) {
            return Err(CollectionError::Kind(contents.kind));
        }
        let has_source = contents.sources.contains_key(&plan.source);
        if plan.mode == Mode::Remove && !has_source {
            return Err(CollectionError::NoSource);
        }
        if (!has_source && contents.sources.len() >= MAX_SOURCES) || contents.imports == u32::MAX {
            return Err(CollectionError::Full);
        }
        Ok(Import {
            collections: self,
            today: day_of(plan.now, &contents)?,
            sorter: self.sorter(rng),
            contents,
            plan,
            reference: Zeroizing::new(Vec::with_capacity(1 << 10)),
            is_excluded: None,
            _new: new,
            _occupied: occupied,
        })
    }

    /// Switches one source to what was written, which is the moment at which an import has happened,
    /// and tells whether what it replaced could be destroyed.
    pub(super) fn switch(
        &self,
        mut contents: Contents,
        name: &SourceName,
        written: Written,
        now: u64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Contents, Result<(), CollectionError>), CollectionError> {
        let source = Source {
            digest: written.digest,
            id: written.id,
            imported: now,
            bytes: written.bytes,
            expires: written.expires,
            payment_key: written.payment_key,
            counts: written.counts,
        };
        let path = source_path(&contents.name, &source);
        self.disk.create_directory(&directory(&contents.name))?;
        let is_first = !self.disk.exists(&current(&contents.name))?;
        written.file.publish(&path)?;
        self.keys
            .keep(written.id, &written.key, rng)
            .map_err(|error| CollectionError::Key {
                file: self.disk.root().join(path),
                error,
            })?;
        contents.imports += 1;
        let old = contents.sources.insert(name.clone(), source);
        self.publish(&contents, rng)?;
        let discarded = match old {
            Some(old) => self.discard(&source_path(&contents.name, &old), old.id),
            None if is_first => {
                let removed = self.disk.remove(&begun(&contents.name));
                removed.map_err(CollectionError::Disk)
            }
            None => Ok(()),
        };
        Ok((contents, discarded))
    }
}

impl<'c> Import<'c> {
    /// The same, to which no value that is encoded so was to be handed: that the source had it is
    /// nothing that it loses.
    #[must_use]
    pub fn excluding(self, is_excluded: &'c IsExcluded<'c>) -> Self {
        Self {
            is_excluded: Some(is_excluded),
            ..self
        }
    }

    /// Adds a value of the source.
    ///
    /// # Errors
    ///
    /// [`CollectionError::PaymentKey`] of a card number that is hashed under another key than
    /// those of the source, and those of the disk.
    pub fn push(&mut self, mention: &Mention<'_>) -> Result<(), CollectionError> {
        let is_card = mention.key.first() == Some(&IndicatorType::Pan.code());
        if is_card && self.plan.mode != Mode::Replace {
            let source = self.contents.sources.get(&self.plan.source);
            let cards =
                source.filter(|source| source.counts.given.contains_key(&IndicatorType::Pan));
            if cards.is_some_and(|source| source.payment_key != self.plan.payment_key) {
                return Err(CollectionError::PaymentKey);
            }
        }
        let given = Origin {
            given: true,
            derived: false,
        };
        self.sort(mention, given, None)
    }

    /// Adds an indicator that follows from a value of type `from`: it stays no longer than that.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub fn push_derived(
        &mut self,
        mention: &Mention<'_>,
        from: IndicatorType,
    ) -> Result<(), CollectionError> {
        let derived = Origin {
            given: false,
            derived: true,
        };
        let ttl = &self.plan.ttl;
        let own = IndicatorType::from_code(*mention.key.first().unwrap_or(&0));
        let own = own.and_then(|own| ttl.expiry(own, self.today));
        let expires = match (ttl.expiry(from, self.today), own) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (from, _) => from,
        };
        self.sort(mention, derived, expires)
    }

    fn sort(
        &mut self,
        mention: &Mention<'_>,
        origin: Origin,
        expires: Option<Day>,
    ) -> Result<(), CollectionError> {
        self.reference.clear();
        if let Some(reference) = mention.reference {
            append(&mut self.reference, reference);
        }
        Ok(self.sorter.push(&Row {
            key: mention.key,
            origin,
            fields: mention.fields,
            handle: None,
            since: 0,
            expires,
            references: References::one(&self.reference),
        })?)
    }

    /// Merges what was imported with what is there and switches the collection to it: when this
    /// returns, it is durable. `derive` is asked for what follows from the values that a removal
    /// leaves.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`]; the collection is then as it was.
    pub fn finish(
        self,
        derive: &Derive<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Imported, CollectionError> {
        let Self {
            collections,
            contents,
            plan,
            today,
            sorter,
            is_excluded,
            ..
        } = self;
        let before = contents.sources.get(&plan.source);
        let open = |source| collections.open_source(&contents.name, source);
        let old = || before.map(open).transpose();
        let discarded = if plan.discard_damaged && plan.mode == Mode::Replace {
            collections.damaged(&contents)?
        } else {
            Vec::new()
        };
        let is_whole = |name: &SourceName| discarded.iter().all(|(damaged, _)| damaged != name);
        let mut counts = Counts::default();
        let imported = Counted {
            rows: sorter.finish()?,
            counts: &mut counts,
        };
        let mut rows: Box<dyn Rows> = match plan.mode {
            Mode::Replace => Box::new(Stamped::new(imported, &plan.ttl, today)),
            Mode::Append => {
                let mut streams: Vec<Box<dyn Rows>> =
                    vec![Box::new(Stamped::new(imported, &plan.ttl, today))];
                if let Some(old) = old()? {
                    streams.push(Box::new(Live::new(old, today)));
                }
                Box::new(Union::new(streams))
            }
            Mode::Remove => {
                let mut imported = imported;
                match old()? {
                    None => return Err(CollectionError::NoSource),
                    Some(old) => Box::new(remaining(
                        collections,
                        &mut Live::new(old, today),
                        &mut imported,
                        derive,
                        rng,
                    )?),
                }
            }
        };
        let others = contents
            .sources
            .iter()
            .filter(|(name, _)| contents.kind == CollectionKind::Abuse && **name != plan.source)
            .filter(|(name, _)| is_whole(name))
            .map(|(_, source)| open(source))
            .collect::<Result<_, _>>()?;
        let merge = Merge {
            old: if is_whole(&plan.source) { old()? } else { None },
            others,
            has_handles: contents.kind == CollectionKind::Abuse,
            number: contents.imports + 1,
            payment_key: match plan.mode {
                Mode::Replace => plan.payment_key,
                // What is added or taken out is hashed under the same.
                _ => before
                    .and_then(|source| source.payment_key)
                    .or(plan.payment_key),
            },
        };
        let written = merge.write(collections, &mut rows, rng)?;
        drop(rows);
        let had = before.map_or(0, |source| source.counts.given_total());
        let has = written.counts.given_total();
        if plan.mode == Mode::Replace && !plan.allow_shrink && shrinks(had, has) {
            let excluded = match (is_excluded, is_whole(&plan.source)) {
                (Some(is_excluded), true) => given_among(old()?, is_excluded)?,
                _ => 0,
            };
            let could_stay = had.saturating_sub(excluded);
            if shrinks(could_stay, has) {
                return Err(CollectionError::Shrinks {
                    before: could_stay,
                    after: has,
                });
            }
        }
        let (added, kept) = (has - written.kept, written.kept);
        let switched = collections.switch(contents, &plan.source, written, plan.now, rng);
        let (contents, destroyed) = switched?;
        Ok(Imported {
            counts,
            added,
            removed: had - kept.min(had),
            discarded,
            contents,
            left_behind: destroyed.err(),
        })
    }
}

/// The day of a moment, which the clock must have right to within a century, and not before the
/// newest import: what stays until a day would stay for longer, and snapshots be out of order.
pub(super) fn day_of(now: u64, contents: &Contents) -> Result<Day, CollectionError> {
    if let Some(newest) = contents.newest().filter(|newest| now < *newest) {
        return Err(CollectionError::Time { newest, now });
    }
    let moment = i64::try_from(now).ok();
    moment
        .and_then(Day::from_unix_seconds)
        .ok_or(CollectionError::Clock)
}

/// Gives rows that say nothing about it the expiry of their type.
struct Stamped<C> {
    rows: C,
    by_code: BTreeMap<u8, Day>,
}

impl<C> Stamped<C> {
    fn new(rows: C, ttl: &Ttl, today: Day) -> Self {
        let types = ttl.0.keys();
        let expiry = |&kind: &IndicatorType| Some((kind.code(), ttl.expiry(kind, today)?));
        Self {
            rows,
            by_code: types.filter_map(expiry).collect(),
        }
    }
}

impl<C: Rows> Rows for Stamped<C> {
    fn advance(&mut self) -> Result<bool, SealedError> {
        self.rows.advance()
    }

    fn row(&self) -> Option<Row<'_>> {
        let row = self.rows.row()?;
        let by_type = || self.by_code.get(row.key.first()?).copied();
        Some(Row {
            expires: row.expires.or_else(by_type),
            ..row
        })
    }
}

/// A new source being written.
pub(super) struct Merge {
    /// The source that it replaces: what was there keeps its handle and its number.
    pub(super) old: Option<SourceRows>,
    /// The other sources, whose handles it takes over.
    pub(super) others: Vec<SourceRows>,
    pub(super) has_handles: bool,
    pub(super) number: u32,
    /// Under which its card numbers are hashed, if it turns out to have any.
    pub(super) payment_key: Option<PaymentKeyId>,
}

/// A new source, written aside.
pub(super) struct Written {
    file: Aside,
    digest: [u8; 32],
    bytes: u64,
    id: FileId,
    key: Key,
    expires: Option<Day>,
    payment_key: Option<PaymentKeyId>,
    pub(super) counts: Counts,
    /// How many given rows were given before.
    pub(super) kept: u64,
}

impl Merge {
    pub(super) fn write(
        mut self,
        collections: &Collections,
        rows: &mut dyn Rows,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Written, CollectionError> {
        let (id, key) = FileKeys::draw(rng);
        let file = Hashing::new(collections.disk.aside()?);
        let mut writer = RowWriter::new(SealedWriter::new(file, Kind::Source, id, &key)?);
        let mut counts = Counts::default();
        let mut kept = 0;
        let mut expires: Option<Day> = None;
        while rows.advance()? {
            let Some(mut row) = rows.row() else {
                break;
            };
            let old = found(self.old.as_mut(), row.key)?;
            if let Some(old) = &old {
                row.handle = row.handle.or(old.handle);
                row.since = old.since;
                kept += u64::from(row.origin.given && old.origin.given);
            }
            if row.since == 0 {
                row.since = self.number;
            }
            if self.has_handles && row.handle.is_none() {
                row.handle = match self.handle_elsewhere(row.key)? {
                    None => {
                        let mut handle = [0; 16];
                        rng.fill_bytes(&mut handle);
                        Some(handle)
                    }
                    handle => handle,
                };
            }
            counts.add(&row);
            expires = match (expires, row.expires) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            writer.push(&row)?;
        }
        let (file, digest, bytes) = writer.finish()?.finish();
        let has_cards = counts.given.contains_key(&IndicatorType::Pan);
        Ok(Written {
            payment_key: self.payment_key.filter(|_| has_cards),
            file,
            digest,
            bytes,
            id,
            key,
            expires,
            counts,
            kept,
        })
    }

    fn handle_elsewhere(&mut self, key: &[u8]) -> Result<Option<[u8; 16]>, SealedError> {
        for other in &mut self.others {
            if let Some(row) = found(Some(other), key)? {
                return Ok(row.handle);
            }
        }
        Ok(None)
    }
}

/// How many given rows there are whose key is one of these.
fn given_among(rows: Option<SourceRows>, is_one: &IsExcluded<'_>) -> Result<u64, SealedError> {
    let Some(mut rows) = rows else {
        return Ok(0);
    };
    let mut count = 0;
    while rows.advance()? {
        let row = rows.row();
        count += u64::from(row.is_some_and(|row| row.origin.given && is_one(row.key)));
    }
    Ok(count)
}

/// The row with this key, going forward.
fn found<'r>(rows: Option<&'r mut SourceRows>, key: &[u8]) -> Result<Option<Row<'r>>, SealedError> {
    let Some(rows) = rows else {
        return Ok(None);
    };
    rows.advance_to(key)?;
    Ok(rows.row().filter(|row| row.key == key))
}
