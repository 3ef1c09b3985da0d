//! What people decided about matches, and what members tell each other about them: each a sealed file
//! of its own, whose bytes are its caller's (`spec/70-matches.md` §9).
//!
//! An entry is kept first, and recorded in the ledger behind that; a mark beside it says that it was. So
//! after a crash it shows which records are to be made up for.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    error::RunError,
    run::{unless_gone, unless_missing},
};
use crate::{
    disk::Disk,
    home::Home,
    keys::{FileId, FileKeys, KeyError},
    sealed::{Kind, SealedError, SealedReader, SealedWriter, claimed_id},
};

const DIRECTORY: &str = "matches";
/// Behind the name of an entry that the ledger has.
pub(crate) const RECORDED: &str = ".recorded";
/// The most bytes of an entry.
pub const MAX_ENTRY: usize = 128 << 10;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// What an operator decided.
    Decided,
    /// What a peer is to be told.
    Due,
    /// What a peer was told, and has acknowledged.
    Told,
    /// What a peer told.
    Heard,
    /// A match that a peer withdrew.
    Recalled,
}

/// Names an entry of a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 32]);

/// An entry. It has no `Debug`: people write names into them.
pub struct Said {
    /// Its name.
    pub id: EntryId,
    /// Whether the ledger has it.
    pub recorded: bool,
    /// Its bytes.
    pub content: Zeroizing<Vec<u8>>,
}

/// The entries of a home.
pub struct Entries {
    disk: Disk,
    keys: FileKeys,
    /// Held while one is kept, marked or destroyed.
    changing: Mutex<()>,
}

impl Entries {
    /// The entries of `home`. What a crash left of one that was being kept is removed.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub fn open(home: &Home) -> Result<Self, RunError> {
        let entries = Self {
            disk: home.disk().clone(),
            keys: home.file_keys(),
            changing: Mutex::default(),
        };
        for shelf in Shelf::ALL {
            for id in list(&entries.disk, shelf)? {
                match entries.read(shelf, &id) {
                    Err(RunError::Key {
                        error: KeyError::Missing,
                        ..
                    }) => entries.remove(shelf, &id)?,
                    Err(RunError::Disk(error)) => return Err(error.into()),
                    // What does not read is said by whoever reads it.
                    _ => {}
                }
            }
        }
        Ok(entries)
    }

    /// Keeps an entry, durably; says whether it was not there before. One that is stays as it is.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and key, and where the content has more than [`MAX_ENTRY`] bytes.
    pub fn keep(
        &self,
        shelf: Shelf,
        id: &EntryId,
        content: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, RunError> {
        let _one = self.lock();
        let path = path(shelf, id);
        if self.disk.exists(&path)? {
            return Ok(false);
        }
        if content.len() > MAX_ENTRY {
            return Err(RunError::Head);
        }
        self.disk.create_directory(DIRECTORY)?;
        let (file, key) = FileKeys::draw(rng);
        self.disk.publish(&path, |aside| {
            let mut sealed = SealedWriter::new(aside, Kind::Entry, file, &key)?;
            sealed.write_all(content)?;
            sealed.finish().map(drop)
        })?;
        // A file without its key goes when the home is opened.
        let kept = self.keys.keep(file, &key, rng);
        kept.map_err(|error| self.key_error(&path, error))?;
        Ok(true)
    }

    /// Marks that the ledger has an entry.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub fn mark_recorded(&self, shelf: Shelf, id: &EntryId) -> Result<(), RunError> {
        let _one = self.lock();
        let mark = format!("{}{RECORDED}", path(shelf, id));
        Ok(self.disk.aside()?.publish(&mark)?)
    }

    /// Whether there is an entry of this name.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub fn has(&self, shelf: Shelf, id: &EntryId) -> Result<bool, RunError> {
        Ok(self.disk.exists(&path(shelf, id))?)
    }

    /// Whether the ledger has an entry.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub fn is_recorded(&self, shelf: Shelf, id: &EntryId) -> Result<bool, RunError> {
        let mark = format!("{}{RECORDED}", path(shelf, id));
        Ok(self.disk.exists(&mark)?)
    }

    /// All entries of a shelf, ascending by their names.
    ///
    /// # Errors
    ///
    /// [`RunError`] that names the first file which does not read.
    pub fn all(&self, shelf: Shelf) -> Result<Vec<Said>, RunError> {
        let mut entries = Vec::new();
        for id in list(&self.disk, shelf)? {
            match self.read(shelf, &id) {
                Ok(content) => entries.push(Said {
                    id,
                    recorded: self.is_recorded(shelf, &id)?,
                    content,
                }),
                // It was destroyed meanwhile.
                Err(_) if !self.has(shelf, &id)? => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// Those that do not read: the path of each, and why.
    ///
    /// # Errors
    ///
    /// [`RunError::Disk`].
    pub fn damaged(&self) -> Result<Vec<(String, RunError)>, RunError> {
        let mut damaged = Vec::new();
        for shelf in Shelf::ALL {
            for id in list(&self.disk, shelf)? {
                match self.read(shelf, &id) {
                    Err(RunError::Disk(error)) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    Err(error) if self.has(shelf, &id)? => damaged.push((path(shelf, &id), error)),
                    _ => {}
                }
            }
        }
        Ok(damaged)
    }

    /// Destroys an entry: its key first.
    ///
    /// # Errors
    ///
    /// [`RunError`] of disk and key.
    pub fn destroy(&self, shelf: Shelf, id: &EntryId) -> Result<(), RunError> {
        let _one = self.lock();
        self.remove(shelf, id)
    }

    fn remove(&self, shelf: Shelf, id: &EntryId) -> Result<(), RunError> {
        let path = path(shelf, id);
        if let Ok(mut file) = self.disk.open(&path)
            && let Ok(file) = claimed_id(&mut file)
        {
            unless_missing(self.keys.destroy(file))
                .map_err(|error| self.key_error(&path, error))?;
        }
        unless_gone(self.disk.remove(&format!("{path}{RECORDED}")))?;
        Ok(unless_gone(self.disk.remove(&path))?)
    }

    fn read(&self, shelf: Shelf, id: &EntryId) -> Result<Zeroizing<Vec<u8>>, RunError> {
        let path = path(shelf, id);
        let in_file = |error: SealedError| match error {
            SealedError::Io(error) => RunError::Disk(error),
            error => RunError::File(error.in_file(self.full(&path))),
        };
        let mut file = self.disk.open(&path)?;
        let named = claimed_id(&mut file).map_err(in_file)?;
        let key = self.keys.load(named);
        let key = key.map_err(|error| self.key_error(&path, error))?;
        let mut sealed = SealedReader::open(file, Kind::Entry, &key).map_err(in_file)?;
        let length = usize::try_from(sealed.length()).unwrap_or(usize::MAX);
        if length > MAX_ENTRY {
            return Err(in_file(SealedError::Damaged { block: 0 }));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for number in 0..sealed.blocks() {
            bytes.extend_from_slice(sealed.block(number).map_err(in_file)?);
        }
        Ok(bytes)
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

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of all file keys that entries of this home have.
///
/// # Errors
///
/// [`RunError::Disk`].
pub fn entry_key_ids(home: &Home) -> Result<Vec<FileId>, RunError> {
    let mut keys = Vec::new();
    for shelf in Shelf::ALL {
        for id in list(home.disk(), shelf)? {
            let mut file = home.disk().open(&path(shelf, &id))?;
            keys.extend(claimed_id(&mut file).ok());
        }
    }
    Ok(keys)
}

/// The paths of all entries of a home.
pub(crate) fn entry_paths(disk: &Disk) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for shelf in Shelf::ALL {
        let ids = list(disk, shelf).map_err(io::Error::other)?;
        paths.extend(ids.iter().map(|id| path(shelf, id)));
    }
    Ok(paths)
}

/// Whether an entry has this path.
pub(crate) fn is_entry(of: &str) -> bool {
    Shelf::ALL.iter().any(|shelf| {
        let name = of
            .strip_prefix(DIRECTORY)
            .and_then(|of| of.strip_prefix('/'));
        let id = name.and_then(|name| name.strip_prefix(shelf.prefix()));
        id.and_then(super::place::parse).is_some()
    })
}

impl Shelf {
    const ALL: [Self; 5] = [
        Self::Decided,
        Self::Due,
        Self::Told,
        Self::Heard,
        Self::Recalled,
    ];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Decided => "decided-",
            Self::Due => "due-",
            Self::Told => "told-",
            Self::Heard => "heard-",
            Self::Recalled => "recalled-",
        }
    }
}

fn path(shelf: Shelf, id: &EntryId) -> String {
    let digits: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{DIRECTORY}/{}{digits}", shelf.prefix())
}

fn list(disk: &Disk, shelf: Shelf) -> Result<Vec<EntryId>, RunError> {
    let names = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let names = names
        .iter()
        .filter_map(|name| name.strip_prefix(shelf.prefix()));
    let mut ids: Vec<_> = names.filter_map(super::place::parse).collect();
    ids.sort_unstable_by_key(|id| id.0);
    Ok(ids.into_iter().map(|id| EntryId(id.0)).collect())
}
