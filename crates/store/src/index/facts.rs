//! What decisions ask the ledger, answered from an index of it.

use std::{collections::BTreeMap, io};

use blindmatch_audit::tree::Hash;

use super::{ASIDE, AnyIndex, Doubt, INDEX, Index, SledIndex, Stamp, mac};
use crate::{
    home::Home,
    keys::StorageKey,
    ledger::{LedgerError, Log, least_number},
};

mod activity;
mod apply;
mod keys;

pub use self::activity::{Activity, Revealed, Stopped};
use self::{apply::Batch, keys::Keyed};

/// So many records are applied at once.
const BATCH: u64 = 4_096;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The facts of one ledger.
pub struct Facts<I> {
    index: I,
    key: mac::Key,
    stamp: Stamp,
}

/// What opening the facts took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Why the index was made again, if it was.
    pub rebuilt: Option<Doubt>,
    /// The number of records that were applied.
    pub applied: u64,
}

/// What a peer was charged for a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charged {
    /// On one day (UTC), in every epoch of the view.
    pub day: u64,
    /// In one epoch.
    pub epoch: u64,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Agreed, and nothing since.
    Agreed,
    /// Ended with a receipt of both sides.
    Concluded,
    /// Ended without.
    Unreceipted,
    /// Without a receipt, and its results were opened.
    OpenedLate,
}

/// What this node last cosigned of another's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The incarnation of that ledger.
    pub incarnation: u64,
    /// The size of that ledger.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Where the newest incarnation began, if it is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The record that says so.
    pub record: u64,
    /// When, in seconds since 1970.
    pub time: u64,
    /// Its number.
    pub incarnation: u64,
}

/// What goes wrong with facts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FactsError {
    /// The index is not believed: open it again.
    Doubt(Doubt),
    /// The ledger.
    Ledger(LedgerError),
    /// The operating system, when an index was begun or moved aside.
    Disk(io::ErrorKind),
}

impl Facts<SledIndex> {
    /// Opens the index of `home`, brings it to where `log` is, and makes it again from `log` where
    /// there is any doubt about it.
    ///
    /// # Errors
    ///
    /// [`FactsError`], but no doubt about what was there before.
    pub fn open(home: &Home, log: &Log) -> Result<(Self, Opening), FactsError> {
        let root = home.disk().root();
        let directory = root.join(INDEX);
        // One that is there and comes back empty lost what was in it, or was never begun.
        let begun = |index: SledIndex| match index.stamp()? {
            Some(_) => Ok(index),
            None => Err(Doubt::Unstamped),
        };
        let opened = SledIndex::open(&directory)
            .and_then(begun)
            .map_err(FactsError::Doubt)
            .and_then(|index| Self::over(index, home.storage_key(), log));
        let doubt = match opened {
            Ok((facts, applied)) => {
                let rebuilt = None;
                return Ok((facts, Opening { rebuilt, applied }));
            }
            Err(FactsError::Doubt(doubt)) => doubt,
            Err(error) => return Err(error),
        };
        let index = SledIndex::create(&directory, &root.join(ASIDE))
            .map_err(|error| FactsError::Disk(error.kind()))?;
        let (facts, applied) = Self::over(index, home.storage_key(), log)?;
        let rebuilt = Some(doubt);
        Ok((facts, Opening { rebuilt, applied }))
    }
}

impl From<Facts<SledIndex>> for Facts<AnyIndex> {
    fn from(facts: Facts<SledIndex>) -> Self {
        Self {
            index: AnyIndex::Sled(facts.index),
            key: facts.key,
            stamp: facts.stamp,
        }
    }
}

impl<I: Index> Facts<I> {
    /// The facts of `log` in `index`, which is checked whole and brought to where `log` is. Also
    /// gives the number of records that were applied.
    ///
    /// # Errors
    ///
    /// [`FactsError`].
    pub fn over(index: I, storage: &StorageKey, log: &Log) -> Result<(Self, u64), FactsError> {
        let key = mac::Key::new(storage);
        let stamp = check(&index, &key).map_err(FactsError::Doubt)?;
        let mut facts = Self { index, key, stamp };
        if facts.stamp.applied > log.size() {
            return Err(FactsError::Doubt(Doubt::Ahead));
        }
        let root = log
            .root_at(facts.stamp.applied)
            .map_err(FactsError::Ledger)?;
        if facts.stamp.applied > 0 && root != facts.stamp.root {
            return Err(FactsError::Doubt(Doubt::OtherLedger));
        }
        let applied = facts.catch_up(log)?;
        Ok((facts, applied))
    }

    /// Applies the records that were appended since; gives their number.
    ///
    /// # Errors
    ///
    /// [`FactsError`].
    pub fn catch_up(&mut self, log: &Log) -> Result<u64, FactsError> {
        let from = self.stamp.applied;
        while self.stamp.applied < log.size() {
            let end = log.size().min(self.stamp.applied + BATCH);
            let root = log.root_at(end).map_err(FactsError::Ledger)?;
            let mut batch = Batch::new(self);
            for record in log.records(self.stamp.applied..end) {
                let (number, record) = record.map_err(FactsError::Ledger)?;
                batch
                    .apply(number, record.time, &record.event)
                    .map_err(FactsError::Doubt)?;
            }
            let values = batch.into_values();
            self.commit(values, end, root).map_err(FactsError::Doubt)?;
        }
        Ok(self.stamp.applied - from)
    }

    /// The number of the ledger's records that these facts are of.
    pub const fn applied(&self) -> u64 {
        self.stamp.applied
    }

    /// What `peer` was charged for `view` in `epoch`, and on the day of `time`.
    ///
    /// After a restore the ledger may know only a part of it. So the days up to that of the restore
    /// and the epochs that were opened before it count as spent, whatever their budget:
    /// 2^64 − 1 (`spec/50-policy.md` §5).
    ///
    /// # Errors
    ///
    /// [`Doubt`], as in every method here: then open the facts again.
    pub fn charged(&self, view: &str, peer: &str, epoch: u64, time: u64) -> Result<Charged, Doubt> {
        let day = time / DAY;
        let lost = self.restored()?.is_some_and(|r| day <= r.time / DAY);
        let day = if lost {
            u64::MAX
        } else {
            self.number(&keys::day(view, peer, day))?
        };
        let epoch = if self.is_epoch_lost(view, epoch)? {
            u64::MAX
        } else {
            self.number(&keys::epoch(view, peer, epoch))?
        };
        Ok(Charged { day, epoch })
    }

    /// The most that any one view has charged `peer`: on the day of `time`, and in the view's last
    /// epoch. Where no view is known it is what an unknown one has, which is nothing, or after a
    /// restore all.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn charged_at_most(&self, peer: &str, time: u64) -> Result<Charged, Doubt> {
        let mut views: BTreeMap<String, u64> = BTreeMap::new();
        self.index.visit(&mut |key, entry| {
            let Some(subject) = keys::subject(key, peer) else {
                return Ok(());
            };
            let (view, epoch) = match subject {
                keys::Subject::Charged { view, epoch } => (view, epoch),
                keys::Subject::LastEpoch { view } => {
                    let (value, _) = self.key.open(key, entry).ok_or(Doubt::Entry)?;
                    let (epoch, _) = <(u64, bool)>::decode(value).ok_or(Doubt::Entry)?;
                    (view, epoch)
                }
            };
            let last = views.entry(view.to_owned()).or_default();
            *last = epoch.max(*last);
            Ok(())
        })?;
        if views.is_empty() {
            return self.charged("", peer, 0, time);
        }
        let mut most = Charged::default();
        for (view, epoch) in views {
            let charged = self.charged(&view, peer, epoch, time)?;
            most.day = most.day.max(charged.day);
            most.epoch = most.epoch.max(charged.epoch);
        }
        Ok(most)
    }

    /// How many runs in a row that were evaluated `peer` left without a receipt, since the last one
    /// with one: those that we charged it for, and those whose results we opened late.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn unreceipted_in_a_row(&self, peer: &str) -> Result<u64, Doubt> {
        self.number(&keys::unreceipted(peer))
    }

    /// What all peers together were charged for `view` in `epoch`; 2^64 − 1 where it was opened
    /// before a restore.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn charged_in_all(&self, view: &str, epoch: u64) -> Result<u64, Doubt> {
        if self.is_epoch_lost(view, epoch)? {
            return Ok(u64::MAX);
        }
        self.number(&keys::all(view, epoch))
    }

    /// Whether the ledger may lack debits of this epoch, because a restore came after it was
    /// opened. Its key is gone too: such an epoch must not be opened again, a new one takes its
    /// place.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn is_epoch_lost(&self, view: &str, epoch: u64) -> Result<bool, Doubt> {
        let Some(restored) = self.restored()? else {
            return Ok(false);
        };
        let opened: Option<u64> = self.value(&keys::opened(view, epoch))?;
        Ok(opened.is_none_or(|opened| opened < restored.record))
    }

    /// The record that charged this batch of this run for these bytes, if one did: then they are
    /// not charged again.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn debit(&self, run: &[u8; 32], batch: u64, digest: &Hash) -> Result<Option<u64>, Doubt> {
        self.value(&keys::debit(run, batch, digest))
    }

    /// How far a run came, and the record that says so.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn run(&self, run: &[u8; 32]) -> Result<Option<(RunState, u64)>, Doubt> {
        self.value(&keys::run(run))
    }

    /// The record of the newest publication of `view`.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn publication(&self, view: &str) -> Result<Option<u64>, Doubt> {
        self.value(&keys::publication(view))
    }

    /// The record of the publication of `view` before the newest, of whichever epoch.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn publication_before(&self, view: &str) -> Result<Option<u64>, Doubt> {
        self.value(&keys::publication_before(view))
    }

    /// Whether an epoch of `view` was opened and neither it nor a later one was closed.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn is_unclosed(&self, view: &str, epoch: u64) -> Result<bool, Doubt> {
        let opened: Option<u64> = self.value(&keys::opened(view, epoch))?;
        Ok(opened.is_some() && self.number(&keys::closed(view))? < epoch)
    }

    /// The last epoch of `view`, and whether it is still open.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn last_epoch(&self, view: &str) -> Result<Option<(u64, bool)>, Doubt> {
        self.value(&keys::last_epoch(view))
    }

    /// The record by which `peer` equivocated, where no operator had it asked again since.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn equivocation(&self, peer: &str) -> Result<Option<u64>, Doubt> {
        let last: Option<(u64, bool)> = self.value(&keys::equivocation(peer))?;
        Ok(last.and_then(|(record, stands)| stands.then_some(record)))
    }

    /// What was last cosigned of `ledger`, of whichever of its incarnations.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn witnessed(&self, ledger: &str) -> Result<Option<Witnessed>, Doubt> {
        self.value(&keys::witnessed(ledger))
    }

    /// Where the newest incarnation began, if it is not the first.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn restored(&self) -> Result<Option<Restored>, Doubt> {
        self.value(&keys::restored())
    }

    /// The lowest number that a new epoch, or a new publication, may have, beside that it is above
    /// those before: lost records may have given out all numbers below.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn least_number(&self) -> Result<u64, Doubt> {
        let restored = self.restored()?;
        Ok(restored.map_or(1, |restored| {
            least_number(restored.incarnation, restored.time)
        }))
    }

    /// Every key and value, for comparison.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    pub fn dump(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Doubt> {
        let mut values = BTreeMap::new();
        self.index.visit(&mut |key, entry| {
            let (value, _) = self.key.open(key, entry).ok_or(Doubt::Entry)?;
            values.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        Ok(values)
    }

    fn number(&self, key: &[u8]) -> Result<u64, Doubt> {
        Ok(self.value(key)?.unwrap_or(0))
    }

    fn value<T: Keyed>(&self, key: &[u8]) -> Result<Option<T>, Doubt> {
        let Some(entry) = self.index.read(key)? else {
            return Ok(None);
        };
        let (value, _) = self.key.open(key, &entry).ok_or(Doubt::Entry)?;
        T::decode(value).map(Some).ok_or(Doubt::Entry)
    }

    fn commit(
        &mut self,
        values: BTreeMap<Vec<u8>, Vec<u8>>,
        applied: u64,
        root: Hash,
    ) -> Result<(), Doubt> {
        let mut stamp = Stamp {
            applied,
            root,
            ..self.stamp
        };
        let mut entries = BTreeMap::new();
        for (key, value) in values {
            match self.index.read(&key)? {
                Some(before) => {
                    let (_, mac) = self.key.open(&key, &before).ok_or(Doubt::Entry)?;
                    add(&mut stamp.sum, &mac);
                }
                None => stamp.entries += 1,
            }
            let (entry, mac) = self.key.seal(&key, &value);
            add(&mut stamp.sum, &mac);
            entries.insert(key, entry);
        }
        self.index.write(&entries, &stamp.encode(&self.key))?;
        self.stamp = stamp;
        Ok(())
    }
}

/// Reads all of an index and compares it with its stamp; gives the stamp.
fn check(index: &impl Index, key: &mac::Key) -> Result<Stamp, Doubt> {
    let stamp = index.stamp()?;
    let mut found = Stamp {
        applied: 0,
        root: Hash::default(),
        entries: 0,
        sum: [0; 32],
    };
    index.visit(&mut |name, entry| {
        let (_, mac) = key.open(name, entry).ok_or(Doubt::Entry)?;
        found.entries += 1;
        add(&mut found.sum, &mac);
        Ok(())
    })?;
    let Some(stamp) = stamp else {
        return match found.entries {
            0 => Ok(found),
            _ => Err(Doubt::Unstamped),
        };
    };
    let stamp = Stamp::decode(&stamp, key)?;
    if (stamp.entries, stamp.sum) != (found.entries, found.sum) {
        return Err(Doubt::Entries);
    }
    Ok(stamp)
}

/// Adds a MAC to a sum of MACs, or takes it out again.
fn add(sum: &mut [u8; 32], mac: &[u8; 32]) {
    for (byte, mac) in sum.iter_mut().zip(mac) {
        *byte ^= mac;
    }
}

#[cfg(test)]
mod tests;
