//! Where runs lie in a home, and the steps that end one on disk.

use std::{
    io::{self, Write},
    ops::Deref,
    path::PathBuf,
    sync::Arc,
};

use blindmatch_psi::agreement::RunId;
use rand_core::CryptoRng;

use super::{
    end::End,
    error::RunError,
    run::{unless_gone, unless_missing},
    setups::Setups,
};
use crate::{
    disk::Disk,
    home,
    keys::{FileId, FileKeys, Key, KeyError},
    ledger::Ledger,
    sealed::{Kind, SealedError, SealedReader, SealedWriter, claimed_id, file_key},
};

pub(super) const RUNS: &str = "runs";
pub(super) const LOG: &str = "log";
pub(super) const END: &str = "end";
pub(super) const RESULTS: &str = "results";
/// Says that the operator had all else of the run destroyed, because it did not read.
pub(super) const DISCARDED: &str = "discarded";
/// The most bytes of an end.
const MAX_END: u64 = 128 << 10;

/// What runs have of the home.
pub(super) struct Home {
    pub(super) files: Files,
    pub(super) ledger: Arc<Ledger>,
    pub(super) setups: Setups,
}

/// All of it but the ledger: enough to read them, and to destroy what is damaged.
pub(super) struct Files {
    pub(super) disk: Disk,
    pub(super) keys: FileKeys,
    /// From which the keys of ends derive.
    pub(super) ends: Key,
}

impl Deref for Home {
    type Target = Files;

    fn deref(&self) -> &Files {
        &self.files
    }
}

impl Files {
    pub(super) fn of(home: &home::Home) -> Self {
        Self {
            disk: home.disk().clone(),
            keys: home.file_keys(),
            ends: home.storage_key().derive("blindmatch runs v1"),
        }
    }

    /// The runs that have a directory, ascending.
    pub(super) fn list(&self) -> Result<Vec<RunId>, RunError> {
        match self.disk.list(RUNS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => Ok(names?.iter().filter_map(|name| parse(name)).collect()),
        }
    }

    /// The key of what resumes a run: the first half of its id, which is random, names it.
    pub(super) fn state_key(id: &RunId) -> FileId {
        first_half(id)
    }

    /// The key of its results: the second half.
    pub(super) fn results_key(id: &RunId) -> FileId {
        let (_, second) = halves(id);
        FileId(second)
    }

    pub(super) fn directory(id: &RunId) -> String {
        format!("{RUNS}/{}", hex(id))
    }

    pub(super) fn log(&self, id: &RunId) -> String {
        format!("{}/{LOG}", Self::directory(id))
    }

    pub(super) fn end(&self, id: &RunId) -> String {
        format!("{}/{END}", Self::directory(id))
    }

    pub(super) fn discarded(id: &RunId) -> String {
        format!("{}/{DISCARDED}", Self::directory(id))
    }

    pub(super) fn results(&self, id: &RunId) -> String {
        format!("{}/{RESULTS}", Self::directory(id))
    }

    /// The whole path, for people.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.disk.root().join(path)
    }

    pub(super) fn key_error(&self, path: &str, error: KeyError) -> RunError {
        match error {
            KeyError::Disk(error) => RunError::Disk(error),
            error => RunError::Key {
                file: self.path(path),
                error,
            },
        }
    }

    pub(super) fn in_file(&self, path: &str, error: SealedError) -> RunError {
        match error {
            SealedError::Io(error) => RunError::Disk(error),
            error => RunError::File(error.in_file(self.path(path))),
        }
    }

    pub(super) fn publish_end(
        &self,
        id: &RunId,
        end: &End,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let file = FileId::random(rng);
        let key = file_key(&self.ends, file);
        let bytes = end.encode();
        self.disk.publish(&self.end(id), |aside| {
            let mut sealed = SealedWriter::new(aside, Kind::RunEnd, file, &key)?;
            sealed.write_all(&bytes)?;
            sealed.finish().map(drop)
        })?;
        Ok(())
    }

    pub(super) fn read_end(&self, id: &RunId) -> Result<End, RunError> {
        let path = self.end(id);
        let read = || {
            let mut file = self.disk.open(&path)?;
            let key = file_key(&self.ends, claimed_id(&mut file)?);
            let mut sealed = SealedReader::open(file, Kind::RunEnd, &key)?;
            let damaged = SealedError::Damaged { block: 0 };
            if sealed.length() > MAX_END {
                return Err(damaged);
            }
            let mut bytes = Vec::new();
            for number in 0..sealed.blocks() {
                bytes.extend_from_slice(sealed.block(number)?);
            }
            match End::decode(&bytes) {
                // That of another run, put in its place, is damage.
                Ok(end) if end.head.run().as_ref() == Some(id) => Ok(end),
                _ => Err(damaged),
            }
        };
        read().map_err(|error| self.in_file(&path, error))
    }

    /// Removes all of a run, whose keys are destroyed, but for the word that it was discarded.
    pub(super) fn clear(&self, id: &RunId) -> Result<(), RunError> {
        let directory = Self::directory(id);
        for name in self.disk.list(&directory)? {
            if name != DISCARDED {
                unless_gone(self.disk.remove(&format!("{directory}/{name}")))?;
            }
        }
        Ok(())
    }

    /// Destroys what would resume a run: first its key.
    pub(super) fn destroy_log(&self, id: &RunId) -> Result<(), RunError> {
        let path = self.log(id);
        unless_missing(self.keys.destroy(Self::state_key(id)))
            .map_err(|error| self.key_error(&path, error))?;
        Ok(unless_gone(self.disk.remove(&path))?)
    }

    /// Removes what is left of a run that never began.
    pub(super) fn forget(&self, id: &RunId) -> Result<(), RunError> {
        let directory = Self::directory(id);
        for key in [Self::state_key(id), Self::results_key(id)] {
            unless_missing(self.keys.destroy(key))
                .map_err(|error| self.key_error(&directory, error))?;
        }
        Ok(unless_gone(self.disk.remove_directory(&directory))?)
    }

    /// Publishes what a run found, as [`Found::Few`](super::results::Found) has it, under a new key.
    pub(super) fn publish_results(
        &self,
        id: &RunId,
        found: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), RunError> {
        let (path, name) = (self.results(id), Self::results_key(id));
        let (_, key) = FileKeys::draw(rng);
        let mut sealed = SealedWriter::new(self.disk.aside()?, Kind::Results, name, &key)?;
        sealed.write_all(found)?;
        let file = sealed.finish()?;
        let key = self.keys.ready(name, &key, rng);
        let key = key.map_err(|error| self.key_error(&path, error))?;
        Ok(self.disk.publish_together(vec![key, (file, path)])?)
    }

    /// Destroys what a run found: first its key.
    pub(super) fn destroy_results(&self, id: &RunId) -> Result<(), RunError> {
        let path = self.results(id);
        unless_missing(self.keys.destroy(Self::results_key(id)))
            .map_err(|error| self.key_error(&path, error))?;
        Ok(unless_gone(self.disk.remove(&path))?)
    }
}

/// The name of a directory, or a file, that is about a run or a setup.
pub(super) fn hex(id: &RunId) -> String {
    id.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The run or setup that has this name.
pub(super) fn parse(name: &str) -> Option<RunId> {
    let mut id = [0; 32];
    let digits = name.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
        let pair = str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    let id = RunId(id);
    (hex(&id) == name).then_some(id)
}

/// The name of the key of what goes by this id.
pub(super) fn first_half(id: &RunId) -> FileId {
    let (first, _) = halves(id);
    FileId(first)
}

/// A run's id is a hash of fresh nonces: its halves are as random as other names of keys.
fn halves(id: &RunId) -> ([u8; 16], [u8; 16]) {
    let [first, second] = [0, 16].map(|from| {
        let mut half = [0; 16];
        half.iter_mut()
            .zip(id.0.iter().skip(from))
            .for_each(|(to, byte)| *to = *byte);
        half
    });
    (first, second)
}
