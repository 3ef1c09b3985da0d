//! A node's home directory: its layout, its one owner at a time, its version.
//!
//! | path | what |
//! |---|---|
//! | `version` | the form of this home, and a mark of its storage key |
//! | `home.lock` | locked by the process that owns the home |
//! | `blindmatch.toml` | what the operator configures |
//! | `keys/` | [`crate::keys`] |
//! | `roster/`, `ledger/` | truth |
//! | `collections/`, `views/`, `runs/` | sealed files |
//! | `index/` | derived; delete it and it is rebuilt |
//! | `aside/` | files that are not finished |
//!
//! All of it lies on one file system (`spec/43 §1`).

use std::{
    fmt, fs,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
};

use crate::{
    disk::{ASIDE, Disk, DiskFile},
    keys::{self, FileKeys, KEYS, KeyError, NamedKeys, StorageKey},
    moment::Moment,
};

/// The form of home that this code writes.
pub const VERSION: u32 = 1;

pub(crate) const MARKER: &str = "version";
pub(crate) const LOCK: &str = "home.lock";
/// Is there only behind the marker.
const LEDGER: &str = "ledger/checkpoint";
/// Stands in a directory that is not a home yet while a backup is restored into it, and says that
/// all else there may go.
pub(crate) const RESTORING: &str = "restoring";
pub(crate) const DIRECTORIES: [&str; 9] = [
    KEYS,
    "keys/files",
    "roster",
    "ledger",
    "collections",
    "views",
    "runs",
    "index",
    ASIDE,
];
/// Those that are made with the home, and that nothing removes or makes again.
const KEPT: [&str; 7] = [
    KEYS,
    "keys/files",
    "roster",
    "ledger",
    "collections",
    "views",
    "runs",
];

/// A home that this process owns: nobody else opens it until this is dropped or the process ends.
#[derive(Debug)]
pub struct Home {
    disk: Disk,
    storage: StorageKey,
    _lock: DiskFile,
}

impl Home {
    /// Makes a home in a directory that is missing or empty and opens it. What an earlier `create`
    /// left unfinished is completed; a storage key that is there already stays.
    ///
    /// `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`HomeError`].
    pub fn create(disk: Disk, storage: &StorageKey, now: u64) -> Result<Self, HomeError> {
        disk.create_directory("")?;
        for name in disk.list("")? {
            let ours = name == LOCK || DIRECTORIES.contains(&name.as_str());
            if name == MARKER {
                return Err(HomeError::Exists);
            } else if !ours {
                return Err(HomeError::Occupied(disk.root().join(name)));
            }
        }
        check_place(&disk)?;
        let lock = lock(&disk, now)?;
        Self::found(disk, lock, storage)
    }

    /// Makes a directory a home, once all else that belongs into it is there.
    pub(crate) fn found(
        disk: Disk,
        lock: DiskFile,
        storage: &StorageKey,
    ) -> Result<Self, HomeError> {
        disk.sweep()?;
        for directory in DIRECTORIES {
            disk.create_directory(directory)?;
        }
        let found = keys::load_storage_key(&disk);
        if matches!(found, Err(KeyError::Missing)) {
            keys::store_storage_key(&disk, storage)?;
        }
        let storage = keys::load_storage_key(&disk)?;
        // Last: a directory without it is no home.
        Marker::of(&storage).publish(&disk)?;
        check_permissions(&disk)?;
        Ok(Self {
            disk,
            storage,
            _lock: lock,
        })
    }

    /// Opens a home: becomes its owner, checks who may read it and that the storage key is its
    /// own, and removes what is left of files that were never finished and of keys that were being
    /// destroyed.
    ///
    /// `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`HomeError`].
    pub fn open(disk: Disk, now: u64) -> Result<Self, HomeError> {
        let marker = Marker::read(&disk)?;
        let lock = lock(&disk, now)?;
        check_permissions(&disk)?;
        let storage = own_storage_key(&disk, &marker)?;
        disk.sweep()?;
        if disk.exists(RESTORING)? {
            // Of a restore that has ended: the marker is there.
            disk.remove(RESTORING)?;
        }
        NamedKeys::new(disk.clone(), &storage).sweep()?;
        Ok(Self {
            disk,
            storage,
            _lock: lock,
        })
    }

    /// Puts the storage key back into a home whose own is missing or damaged, and `version` where that
    /// is, and says whether that was so: a home that has both already stays as it is. The mark in
    /// `version` tells whether it is the key of this home, or else a key by name that it opens.
    ///
    /// `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`HomeError::OtherStorageKey`], and others; nothing has changed then.
    pub fn put_back_storage_key(
        disk: &Disk,
        storage: &StorageKey,
        now: u64,
    ) -> Result<bool, HomeError> {
        let marker = match Marker::read(disk) {
            Err(HomeError::Marker | HomeError::MarkerGone(_)) => None,
            marker => Some(marker?),
        };
        let _lock = lock(disk, now)?;
        check_permissions(disk)?;
        let is_marked = marker.is_some_and(|marker| marker.storage == storage.mark());
        if !is_marked && !NamedKeys::new(disk.clone(), storage).opens_one()? {
            return Err(HomeError::OtherStorageKey);
        }
        let is_there = match keys::load_storage_key(disk) {
            Ok(found) => found.mark() == storage.mark(),
            Err(KeyError::Disk(error)) => return Err(error.into()),
            Err(_) => false,
        };
        if !is_there {
            keys::store_storage_key(disk, storage)?;
        }
        if !is_marked {
            Marker::of(storage).publish(disk)?;
        }
        Ok(!is_there || !is_marked)
    }

    /// The files of a home that another process may own, to be read only: nothing is locked,
    /// repaired or removed.
    ///
    /// # Errors
    ///
    /// [`HomeError`].
    pub fn read_only(root: &Path) -> Result<Disk, HomeError> {
        let disk = Disk::read_only(root);
        Marker::read(&disk)?;
        Ok(disk)
    }

    /// The secrets by name of a home that another process may own, to be read only.
    ///
    /// # Errors
    ///
    /// [`HomeError`].
    pub fn named_keys_read_only(disk: &Disk) -> Result<NamedKeys, HomeError> {
        let marker = Marker::read(disk)?;
        check_permissions(disk)?;
        let storage = own_storage_key(disk, &marker)?;
        Ok(NamedKeys::new(disk.clone(), &storage))
    }

    /// The files.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The key that everything at rest is sealed under.
    #[must_use]
    pub const fn storage_key(&self) -> &StorageKey {
        &self.storage
    }

    /// The directories and files of the home that others than its user may enter or read, by their
    /// own modes: what the home's own keeps them from while it is as it should be.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn readable_by_others(&self) -> Result<Vec<PathBuf>, HomeError> {
        let mut found = Vec::new();
        let mut below = vec![self.disk.root().to_owned()];
        while let Some(path) = below.pop() {
            let metadata = fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                for entry in fs::read_dir(&path)? {
                    below.push(entry?.path());
                }
            }
            if !metadata.is_symlink() && metadata.mode() & 0o077 != 0 {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// The keys of files that can be deleted.
    #[must_use]
    pub fn file_keys(&self) -> FileKeys {
        FileKeys::new(self.disk.clone(), &self.storage)
    }

    /// Secrets by name.
    #[must_use]
    pub fn named_keys(&self) -> NamedKeys {
        NamedKeys::new(self.disk.clone(), &self.storage)
    }
}

/// Which process owns a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// Since when, in seconds since 1970.
    pub since: u64,
}

impl Owner {
    fn parse(text: &str) -> Option<Self> {
        let (pid, since) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            since: since.parse().ok()?,
        })
    }
}

/// Why a home does not open.
#[derive(Debug)]
#[non_exhaustive]
pub enum HomeError {
    /// The directory has no version marker.
    NotAHome(PathBuf),
    /// A restore into the directory was cut short.
    Restoring(PathBuf),
    /// There is a home already.
    Exists,
    /// The directory holds something else.
    Occupied(PathBuf),
    /// A later version of the program wrote this home.
    Newer {
        /// The form that it has.
        found: u32,
    },
    /// The version marker is damaged.
    Marker,
    /// The version marker of a home is gone.
    MarkerGone(PathBuf),
    /// A directory of the home is gone, with all that was in it, or is none any more.
    Gone(PathBuf),
    /// Another process owns the home; none is named in the moment in which it starts.
    Locked(Option<Owner>),
    /// Others than its user may enter a directory or read a key.
    Permissions {
        /// The directory or file.
        path: PathBuf,
        /// What its permissions should be.
        mode: u32,
    },
    /// The home belongs to another user than this process runs as.
    User {
        /// The user id of the home.
        home: u32,
    },
    /// The storage key is not there.
    StorageKeyMissing,
    /// The storage key is that of another home, or damaged.
    StorageKeyForeign,
    /// The storage key that was to be put back is that of another home.
    OtherStorageKey,
    /// The disk failed.
    Disk(io::Error),
}

impl fmt::Display for HomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHome(path) => write!(f, "{} is no home of blindmatch", path.display()),
            Self::Restoring(path) => write!(
                f,
                "a restore into {} did not finish: nothing there is used yet",
                path.display()
            ),
            Self::Exists => f.write_str("there is a home here already"),
            Self::Occupied(path) => write!(
                f,
                "the directory is not empty ({}): choose one that is",
                path.display()
            ),
            Self::Newer { found } => write!(
                f,
                "a later version of blindmatch wrote this home (form {found}, this one knows {VERSION}): use that version"
            ),
            Self::Marker => f.write_str("the file `version` of the home is damaged"),
            Self::MarkerGone(path) => write!(
                f,
                "the file `version` of the home {} is gone",
                path.display()
            ),
            Self::Gone(path) => write!(
                f,
                "the directory {} is gone: it was made with the home, and no command removes it",
                path.display()
            ),
            Self::Locked(Some(Owner { pid, since })) => {
                let since = Moment(*since);
                write!(f, "process {pid} has this home open, since {since}")
            }
            Self::Locked(None) => f.write_str("another process has this home open"),
            Self::Permissions { path, mode } => write!(
                f,
                "others may read {}: its mode has to be {mode:o}",
                path.display()
            ),
            Self::User { home } => write!(
                f,
                "the home belongs to the user with id {home}: run this command as that user"
            ),
            Self::StorageKeyMissing => f.write_str(
                "keys/storage is missing: without it nothing in this home can be read",
            ),
            Self::StorageKeyForeign => f.write_str(
                "keys/storage is not the storage key of this home or is damaged, or `version`, which has its mark, is damaged: without that key nothing in this home can be read",
            ),
            Self::OtherStorageKey => {
                f.write_str("that is the storage key of another home: nothing was changed")
            }
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HomeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for HomeError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<KeyError> for HomeError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Missing => Self::StorageKeyMissing,
            KeyError::Foreign | KeyError::Damaged | KeyError::Name => Self::StorageKeyForeign,
            KeyError::Disk(error) => Self::Disk(error),
        }
    }
}

struct Marker {
    version: u32,
    storage: [u8; 16],
}

impl Marker {
    fn of(storage: &StorageKey) -> Self {
        Self {
            version: VERSION,
            storage: storage.mark(),
        }
    }

    fn publish(&self, disk: &Disk) -> Result<(), HomeError> {
        Ok(disk.publish(MARKER, |file| write!(file, "{self}"))?)
    }

    fn read(disk: &Disk) -> Result<Self, HomeError> {
        let text = match disk.read(MARKER, 4096) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let root = disk.root().to_owned();
                return Err(if disk.exists(RESTORING)? {
                    HomeError::Restoring(root)
                } else if disk.exists(LEDGER)? {
                    HomeError::MarkerGone(root)
                } else {
                    HomeError::NotAHome(root)
                });
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(HomeError::Marker);
            }
            text => text?,
        };
        let text = str::from_utf8(&text).map_err(|_| HomeError::Marker)?;
        // The first line is the same in every version to come; the others may not be.
        let version = text
            .strip_prefix("blindmatch home ")
            .and_then(|rest| rest.split_once('\n'))
            .and_then(|(version, _)| version.parse().ok())
            .ok_or(HomeError::Marker)?;
        if version > VERSION {
            return Err(HomeError::Newer { found: version });
        }
        let storage = text
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix("storage-key "))
            .and_then(|mark| u128::from_str_radix(mark, 16).ok())
            .ok_or(HomeError::Marker)?;
        let marker = Self {
            version,
            storage: storage.to_be_bytes(),
        };
        if version == 0 || marker.to_string() != text {
            return Err(HomeError::Marker);
        }
        for directory in KEPT {
            let path = disk.root().join(directory);
            if !path.is_dir() {
                return Err(HomeError::Gone(path));
            }
        }
        Ok(marker)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "blindmatch home {}", self.version)?;
        writeln!(f, "storage-key {:032x}", u128::from_be_bytes(self.storage))
    }
}

pub(crate) fn lock(disk: &Disk, now: u64) -> Result<DiskFile, HomeError> {
    let mut file = disk.open_to_append(LOCK)?;
    if file.try_lock()? {
        file.truncate(0)?;
        file.write_all(format!("{} {now}\n", process::id()).as_bytes())?;
        return Ok(file);
    }
    let mut owner = Vec::new();
    file.take(64).read_to_end(&mut owner)?;
    let owner = str::from_utf8(&owner).ok().and_then(Owner::parse);
    Err(HomeError::Locked(owner))
}

fn own_storage_key(disk: &Disk, marker: &Marker) -> Result<StorageKey, HomeError> {
    let storage = keys::load_storage_key(disk)?;
    if storage.mark() == marker.storage {
        Ok(storage)
    } else {
        Err(HomeError::StorageKeyForeign)
    }
}

/// Nobody but the user may enter the home or read a key.
fn check_permissions(disk: &Disk) -> Result<(), HomeError> {
    check_place(disk)?;
    let keys = disk.list(KEYS)?;
    let mut keys = keys.iter().map(|name| format!("{KEYS}/{name}"));
    check_private(disk.root().join(KEYS))?;
    keys.try_for_each(|key| check_private(disk.root().join(key)))
}

/// The directory is the user's, and for nobody else: asked before anything is written there.
pub(crate) fn check_place(disk: &Disk) -> Result<(), HomeError> {
    let home = fs::metadata(disk.root())?.uid();
    if home != rustix::process::geteuid().as_raw() {
        return Err(HomeError::User { home });
    }
    check_private(disk.root().to_owned())
}

fn check_private(path: PathBuf) -> Result<(), HomeError> {
    let metadata = fs::metadata(&path)?;
    if metadata.mode() & 0o077 != 0 {
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        return Err(HomeError::Permissions { path, mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
