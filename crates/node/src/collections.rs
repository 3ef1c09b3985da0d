//! What a node holds, and how it is taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use blindmatch_feeds::Exclusions;
use blindmatch_indicator::{Canonicaliser, Day, Indicator, IndicatorType, PaymentKey};
use blindmatch_membership::Role;
use blindmatch_policy::{Lacks, Policy};
use blindmatch_store::collection::{
    CollectionError, CollectionKind, CollectionName, Collections, Contents, ImportPlan, Mode,
    SourceName, Ttl,
};
use blindmatch_store::keys::FileId;
use blindmatch_store::ledger::Log;
use blindmatch_store::merge::Rows;
use blindmatch_store::runs;
use blindmatch_store::views::Views;

use crate::error::Error;
use crate::exclusions::today;
use crate::import::derived;
use crate::ledger::check_clock;
use crate::node::Node;
use crate::payment::PaymentKeyId;
use crate::recorded::newest_first;

/// After so many seconds in which a node did nothing, its clock is believed only on the operator's
/// word: 30 days.
pub const PAUSE: u64 = 30 * 86_400;

/// What is to be imported where, as the operator says it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The collection.
    pub collection: CollectionName,
    /// The kind of a new one.
    pub kind: Option<CollectionKind>,
    /// The source.
    pub source: SourceName,
    /// What to do to it.
    pub mode: Mode,
    /// Whether it may shrink by more than 30 %.
    pub allow_shrink: bool,
    /// Whether it is replaced although it is damaged.
    pub discard_damaged: bool,
}

/// What an expiry did.
#[derive(Debug, Default)]
pub struct Expired {
    /// How many values are gone.
    pub values: u64,
    /// The collections in which something is damaged, so that not all could be destroyed.
    pub left: Vec<Error>,
}

impl Expired {
    fn leave(&mut self, name: CollectionName, error: CollectionError) -> Result<(), Error> {
        let is_damage = error.is_damage();
        let error = Error::Collection(name, error);
        if !is_damage {
            return Err(error);
        }
        self.left.push(error);
        Ok(())
    }
}

impl Node {
    /// All collections as they are now, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`], [`Error::Collection`].
    pub fn contents(&self) -> Result<Vec<Contents>, Error> {
        let collections = self.collections()?;
        let names = collections.names()?;
        let contents = names.into_iter().map(|name| contents(&collections, name));
        contents.collect()
    }

    /// All collections as they are now, by name, and what is wrong with those that do not read.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`], [`Error::Collection`] of the disk.
    pub fn readable_contents(&self) -> Result<(Vec<Contents>, Vec<Error>), Error> {
        let collections = self.collections()?;
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for name in collections.names()? {
            match collections.contents(&name) {
                Ok(contents) => whole.push(contents),
                Err(error) if error.is_damage() => damaged.push(Error::Collection(name, error)),
                Err(error) => return Err(Error::Collection(name, error)),
            }
        }
        Ok((whole, damaged))
    }

    /// Destroys a collection, whether or not it reads: the keys of its files first.
    ///
    /// # Errors
    ///
    /// [`Error::Collections`], [`Error::Collection`].
    pub fn remove_collection(&self, name: &CollectionName) -> Result<(), Error> {
        let removed = self.collections()?.remove(name);
        removed.map_err(|error| Error::Collection(name.clone(), error))
    }

    /// How many values a collection has today, those that several sources have counted once. Reads
    /// all rows where the list alone does not say it: of several sources, or one with expired rows.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn count_values(
        &self,
        collections: &Collections,
        contents: &Contents,
    ) -> Result<u64, Error> {
        let now = self.now();
        let sources: Vec<_> = contents.sources.values().collect();
        if let ([] | [_], false) = (sources.as_slice(), contents.is_due(now)) {
            return Ok(sources
                .iter()
                .map(|source| source.counts.given_total())
                .sum());
        }
        let count = || {
            let today = i64::try_from(now).ok().and_then(Day::from_unix_seconds);
            let mut rows = collections.rows(contents, today.ok_or(CollectionError::Clock)?)?;
            let mut count = 0;
            while rows.advance()? {
                count += u64::from(rows.row().is_some_and(|row| row.origin.given));
            }
            Ok(count)
        };
        count().map_err(|error| Error::Collection(contents.name.clone(), error))
    }

    /// The names of all file keys that open something of this home; nothing where the list of a
    /// collection does not read, so that nobody knows.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`], [`Error::View`], [`Error::Run`], of the disk.
    pub fn file_keys_in_use(&self) -> Result<Option<BTreeSet<FileId>>, Error> {
        self.used_by(|_, _| Ok(None))
    }

    /// How many keys of files open nothing that is here: what they open was moved away, or is lost, since
    /// a file is there before its key is, and as long. Of a collection whose list does not read they open
    /// what its files say.
    ///
    /// # Errors
    ///
    /// As [`file_keys_in_use`](Self::file_keys_in_use), and those of the keys.
    pub fn files_gone(&self) -> Result<usize, Error> {
        let keys = self.home().file_keys();
        let ids = keys.list();
        let ids = ids.map_err(|error| Error::Key("files".to_owned(), error))?;
        // Read later than the keys were listed, so that what came in between counts as used.
        let used = self.used_by(|collections, name| {
            let claimed = collections.claimed_keys(name);
            claimed
                .map(Some)
                .map_err(|error| Error::Collection(name.clone(), error))
        })?;
        let used = used.unwrap_or_default();
        // And what was destroyed in between has no key any more.
        let is_gone = |id: &&FileId| !used.contains(id) && keys.load(**id).is_ok();
        Ok(ids.iter().filter(is_gone).count())
    }

    /// The names of the keys that open something; `damaged` says those of a collection whose list does not
    /// read, or that nobody knows.
    fn used_by(
        &self,
        damaged: impl Fn(&Collections, &CollectionName) -> Result<Option<BTreeSet<FileId>>, Error>,
    ) -> Result<Option<BTreeSet<FileId>>, Error> {
        let collections = self.collections()?;
        let mut used = BTreeSet::new();
        for name in collections.names()? {
            match collections.contents(&name) {
                Ok(contents) => used.extend(contents.sources.values().map(|source| source.id)),
                Err(error) if error.is_damage() => match damaged(&collections, &name)? {
                    Some(ids) => used.extend(ids),
                    None => return Ok(None),
                },
                Err(error) => return Err(Error::Collection(name, error)),
            }
        }
        used.extend(Views::key_ids(self.home())?);
        used.extend(runs::key_ids(self.home())?);
        used.extend(runs::setup_key_ids(self.home())?);
        used.extend(runs::entry_key_ids(self.home())?);
        Ok(Some(used))
    }

    /// `canonicaliser` with this node's payment key, where it has one.
    ///
    /// # Errors
    ///
    /// [`Error::Key`].
    pub fn with_payment_key(&self, canonicaliser: Canonicaliser) -> Result<Canonicaliser, Error> {
        Ok(match self.payment_key()? {
            Some(key) => canonicaliser.with_payment_key(PaymentKey::new(key.as_bytes())),
            None => canonicaliser,
        })
    }

    /// The plan of an import that begins now. A liaison has none.
    ///
    /// # Errors
    ///
    /// [`Error::Liaison`], [`Error::Key`].
    pub fn import_plan(&self, wanted: Wanted) -> Result<ImportPlan, Error> {
        if self.config().node.role == Role::Liaison {
            return Err(Error::Liaison);
        }
        Ok(ImportPlan {
            collection: wanted.collection,
            kind: wanted.kind,
            source: wanted.source,
            mode: wanted.mode,
            now: self.now(),
            ttl: self.ttl(),
            allow_shrink: wanted.allow_shrink,
            discard_damaged: wanted.discard_damaged,
            payment_key: self.payment_key()?.map(|key| *key.id().as_bytes()),
        })
    }

    /// What comes before an import: its clock is held against what the node did, and what has
    /// expired is destroyed ([`expire`](Self::expire)).
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`] where the clock is behind, [`Error::Pause`] where it is far ahead,
    /// [`Error::FilesGone`] where the collection would be a new one and another may have been moved away,
    /// those of reading; then nothing should be imported.
    pub fn before_import(
        &self,
        collections: &Collections,
        canonicaliser: &Canonicaliser,
        exclusions: &Exclusions,
        plan: &ImportPlan,
        after_pause: bool,
    ) -> Result<Expired, Error> {
        self.hold_first_import(collections, plan, after_pause)?;
        self.expire(
            collections,
            canonicaliser,
            exclusions,
            plan.now,
            after_pause,
        )
    }

    /// Holds the clock of a first import against all that the node did. (The store holds every
    /// later one against those before it in its collection.) A clock that is behind would let the
    /// rows expire too early, one that is ahead would refuse every later import.
    fn hold_first_import(
        &self,
        collections: &Collections,
        plan: &ImportPlan,
        after_pause: bool,
    ) -> Result<(), Error> {
        let now = plan.now;
        match collections.contents(&plan.collection) {
            // Where the ledger is ahead too, a new collection would be refused like this one.
            Ok(contents) if contents.newest().is_some_and(|newest| newest > now) => {
                return check_clock(&self.log()?.0, now);
            }
            Err(CollectionError::Missing) => {}
            _ => return Ok(()),
        }
        // It may be here under another name, or elsewhere, and would be made anew beside itself.
        match self.files_gone()? {
            0 => {}
            gone => return Err(Error::FilesGone(gone)),
        }
        let (log, _) = self.log()?;
        check_clock(&log, now)?;
        let mut newest = 0;
        for name in collections.names()? {
            match collections.contents(&name) {
                Ok(contents) => newest = newest.max(contents.newest().unwrap_or(0)),
                // It may be the one that is meant, under another name.
                Err(error) if plan.mode == Mode::Append => {
                    return Err(Error::Collection(name, error));
                }
                // What cannot be read vouches for no time.
                Err(_) => {}
            }
        }
        match pause(&log, newest, now)?.filter(|_| !after_pause) {
            Some(newest) => Err(Error::Pause { newest, now }),
            None => Ok(()),
        }
    }

    /// Destroys what has expired by `now`, in every collection. What is damaged is left as it is,
    /// and does not keep the others from it.
    ///
    /// What is destroyed does not come back, and a clock that is ahead would destroy all. So where
    /// something has expired, and within the last [`PAUSE`] the node has gone on after one as long, in
    /// which it neither imported nor recorded, it asks first: `after_pause` is the operator's word that
    /// the clock is right. What was recorded since by the same clock says nothing for it.
    ///
    /// # Errors
    ///
    /// [`Error::Pause`]: then nothing is destroyed, and nothing should be imported by that clock
    /// either, as it would vouch for it the next time. [`Error::Collection`], [`Error::Ledger`].
    pub fn expire(
        &self,
        collections: &Collections,
        canonicaliser: &Canonicaliser,
        exclusions: &Exclusions,
        now: u64,
        after_pause: bool,
    ) -> Result<Expired, Error> {
        let mut expired = Expired::default();
        let mut newest = 0;
        let mut due = Vec::new();
        for name in collections.names()? {
            match collections.contents(&name) {
                Ok(contents) => {
                    newest = newest.max(contents.newest().unwrap_or(0));
                    if contents.is_due(now) {
                        due.push(name);
                    }
                }
                Err(error) => expired.leave(name, error)?,
            }
        }
        if !after_pause
            && !due.is_empty()
            && is_pause(newest, now)
            && let Some(newest) = pause(&self.log()?.0, newest, now)?
        {
            return Err(Error::Pause { newest, now });
        }
        let holds_back = |indicator: &Indicator| exclusions.reason_for(indicator).is_some();
        let derive = |encoded: &[u8]| derived(canonicaliser, &holds_back, encoded);
        for name in due {
            match collections.expire(&name, now, &derive, &mut rand::rng()) {
                Ok(gone) => expired.values += gone,
                Err(error) => expired.leave(name, error)?,
            }
        }
        Ok(expired)
    }

    /// Whether the clock has gone on after a pause too long to believe it, within as long, by what the
    /// ledger recorded.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`].
    pub fn is_after_pause(&self, log: &Log) -> Result<bool, Error> {
        Ok(pause(log, 0, self.now())?.is_some())
    }

    /// How many rows of a collection today's lists exclude, by list and reason: what was imported
    /// before them.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`], and those of the lists.
    pub fn excluded(
        &self,
        collections: &Collections,
        contents: &Contents,
        canonicaliser: &Canonicaliser,
    ) -> Result<BTreeMap<(String, String), u64>, Error> {
        let exclusions = self.exclusions(canonicaliser)?;
        if exclusions.lists().is_empty() {
            return Ok(BTreeMap::new());
        }
        let now = i64::try_from(self.now()).ok();
        let failed = |error| Error::Collection(contents.name.clone(), error);
        let today = now.and_then(Day::from_unix_seconds);
        let today = today.ok_or_else(|| failed(CollectionError::Clock))?;
        let mut rows = collections.rows(contents, today).map_err(failed)?;
        let counts = today::count(&mut rows, &exclusions, canonicaliser);
        counts.map_err(|error| failed(error.into()))
    }

    /// How many rows of an abuse collection a policy holds back, by type and by what they lack. Another
    /// collection may have what one lacks here: a view goes by all of them together.
    ///
    /// # Errors
    ///
    /// [`Error::Collection`].
    pub fn held_back(
        &self,
        collections: &Collections,
        contents: &Contents,
        policy: &Policy,
    ) -> Result<BTreeMap<(IndicatorType, Lacks), u64>, Error> {
        let mut held = BTreeMap::new();
        if contents.kind != CollectionKind::Abuse {
            return Ok(held);
        }
        let failed = |error| Error::Collection(contents.name.clone(), error);
        let now = i64::try_from(self.now()).ok();
        let today = now.and_then(Day::from_unix_seconds);
        let today = today.ok_or_else(|| failed(CollectionError::Clock))?;
        let mut rows = collections.rows(contents, today).map_err(failed)?;
        while rows.advance().map_err(|error| failed(error.into()))? {
            let Some(row) = rows.row() else { break };
            let Some(kind) = row.indicator_type() else {
                continue;
            };
            let fields = row.fields;
            if let Err(lacks) = policy.evidence(kind).holds(fields.count, fields.reason) {
                *held.entry((kind, lacks)).or_default() += 1;
            }
        }
        Ok(held)
    }

    fn ttl(&self) -> Ttl {
        let days = |kind: &IndicatorType| u16::try_from(self.config().keep_days(*kind)).ok();
        let days = |kind: &IndicatorType| Some((*kind, NonZeroU16::new(days(kind)?)?));
        Ttl(IndicatorType::ALL.iter().filter_map(days).collect())
    }
}

/// When a pause began that is too long to believe the clock after it, and that has not ended as long
/// ago. The newest import, 0 for none, was held against the same.
fn pause(log: &Log, newest_import: u64, now: u64) -> Result<Option<u64>, Error> {
    let mut after = now;
    for record in newest_first(log) {
        let time = record?.time;
        if time <= newest_import || is_pause(after, now) {
            break;
        }
        if is_pause(time, after) {
            return Ok(Some(time));
        }
        after = time;
    }
    let is_old = newest_import == 0 || is_pause(after, now);
    Ok((!is_old && is_pause(newest_import, after)).then_some(newest_import))
}

/// Whether a node that did something at `newest` and nothing before `now` made a pause.
const fn is_pause(newest: u64, now: u64) -> bool {
    now.saturating_sub(newest) > PAUSE
}

/// The sources whose card numbers are hashed under another payment key than `current`, which is that
/// of the node: none of them matches anybody's until all of the source is imported again.
pub fn under_other_key(
    contents: &Contents,
    current: Option<PaymentKeyId>,
) -> impl Iterator<Item = &SourceName> {
    let sources = contents.sources.iter();
    sources
        .filter(move |(_, source)| {
            let key = source.payment_key.map(PaymentKeyId::from_bytes);
            key.is_some() && key != current
        })
        .map(|(name, _)| name)
}

/// What a collection consists of now.
///
/// # Errors
///
/// [`Error::Collection`].
pub fn contents(collections: &Collections, name: CollectionName) -> Result<Contents, Error> {
    let contents = collections.contents(&name);
    contents.map_err(|error| Error::Collection(name, error))
}

#[cfg(test)]
mod tests;
