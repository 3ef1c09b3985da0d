//! The ledger: an append-only file of records under a Merkle tree, the truth of a node.
//!
//! An append is acknowledged when its records are on disk, and a checkpoint that covers them, unless
//! that is to follow. What a crash tore behind the last checkpoint was acknowledged to nobody: it is
//! cut when the ledger is opened, and said. Any other damage refuses to open (`spec/43 §5`).
//!
//! Appends of several threads that wait at the same time share one sync and one checkpoint.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock},
};

use blindmatch_audit::{
    SigningKey,
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    note::{KeyName, NoteKey},
    record::{Event, Record},
    tree::CompactRange,
};
use rand_core::CryptoRng;

pub mod cosigned;
mod error;
mod extent;
mod log;
mod outline;
mod scan;
pub mod segment;
mod standing;
mod writer;

pub use error::LedgerError;
use log::Incarnation;
pub use log::{Log, Records, Tail, Torn};
pub use standing::Standing;

use self::{
    segment::MAX_GROUP,
    writer::{Frames, Writer},
};
use crate::disk::Disk;

/// The directory of the ledger.
pub const LEDGER: &str = "ledger";

/// The newest checkpoint.
pub const HEAD: &str = "ledger/checkpoint";

/// The newest checkpoint with its witnesses' cosignatures.
pub const COSIGNED: &str = "ledger/cosigned";

/// What a ledger is written with.
pub struct Settings {
    /// Which ledger: the name that all its incarnations have.
    pub ledger: KeyName,
    /// Signs checkpoints.
    pub key: SigningKey,
    /// The keys that signed checkpoints before.
    pub earlier: Vec<NoteKey>,
    /// The time, in seconds since 1970.
    pub clock: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Fills the nonces of records.
    pub random: Box<dyn CryptoRng + Send>,
    /// The size of a file from which on the next one is begun: [`SEGMENT`].
    pub segment: u64,
}

/// The usual [`Settings::segment`], 64 MiB.
pub const SEGMENT: u64 = 64 << 20;

/// So many numbers of epochs, of publications and of delegations each incarnation has to itself.
const NUMBERS: u64 = 1 << 32;

/// The lowest number that a new epoch, publication or delegation has in an incarnation that began at
/// this time: lost records may have given out those below, and another restore of the same backup
/// some from its own time on (`spec/45 §1`).
pub(crate) const fn least_number(incarnation: u64, begun: u64) -> u64 {
    if incarnation > 1 {
        incarnation
            .saturating_mul(NUMBERS)
            .saturating_add(begun % NUMBERS)
    } else {
        1
    }
}

/// Where an append stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number of its first record; the others follow.
    pub first: u64,
    /// The time of its records.
    pub time: u64,
}

/// A ledger that its owner appends to, from any number of threads.
pub struct Ledger {
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    queue: Mutex<Queue>,
    changed: Condvar,
    writer: Mutex<Writer>,
    log: RwLock<Arc<Log>>,
}

struct Queue {
    random: Box<dyn CryptoRng + Send>,
    /// The time of the last record that was queued.
    time: u64,
    waiting: Vec<Arc<Pending>>,
    /// Whether some thread is writing.
    leading: bool,
}

/// An event, and the nonce of its record.
type Nonced = ([u8; 32], Event);

/// One append on its way to disk.
struct Pending {
    frames: Frames,
    time: u64,
    cover: bool,
    outcome: OnceLock<Result<Appended, LedgerError>>,
}

impl Ledger {
    /// Begins a ledger with the record of its first incarnation, and opens it. What an earlier
    /// `create` left unfinished is replaced.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Exists`], or the disk's.
    pub fn create(disk: &Disk, settings: Settings) -> Result<(Self, Tail), LedgerError> {
        let mut settings = settings;
        if writer::exists(disk)? {
            return Err(LedgerError::Exists);
        }
        let record = Record {
            time: (settings.clock)(),
            nonce: nonce(settings.random.as_mut()),
            event: incarnation(1, &CompactRange::default()),
        };
        let head = Checkpoint {
            origin: Origin::first(settings.ledger.clone()),
            size: 1,
            root: record.leaf_hash(),
        };
        writer::create(disk, &record.encode(), &head.sign(&settings.key))?;
        Self::open(disk, settings)
    }

    /// Opens a ledger: reads and checks all of it, cuts what a crash tore behind the last
    /// checkpoint, and covers what stands whole there. [`Tail`] says what that was. A checkpoint
    /// that an earlier key signed is signed again.
    ///
    /// Only the owner of the home may call this, once at a time.
    ///
    /// # Errors
    ///
    /// [`LedgerError`], with what is damaged and where; nothing is changed then.
    pub fn open(disk: &Disk, settings: Settings) -> Result<(Self, Tail), LedgerError> {
        let unchecked = |_: &Log| Ok::<_, LedgerError>(());
        let (ledger, tail, ()) = Self::open_checked(disk, settings, unchecked)?;
        Ok((ledger, tail))
    }

    /// [`open`](Self::open)s a ledger that `check` has looked at and found fit to go on from; gives
    /// what it found. Nothing is cut, covered or signed before.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), and of `check`.
    pub fn open_checked<T, E: From<LedgerError>>(
        disk: &Disk,
        settings: Settings,
        check: impl FnOnce(&Log) -> Result<T, E>,
    ) -> Result<(Self, Tail, T), E> {
        let own = NoteKey::new(settings.ledger.clone(), settings.key.verifying_key());
        let mut keys = vec![own.clone()];
        keys.extend(settings.earlier);
        let (mut log, tail, end) = scan::scan(disk, &keys)?;
        let checked = check(&log)?;
        let mut writer = Writer::open(disk, settings.key, end, settings.segment)?;
        if tail.torn.is_some() {
            writer.cut()?;
        }
        if tail.uncovered > 0 || log.head.verify(&own).is_err() {
            log.head = writer.cover(log.outline.tree(), log.origin())?;
        }
        let queue = Queue {
            random: settings.random,
            time: log.time,
            waiting: Vec::new(),
            leading: false,
        };
        let ledger = Self {
            clock: settings.clock,
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            writer: Mutex::new(writer),
            log: RwLock::new(Arc::new(log)),
        };
        Ok((ledger, tail, checked))
    }

    /// The ledger as it is now.
    #[must_use]
    pub fn log(&self) -> Arc<Log> {
        let log = self.log.read();
        log.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records events, one behind the other, all or none of them. When this returns they are on
    /// disk and a checkpoint covers them.
    ///
    /// Each gets the time of the clock, and fresh randomness.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Time`] where the clock went back, [`LedgerError::Disk`] where nothing was
    /// recorded, [`LedgerError::Stopped`] once it is open whether something was.
    pub fn append(&self, events: Vec<Event>) -> Result<Appended, LedgerError> {
        if events.iter().any(is_own) {
            return Err(LedgerError::Events);
        }
        self.append_any(events)
    }

    /// The same for who waits: when this returns the records are on disk, and the checkpoint over them
    /// follows with the next append, or when the caller [covers](Self::cover) them, which it does as
    /// soon as nobody waits.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_ahead(&self, events: Vec<([u8; 32], Event)>) -> Result<Appended, LedgerError> {
        if events.iter().any(|(_, event)| is_own(event)) {
            return Err(LedgerError::Events);
        }
        self.append_nonced(events, false)
    }

    /// Publishes the newest checkpoint, where that was to follow.
    ///
    /// # Errors
    ///
    /// The disk's. What was acknowledged stays so: opening the ledger covers it too.
    pub fn cover(&self) -> Result<(), LedgerError> {
        self.writer()?.cover_ahead()
    }

    /// [`append`](Self::append)s events of which some have a digest that is salted with the nonce of their own
    /// record: each comes with its nonce, 32 bytes that were drawn for it and for nothing else.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn append_drawn(&self, events: Vec<([u8; 32], Event)>) -> Result<Appended, LedgerError> {
        let incarnation = |(_, event): &(_, Event)| matches!(event, Event::Incarnation { .. });
        if events.iter().any(incarnation) {
            return Err(LedgerError::Events);
        }
        self.append_nonced(events, true)
    }

    /// Begins the next incarnation, after a restore, with a number above that of all that are known;
    /// `lost` are states of earlier ones that were signed and are not here. From then on checkpoints
    /// have another origin.
    ///
    /// Nobody else may have the ledger: the record names what stands before it.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append); nothing has changed then.
    pub fn begin_incarnation(&mut self, lost: &[Checkpoint]) -> Result<Appended, LedgerError> {
        let log = self.log();
        let numbers = lost.iter().map(|lost| lost.origin.incarnation);
        let before = numbers.fold(log.incarnation(), u64::max);
        let number = before.checked_add(1).ok_or(LedgerError::Events)?;
        let mut events = vec![incarnation(number, log.outline.tree())];
        events.extend(lost.iter().map(named));
        let begun = Incarnation {
            number,
            record: log.size(),
            time: 0,
        };
        self.change(|log| log.incarnations.push(begun));
        let appended = self.append_any(events);
        self.change(|now| match &appended {
            Ok(appended) => {
                if let Some(begun) = now.incarnations.last_mut() {
                    begun.time = appended.time;
                }
                now.lose(appended.first + 1, lost);
            }
            Err(_) => now.incarnations = log.incarnations.clone(),
        });
        appended
    }

    /// Records that states of earlier incarnations are lost, each of which a witness cosigned and
    /// shows only now: it cosigns no more before it finds its own named.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append), and [`LedgerError::Events`] where one is not of an earlier
    /// incarnation.
    pub fn name_lost(&self, lost: &[Checkpoint]) -> Result<Appended, LedgerError> {
        let present = self.log().incarnation();
        if lost.iter().any(|lost| lost.origin.incarnation >= present) {
            return Err(LedgerError::Events);
        }
        let appended = self.append_any(lost.iter().map(named).collect())?;
        self.change(|log| log.lose(appended.first, lost));
        Ok(appended)
    }

    /// Signs from now on with another key, and the newest checkpoint at once.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn replace_key(&self, key: SigningKey) -> Result<(), LedgerError> {
        let mut writer = self.writer()?;
        let log = self.log();
        let origin = log.head().unverified().origin.clone();
        writer.replace_key(key)?;
        let head = writer.cover(log.outline.tree(), origin)?;
        self.change(|log| log.head = head);
        Ok(())
    }

    /// Keeps a checkpoint of this ledger with its witnesses' cosignatures, unless a newer one is
    /// kept. The ledger then never opens without the records that it covers.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NotOurs`] where it is of other records, or the disk's.
    pub fn keep_cosigned(&self, cosigned: &SignedCheckpoint) -> Result<(), LedgerError> {
        let writer = self.writer()?;
        let log = self.log();
        log.check_ours(cosigned.unverified())?;
        let kept = log.cosigned()?.map_or(0, |kept| kept.unverified().size);
        if cosigned.unverified().size < kept {
            return Ok(());
        }
        writer.keep_cosigned(cosigned)
    }

    fn append_any(&self, events: Vec<Event>) -> Result<Appended, LedgerError> {
        let mut queue = lock(&self.queue);
        let events = events.into_iter();
        let events = events.map(|event| (nonce(queue.random.as_mut()), event));
        let events = events.collect();
        drop(queue);
        self.append_nonced(events, true)
    }

    fn append_nonced(&self, events: Vec<Nonced>, cover: bool) -> Result<Appended, LedgerError> {
        let mut queue = lock(&self.queue);
        let pending = queue.push(events, (self.clock)(), cover)?;
        loop {
            if let Some(outcome) = pending.outcome.get() {
                return outcome.clone();
            }
            if queue.leading {
                let waited = self.changed.wait(queue);
                queue = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if queue.waiting.is_empty() {
                // The thread that had taken it died.
                return Err(died());
            }
            let group = std::mem::take(&mut queue.waiting);
            queue.leading = true;
            drop(queue);
            let leading = Leading(self);
            self.commit(&group);
            drop(leading);
            queue = lock(&self.queue);
        }
    }

    /// Brings a group to disk and tells each of its appends how that went.
    fn commit(&self, group: &[Arc<Pending>]) {
        let written = self.write(group);
        let mut next = written.clone().unwrap_or(0);
        for pending in group {
            let first = next;
            next += pending.frames.count();
            let time = pending.time;
            let outcome = written.clone().map(|_| Appended { first, time });
            // Set once: only the thread that took it out of the queue has it.
            let _ = pending.outcome.set(outcome);
        }
    }

    /// Gives the number of the group's first record.
    fn write(&self, group: &[Arc<Pending>]) -> Result<u64, LedgerError> {
        let mut frames = Frames::default();
        for pending in group {
            frames.extend(&pending.frames);
        }
        let mut writer = self.writer()?;
        let log = self.log();
        let tree = log.outline.tree().clone();
        let origin = log.origin();
        // A change copies what anybody still holds.
        drop(log);
        let cover = group.iter().any(|pending| pending.cover);
        let (head, leaves) = writer.append(&frames, origin, &tree, cover)?;
        self.change(|log| {
            log.head = head;
            for (leaf, place) in leaves {
                log.outline.append(leaf, place);
            }
            log.time = group.last().map_or(log.time, |pending| pending.time);
        });
        Ok(tree.size())
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        let log = self.log.write();
        change(Arc::make_mut(
            &mut log.unwrap_or_else(PoisonError::into_inner),
        ));
    }

    /// The writer, unless a thread died while it wrote.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, LedgerError> {
        self.writer.lock().map_err(|_| died())
    }
}

impl Queue {
    fn push(
        &mut self,
        events: Vec<Nonced>,
        time: u64,
        cover: bool,
    ) -> Result<Arc<Pending>, LedgerError> {
        if events.is_empty() || events.len() > MAX_GROUP {
            return Err(LedgerError::Events);
        }
        if time < self.time {
            let last = self.time;
            return Err(LedgerError::Time { last, now: time });
        }
        let records = events.into_iter();
        let records = records.map(|(nonce, event)| Record { time, nonce, event }.encode());
        let records: Vec<_> = records.collect();
        let frames = Frames::new(&records).map_err(|_| LedgerError::Events)?;
        let pending = Arc::new(Pending {
            frames,
            time,
            cover,
            outcome: OnceLock::new(),
        });
        self.waiting.push(pending.clone());
        self.time = time;
        Ok(pending)
    }
}

/// The thread that writes, until this is dropped.
struct Leading<'a>(&'a Ledger);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).leading = false;
        self.0.changed.notify_all();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.log().head()).finish()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Settings").field(&self.ledger).finish()
    }
}

/// The event with which an incarnation begins behind these records.
fn incarnation(number: u64, before: &CompactRange) -> Event {
    Event::Incarnation {
        number,
        size: before.size(),
        root: before.root(),
    }
}

/// What only the ledger itself records.
const fn is_own(event: &Event) -> bool {
    matches!(event, Event::Incarnation { .. } | Event::Lost { .. })
}

const fn named(lost: &Checkpoint) -> Event {
    Event::Lost {
        incarnation: lost.origin.incarnation,
        size: lost.size,
        root: lost.root,
    }
}

fn nonce(random: &mut dyn CryptoRng) -> [u8; 32] {
    let mut nonce = [0; 32];
    random.fill_bytes(&mut nonce);
    nonce
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn died() -> LedgerError {
    LedgerError::Stopped(Arc::new(io::Error::other("a thread died while it wrote")))
}

#[cfg(test)]
mod tests;
