//! The index on disk, in sled.
//!
//! sled 0.34.7 may come back empty, with fewer entries or with a panic from files that were
//! damaged, and it creates what it does not find. So nothing that it says is believed without the
//! stamp and the MACs, a panic while it opens is a doubt like any other, and a directory that is not
//! there is found missing before sled is asked.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use super::{Doubt, Index, Visitor};

/// Where the stamp stands among the entries, whose keys are never empty.
const STAMP: &[u8] = &[];
/// With less free space than this, in bytes, it is the disk that keeps sled from beginning.
const FULL: u64 = 4 << 20;

/// An index in a directory of its own.
#[derive(Debug)]
pub struct SledIndex {
    db: ::sled::Db,
    directory: PathBuf,
}

impl SledIndex {
    /// Opens the index in `directory`.
    ///
    /// # Errors
    ///
    /// [`Doubt::Missing`] where there is no such directory, [`Doubt::Unreadable`] where sled does
    /// not open what is in it.
    pub fn open(directory: &Path) -> Result<Self, Doubt> {
        match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
            Ok(true) => open(directory),
            Ok(false) => Err(Doubt::Missing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Doubt::Missing),
            Err(_) => Err(Doubt::Unreadable),
        }
    }

    /// Begins a new index in `directory`; what was there is moved to `aside`.
    ///
    /// # Errors
    ///
    /// Those of the operating system and of sled.
    pub fn create(directory: &Path, aside: &Path) -> io::Result<Self> {
        remove(aside)?;
        match fs::rename(directory, aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        open(directory).map_err(|_| match rustix::fs::statvfs(directory) {
            Ok(space) if space.f_bavail.saturating_mul(space.f_frsize) < FULL => {
                io::ErrorKind::StorageFull.into()
            }
            _ => io::Error::other("sled cannot begin an index"),
        })
    }
}

impl Index for SledIndex {
    fn stamp(&self) -> Result<Option<Vec<u8>>, Doubt> {
        self.read(STAMP)
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Doubt> {
        let value = guarded(|| self.db.get(key))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn visit(&self, visit: &mut Visitor<'_>) -> Result<(), Doubt> {
        let mut entries = self.db.iter();
        while let Some((key, value)) = guarded(|| entries.next().transpose())? {
            if key != STAMP {
                visit(&key, &value)?;
            }
        }
        Ok(())
    }

    fn write(&self, values: &BTreeMap<Vec<u8>, Vec<u8>>, stamp: &[u8]) -> Result<(), Doubt> {
        let mut batch = ::sled::Batch::default();
        for (key, value) in values {
            batch.insert(key.as_slice(), value.as_slice());
        }
        batch.insert(STAMP, stamp);
        let written = guarded(|| self.db.apply_batch(batch));
        // sled may have begun a file, also where it failed.
        make_private(&self.directory).map_err(|_| Doubt::Unreadable)?;
        written
    }
}

/// Without a thread of sled's own that flushes: what is not on disk is applied again from the
/// ledger.
fn open(directory: &Path) -> Result<SledIndex, Doubt> {
    let config = ::sled::Config::new()
        .path(directory)
        .mode(::sled::Mode::LowSpace)
        .cache_capacity(64 << 20)
        .flush_every_ms(None);
    let unreadable = |_| Doubt::Unreadable;
    // sled would make it for everybody to enter.
    let made = DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(directory);
    made.map_err(unreadable)?;
    let opened = guarded(|| config.open());
    make_private(directory).map_err(unreadable)?;
    let db = opened?;
    let directory = directory.to_owned();
    Ok(SledIndex { db, directory })
}

/// Takes everybody but the user off a directory and all below it, as `spec/43 §1` wants it: sled
/// makes files for everybody to read.
fn make_private(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode & 0o700))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            match make_private(&entry?.path()) {
                // sled removes files that it has no more use for.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                made => made?,
            }
        }
    }
    Ok(())
}

/// Runs a call into sled, which panics on some damage.
fn guarded<T>(call: impl FnOnce() -> ::sled::Result<T>) -> Result<T, Doubt> {
    panic::catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(::sled::Error::Unsupported("a panic in sled".to_owned())))
        .map_err(|_| Doubt::Unreadable)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}
