//! The files of one epoch of a view: all sealed under one key, which dies with the epoch
//! (`spec/46 §6`).

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::PathBuf,
};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{error::ViewError, file::ViewFile};
use crate::{
    disk::{Aside, Disk, DiskFile},
    keys::{FileId, FileKeys, Key, KeyError},
    sealed::{Kind, SealedError, SealedReader, SealedWriter, claimed_id, file_key},
};

pub(super) const VIEWS: &str = "views";
/// What the epoch consists of.
pub(super) const STATE: &str = "state";
/// Stands in a directory of which everything may go: not begun yet, or being destroyed.
pub(super) const VOID: &str = "void";
/// More bytes than a state has.
const MAX_STATE: u64 = 1 << 20;

/// One epoch's directory, and the key from which those of its files derive.
pub(super) struct Folder {
    disk: Disk,
    pub(super) id: FileId,
    key: Key,
}

/// A file on its way into a folder.
pub(super) struct Writing {
    pub(super) id: FileId,
    pub(super) file: SealedWriter<Aside>,
}

/// A complete file with no name yet.
pub(super) struct Written {
    pub(super) id: FileId,
    pub(super) file: Aside,
}

pub(super) fn directory(id: FileId) -> String {
    format!("{VIEWS}/{id}")
}

impl Folder {
    /// Begins a folder, of which everything may go as long as it is marked [`VOID`].
    pub(super) fn begin(
        disk: &Disk,
        keys: &FileKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, ViewError> {
        let (id, key) = FileKeys::draw(rng);
        let folder = Self {
            disk: disk.clone(),
            id,
            key,
        };
        disk.create_directory(&directory(id))?;
        disk.publish(&folder.path(VOID), |_| Ok::<_, io::Error>(()))?;
        let kept = keys.keep(id, &folder.key, rng);
        kept.map_err(|error| folder.key_error(error))?;
        Ok(folder)
    }

    pub(super) fn open(disk: &Disk, keys: &FileKeys, id: FileId) -> Result<Self, ViewError> {
        let mut folder = Self {
            disk: disk.clone(),
            id,
            key: Key::default(),
        };
        let key = keys.load(id);
        folder.key = key.map_err(|error| folder.key_error(error))?;
        Ok(folder)
    }

    pub(super) fn write(&self, rng: &mut dyn CryptoRng) -> io::Result<Writing> {
        let id = FileId::random(rng);
        let key = file_key(&self.key, id);
        let file = SealedWriter::new(self.disk.aside()?.sent_ahead(), Kind::ViewFile, id, &key)?;
        Ok(Writing { id, file })
    }

    pub(super) fn publish(&self, written: Written) -> Result<FileId, ViewError> {
        written.file.publish(&self.path(&written.id.to_string()))?;
        Ok(written.id)
    }

    /// Publishes several, which takes hardly longer than one.
    pub(super) fn publish_together(&self, written: Vec<Written>) -> Result<(), ViewError> {
        let files = written.into_iter();
        let files = files.map(|written| (written.file, self.path(&written.id.to_string())));
        Ok(self.disk.publish_together(files.collect())?)
    }

    /// Opens a file of this folder.
    pub(super) fn sealed(&self, id: FileId) -> Result<SealedReader<DiskFile>, ViewError> {
        let path = self.path(&id.to_string());
        let open = || {
            let mut file = self.disk.open(&path)?;
            if claimed_id(&mut file)? != id {
                return Err(SealedError::NotSealed);
            }
            SealedReader::open(file, Kind::ViewFile, &file_key(&self.key, id))
        };
        open().map_err(|error| self.in_file(&path, error))
    }

    /// The same, to be read at any place.
    pub(super) fn file(&self, id: FileId) -> Result<ViewFile<DiskFile>, ViewError> {
        Ok(ViewFile::new(self.sealed(id)?, self.full(id)))
    }

    /// A file that has no name yet, to be checked before it gets one.
    pub(super) fn unpublished(&self, written: &Written) -> Result<ViewFile<DiskFile>, ViewError> {
        let path = self.full(written.id);
        Ok(ViewFile::new(self.reopen(written)?, path))
    }

    /// The same, to be read from its beginning to its end.
    pub(super) fn reopen(&self, written: &Written) -> Result<SealedReader<DiskFile>, ViewError> {
        let key = file_key(&self.key, written.id);
        let file = written.file.reopen()?;
        Ok(SealedReader::open(file, Kind::ViewFile, &key)?)
    }

    pub(super) fn write_state(&self, state: &[u8], rng: &mut dyn CryptoRng) -> io::Result<()> {
        let id = FileId::random(rng);
        let key = file_key(&self.key, id);
        self.disk.publish(&self.path(STATE), |aside| {
            let mut sealed = SealedWriter::new(aside, Kind::View, id, &key)?;
            sealed.write_all(state)?;
            sealed.finish().map(drop)
        })
    }

    /// Reads the state by `decode`.
    pub(super) fn read_state<T, E>(
        &self,
        decode: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, ViewError> {
        let path = self.path(STATE);
        let read = || {
            let mut file = self.disk.open(&path)?;
            let key = file_key(&self.key, claimed_id(&mut file)?);
            let mut sealed = SealedReader::open(file, Kind::View, &key)?;
            let damaged = SealedError::Damaged { block: 0 };
            if sealed.length() > MAX_STATE {
                return Err(damaged);
            }
            // Room for all of it: it has keys.
            let length = usize::try_from(sealed.length()).unwrap_or(0);
            let mut bytes = Zeroizing::new(Vec::with_capacity(length));
            for number in 0..sealed.blocks() {
                bytes.extend_from_slice(sealed.block(number)?);
            }
            decode(&bytes).map_err(|_| damaged)
        };
        read().map_err(|error| self.in_file(&path, error))
    }

    /// Removes files that are no longer part of anything.
    pub(super) fn keep_only(&self, ids: &BTreeSet<FileId>) -> io::Result<()> {
        for name in self.disk.list(&directory(self.id))? {
            let named = FileId::parse(&name).is_some_and(|id| ids.contains(&id));
            if name != STATE && !named {
                self.disk.remove(&self.path(&name))?;
            }
        }
        Ok(())
    }

    /// The whole path of a file, for people.
    pub(super) fn full(&self, id: FileId) -> PathBuf {
        self.disk.root().join(self.path(&id.to_string()))
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", directory(self.id))
    }

    fn key_error(&self, error: KeyError) -> ViewError {
        let file: PathBuf = self.disk.root().join(self.path(STATE));
        match error {
            KeyError::Disk(error) => ViewError::Disk(error),
            error => ViewError::Key { file, error },
        }
    }

    fn in_file(&self, path: &str, error: SealedError) -> ViewError {
        error.in_file(self.disk.root().join(path)).into()
    }
}

impl Writing {
    pub(super) fn finish(self) -> io::Result<Written> {
        let (id, file) = (self.id, self.file.finish()?);
        Ok(Written { id, file })
    }
}
