//! The index on disk, in sled.
//!
//! sled 0.34.7 may come back empty, with fewer entries or with a panic from files that were
//! damaged, and it creates what it does not find. So nothing that it says is believed without the
//! stamp and the MACs, a panic while it opens is a doubt like any other, and a directory that is not
//! there is found missing before sled is asked.

use std::{
    collections::BTreeMap,
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use super::{Doubt, Index, Visitor};

/// Where the stamp stands among the entries, whose keys are never empty.
const STAMP: &[u8] = &[];

/// An index in a directory of its own.
#[derive(Debug)]
pub struct SledIndex {
    db: ::sled::Db,
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
        open(directory).map_err(|_| io::Error::other("sled cannot begin an index"))
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
        guarded(|| self.db.apply_batch(batch))
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
    let db = guarded(|| config.open())?;
    Ok(SledIndex { db })
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
