//! Collections: named sets of indicators, each the union of its sources (`spec/44-sealed.md` §4).
//!
//! `collections/NAME/current` lists what a collection consists of; beside it stands one sealed file
//! of sorted rows for each source, named by the hash of its sealed bytes. An import writes a new
//! file, keeps its key, then switches `current`, then destroys the key of the file that it replaces:
//! before the switch nothing has happened, after it everything has.

mod contents;
mod expire;
mod import;
mod names;
mod recode;
mod remove;
mod snapshot;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rand_core::CryptoRng;

use crate::disk::{Disk, DiskFile};
use crate::home::Home;
use crate::keys::{FileId, FileKeys, Key, KeyError};
use crate::merge::Rows;
use crate::moment::Moment;
use crate::row::{Row, RowReader};
use crate::sealed::{Kind, SealedError, SealedReader, claimed_id};
use crate::sort::{BUFFER, Sorter};

pub use contents::{CollectionKind, Contents, PaymentKeyId, Source, UnknownKind};
pub use expire::Derive;
pub use import::{Import, ImportPlan, Imported, IsExcluded, Mention, Mode, Ttl, shrinks};
pub use names::{CollectionName, NotAName, SourceName};
pub use recode::{Recode, Recoded};
pub use snapshot::{Change, SnapshotRows, difference};

const COLLECTIONS: &str = "collections";
const CURRENT: &str = "current";
/// Stands beside the files of a first import until there is a list.
const BEGUN: &str = "begun";

/// The collections of a home. Clones are the same collections.
#[derive(Clone)]
pub struct Collections {
    disk: Disk,
    keys: Arc<FileKeys>,
    /// From which the keys of the lists of contents derive.
    lists: Arc<Key>,
    /// Whether something is being changed.
    busy: Arc<AtomicBool>,
    /// What each buffer of a sort may take, in bytes.
    sort_memory: usize,
}

/// Why something about a collection failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum CollectionError {
    /// There is no such collection.
    Missing,
    /// The list of its sources is gone, and their files are there: they are kept as they are.
    ListLost {
        /// The directory of the collection.
        directory: PathBuf,
    },
    /// The collection has no such source.
    NoSource,
    /// The collection is of this kind, and kinds do not change.
    Kind(CollectionKind),
    /// A replacement would take more than 30 % from its source.
    Shrinks {
        /// Values of the source now.
        before: u64,
        /// Values that it would have.
        after: u64,
    },
    /// The card numbers of the source are hashed under another payment key than those that were to
    /// be added or taken out.
    PaymentKey,
    /// Another import into this home is under way.
    Busy,
    /// The collection has as many sources as there may be, or as many imports.
    Full,
    /// The clock shows a day before 2000 or after 2179.
    Clock,
    /// The clock shows an earlier time than the newest import of the collection.
    Time {
        /// When that was, in seconds since 1970.
        newest: u64,
        /// What the clock shows.
        now: u64,
    },
    /// The key of a file is not there or does not open.
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with its key.
        error: KeyError,
    },
    /// A file is damaged, or its disk fails.
    File(SealedError),
    /// The disk failed.
    Disk(io::Error),
}

impl Collections {
    /// The collections of `home`. What an interrupted import left behind is removed.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`] of the disk. A collection that is damaged is left as it is, and an
    /// error when it is used.
    pub fn open(home: &Home) -> Result<Self, CollectionError> {
        let collections = Self {
            disk: home.disk().clone(),
            keys: Arc::new(home.file_keys()),
            lists: Arc::new(home.storage_key().derive("blindmatch collections v1")),
            busy: Arc::default(),
            sort_memory: BUFFER,
        };
        collections.sweep()?;
        Ok(collections)
    }

    /// The same, whose imports sort in buffers of so many bytes, three of them at most, instead of
    /// 48 MiB.
    #[must_use]
    pub fn with_sort_memory(self, bytes: usize) -> Self {
        Self {
            sort_memory: bytes,
            ..self
        }
    }

    /// The names of all collections, ascending.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`] of the disk.
    pub fn names(&self) -> Result<Vec<CollectionName>, CollectionError> {
        if !self.disk.exists(COLLECTIONS)? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for name in self.disk.list(COLLECTIONS)? {
            if let Ok(name) = name.parse::<CollectionName>()
                && (self.disk.exists(&current(&name))? || self.is_list_lost(&name)?)
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// What a collection consists of now.
    ///
    /// # Errors
    ///
    /// [`CollectionError::Missing`], and others.
    pub fn contents(&self, name: &CollectionName) -> Result<Contents, CollectionError> {
        let path = current(name);
        if !self.disk.exists(&path)? {
            return Err(if self.is_list_lost(name)? {
                CollectionError::ListLost {
                    directory: self.disk.root().join(directory(name)),
                }
            } else {
                CollectionError::Missing
            });
        }
        let read = || {
            let mut file = self.disk.open(&path)?;
            let key = crate::sealed::file_key(&self.lists, claimed_id(&mut file)?);
            let sealed = SealedReader::open(file, Kind::Collection, &key)?;
            Contents::read(sealed, name)
        };
        read().map_err(|error| self.in_file(&path, error))
    }

    /// The keys that the files of a collection say they are sealed under, whether or not its list reads.
    ///
    /// # Errors
    ///
    /// A [`CollectionError`] of the disk.
    pub fn claimed_keys(&self, name: &CollectionName) -> Result<BTreeSet<FileId>, CollectionError> {
        let directory = directory(name);
        let mut claimed = BTreeSet::new();
        for file in self.disk.list(&directory)? {
            let mut file = self.disk.open(&format!("{directory}/{file}"))?;
            // What says none is damaged, or no sealed file.
            claimed.extend(claimed_id(&mut file).ok());
        }
        Ok(claimed)
    }

    /// Whether there are files of a collection without a list, other than by a first import that
    /// was interrupted.
    fn is_list_lost(&self, name: &CollectionName) -> Result<bool, CollectionError> {
        let directory = directory(name);
        Ok(self.disk.exists(&directory)?
            && !self.disk.exists(&current(name))?
            && !self.disk.exists(&begun(name))?
            && !self.disk.list(&directory)?.is_empty())
    }

    /// Makes `contents` what the collection consists of.
    fn publish(
        &self,
        contents: &Contents,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), CollectionError> {
        let id = FileId::random(rng);
        let key = crate::sealed::file_key(&self.lists, id);
        let path = current(&contents.name);
        Ok(self
            .disk
            .publish(&path, |file| contents.write(file, id, &key))?)
    }

    /// Opens the rows of a source.
    fn open_source(
        &self,
        name: &CollectionName,
        source: &Source,
    ) -> Result<SourceRows, CollectionError> {
        Ok(SourceRows {
            file: self.disk.root().join(source_path(name, source)),
            rows: self.read_source(name, source, RowReader::new)?,
        })
    }

    /// Opens the file of a source for `read`, whose errors name it.
    fn read_source<T>(
        &self,
        name: &CollectionName,
        source: &Source,
        read: impl FnOnce(SealedReader<DiskFile>) -> Result<T, SealedError>,
    ) -> Result<T, CollectionError> {
        let path = source_path(name, source);
        let key = self
            .keys
            .load(source.id)
            .map_err(|error| CollectionError::Key {
                file: self.disk.root().join(&path),
                error,
            })?;
        let open = || {
            let mut file = self.disk.open(&path)?;
            // Its key opens no other file, but this says so without a word about damage.
            if claimed_id(&mut file)? != source.id {
                return Err(SealedError::NotSealed);
            }
            read(SealedReader::open(file, Kind::Source, &key)?)
        };
        open().map_err(|error| self.in_file(&path, error))
    }

    fn sorter(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Sorter {
        Sorter::new(self.disk.clone(), rng, self.sort_memory)
    }

    /// Destroys a file that is no longer part of anything: first its key, so that what a crash
    /// leaves behind says nothing.
    fn discard(&self, path: &str, id: FileId) -> Result<(), CollectionError> {
        self.destroy_key(id, path)?;
        match self.disk.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed?),
        }
    }

    fn destroy_key(&self, id: FileId, path: &str) -> Result<(), CollectionError> {
        match self.keys.destroy(id) {
            Ok(()) | Err(KeyError::Missing) => Ok(()),
            Err(error) => Err(CollectionError::Key {
                file: self.disk.root().join(path),
                error,
            }),
        }
    }

    /// Removes files that no list names.
    fn sweep(&self) -> Result<(), CollectionError> {
        if !self.disk.exists(COLLECTIONS)? {
            return Ok(());
        }
        let mut named = BTreeSet::new();
        let mut unnamed = Vec::new();
        for directory in self.disk.list(COLLECTIONS)? {
            let Ok(name) = directory.parse::<CollectionName>() else {
                continue;
            };
            let sources = match self.contents(&name) {
                Ok(contents) => contents.sources,
                Err(CollectionError::Missing) => Default::default(),
                // Whose list cannot be read, of his files none can be judged.
                Err(_) => return Ok(()),
            };
            named.extend(sources.values().map(|source| source.id));
            let files: BTreeSet<_> = sources.values().map(Source::file_name).collect();
            for file in self.disk.list(&format!("{COLLECTIONS}/{directory}"))? {
                if file != CURRENT && !files.contains(&file) {
                    unnamed.push(format!("{COLLECTIONS}/{directory}/{file}"));
                }
            }
        }
        // The mark of a first import goes behind the files that it stands for.
        unnamed.sort_by_key(|path| path.ends_with(BEGUN));
        for path in unnamed {
            match claimed_id(&mut self.disk.open(&path)?) {
                // A damaged header must not name a key that is in use.
                Ok(id) if !named.contains(&id) => self.discard(&path, id)?,
                _ => self.disk.remove(&path)?,
            }
        }
        Ok(())
    }

    fn in_file(&self, path: &str, error: SealedError) -> CollectionError {
        let error = match error {
            // What stands in a file's place is none.
            SealedError::Io(error) if error.kind() == io::ErrorKind::IsADirectory => {
                SealedError::NotSealed
            }
            SealedError::Io(error) => return CollectionError::Disk(error),
            error => error,
        };
        CollectionError::File(error.in_file(self.disk.root().join(path)))
    }

    /// Marks that something is being changed, until the mark is dropped.
    fn occupy(&self) -> Result<Occupied, CollectionError> {
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(CollectionError::Busy);
        }
        Ok(Occupied(self.busy.clone()))
    }
}

struct Occupied(Arc<AtomicBool>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The rows of one source; errors name its file.
struct SourceRows {
    file: PathBuf,
    rows: RowReader<DiskFile>,
}

impl Rows for SourceRows {
    fn advance(&mut self) -> Result<bool, SealedError> {
        let advanced = self.rows.advance();
        advanced.map_err(|error| error.in_file(self.file.clone()))
    }

    fn row(&self) -> Option<Row<'_>> {
        self.rows.row()
    }

    fn advance_to(&mut self, key: &[u8]) -> Result<bool, SealedError> {
        let advanced = self.rows.advance_to(key);
        advanced.map_err(|error| error.in_file(self.file.clone()))
    }
}

fn current(name: &CollectionName) -> String {
    format!("{COLLECTIONS}/{name}/{CURRENT}")
}

fn begun(name: &CollectionName) -> String {
    format!("{COLLECTIONS}/{name}/{BEGUN}")
}

pub(crate) fn directory(name: &CollectionName) -> String {
    format!("{COLLECTIONS}/{name}")
}

fn source_path(name: &CollectionName, source: &Source) -> String {
    format!("{COLLECTIONS}/{name}/{}", source.file_name())
}

impl fmt::Debug for Collections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Collections").field(&self.disk).finish()
    }
}

impl CollectionError {
    /// Whether a file or key is not what was written, or gone: no disk that may work again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::ListLost { .. } | Self::File(_) => true,
            Self::Key { error, .. } => !matches!(error, KeyError::Disk(_)),
            Self::Disk(error) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether it is the list of sources that is damaged or gone, and not a source.
    #[must_use]
    pub fn is_of_list(&self) -> bool {
        match self {
            Self::ListLost { .. } => true,
            Self::File(SealedError::In { file, .. }) => file.ends_with(CURRENT),
            _ => false,
        }
    }
}

impl fmt::Display for CollectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such collection"),
            Self::ListLost { directory } => write!(
                f,
                "{}: the list of its sources, `{CURRENT}`, is gone",
                directory.display()
            ),
            Self::NoSource => f.write_str("the collection has no such source"),
            Self::Kind(kind) => write!(
                f,
                "the collection holds {kind}, and what a collection holds never changes"
            ),
            Self::Shrinks { before, after } => write!(
                f,
                "the source would shrink from {before} values to {after}, by more than 30 %"
            ),
            Self::PaymentKey => f.write_str(
                "the card numbers of the source are hashed under another payment key than this \
                 node has now, so none of the two would match",
            ),
            Self::Busy => f.write_str("another import into this home is under way"),
            Self::Full => f.write_str("the collection takes no more sources or imports"),
            Self::Clock => f.write_str("the clock of this machine is wrong by decades"),
            Self::Time { newest, now } => write!(
                f,
                "the clock shows {}, and the newest import was at {}: time does not run backwards",
                Moment(*now),
                Moment(*newest)
            ),
            Self::Key { file, error } => {
                write!(f, "the key of {} cannot be used: {error}", file.display())
            }
            Self::File(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CollectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Key { error, .. } => Some(error),
            Self::File(error) => Some(error),
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for CollectionError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<SealedError> for CollectionError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Io(error) => Self::Disk(error),
            error => Self::File(error),
        }
    }
}
#[cfg(test)]
mod tests;
