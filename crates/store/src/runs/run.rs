//! A run that is not over: what it stores, and how it ends (`spec/46 §2`, §5).

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
    iter, mem,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blindmatch_audit::{
    receipt::{Side, SignedReceipt},
    record::{Class, Event, Salted},
};
use blindmatch_psi::{
    agreement::RunId,
    batch::setup::SetupTerms,
    session::{Debit, Record, State},
};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Recorded,
    asked::Asked,
    end::{End, Outcome, Retention},
    error::RunError,
    head::Head,
    log::{self, FrameKind, Frames, LogError, Next, Place},
    place::{Files, Home},
    records::Records,
    results::{Finished, Found, ResultWriter},
};
use crate::{
    disk::{Aside, DiskFile},
    keys::{Key, KeyError},
    ledger::LedgerError,
};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is durable; a debit is in the ledger.
    Stored,
    /// It contradicts a record of the run: nothing was stored.
    Contradicted,
    /// The budget does not cover the debit: nothing was stored.
    Refused,
}

/// A run that is not over. Any number of threads may have it.
pub struct Run {
    id: RunId,
    head: Head,
    home: Arc<Home>,
    frames: Arc<Frames>,
    /// What it asks for.
    asked: Arc<[Place]>,
    rows: u64,
    /// What the setup is about that it uses up.
    setup: Option<SetupTerms>,
    account: Mutex<Account>,
}

/// What a run has stored so far, as far as the next record is held against it.
pub(super) struct Account {
    file: LogFile,
    length: u64,
    number: u64,
    /// Where the first record of the session stands.
    records: (u64, u64),
    /// What is written with the next record: nobody was told of it yet.
    ahead: Vec<(FrameKind, Zeroizing<Vec<u8>>)>,
    /// Whether the ledger has it that the run was agreed.
    is_agreed: bool,
    debits: BTreeMap<u64, Debit>,
    /// Records that others could contradict, other than debits.
    landmarks: Vec<Record>,
    standing: Standing,
    /// How it ended, as long as its file does not say so.
    ending: Option<End>,
    /// What it found, as long as that is in the log alone.
    found: Option<Zeroizing<Vec<u8>>>,
    /// Whether what would resume it is destroyed.
    cleared: bool,
}

/// The log of a run.
enum LogFile {
    /// Its beginning, which nothing rests on yet, and the key that is to be kept with it.
    Aside(Aside, Key),
    Placed(DiskFile),
    /// Its place is being given to it.
    Moving,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// It is not known what the last write left.
    Stopped,
    Over,
}

/// A log that was read.
pub(super) struct Loaded {
    pub(super) head: Head,
    /// The size that the ledger had when the run began.
    pub(super) since: u64,
    frames: Frames,
    asked: Vec<Place>,
    rows: u64,
    setup: Option<SetupTerms>,
    records: (u64, u64),
    landmarks: Vec<Record>,
    length: u64,
    number: u64,
    /// What was found, where that was little.
    pub(super) found: Option<Zeroizing<Vec<u8>>>,
    /// Whether something stands behind what was read.
    pub(super) torn: bool,
}

impl Run {
    /// The run's id.
    #[must_use]
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// What it is about.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What the setup is about that the run uses up, where its protocol has one.
    #[must_use]
    pub const fn setup(&self) -> Option<&SetupTerms> {
        self.setup.as_ref()
    }

    /// Takes a record that a session wants stored: holds it against those of the run, and makes it
    /// durable, in one step.
    ///
    /// A debit goes into the ledger, and nowhere else; `reserve` is asked once about each that is
    /// new, and says whether the budget covers it. What it answered yes to was not charged where
    /// this gives an error other than of a ledger that [stopped](LedgerError::Stopped).
    ///
    /// That the setup is spent is stored by destroying it: where it is no longer there, whichever
    /// run has used it, that contradicts.
    ///
    /// # Errors
    ///
    /// [`RunError`]; the record is not acknowledged then.
    pub fn take(
        &self,
        record: &Record,
        reserve: &mut dyn FnMut(&Debit) -> bool,
        rng: &mut dyn CryptoRng,
    ) -> Result<Taken, RunError> {
        let mut account = self.open_account()?;
        if account.contradicts(record) {
            return Ok(Taken::Contradicted);
        }
        match record {
            Record::Debit(debit) => {
                if account.debits.contains_key(&debit.batch) {
                    return Ok(Taken::Stored);
                }
                let event = self.event(debit)?;
                if !reserve(debit) {
                    return Ok(Taken::Refused);
                }
                self.place(&mut account, rng)?;
                self.append(&mut account, vec![(draw(rng), event)], rng)?;
                account.debits.insert(debit.batch, *debit);
            }
            Record::State(state) => {
                self.write(&mut account, FrameKind::State, state.as_bytes(), rng)?;
            }
            Record::Spent { setup } => {
                let own = self.setup.as_ref().map(SetupTerms::id);
                let own = own.filter(|own| own.0 == *setup).ok_or(RunError::Setup)?;
                self.place(&mut account, rng)?;
                if !self.home.setups.spend(&own)? {
                    return Ok(Taken::Contradicted);
                }
            }
            Record::Receipt(signed) => {
                self.write(&mut account, FrameKind::Receipt, &signed.encode(), rng)?;
            }
        }
        account.note(record);
        Ok(Taken::Stored)
    }

    /// [Takes](Self::take) several states and receipts, in one write: all of them are durable or none is.
    /// Nothing where one is of another kind, or all of them are too much for that: then they are to be
    /// taken one by one.
    ///
    /// # Errors
    ///
    /// [`RunError`]; none is acknowledged then.
    pub fn take_states(
        &self,
        records: &[&Record],
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Vec<Taken>>, RunError> {
        let mut account = self.open_account()?;
        let mut content = Zeroizing::new(Vec::new());
        let (mut taken, before) = (Vec::new(), account.landmarks.len());
        for record in records {
            let earlier = &account.landmarks;
            if earlier.iter().any(|earlier| record.contradicts(earlier)) {
                taken.push(Taken::Contradicted);
                continue;
            }
            let (kind, bytes) = match record {
                Record::State(state) => (FrameKind::State, state.as_bytes().to_vec()),
                Record::Receipt(signed) => (FrameKind::Receipt, signed.encode()),
                Record::Debit(_) | Record::Spent { .. } => {
                    account.landmarks.truncate(before);
                    return Ok(None);
                }
            };
            log::join(&mut content, kind, &Zeroizing::new(bytes));
            account.note(record);
            taken.push(Taken::Stored);
        }
        let written = if content.len() > log::MAX_CONTENT {
            Ok(false)
        } else if content.is_empty() {
            return Ok(Some(taken));
        } else {
            self.write(&mut account, FrameKind::Several, &content, rng)
                .map(|()| true)
        };
        if !matches!(written, Ok(true)) {
            account.landmarks.truncate(before);
        }
        Ok(written?.then_some(taken))
    }

    /// [Takes](Self::take) a state or a receipt that nobody is told of yet: it is durable with the next
    /// record that is taken, or with the run's end.
    ///
    /// # Errors
    ///
    /// [`RunError`].
    pub fn take_ahead(&self, record: &Record) -> Result<Taken, RunError> {
        let mut account = self.open_account()?;
        if account.contradicts(record) {
            return Ok(Taken::Contradicted);
        }
        let (kind, bytes) = match record {
            Record::State(state) => (FrameKind::State, state.as_bytes().to_vec()),
            Record::Receipt(signed) => (FrameKind::Receipt, signed.encode()),
            Record::Debit(_) | Record::Spent { .. } => return Err(RunError::Setup),
        };
        account.ahead.push((kind, Zeroizing::new(bytes)));
        account.note(record);
        Ok(Taken::Stored)
    }

    /// All records so far, debits first, then that the setup is spent, the others in the order in
    /// which they were taken: what a resumed session is given. They are there until the run is
    /// [settled](Self::settle).
    ///
    /// # Errors
    ///
    /// [`RunError`].
    pub fn records(&self) -> Result<Records, RunError> {
        let account = self.readable_account()?;
        let debits: Vec<_> = account.debits.values().copied().collect();
        let setup = self.setup.as_ref().map(SetupTerms::id);
        // Whichever run it was that has used it up: this one will not.
        let spent = setup.filter(|setup| !self.home.setups.has(setup));
        Ok(Records::new(
            debits,
            spent.map(|spent| spent.0),
            self.home.disk.open(&self.path(&account))?,
            Arc::clone(&self.frames),
            account.records,
            account.length,
            self.home.path(&self.path(&account)),
        ))
    }

    /// What the run asks for, in order.
    ///
    /// # Errors
    ///
    /// [`RunError`].
    pub fn asked(&self) -> Result<Asked, RunError> {
        let path = self.path(&self.lock());
        Ok(Asked::new(
            self.home.disk.open(&path)?,
            self.home.path(&path),
            Arc::clone(&self.frames),
            Arc::clone(&self.asked),
            self.rows,
        ))
    }

    /// The newest receipt that was stored.
    ///
    /// # Errors
    ///
    /// [`RunError::Ended`], [`RunError::Stopped`].
    pub fn receipt(&self) -> Result<Option<SignedReceipt>, RunError> {
        Ok(self.readable_account()?.receipt().cloned())
    }

    /// Begins to take what the run found, to be handed to [`conclude`](Self::conclude) or
    /// [`open_late`](Self::open_late). The ledger commits to it.
    ///
    /// `expires` is the first second in which it is no longer there, since 1970.
    ///
    /// # Errors
    ///
    /// [`RunError::Side`] for a responder's run, and the disk's.
    pub fn results(
        &self,
        expires: Option<u64>,
        rng: &mut dyn CryptoRng,
    ) -> Result<ResultWriter, RunError> {
        if self.head.side == Side::Responder {
            return Err(RunError::Side);
        }
        let id = Files::results_key(&self.id);
        let disk = self.home.disk.clone();
        Ok(ResultWriter::new(
            disk,
            self.id,
            id,
            self.head.peer.as_str(),
            expires,
            rng,
        ))
    }

    /// Ends the run with its receipt, which both sides have signed: the ledger has it, a querier's
    /// results appear, and what would resume the run is destroyed.
    ///
    /// # Errors
    ///
    /// [`RunError`]. The run goes on, unless it then is [stopped](RunError::Stopped): then it is
    /// open whether the ledger has it, and opening the home again finds that out and ends it where
    /// it has.
    pub fn conclude(
        &self,
        results: Option<ResultWriter>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        self.conclude_ahead(results, rng)?;
        self.settle(rng)
    }

    /// The same up to the ledger's record of it, by which the run has ended. What follows from that is
    /// left to [`settle`](Self::settle), or to whoever opens the home again.
    ///
    /// # Errors
    ///
    /// As [`conclude`](Self::conclude).
    pub fn conclude_ahead(
        &self,
        results: Option<ResultWriter>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        if results.is_some() != (self.head.side == Side::Querier) {
            return Err(RunError::Side);
        }
        let mut account = self.open_account()?;
        let signed = account.receipt().ok_or(RunError::Receipt)?;
        if signed.responder.is_none() {
            return Err(RunError::Receipt);
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let receipt = Salted::new(&nonce, &signed.encode());
        let run = self.id.0;
        let events = vec![(nonce, Event::RunConcluded { run, receipt })];
        self.end(&mut account, events, Outcome::Concluded, results, rng)
    }

    /// Does what nobody waits for: covers what the ledger recorded of the run and, once that has ended,
    /// makes its results visible and destroys what would resume it.
    ///
    /// # Errors
    ///
    /// [`RunError`]; opening the home again does what is left, or [gives it out](super::Runs::left).
    pub fn settle(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        self.show(rng)?;
        let mut account = self.lock();
        if account.standing == Standing::Over && !account.cleared {
            account.cleared = true;
            self.home.destroy_log(&self.id)?;
        }
        Ok(())
    }

    /// The same but for what would resume it: what it was answered is there to be read until it is
    /// [settled](Self::settle).
    ///
    /// # Errors
    ///
    /// As [`settle`](Self::settle).
    pub fn show(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        let mut account = self.lock();
        if account.standing == Standing::Open {
            self.flush(&mut account, rng)?;
        }
        if let Some(end) = account.ending.take() {
            account.standing = Standing::Stopped;
            if let Some(found) = account.found.take() {
                self.home.publish_results(&self.id, &found, rng)?;
            }
            self.home.publish_end(&self.id, &end, rng)?;
            account.standing = Standing::Over;
        }
        drop(account);
        Ok(self.home.ledger.cover()?)
    }

    /// Opens a querier's results that the responder has not signed for, once its time is over. The
    /// querier has signed. The run is to be [settled](Self::settle).
    ///
    /// # Errors
    ///
    /// As [`conclude`](Self::conclude).
    pub fn open_late(
        &self,
        results: ResultWriter,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let mut account = self.open_account()?;
        let signed = account.receipt().ok_or(RunError::Receipt)?;
        if signed.responder.is_some() {
            return Err(RunError::Receipt);
        }
        let run = self.id.0;
        let events = [Event::RunUnreceipted { run }, Event::RunOpenedLate { run }];
        let events = events.map(|event| (draw(rng), event)).into();
        self.end(
            &mut account,
            events,
            Outcome::OpenedLate,
            Some(results),
            rng,
        )
    }

    /// Ends the run without a receipt: what it stored is destroyed, and nothing was found.
    ///
    /// # Errors
    ///
    /// As [`conclude`](Self::conclude); [`RunError::Receipt`] where both sides have signed.
    pub fn give_up(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        let mut account = self.open_account()?;
        let signed = account.receipt();
        if signed.is_some_and(|signed| signed.responder.is_some()) {
            return Err(RunError::Receipt);
        }
        let events = vec![(draw(rng), Event::RunUnreceipted { run: self.id.0 })];
        self.end(&mut account, events, Outcome::GivenUp, None, rng)?;
        drop(account);
        self.settle(rng)
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().standing == Standing::Over
    }

    /// Whether it is over, and all that follows from that is done. Whoever is at it has something to do.
    pub(super) fn is_settled(&self) -> bool {
        let account = self.account.try_lock();
        account.is_ok_and(|account| account.standing == Standing::Over && account.cleared)
    }

    /// The steps of an end up to the ledger's, which is the one that counts (`spec/46 §5`).
    fn end(
        &self,
        account: &mut Account,
        mut events: Vec<([u8; 32], Event)>,
        outcome: Outcome,
        results: Option<ResultWriter>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        if outcome == Outcome::GivenUp && !account.is_agreed && account.number == account.records.1
        {
            // Nobody was told anything in it: there is no such run.
            account.standing = Standing::Stopped;
            if let LogFile::Placed(_) = mem::replace(&mut account.file, LogFile::Moving) {
                self.home.destroy_log(&self.id)?;
                self.home.forget(&self.id)?;
            }
            account.standing = Standing::Over;
            account.cleared = true;
            return Ok(());
        }
        let (mut retention, mut few) = (None, None);
        if let Some(results) = results {
            if *results.run() != self.id {
                return Err(RunError::Side);
            }
            let finished = results.finish()?.ok_or(RunError::Leaves)?;
            let Finished { found, trailer } = finished;
            match found {
                Found::Few(found) => {
                    self.write(account, FrameKind::Found, &found, rng)?;
                    few = Some(found);
                }
                Found::Many(file, id, key) => {
                    self.flush(account, rng)?;
                    let path = self.home.results(&self.id);
                    let key = self.home.keys.ready(id, &key, rng);
                    let key = key.map_err(|error| self.home.key_error(&path, error))?;
                    self.home.disk.publish_together(vec![key, (file, path)])?;
                }
            }
            let (run, root) = (self.id.0, trailer.root);
            events.push((draw(rng), Event::Results { run, root }));
            let expires = trailer.expires;
            retention = Some(Retention { expires });
        }
        self.flush(account, rng)?;
        let ended = self.append(account, events, rng)?;
        // From here on the run is over, whether or not what follows works out.
        account.standing = Standing::Over;
        account.found = few;
        let receipt = match outcome {
            Outcome::GivenUp => None,
            _ => account.receipt().cloned(),
        };
        account.ending = Some(End {
            head: self.head.clone(),
            ended,
            outcome,
            receipt,
            results: retention,
        });
        Ok(())
    }

    /// Appends to the ledger, which is to be [covered](Self::settle), behind that the run was agreed;
    /// gives the time.
    fn append(
        &self,
        account: &mut Account,
        mut events: Vec<([u8; 32], Event)>,
        rng: &mut dyn CryptoRng,
    ) -> Result<u64, RunError> {
        if !account.is_agreed {
            let agreed = Event::RunAgreed {
                run: self.id.0,
                peer: self.head.peer.clone(),
                side: self.head.side,
                agreement: Sha256::digest(self.head.agreement.encode()).into(),
            };
            let begun = iter::once(agreed)
                .chain(self.asks())
                .map(|event| (draw(rng), event));
            events.splice(0..0, begun.collect::<Vec<_>>());
        }
        let appended = self.home.ledger.append_ahead(events);
        if matches!(appended, Err(LedgerError::Stopped(_))) {
            account.standing = Standing::Stopped;
        }
        let appended = appended?;
        account.is_agreed = true;
        Ok(appended.time)
    }

    /// Makes the run durable as it has begun, unless it is.
    ///
    /// # Errors
    ///
    /// [`RunError`].
    pub fn store(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        let mut account = self.open_account()?;
        self.place(&mut account, rng)
    }

    /// Makes it durable, and has the ledger record that it was agreed.
    #[cfg(test)]
    pub(super) fn agree(&self, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        self.store(rng)?;
        self.append(&mut self.lock(), Vec::new(), rng).map(drop)
    }

    /// Gives the log its place with all that is in it, unless it has it.
    fn place(&self, account: &mut Account, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        if account.is_placed() {
            return Ok(());
        }
        let LogFile::Aside(aside, key) = mem::replace(&mut account.file, LogFile::Moving) else {
            return Err(RunError::Stopped);
        };
        let (home, path) = (&self.home, self.home.log(&self.id));
        let key = home.keys.ready(Files::state_key(&self.id), &key, rng);
        let key = key.map_err(|error| home.key_error(&path, error));
        let placed = key.and_then(|key| {
            home.disk
                .publish_together(vec![key, (aside, path.clone())])?;
            Ok(home.disk.open_to_append(&path)?)
        });
        match placed {
            Ok(file) => {
                account.file = LogFile::Placed(file);
                Ok(())
            }
            Err(error) => {
                // There is no such run, or what cannot be removed now is when the home is opened again.
                let gone = home
                    .destroy_log(&self.id)
                    .and_then(|()| home.forget(&self.id));
                account.cleared = gone.is_ok();
                account.standing = match gone {
                    Ok(()) => Standing::Over,
                    Err(_) => Standing::Stopped,
                };
                Err(error)
            }
        }
    }

    /// Where the log is.
    fn path(&self, account: &Account) -> String {
        match &account.file {
            LogFile::Aside(aside, _) => aside.path().to_owned(),
            LogFile::Placed(_) | LogFile::Moving => self.home.log(&self.id),
        }
    }

    /// That this node asks, where it does, and for how much (`spec/42 §2`, kind 25).
    fn asks(&self) -> Option<Event> {
        let items = self.head.direction()?.querier_input.class;
        (self.head.side == Side::Querier).then_some(Event::Asked {
            run: self.id.0,
            peer: self.head.peer.clone(),
            view: self.head.view()?,
            epoch: self.head.epoch,
            items: Class::exactly(items)?,
        })
    }

    fn event(&self, debit: &Debit) -> Result<Event, RunError> {
        Ok(Event::Debit {
            peer: self.head.peer.clone(),
            view: self.head.view().ok_or(RunError::Head)?,
            epoch: self.head.epoch,
            run: self.id.0,
            batch: debit.batch,
            digest: debit.digest,
            amount: Class::exactly(debit.evaluations).ok_or(RunError::Class)?,
        })
    }

    fn write(
        &self,
        account: &mut Account,
        kind: FrameKind,
        content: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        if account.ahead.is_empty() {
            return self.write_one(account, kind, content, rng);
        }
        let mut several = Zeroizing::new(Vec::new());
        for (kind, ahead) in &account.ahead {
            log::join(&mut several, *kind, ahead);
        }
        if kind == FrameKind::Several {
            several.extend_from_slice(content);
        } else {
            log::join(&mut several, kind, content);
        }
        if several.len() > log::MAX_CONTENT {
            self.flush(account, rng)?;
            return self.write_one(account, kind, content, rng);
        }
        self.write_one(account, FrameKind::Several, &several, rng)?;
        account.ahead.clear();
        Ok(())
    }

    /// Makes durable what is to be so with the next record.
    fn flush(&self, account: &mut Account, rng: &mut dyn CryptoRng) -> Result<(), RunError> {
        while let Some((kind, content)) = account.ahead.first().cloned() {
            self.write_one(account, kind, &content, rng)?;
            account.ahead.remove(0);
        }
        Ok(())
    }

    fn write_one(
        &self,
        account: &mut Account,
        kind: FrameKind,
        content: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let frame = self.frames.seal(kind, account.number, content, rng)?;
        match &mut account.file {
            LogFile::Aside(aside, _) => {
                if let Err(error) = aside.write_all(&frame) {
                    account.standing = Standing::Stopped;
                    return Err(error.into());
                }
                self.place(account, rng)?;
            }
            LogFile::Placed(file) => {
                if let Err(error) = file.write_all(&frame) {
                    // What was written of it must not stay before what is written next.
                    if file.truncate(account.length).is_err() {
                        account.standing = Standing::Stopped;
                    }
                    return Err(error.into());
                }
                file.sync();
            }
            LogFile::Moving => return Err(RunError::Stopped),
        }
        account.number += 1;
        account.length += frame.len() as u64;
        Ok(())
    }

    fn open_account(&self) -> Result<MutexGuard<'_, Account>, RunError> {
        let account = self.lock();
        match account.standing {
            Standing::Open => Ok(account),
            Standing::Stopped => Err(RunError::Stopped),
            Standing::Over => Err(RunError::Ended),
        }
    }

    /// That of a run that has ended too, as long as its log is there.
    fn readable_account(&self) -> Result<MutexGuard<'_, Account>, RunError> {
        let account = self.lock();
        match account.standing {
            Standing::Over if account.cleared => Err(RunError::Ended),
            Standing::Over | Standing::Open => Ok(account),
            Standing::Stopped => Err(RunError::Stopped),
        }
    }

    /// Whether it has ended, and is to be [settled](Self::settle).
    pub(super) fn is_left(&self) -> bool {
        let account = self.lock();
        account.standing == Standing::Over && !account.cleared
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        // A thread that died while it wrote may have left anything.
        self.account.lock().unwrap_or_else(|poisoned| {
            let mut account = PoisonError::into_inner(poisoned);
            if account.standing == Standing::Open {
                account.standing = Standing::Stopped;
            }
            account
        })
    }
}

impl Account {
    const fn is_placed(&self) -> bool {
        matches!(self.file, LogFile::Placed(_))
    }

    fn contradicts(&self, record: &Record) -> bool {
        if let Record::Debit(debit) = record {
            let earlier = self.debits.get(&debit.batch);
            return earlier.is_some_and(|earlier| record.contradicts(&Record::Debit(*earlier)));
        }
        self.landmarks
            .iter()
            .any(|earlier| record.contradicts(earlier))
    }

    fn note(&mut self, record: &Record) {
        if is_landmark(record) {
            self.landmarks.push(record.clone());
        }
    }

    fn receipt(&self) -> Option<&SignedReceipt> {
        receipt(&self.landmarks)
    }
}

fn receipt(landmarks: &[Record]) -> Option<&SignedReceipt> {
    landmarks.iter().rev().find_map(|record| match record {
        Record::Receipt(signed) => Some(&**signed),
        _ => None,
    })
}

/// Whether a later record could contradict this one: a state that does so contradicts itself too,
/// and the long ones, of blinds and outputs, do not.
fn is_landmark(record: &Record) -> bool {
    matches!(record, Record::Receipt(_)) || record.contradicts(record)
}

pub(super) fn draw(rng: &mut dyn CryptoRng) -> [u8; 32] {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    nonce
}

impl Loaded {
    /// Reads a log from its beginning to its end, but for the rows that are asked for.
    pub(super) fn read(home: &Files, id: &RunId) -> Result<Self, RunError> {
        let path = home.log(id);
        let mut file = home.disk.open(&path)?;
        let full = home.path(&path);
        let key = home.keys.load(Files::state_key(id));
        let key = key.map_err(|error| home.key_error(&path, error))?;
        let frames = Frames::new(*id, &key);
        let length = file.length()?;
        Self::walk(&mut file, length, frames, id).map_err(|error| log_error(error, full))
    }

    /// Reads the log in `file`, of so many bytes.
    pub(super) fn walk(
        file: &mut (impl Read + Seek),
        length: u64,
        frames: Frames,
        id: &RunId,
    ) -> Result<Self, LogError> {
        log::check_header(file)?;
        let mut at = log::HEADER as u64;
        let mut number = 0;
        let mut head = None;
        let mut asked = Vec::new();
        let mut setup = None;
        let mut begun = None;
        let mut landmarks = Vec::new();
        let (mut found, mut torn) = (None, false);
        loop {
            let place = match frames.next(file, length, at, number)? {
                Next::End => break,
                Next::Torn => {
                    torn = true;
                    break;
                }
                Next::Frame(place) => place,
            };
            let damaged = || LogError::Damaged { at: place.at };
            let behind = (place.behind(), number + 1);
            match (place.kind, &head, begun) {
                (FrameKind::Head, None, _) => {
                    let content = frames.open(file, &place)?;
                    let (since, bytes) = content.split_first_chunk::<8>().ok_or_else(damaged)?;
                    let read = Head::decode(bytes).map_err(|_| damaged())?;
                    if read.run().as_ref() != Some(id) {
                        return Err(damaged());
                    }
                    head = Some((read, u64::from_be_bytes(*since)));
                }
                (FrameKind::Asked, Some(_), None) => asked.push(place),
                (FrameKind::Setup, Some((head, _)), None) if setup.is_none() => {
                    let content = frames.open(file, &place)?;
                    let terms = SetupTerms::decode(&content).map_err(|_| damaged())?;
                    if head.direction().map(|one| one.setup) != Some(terms.id().0) {
                        return Err(damaged());
                    }
                    setup = Some(terms);
                }
                (FrameKind::Begun, Some(_), None) => {
                    let content = frames.open(file, &place)?;
                    let rows = content.as_slice().try_into().map_err(|_| damaged())?;
                    begun = Some((u64::from_be_bytes(rows), behind));
                }
                (FrameKind::State, _, Some(_)) => {
                    let state = State::from_bytes(frames.open(file, &place)?);
                    let record = Record::State(state);
                    if is_landmark(&record) {
                        landmarks.push(record);
                    }
                }
                (FrameKind::Receipt, _, Some(_)) => {
                    let content = frames.open(file, &place)?;
                    let signed = SignedReceipt::decode(&content).map_err(|_| damaged())?;
                    landmarks.push(Record::Receipt(Box::new(signed)));
                }
                (FrameKind::Several, _, Some(_)) => {
                    let content = frames.open(file, &place)?;
                    let several = log::split(&content).ok_or_else(damaged)?;
                    landmarks.extend(several.records.into_iter().filter(is_landmark));
                    found = several.found.or(found);
                }
                (FrameKind::Found, _, Some(_)) => {
                    found = Some(frames.open(file, &place)?);
                }
                _ => return Err(damaged()),
            }
            (at, number) = behind;
        }
        // A log appears with its whole beginning.
        let ((head, since), (rows, records)) = head.zip(begun).ok_or(LogError::Damaged { at })?;
        Ok(Self {
            head,
            since,
            frames,
            asked,
            rows,
            setup,
            records,
            landmarks,
            length: at,
            number,
            found,
            torn,
        })
    }

    /// What the run asks for.
    pub(super) fn asked(self, home: &Files, id: &RunId) -> Result<Asked, RunError> {
        let path = home.log(id);
        let file = home.disk.open(&path)?;
        let (frames, places) = (Arc::new(self.frames), self.asked.into());
        let asked = Asked::new(file, home.path(&path), frames, places, self.rows);
        Ok(asked)
    }

    /// The newest receipt in it.
    pub(super) fn receipt(&self) -> Option<&SignedReceipt> {
        receipt(&self.landmarks)
    }

    /// Goes on with the run, of which the ledger says so much: cuts what a crash tore, and makes sure
    /// that the rest is on disk.
    pub(super) fn resume(
        self,
        home: &Arc<Home>,
        id: RunId,
        recorded: Recorded,
    ) -> Result<Run, RunError> {
        let file = home.disk.open_to_append(&home.log(&id))?;
        if self.torn {
            file.truncate(self.length)?;
        }
        file.sync();
        let Recorded { agreed, debits, .. } = recorded;
        Ok(self.open(home, id, LogFile::Placed(file), agreed, debits))
    }

    /// Whether it has more than its beginning.
    pub(super) const fn has_records(&self) -> bool {
        self.number > self.records.1
    }

    /// A run of which the whole beginning is in `aside`, and nothing else.
    pub(super) fn begun(
        home: &Arc<Home>,
        id: RunId,
        mut aside: Aside,
        key: Key,
    ) -> Result<Run, RunError> {
        let frames = Frames::new(id, &key);
        let length = aside.length()?;
        let path = home.path(aside.path());
        let log = Self::walk(&mut aside, length, frames, &id);
        let log = log.map_err(|error| log_error(error, path))?;
        aside.seek(SeekFrom::Start(length))?;
        let file = LogFile::Aside(aside, key);
        Ok(log.open(home, id, file, false, BTreeMap::new()))
    }

    /// The run, which has ended and of which only its log is left.
    pub(super) fn ended(self, home: &Arc<Home>, id: RunId) -> Result<Run, RunError> {
        let file = home.disk.open(&home.log(&id))?;
        let mut run = self.open(home, id, LogFile::Placed(file), true, BTreeMap::new());
        let account = run.account.get_mut();
        account.unwrap_or_else(PoisonError::into_inner).standing = Standing::Over;
        Ok(run)
    }

    fn open(
        self,
        home: &Arc<Home>,
        id: RunId,
        file: LogFile,
        is_agreed: bool,
        debits: BTreeMap<u64, Debit>,
    ) -> Run {
        Run {
            id,
            head: self.head,
            home: Arc::clone(home),
            frames: Arc::new(self.frames),
            asked: self.asked.into(),
            rows: self.rows,
            setup: self.setup,
            account: Mutex::new(Account {
                file,
                length: self.length,
                number: self.number,
                records: self.records,
                ahead: Vec::new(),
                is_agreed,
                debits,
                landmarks: self.landmarks,
                standing: Standing::Open,
                ending: None,
                found: None,
                cleared: false,
            }),
        }
    }
}

pub(super) fn log_error(error: LogError, file: PathBuf) -> RunError {
    match error {
        LogError::Header => RunError::NotALog { file },
        LogError::Damaged { at } => RunError::Damaged { file, at },
        LogError::Disk(error) => RunError::Disk(error),
    }
}

/// A key that is gone already is as good as destroyed.
pub(super) fn unless_missing(destroyed: Result<(), KeyError>) -> Result<(), KeyError> {
    match destroyed {
        Err(KeyError::Missing) => Ok(()),
        destroyed => destroyed,
    }
}

/// A file that is gone already is as good as removed.
pub(super) fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
