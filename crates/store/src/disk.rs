//! The one place that writes under the home directory.
//!
//! Paths are relative to the home and never leave it. Files are 0600, directories 0700. A file
//! appears whole or not at all: it is written aside, synced, renamed, and its directory synced.
//! What failed to sync may be lost without anybody being told a second time, so a sync that fails
//! ends the process; nothing is retried (`spec/43 §3`). Elsewhere, as where a backup goes, it is an
//! error like any other: nothing there was acknowledged yet.
//!
//! Every error is an [`io::Error`] that keeps its kind and says what was being done to which file.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

mod file;

pub use self::file::{Aside, DiskFile};
use self::file::{Directory, Syncable, sync_together};

/// The directory of files that are not finished. Whoever owns the home empties it when it opens.
pub const ASIDE: &str = "aside";

/// What is about to be done to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A file is created, or opened for writing.
    Create,
    /// A directory is created.
    CreateDirectory,
    /// A file is opened, or read from.
    Read,
    /// So many bytes are written.
    Write {
        /// Their number.
        length: usize,
    },
    /// A file is cut.
    Truncate,
    /// The data of a file is synced.
    Sync,
    /// The entries of a directory are synced.
    SyncDirectory,
    /// A file is renamed to this path.
    Rename,
    /// A file is removed.
    Unlink,
}

/// What becomes of an operation.
#[derive(Debug)]
pub enum Verdict {
    /// It happens.
    Proceed,
    /// A write takes no more than so many bytes; to any other operation the same as `Proceed`.
    Shorten(usize),
    /// It does not happen, and this is reported in its place.
    Fail(io::Error),
}

/// Decides before every operation what becomes of it: how tests make a disk fail. An observer may
/// also end the process. Production has none.
pub trait Faults: Send + Sync {
    /// Called before `operation` on `path`, which is relative to the home, and absolute outside.
    fn before(&self, operation: Operation, path: &Path) -> Verdict;

    /// Called when something waits for a sync, or for several that are made at once.
    fn waits(&self) {}
}

/// A home directory's files.
#[derive(Clone)]
pub struct Disk {
    root: PathBuf,
    read_only: bool,
    /// Whether this is no home, so that a sync that fails is an error and no end.
    foreign: bool,
    faults: Option<Arc<dyn Faults>>,
    asides: Arc<AtomicU64>,
}

impl Disk {
    /// The files under `root`, which need not exist yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            read_only: false,
            foreign: false,
            faults: None,
            asides: Arc::default(),
        }
    }

    /// The same, but everything that would change a file is refused.
    #[must_use]
    pub fn read_only(root: &Path) -> Self {
        Self {
            read_only: true,
            ..Self::new(root)
        }
    }

    /// The same as [`new`](Self::new), with an observer that can make operations fail.
    #[must_use]
    pub fn with_faults(root: &Path, faults: Arc<dyn Faults>) -> Self {
        Self {
            faults: Some(faults),
            ..Self::new(root)
        }
    }

    /// The files under another directory, under the eyes of the same observer.
    #[must_use]
    pub fn elsewhere(&self, root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            read_only: false,
            foreign: false,
            faults: self.faults.clone(),
            asides: Arc::default(),
        }
    }

    /// The files under a directory that is no home, such as that of a backup: where a sync fails,
    /// what it was of has not appeared, and the process goes on.
    #[must_use]
    pub fn foreign(&self, root: &Path) -> Self {
        Self {
            foreign: true,
            ..self.elsewhere(root)
        }
    }

    /// The directory that all paths are relative to.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the directory and those above it, as far as they are missing, durably.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn create_directory(&self, path: &str) -> io::Result<()> {
        let full = self.full(path)?;
        if full.is_dir() {
            return Ok(());
        }
        if !path.is_empty() {
            self.create_directory(parent(path))?;
        }
        self.make_directory(path)?;
        if path.is_empty() {
            return Ok(());
        }
        self.directory(parent(path))?.sync();
        Ok(())
    }

    /// Makes a directory in one that is there; durable once that is synced. Says whether it was missing.
    fn make_directory(&self, path: &str) -> io::Result<bool> {
        let full = self.full(path)?;
        if full.is_dir() {
            return Ok(false);
        }
        self.check(Operation::CreateDirectory, path)?;
        let mut builder = DirBuilder::new();
        // Above the home itself there may be more to create.
        builder.recursive(path.is_empty()).mode(0o700);
        match builder.create(full) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(true),
            made => self
                .named(Operation::CreateDirectory, path, made)
                .map(|()| true),
        }
    }

    /// Whether there is such a file or directory.
    ///
    /// # Errors
    ///
    /// Those of the operating system, where it cannot tell.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        self.named(Operation::Read, path, self.full(path)?.try_exists())
    }

    /// The names of the entries of a directory, ascending.
    ///
    /// # Errors
    ///
    /// Those of the operating system; a name that is not UTF-8 is
    /// [`InvalidData`](io::ErrorKind::InvalidData), as none of ours is.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.check(Operation::Read, path)?;
        let full = self.full(path)?;
        let names = fs::read_dir(full).and_then(|entries| {
            entries
                .map(|entry| {
                    let name = entry?.file_name().into_string();
                    name.map_err(|_| io::ErrorKind::InvalidData.into())
                })
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = self.named(Operation::Read, path, names)?;
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn open(&self, path: &str) -> io::Result<DiskFile> {
        self.open_with(Operation::Read, path, OpenOptions::new().read(true))
    }

    /// Opens a file to read it and to write at its end, and creates it where it is missing. A file
    /// that was created is durable only after [`sync_directory`](Self::sync_directory).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn open_to_append(&self, path: &str) -> io::Result<DiskFile> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        self.open_with(Operation::Create, path, &options)
    }

    /// Reads a whole file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Those of the operating system; [`FileTooLarge`](io::ErrorKind::FileTooLarge) above the limit.
    pub fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        // Never outgrown while it is filled: it may hold a key.
        let length = file.length()?.min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 64);
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            Ok(bytes)
        } else {
            let too_large = Err(io::ErrorKind::FileTooLarge.into());
            self.named(Operation::Read, path, too_large)
        }
    }

    /// Publishes the file that `write` writes: it appears at `path` whole, in place of a file that
    /// was there, and is durable when this returns.
    ///
    /// # Errors
    ///
    /// Those of `write` and of the operating system; no file has appeared then.
    pub fn publish<T, E: From<io::Error>>(
        &self,
        path: &str,
        write: impl FnOnce(&mut Aside) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut aside = self.aside()?;
        let written = write(&mut aside)?;
        aside.publish(path)?;
        Ok(written)
    }

    /// Publishes files one behind the other, the first in a directory that is made where it is missing.
    /// What can be synced at once is: in the time of two syncs all of it is durable, and each file is
    /// before it appears. A crash, or a failure, may leave any of them and not the others, but none without
    /// the directory.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn publish_together(&self, files: Vec<(Aside, String)>) -> io::Result<()> {
        let mut files = files;
        let places: BTreeSet<&str> = files.iter().map(|(_, path)| parent(path)).collect();
        let places: Vec<String> = places.into_iter().map(str::to_owned).collect();
        let mut above = Vec::new();
        for place in &places {
            if self.make_directory(place)? {
                above.push(self.directory(parent(place))?);
            }
        }
        let open = |place: &String| self.directory(place);
        let directories: Vec<_> = places.iter().map(open).collect::<io::Result<_>>()?;
        let asides = files.iter().map(|(aside, _)| aside as &dyn Syncable);
        let above = above.iter().map(|one| one as &dyn Syncable);
        sync_together(self, &above.chain(asides).collect::<Vec<_>>());
        for (aside, path) in &mut files {
            aside.rename(path)?;
        }
        let directories = directories.iter().map(|one| one as &dyn Syncable);
        sync_together(self, &directories.collect::<Vec<_>>());
        Ok(())
    }

    /// Begins a file aside: to be published under a name that is known only at its end, or to be
    /// read back and thrown away. It is removed when it is dropped.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn aside(&self) -> io::Result<Aside> {
        self.create_directory(ASIDE)?;
        let number = self.asides.fetch_add(1, Ordering::Relaxed);
        let path = format!("{ASIDE}/{}-{number}", process::id());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = self.open_with(Operation::Create, &path, &options)?;
        Ok(Aside::new(file))
    }

    /// Begins a file as `PATH.part`, beside the place that it is for: in a directory that is no
    /// home and has nothing aside. One that a process that died left there is replaced.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn part(&self, path: &str) -> io::Result<Aside> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let path = format!("{path}.part");
        let file = self.open_with(Operation::Create, &path, options.mode(0o600))?;
        Ok(Aside::new(file))
    }

    /// Removes whatever a process that died left aside. Only the owner of the home may call this,
    /// and only while nothing of its own is aside.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn sweep(&self) -> io::Result<()> {
        if !self.exists(ASIDE)? {
            return Ok(());
        }
        for name in self.list(ASIDE)? {
            self.unlink(&format!("{ASIDE}/{name}"))?;
        }
        Ok(())
    }

    /// Removes a file, durably.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let directory = self.directory(parent(path))?;
        self.unlink(path)?;
        directory.sync();
        Ok(())
    }

    /// Removes an empty directory, durably.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn remove_directory(&self, path: &str) -> io::Result<()> {
        let above = self.directory(parent(path))?;
        self.check(Operation::Unlink, path)?;
        self.named(Operation::Unlink, path, fs::remove_dir(self.full(path)?))?;
        above.sync();
        Ok(())
    }

    /// Removes what is there, durably: a file, or a directory with all that is in it, which is
    /// none of ours.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn remove_all(&self, path: &str) -> io::Result<()> {
        if !self.full(path)?.is_dir() {
            return self.remove(path);
        }
        let above = self.directory(parent(path))?;
        self.check(Operation::Unlink, path)?;
        self.named(
            Operation::Unlink,
            path,
            fs::remove_dir_all(self.full(path)?),
        )?;
        above.sync();
        Ok(())
    }

    /// Overwrites a file with zeros and removes it, durably: for small files of key material. What
    /// an earlier copy or the medium itself remembers is out of reach.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn destroy(&self, path: &str) -> io::Result<()> {
        let mut file = self.open_with(Operation::Create, path, OpenOptions::new().write(true))?;
        let mut rest = file.length()?;
        while rest > 0 {
            let zeros = [0; 4096];
            let count = usize::try_from(rest).map_or(zeros.len(), |rest| rest.min(zeros.len()));
            file.write_all(zeros.get(..count).unwrap_or(&zeros))?;
            rest -= count as u64;
        }
        file.sync();
        self.remove(path)
    }

    /// How many bytes the file system still takes from this user.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn free_space(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.root).map_err(io::Error::from);
        let space = self.named(Operation::Read, "", space)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Makes the entries of a directory durable. A failure ends the process.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be opened.
    pub fn sync_directory(&self, path: &str) -> io::Result<()> {
        self.directory(path)?.sync();
        Ok(())
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.check(Operation::Unlink, path)?;
        self.named(Operation::Unlink, path, fs::remove_file(self.full(path)?))
    }

    /// Opened before what it is to make durable, so that only the sync itself can still fail.
    fn directory(&self, path: &str) -> io::Result<Directory> {
        let opened = File::open(self.full(path)?);
        Ok(Directory {
            file: self.named(Operation::SyncDirectory, path, opened)?,
            disk: self.clone(),
            path: path.to_owned(),
        })
    }

    fn open_with(
        &self,
        operation: Operation,
        path: &str,
        options: &OpenOptions,
    ) -> io::Result<DiskFile> {
        self.check(operation, path)?;
        let opened = options.open(self.full(path)?);
        Ok(DiskFile {
            file: self.named(operation, path, opened)?,
            disk: self.clone(),
            path: path.to_owned(),
        })
    }

    /// The path below the root; anything that could lead out of it is refused.
    fn full(&self, path: &str) -> io::Result<PathBuf> {
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if Path::new(path).components().all(inside) {
            Ok(self.root.join(path))
        } else {
            Err(io::ErrorKind::InvalidFilename.into())
        }
    }

    fn check(&self, operation: Operation, path: &str) -> io::Result<()> {
        match self.verdict(operation, path) {
            Verdict::Proceed | Verdict::Shorten(_) => Ok(()),
            Verdict::Fail(error) => self.named(operation, path, Err(error)),
        }
    }

    fn waits(&self) {
        if let Some(faults) = &self.faults {
            faults.waits();
        }
    }

    fn verdict(&self, operation: Operation, path: &str) -> Verdict {
        if self.read_only && operation != Operation::Read {
            return Verdict::Fail(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.faults.as_ref().map_or(Verdict::Proceed, |faults| {
            if self.foreign {
                return faults.before(operation, &self.root.join(path));
            }
            faults.before(operation, Path::new(path))
        })
    }

    fn named<T>(&self, operation: Operation, path: &str, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|source| {
            let path = self.root.join(path);
            let failure = Failure {
                operation,
                path,
                source,
            };
            io::Error::new(failure.source.kind(), failure)
        })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.root).finish()
    }
}

/// What failed, as the payload of an [`io::Error`].
#[derive(Debug)]
struct Failure {
    operation: Operation,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.operation {
            Operation::Create | Operation::CreateDirectory => "create",
            Operation::Read => "read",
            Operation::Write { .. } => "write",
            Operation::Truncate => "cut",
            Operation::Sync | Operation::SyncDirectory => "sync",
            Operation::Rename => "put in place",
            Operation::Unlink => "remove",
        };
        write!(f, "cannot {verb} {}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Ends the process where it stands: nothing may be acknowledged any more.
fn end_process(error: &io::Error) -> ! {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(
        io::stderr(),
        "blindmatch: {error}; what was written may be lost, so this process ends now. Check the disk, then start again."
    );
    process::abort()
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests;
