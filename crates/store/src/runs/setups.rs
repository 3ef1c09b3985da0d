//! Setups of batch that no run has used up: this node's half of each, under a key of its own that
//! dies when a run spends it (`spec/46 §9`).
//!
//! A setup that is not here was spent, or is too old. There is no list of those that were: to spend
//! one is to destroy its key, which one run can do once.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    receipt::Side,
};
use blindmatch_psi::{
    agreement::RunId,
    batch::setup::{PreparedQuerier, PreparedResponder, SetupTerms},
    session::State,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    error::RunError,
    place::{first_half, hex, parse},
    run::{unless_gone, unless_missing},
};
use crate::{
    disk::Disk,
    home::Home,
    keys::{FileId, FileKeys, KeyError},
    sealed::{Kind, SealedError, SealedReader, SealedWriter},
};

const SETUPS: &str = "setups";
const CONTEXT: &str = "blindmatch kept setup v1";
/// More bytes than a half has: that of the largest class has about 4 MiB.
const MAX_HALF: usize = 1 << 23;

/// The setups of a home.
pub struct Setups {
    disk: Disk,
    keys: FileKeys,
    /// Held while one is spent.
    kept: Mutex<BTreeMap<RunId, Kept>>,
}

/// A setup that no run has used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Our side.
    pub side: Side,
    /// What it is about.
    pub terms: SetupTerms,
    /// When it was made, in seconds since 1970.
    pub made: u64,
}

impl Setups {
    /// The setups of `home`. What a crash left of one that was being kept or spent is removed, and
    /// so is one that does not read: another is made in its place.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub(super) fn open(home: &Home) -> Result<Self, RunError> {
        let setups = Self {
            disk: home.disk().clone(),
            keys: home.file_keys(),
            kept: Mutex::default(),
        };
        for id in list(home)? {
            match setups.read(&id) {
                Ok((kept, _)) if kept.terms.id() == id => _ = setups.lock().insert(id, kept),
                Err(SealedError::Io(error)) => return Err(error.into()),
                _ => setups.remove(&id)?,
            }
        }
        Ok(setups)
    }

    /// Keeps this node's half of a setup, durably. `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`RunError::Setup`] where it is no half of that side, and those of disk and key: it is not
    /// kept then.
    pub fn keep(
        &self,
        side: Side,
        half: &State,
        now: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<RunId, RunError> {
        let terms = terms_of(side, half).ok_or(RunError::Setup)?;
        let id = terms.id();
        let kept = Kept {
            side,
            terms,
            made: now,
        };
        let mut all = self.lock();
        if all.contains_key(&id) || half.as_bytes().len() > MAX_HALF {
            return Err(RunError::Setup);
        }
        let (path, (_, key)) = (path(&id), FileKeys::draw(rng));
        self.disk.create_directory(SETUPS)?;
        self.disk.publish(&path, |aside| {
            let mut sealed = SealedWriter::new(aside, Kind::Setup, first_half(&id), &key)?;
            sealed.write_all(&encode(&kept, half))?;
            sealed.finish().map(drop)
        })?;
        // A file without its key goes when the home is opened.
        let named = self.keys.keep(first_half(&id), &key, rng);
        named.map_err(|error| self.key_error(&path, error))?;
        all.insert(id, kept);
        Ok(id)
    }

    /// All that are here, by their ids.
    #[must_use]
    pub fn all(&self) -> BTreeMap<RunId, Kept> {
        self.lock().clone()
    }

    /// Whether a setup is here: no run has used it up.
    #[must_use]
    pub fn has(&self, id: &RunId) -> bool {
        self.lock().contains_key(id)
    }

    /// This node's half of a setup, as it was sealed; nothing where it is not here.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and key, and where the file is damaged.
    pub fn half(&self, id: &RunId) -> Result<Option<State>, RunError> {
        if !self.has(id) {
            return Ok(None);
        }
        match self.read(id) {
            Ok((_, half)) => Ok(Some(half)),
            Err(SealedError::Io(error)) => Err(error.into()),
            Err(error) => Err(RunError::File(error.in_file(self.full(&path(id))))),
        }
    }

    /// Uses a setup up, durably: whoever is told that this was so is the only one, ever.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and key. Nobody has used it up then, and nobody does in this process.
    pub(super) fn spend(&self, id: &RunId) -> Result<bool, RunError> {
        let mut all = self.lock();
        if all.remove(id).is_none() {
            return Ok(false);
        }
        self.remove(id)?;
        Ok(true)
    }

    /// Destroys a setup that nobody will use.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and key.
    pub fn destroy(&self, id: &RunId) -> Result<(), RunError> {
        self.spend(id).map(drop)
    }

    /// First the key, without which the file says nothing.
    fn remove(&self, id: &RunId) -> Result<(), RunError> {
        let path = path(id);
        unless_missing(self.keys.destroy(first_half(id)))
            .map_err(|error| self.key_error(&path, error))?;
        Ok(unless_gone(self.disk.remove(&path))?)
    }

    fn read(&self, id: &RunId) -> Result<(Kept, State), SealedError> {
        let damaged = SealedError::Damaged { block: 0 };
        let key = match self.keys.load(first_half(id)) {
            Err(KeyError::Disk(error)) => return Err(error.into()),
            key => key.map_err(|_| damaged)?,
        };
        let file = self.disk.open(&path(id))?;
        let mut sealed = SealedReader::open(file, Kind::Setup, &key)?;
        let length = usize::try_from(sealed.length()).unwrap_or(usize::MAX);
        if length > MAX_HALF + 64 {
            return Err(SealedError::Damaged { block: 0 });
        }
        // Room for all of it: it is secret.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for number in 0..sealed.blocks() {
            bytes.extend_from_slice(sealed.block(number)?);
        }
        decode(&bytes).map_err(|_| SealedError::Damaged { block: 0 })
    }

    fn key_error(&self, path: &str, error: KeyError) -> RunError {
        match error {
            KeyError::Disk(error) => RunError::Disk(error),
            error => RunError::Key {
                file: self.full(path),
                error,
            },
        }
    }

    /// The whole path, for people.
    fn full(&self, path: &str) -> PathBuf {
        self.disk.root().join(path)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of all file keys that a setup of this home has, or may have.
///
/// # Errors
///
/// [`RunError::Disk`].
pub fn setup_key_ids(home: &Home) -> Result<Vec<FileId>, RunError> {
    Ok(list(home)?.iter().map(first_half).collect())
}

fn list(home: &Home) -> Result<Vec<RunId>, RunError> {
    match home.disk().list(SETUPS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => Ok(names?.iter().filter_map(|name| parse(name)).collect()),
    }
}

fn path(id: &RunId) -> String {
    format!("{SETUPS}/{}", hex(id))
}

fn terms_of(side: Side, half: &State) -> Option<SetupTerms> {
    match side {
        Side::Querier => {
            let prepared = PreparedQuerier::from_state(half).ok()?;
            Some(prepared.terms().clone())
        }
        Side::Responder => {
            let prepared = PreparedResponder::from_state(half).ok()?;
            Some(prepared.terms().clone())
        }
    }
}

fn encode(kept: &Kept, half: &State) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new(CONTEXT);
    writer.reserve(64 + half.as_bytes().len());
    writer.u8(kept.side.code()).u64(kept.made);
    Zeroizing::new(writer.bytes(half.as_bytes()).finish())
}

fn decode(bytes: &[u8]) -> Result<(Kept, State), DecodeError> {
    let mut reader = Reader::new(CONTEXT, bytes)?;
    let side = Side::from_code(reader.u8()?)?;
    let made = reader.u64()?;
    let half = State::from(reader.bytes(MAX_HALF)?.to_vec());
    reader.finish()?;
    let terms = terms_of(side, &half).ok_or(DecodeError::Field)?;
    Ok((Kept { side, terms, made }, half))
}
