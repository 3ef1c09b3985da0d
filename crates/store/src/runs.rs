//! Runs: what each stores to be resumed, the receipt that it ends with, and what it found
//! (`spec/46-runs-views.md`).
//!
//! `runs/RUN/log` is the history of a run that is not over, `runs/RUN/end` says how it ended, and
//! `runs/RUN/results` is what it found; `runs/RUN/discarded` is all there is of one that did not read. Log and results have a key each, which dies with what it
//! seals; what was found is there only where the run's end says so, and that is written behind the
//! ledger's record of it. Debits are in the ledger only, and that a setup is spent is that it is no
//! longer in `setups/`: there is no second place to disagree.

mod asked;
mod damage;
mod end;
mod entries;
mod error;
mod head;
mod log;
mod place;
mod records;
mod results;
mod rows;
mod run;
mod setups;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blindmatch_audit::{
    commitment::{Opening, ShownRow},
    receipt::Side,
    record::Event,
    tree::Hash,
};
use blindmatch_psi::{agreement::RunId, batch::setup::SetupTerms, session::Debit};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub(crate) use self::entries::{RECORDED, entry_paths, is_entry};
pub use self::{
    asked::Asked,
    damage::{discard_damaged, examine, key_ids},
    end::{End, Outcome, Retention},
    entries::{Entries, EntryId, MAX_ENTRY, Said, Shelf, entry_key_ids},
    error::RunError,
    head::{Head, MAX_TEXT},
    records::Records,
    results::{Match, Matches, OwnedMatch, ResultWriter},
    run::{Run, Taken},
    setups::{Kept, Setups, setup_key_ids},
};
use self::{
    log::{Beginner, FrameKind, Frames},
    place::{DISCARDED, END, Files, LOG},
    run::Loaded,
};
use crate::{
    disk::{Aside, DiskFile},
    home::Home,
    keys::{FileKeys, Key},
    ledger::{Ledger, LedgerError, Log},
    row::Row,
};

/// Rows of a run are kept in frames of about so many bytes.
const CHUNK: usize = 60 << 10;

/// The runs of a home.
pub struct Runs {
    home: Arc<place::Home>,
    /// Runs that are not over.
    open: Mutex<BTreeMap<RunId, Slot>>,
}

enum Slot {
    Open(Arc<Run>),
    /// It does not read, or it is open what the ledger has of it: nothing is done with it before the
    /// home is opened again.
    Doubtful,
}

/// A run on its way to begin: takes what it asks for.
pub struct Beginning<'r> {
    runs: &'r Runs,
    id: RunId,
    head: Head,
    key: Key,
    log: Beginner<Aside>,
    chunk: Zeroizing<Vec<u8>>,
    rows: u64,
}

/// What the ledger says of a run.
#[derive(Default)]
struct Recorded {
    agreed: bool,
    debits: BTreeMap<u64, Debit>,
    ended: Option<(u64, Outcome)>,
    root: Option<Hash>,
}

impl Runs {
    /// The runs of `home`, whose ledger is `ledger`. What a crash interrupted is finished, but for logs
    /// that are [left](Self::left), or removed where it had not happened.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and ledger. A run that is damaged is left as it is, and an error when
    /// it is asked for.
    pub fn open(
        home: &Home,
        ledger: Arc<Ledger>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, RunError> {
        let home = Arc::new(place::Home {
            files: Files::of(home),
            ledger,
            setups: Setups::open(home)?,
        });
        let runs = Self {
            home,
            open: Mutex::default(),
        };
        runs.recover(rng)?;
        Ok(runs)
    }

    /// Begins to store a run.
    ///
    /// # Errors
    ///
    /// [`RunError::Exists`], [`RunError::Head`], and the disk's.
    pub fn begin(&self, head: Head, rng: &mut dyn CryptoRng) -> Result<Beginning<'_>, RunError> {
        let id = head.run().filter(|_| head.is_readable());
        let id = id.ok_or(RunError::Head)?;
        if self.home.disk.exists(&Files::directory(&id))? {
            return Err(RunError::Exists);
        }
        let (_, key) = FileKeys::draw(rng);
        let mut log = Beginner::new(self.home.disk.aside()?, Frames::new(id, &key))?;
        let since = self.home.ledger.log().size();
        let content = [&since.to_be_bytes(), head.encode().as_slice()].concat();
        log.push(FrameKind::Head, &content, rng)?;
        Ok(Beginning {
            runs: self,
            id,
            head,
            key,
            log,
            chunk: Zeroizing::new(Vec::with_capacity(CHUNK + (32 << 10))),
            rows: 0,
        })
    }

    /// The setups that no run has used up.
    #[must_use]
    pub fn setups(&self) -> &Setups {
        &self.home.setups
    }

    /// The runs that are not over, those included that do not read.
    #[must_use]
    pub fn unfinished(&self) -> Vec<RunId> {
        let open = self.lock();
        let unfinished = open.iter().filter(|(_, slot)| match slot {
            Slot::Open(run) => !run.is_over(),
            Slot::Doubtful => true,
        });
        unfinished.map(|(id, _)| *id).collect()
    }

    /// The runs that have ended and whose logs are there still, since a crash came before they were
    /// [settled](Run::settle): what they were answered can be read from them.
    #[must_use]
    pub fn left(&self) -> Vec<Arc<Run>> {
        let open = self.lock();
        let left = open.values().filter_map(|slot| match slot {
            Slot::Open(run) if run.is_left() => Some(Arc::clone(run)),
            _ => None,
        });
        left.collect()
    }

    /// A run that is not over.
    ///
    /// # Errors
    ///
    /// [`RunError::Missing`]; what is wrong with one that does not read.
    pub fn run(&self, id: &RunId) -> Result<Arc<Run>, RunError> {
        match self.lock().get(id) {
            Some(Slot::Open(run)) if !run.is_over() => Ok(Arc::clone(run)),
            // Says again what is wrong.
            Some(Slot::Doubtful) => {
                self.home.check_unfinished(id)?;
                if self.home.disk.exists(&self.home.results(id))? {
                    self.home.check_results(id)?;
                }
                Err(RunError::Stopped)
            }
            _ => Err(RunError::Missing),
        }
    }

    /// The runs that are over, ascending by their ids.
    ///
    /// # Errors
    ///
    /// [`RunError`] of the disk.
    pub fn ended(&self) -> Result<Vec<RunId>, RunError> {
        let mut ended = Vec::new();
        for id in self.home.list()? {
            if self.home.disk.exists(&self.home.end(&id))? {
                ended.push(id);
            }
        }
        Ok(ended)
    }

    /// How a run ended.
    ///
    /// # Errors
    ///
    /// [`RunError::Missing`] where it has not; others where its file is damaged.
    pub fn end(&self, id: &RunId) -> Result<End, RunError> {
        if !self.home.disk.exists(&self.home.end(id))? {
            return Err(RunError::Missing);
        }
        self.home.read_end(id)
    }

    /// What a run found. `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`RunError::Missing`] where it has not ended or found nothing, [`RunError::Expired`], and
    /// what is wrong with file and key.
    pub fn matches(&self, id: &RunId, now: u64) -> Result<Matches<DiskFile>, RunError> {
        let retention = self.end(id)?.results.ok_or(RunError::Missing)?;
        if retention.is_expired(now) {
            return Err(RunError::Expired);
        }
        self.home.read_results(id)
    }

    /// Opens the ledger's commitment to match number `number` of a run, counted from 0 in the order
    /// of [`matches`](Self::matches); gives also what was committed to, with all parts shown. Reads all of
    /// them.
    ///
    /// # Errors
    ///
    /// As [`matches`](Self::matches); [`RunError::OtherResults`] where they are not what was
    /// committed to.
    pub fn open_match(
        &self,
        id: &RunId,
        number: u64,
        now: u64,
    ) -> Result<(Opening, ShownRow), RunError> {
        let path = self.home.results(id);
        let read = self.matches(id, now)?.finish();
        let (trailer, committed) = read.map_err(|error| self.home.in_file(&path, error))?;
        let file = self.home.path(&path);
        let commitment = trailer.commitment(&committed);
        let commitment = commitment.ok_or(RunError::OtherResults { file })?;
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let row = committed.get(at).ok_or(RunError::Missing)?;
        let row = trailer.show(number, row);
        let opening = commitment.open(number, &row.row());
        Ok((opening.ok_or(RunError::Missing)?, row))
    }

    /// Destroys the results whose time is over: their keys first. Gives how many runs' they were.
    ///
    /// # Errors
    ///
    /// The first [`RunError`], behind all others that could be destroyed.
    pub fn expire(&self, now: u64) -> Result<u64, RunError> {
        let mut expired = 0;
        let mut failed = None;
        for id in self.ended()? {
            let destroyed = self.expire_one(&id, now);
            expired += u64::from(matches!(destroyed, Ok(true)));
            failed = failed.or_else(|| destroyed.err());
        }
        failed.map_or(Ok(expired), Err)
    }

    /// Reads everything of a run from its first byte to its last.
    ///
    /// # Errors
    ///
    /// A [`RunError`] that names the first file that does not read, or whose key does not.
    pub fn verify(&self, id: &RunId, now: u64) -> Result<(), RunError> {
        if !self.home.disk.exists(&self.home.end(id))? {
            return self.home.check_unfinished(id);
        }
        let end = self.home.read_end(id)?;
        match end.results {
            Some(retention) if !retention.is_expired(now) => self.home.check_results(id).map(drop),
            _ => Ok(()),
        }
    }

    fn expire_one(&self, id: &RunId, now: u64) -> Result<bool, RunError> {
        if !self.home.disk.exists(&self.home.results(id))? {
            return Ok(false);
        }
        let due = self.home.read_end(id)?.results;
        if !due.is_some_and(|retention| retention.is_expired(now)) {
            return Ok(false);
        }
        self.home.destroy_results(id)?;
        Ok(true)
    }

    fn recover(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        let mut loaded = BTreeMap::new();
        // Runs of which only the ledger tells whether they ever were.
        let mut silent = BTreeMap::new();
        for id in self.home.list()? {
            let files = self.home.disk.list(&Files::directory(&id))?;
            let has = |name: &str| files.iter().any(|file| file == name);
            if has(DISCARDED) {
                self.home.clear(&id)?;
            } else if has(END) {
                if has(LOG) {
                    match Loaded::read(&self.home, &id) {
                        Ok(log) => self.leave(id, log)?,
                        // Nothing rests on it any more.
                        Err(_) => self.home.destroy_log(&id)?,
                    }
                }
            } else if has(LOG) {
                match Loaded::read(&self.home, &id) {
                    Ok(log) => _ = loaded.insert(id, log),
                    Err(RunError::Disk(error)) => return Err(error.into()),
                    // Its key was destroyed, or lost.
                    Err(error) if error.is_missing_key() => {
                        silent.insert(id, Recorded::default());
                    }
                    Err(_) => _ = self.lock().insert(id, Slot::Doubtful),
                }
            } else if files.is_empty() {
                silent.insert(id, Recorded::default());
            }
        }
        if !silent.is_empty() {
            read_ledger(&self.home.ledger.log(), 0, &mut silent)?;
        }
        for (id, recorded) in silent {
            if !recorded.agreed {
                self.home.destroy_log(&id)?;
                self.home.forget(&id)?;
            } else if recorded.ended.is_none() || self.home.disk.exists(&self.home.log(&id))? {
                // Its log is recorded, and may only have been moved away: its key stays.
                self.lock().insert(id, Slot::Doubtful);
            }
        }
        let mut said: BTreeMap<_, Recorded> = BTreeMap::new();
        said.extend(loaded.keys().map(|id| (*id, Recorded::default())));
        if let Some(since) = loaded.values().map(|log| log.since).min() {
            read_ledger(&self.home.ledger.log(), since, &mut said)?;
        }
        for (id, log) in loaded {
            let recorded = said.remove(&id).unwrap_or_default();
            if let Some((ended, outcome)) = recorded.ended {
                match self.finish(&id, &log, ended, outcome, recorded.root, rng) {
                    Ok(()) => self.leave(id, log)?,
                    Err(RunError::Disk(error)) => return Err(error.into()),
                    Err(_) => _ = self.lock().insert(id, Slot::Doubtful),
                }
            } else if recorded.agreed || log.has_records() {
                // What an end that was not recorded has left.
                self.home.destroy_results(&id)?;
                let run = log.resume(&self.home, id, recorded)?;
                self.lock().insert(id, Slot::Open(Arc::new(run)));
            } else {
                // Nobody was told anything in it.
                self.home.destroy_log(&id)?;
                self.home.forget(&id)?;
            }
        }
        Ok(())
    }

    /// Does what was left of an end that the ledger has.
    fn finish(
        &self,
        id: &RunId,
        log: &Loaded,
        ended: u64,
        outcome: Outcome,
        root: Option<Hash>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let results = match root {
            Some(root) => {
                let in_log = log.found.as_ref();
                let in_log = in_log.filter(|found| results::root(found) == Some(root));
                if let Some(found) = in_log
                    && !matches!(self.home.check_results(id), Ok((found, _)) if found == root)
                {
                    self.home.destroy_results(id)?;
                    self.home.publish_results(id, found, rng)?;
                }
                let (found, retention) = self.home.check_results(id)?;
                if found != root {
                    let file = self.home.path(&self.home.results(id));
                    return Err(RunError::OtherResults { file });
                }
                Some(retention)
            }
            None => None,
        };
        let receipt = match outcome {
            Outcome::GivenUp => None,
            _ => log.receipt().cloned(),
        };
        let end = End {
            head: log.head.clone(),
            ended,
            outcome,
            receipt,
            results,
        };
        self.home.publish_end(id, &end, rng)?;
        if results.is_none() {
            self.home.destroy_results(id)?;
        }
        Ok(())
    }

    /// Leaves the log of a run that has ended to whoever wants what it was answered.
    fn leave(&self, id: RunId, log: Loaded) -> Result<(), RunError> {
        let run = log.ended(&self.home, id)?;
        self.lock().insert(id, Slot::Open(Arc::new(run)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Slot>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beginning<'_> {
    /// Adds an item that the run asks for, by its row. Their order is that of the run's results.
    ///
    /// # Errors
    ///
    /// [`RunError::Side`] for a responder's run, and the disk's.
    pub fn ask(&mut self, row: &Row<'_>, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        if self.head.side == Side::Responder {
            return Err(RunError::Side);
        }
        let written = rows::write(&mut self.chunk, row);
        written.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.rows += 1;
        if self.chunk.len() >= CHUNK {
            self.log.push(FrameKind::Asked, &self.chunk, rng)?;
            self.chunk.clear();
        }
        Ok(())
    }

    /// Says what the setup is about that the run uses up: that of its agreement.
    ///
    /// # Errors
    ///
    /// [`RunError::Setup`] where the agreement names another one, and the disk's.
    pub fn over(&mut self, terms: &SetupTerms, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        if self.head.direction().map(|one| one.setup) != Some(terms.id().0) {
            return Err(RunError::Setup);
        }
        Ok(self.log.push(FrameKind::Setup, &terms.encode(), rng)?)
    }

    /// Begins the run. It is durable with its first record, or once it is [stored](Run::store); the
    /// ledger has it with what is recorded first of it.
    ///
    /// # Errors
    ///
    /// [`RunError`]; there is no such run then.
    pub fn begin(self, rng: &mut dyn CryptoRng) -> Result<Arc<Run>, RunError> {
        let Self {
            runs,
            id,
            head,
            key,
            mut log,
            chunk,
            rows,
        } = self;
        if !chunk.is_empty() {
            log.push(FrameKind::Asked, &chunk, rng)?;
        }
        log.push(FrameKind::Begun, &rows.to_be_bytes(), rng)?;
        let aside = log.finish();
        let home = &runs.home;
        let mut open = runs.lock();
        // What is over has a file open for nothing.
        open.retain(|_, slot| !matches!(slot, Slot::Open(run) if run.is_settled()));
        let Entry::Vacant(vacant) = open.entry(id) else {
            return Err(RunError::Exists);
        };
        if home.disk.exists(&Files::directory(&id))? {
            return Err(RunError::Exists);
        }
        debug_assert_eq!(head.run(), Some(id));
        let run = Arc::new(Loaded::begun(home, id, aside, key)?);
        vacant.insert(Slot::Open(Arc::clone(&run)));
        Ok(run)
    }
}

/// Takes in what the ledger says of these runs from a record on.
fn read_ledger(
    log: &Log,
    since: u64,
    runs: &mut BTreeMap<RunId, Recorded>,
) -> Result<(), LedgerError> {
    for record in log.records(since..u64::MAX) {
        let (_, record) = record?;
        let time = record.time;
        match record.event {
            Event::RunAgreed { run, .. } => note(runs, run, |r| r.agreed = true),
            Event::Debit {
                run,
                batch,
                digest,
                amount,
                ..
            } => note(runs, run, |r| {
                let debit = Debit {
                    batch,
                    digest,
                    evaluations: amount.count(),
                };
                r.debits.insert(batch, debit);
            }),
            Event::RunConcluded { run, .. } => {
                note(runs, run, |r| r.ended = Some((time, Outcome::Concluded)));
            }
            Event::RunUnreceipted { run } => {
                note(runs, run, |r| r.ended = Some((time, Outcome::GivenUp)));
            }
            Event::RunOpenedLate { run } => {
                note(runs, run, |r| r.ended = Some((time, Outcome::OpenedLate)));
            }
            Event::Results { run, root } => note(runs, run, |r| r.root = Some(root)),
            _ => {}
        }
    }
    Ok(())
}

fn note(runs: &mut BTreeMap<RunId, Recorded>, run: [u8; 32], take: impl FnOnce(&mut Recorded)) {
    if let Some(recorded) = runs.get_mut(&RunId(run)) {
        take(recorded);
    }
}

/// Reads a log, and tells whether a crash tore its end; nothing where it is damaged. For the fuzzer.
#[doc(hidden)]
#[must_use]
pub fn read_log(bytes: &[u8], run: &RunId, key: &Key) -> Option<bool> {
    let mut file = io::Cursor::new(bytes);
    let frames = Frames::new(*run, key);
    let log = Loaded::walk(&mut file, bytes.len() as u64, frames, run).ok()?;
    Some(log.torn)
}

/// The log of a run that asks for nothing and has stored these states. For the fuzzer.
#[doc(hidden)]
#[must_use]
pub fn write_log(head: &Head, key: &Key, states: &[&[u8]], rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut write = || {
        let run = head.run().unwrap_or(RunId([0; 32]));
        let mut log = Beginner::new(Vec::new(), Frames::new(run, key))?;
        let content = [&[0; 8], head.encode().as_slice()].concat();
        log.push(FrameKind::Head, &content, rng)?;
        log.push(FrameKind::Begun, &[0; 8], rng)?;
        for state in states {
            log.push(FrameKind::State, state, rng)?;
        }
        Ok::<_, io::Error>(log.finish())
    };
    write().unwrap_or_default()
}

#[cfg(test)]
mod tests;
