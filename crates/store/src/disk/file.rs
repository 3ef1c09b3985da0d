//! Open files: one that is read or appended to, and one that is being written aside.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
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
        self.disk.check(Operation::Sync, &self.path)?;
        self.named(Operation::Sync, self.file.sync_data())
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

/// A file that is being written aside. Dropped unpublished, it is removed.
#[derive(Debug)]
pub struct Aside {
    pub(super) file: DiskFile,
    pub(super) published: bool,
}

impl Aside {
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
        if disk.foreign {
            self.file.try_sync()?;
        } else {
            self.file.sync();
        }
        let directory = disk.directory(parent(path))?;
        let to = disk.full(path)?;
        disk.check(Operation::Rename, path)?;
        let renamed = fs::rename(disk.full(&self.file.path)?, to);
        disk.named(Operation::Rename, path, renamed)?;
        self.published = true;
        if disk.foreign {
            // What may be gone after a crash is not left there as if it were not.
            return directory.try_sync().inspect_err(|_| {
                let _ = disk.unlink(path);
            });
        }
        directory.sync();
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
        self.file.write(bytes)
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
        let operation = Operation::SyncDirectory;
        self.disk.check(operation, &self.path)?;
        self.disk.named(operation, &self.path, self.file.sync_all())
    }
}
