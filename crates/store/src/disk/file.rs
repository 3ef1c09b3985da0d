//! Open files: one that is read or appended to, and one that is being written aside.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    sync::{Mutex, PoisonError},
    thread::{self, Builder, JoinHandle},
};

use super::{Disk, Operation, Verdict, end_process, parent};

/// An open file of the home.
#[derive(Debug)]
pub struct DiskFile {
    pub(super) file: File,
    pub(super) disk: Disk,
    pub(super) path: String,
}

impl DiskFile {
    /// The path below the home.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The number of bytes in the file.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn length(&self) -> io::Result<u64> {
        let metadata = self.file.metadata();
        Ok(self.named(Operation::Read, metadata)?.len())
    }

    /// Makes what was written durable (`fdatasync`). A failure ends the process: the kernel may
    /// have dropped what it could not write, and a second sync would not say so.
    pub fn sync(&self) {
        self.try_sync().unwrap_or_else(|error| end_process(&error));
    }

    fn try_sync(&self) -> io::Result<()> {
        self.check_sync()?;
        self.disk.waits();
        self.sync_checked()
    }

    /// Cuts the file to `length` bytes; durable after [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.check(Operation::Truncate, &self.path)?;
        self.named(Operation::Truncate, self.file.set_len(length))
    }

    /// Takes the exclusive lock of this file for as long as it stays open; `false` where another
    /// process has it.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => self.named(Operation::Create, Err(error)),
        }
    }

    fn named<T>(&self, operation: Operation, done: io::Result<T>) -> io::Result<T> {
        self.disk.named(operation, &self.path, done)
    }
}

impl Read for DiskFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.check(Operation::Read, &self.path)?;
        let read = self.file.read(buffer);
        match read {
            // `read_to_end` and others try again, so this must stay as it is.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            read => self.named(Operation::Read, read),
        }
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let operation = Operation::Write {
            length: bytes.len(),
        };
        let bytes = match self.disk.verdict(operation, &self.path) {
            Verdict::Proceed => bytes,
            Verdict::Shorten(length) => bytes.get(..length).unwrap_or(bytes),
            Verdict::Fail(error) => return self.named(operation, Err(error)),
        };
        let written = self.file.write(bytes);
        match written {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Err(e),
            written => self.named(operation, written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for DiskFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let sought = self.file.seek(to);
        self.named(Operation::Read, sought)
    }
}

impl Syncable for DiskFile {
    fn check_sync(&self) -> io::Result<()> {
        self.disk.check(Operation::Sync, &self.path)
    }

    fn sync_checked(&self) -> io::Result<()> {
        self.named(Operation::Sync, self.file.sync_data())
    }
}

impl Syncable for Aside {
    fn check_sync(&self) -> io::Result<()> {
        self.file.check_sync()
    }

    fn sync_checked(&self) -> io::Result<()> {
        self.wait().and_then(|()| self.file.sync_checked())
    }
}

fn joined(syncing: JoinHandle<io::Result<()>>) -> io::Result<()> {
    // A thread that died has synced nothing.
    syncing
        .join()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// What can be synced beside others.
pub(super) trait Syncable: Sync {
    /// Asks the observer about the sync.
    fn check_sync(&self) -> io::Result<()>;

    /// Syncs, behind that.
    fn sync_checked(&self) -> io::Result<()>;
}

/// Syncs all of these at once, which takes hardly longer than one: a file system makes them durable
/// together. A failure ends the process.
pub(super) fn sync_together(disk: &Disk, all: &[&dyn Syncable]) {
    let Some((first, others)) = all.split_first() else {
        return;
    };
    let checked = all.iter().try_for_each(|one| one.check_sync());
    disk.waits();
    let synced = checked.and_then(|()| {
        thread::scope(|scope| {
            let others: Vec<_> = others
                .iter()
                .map(|other| scope.spawn(|| other.sync_checked()))
                .collect();
            let first = first.sync_checked();
            // A thread that died has synced nothing.
            let died = |_| Err(io::ErrorKind::Other.into());
            let others = others.into_iter();
            let mut others = others.map(|other| other.join().unwrap_or_else(died));
            // All are waited for by the scope.
            first.and_then(|()| others.try_for_each(|synced| synced))
        })
    });
    synced.unwrap_or_else(|error| end_process(&error));
}

/// So many bytes of a file are on their way to the disk while the next are written.
const AHEAD: usize = 8 << 20;

/// A file that is being written aside. Dropped unpublished, it is removed.
#[derive(Debug)]
pub struct Aside {
    pub(super) file: DiskFile,
    pub(super) published: bool,
    /// Bytes since what was written was last sent to the disk; none where it is not.
    written: Option<usize>,
    /// A sync that is under way, so that the last one has little to wait for.
    syncing: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

impl Aside {
    /// The path below the home, as long as it has no other.
    pub(crate) fn path(&self) -> &str {
        self.file.path()
    }

    /// The number of bytes in it.
    pub(crate) fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    pub(super) const fn new(file: DiskFile) -> Self {
        Self {
            file,
            published: false,
            written: None,
            syncing: Mutex::new(None),
        }
    }

    /// The same, sent to the disk while it is written: for what is long and will be published.
    #[must_use]
    pub const fn sent_ahead(mut self) -> Self {
        self.written = Some(0);
        self
    }

    /// Begins to sync what was written, unless a sync is under way.
    fn sync_ahead(&mut self) -> io::Result<()> {
        let syncing = self.syncing.get_mut();
        let syncing = syncing.unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = syncing.take_if(|syncing| syncing.is_finished()) {
            joined(ended)?;
        }
        // Where there is no descriptor or thread for it, the last sync does it all.
        if syncing.is_none()
            && let Ok(file) = self.file.file.try_clone()
        {
            *syncing = Builder::new().spawn(move || file.sync_data()).ok();
            self.written = Some(0);
        }
        Ok(())
    }

    /// Waits for a sync that is under way: what failed in it no later one would say again.
    pub(super) fn wait(&self) -> io::Result<()> {
        let syncing = self.syncing.lock();
        let syncing = syncing.unwrap_or_else(PoisonError::into_inner).take();
        self.file
            .named(Operation::Sync, syncing.map_or(Ok(()), joined))
    }

    fn try_sync(&self) -> io::Result<()> {
        self.check_sync()?;
        self.file.disk.waits();
        self.sync_checked()
    }

    /// Opens the file once more, to be read beside what has it open.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn reopen(&self) -> io::Result<DiskFile> {
        self.file.disk.open(&self.file.path)
    }

    /// Gives the file its place, in place of one that was there; durable when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system; the file has not appeared then.
    pub fn publish(mut self, path: &str) -> io::Result<()> {
        let disk = &self.file.disk;
        let synced = self.try_sync();
        if disk.foreign {
            synced?;
        } else {
            synced.unwrap_or_else(|error| end_process(&error));
        }
        let directory = disk.directory(parent(path))?;
        self.rename(path)?;
        let disk = &self.file.disk;
        if disk.foreign {
            // What may be gone after a crash is not left there as if it were not.
            return directory.try_sync().inspect_err(|_| {
                let _ = disk.unlink(path);
            });
        }
        directory.sync();
        Ok(())
    }

    /// Gives the file its place, which is durable once its directory is synced.
    pub(super) fn rename(&mut self, path: &str) -> io::Result<()> {
        let disk = &self.file.disk;
        let to = disk.full(path)?;
        disk.check(Operation::Rename, path)?;
        let renamed = fs::rename(disk.full(&self.file.path)?, to);
        disk.named(Operation::Rename, path, renamed)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.published {
            // The next owner of the home sweeps what could not be removed now.
            let _ = self.file.disk.unlink(&self.file.path);
        }
    }
}

impl Read for Aside {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(unsent) = &mut self.written {
            *unsent += written;
            if *unsent >= AHEAD {
                self.sync_ahead()?;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Aside {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// An open directory, to make its entries durable.
pub(super) struct Directory {
    pub(super) file: File,
    pub(super) disk: Disk,
    pub(super) path: String,
}

impl Directory {
    pub(super) fn sync(&self) {
        self.try_sync().unwrap_or_else(|error| end_process(&error));
    }

    fn try_sync(&self) -> io::Result<()> {
        self.check_sync()?;
        self.disk.waits();
        self.sync_checked()
    }
}

impl Syncable for Directory {
    fn check_sync(&self) -> io::Result<()> {
        self.disk.check(Operation::SyncDirectory, &self.path)
    }

    fn sync_checked(&self) -> io::Result<()> {
        let synced = self.file.sync_all();
        self.disk
            .named(Operation::SyncDirectory, &self.path, synced)
    }
}
