//! Disks that fail: at one operation in one way, or like a machine that loses its power.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use blindmatch_store::disk::{ASIDE, Faults, Operation, Verdict};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::say;

/// The ways in which an operation fails.
pub(super) const KINDS: [&str; 5] = ["EIO", "ENOSPC", "short write", "torn write", "kill"];

/// What the child says before a sync fails: from there on it must be dead.
pub(super) const SYNC_FAILS: &str = "sync fails";

/// Fails one operation.
pub(super) struct Plan {
    at: u64,
    kind: Kind,
    next: AtomicU64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// The operation does not happen.
    Error(i32),
    /// A write takes half, and the rest finds no space.
    Short,
    /// A write takes half, and the process dies.
    Torn,
    /// The process dies before the operation.
    Kill,
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

impl Plan {
    pub(super) fn new(at: u64, kind: &str) -> Self {
        let kind = match kind {
            "EIO" => Kind::Error(EIO),
            "ENOSPC" => Kind::Error(ENOSPC),
            "short write" => Kind::Short,
            "torn write" => Kind::Torn,
            "kill" => Kind::Kill,
            other => panic!("no fault {other}"),
        };
        Self {
            at,
            kind,
            next: AtomicU64::new(0),
        }
    }

    /// How many operations there were.
    pub(super) fn operations(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl Faults for Plan {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match (number.checked_sub(self.at), self.kind, operation) {
            (Some(0), Kind::Error(code), _) => {
                let is_sync = matches!(operation, Operation::Sync | Operation::SyncDirectory);
                // Outside of a home it is an error like any other.
                if is_sync && !path.is_absolute() {
                    say(format_args!("{SYNC_FAILS}"));
                }
                Verdict::Fail(io::Error::from_raw_os_error(code))
            }
            (Some(0), Kind::Kill, _) => process::abort(),
            (Some(0), Kind::Short | Kind::Torn, Operation::Write { length }) => {
                Verdict::Shorten(length / 2)
            }
            // The write goes on with what was not taken.
            (Some(1), Kind::Short, Operation::Write { .. }) => {
                Verdict::Fail(io::Error::from_raw_os_error(ENOSPC))
            }
            (Some(1), Kind::Torn, Operation::Write { .. }) => process::abort(),
            _ => Verdict::Proceed,
        }
    }
}

/// Ends the process at one operation, and leaves of all that was not synced only some.
///
/// A file keeps what was synced and any part of what was written behind it, the rest of which may
/// be zeros; a name that was created, renamed, removed, or a file that was cut, may be as before.
/// For work of one thread.
pub(super) struct PowerCut {
    at: u64,
    state: Mutex<(u64, Unsynced)>,
}

/// What of a home is not synced, and goes when the machine loses its power.
///
/// What becomes of a file is drawn in the order in which files were first written to, whatever their
/// names are.
pub struct Unsynced {
    root: PathBuf,
    rng: StdRng,
    /// The length up to which a file that was written to is synced, and the number under which it
    /// is known.
    synced: BTreeMap<PathBuf, (u64, u64)>,
    next: u64,
    unsynced: Vec<Change>,
    /// Files that were synced and have no place yet, in the order in which they get one.
    aside: VecDeque<PathBuf>,
}

/// How a name or a length can be put back.
struct Change {
    path: PathBuf,
    before: Option<Vec<u8>>,
    /// A cut is synced with its file, all else with its directory.
    cut: bool,
}

impl PowerCut {
    pub(super) fn new(root: &Path, at: u64, seed: u64) -> Self {
        Self {
            at,
            state: Mutex::new((0, Unsynced::new(root, seed))),
        }
    }
}

impl Faults for PowerCut {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let mut state = self.state.lock().unwrap();
        let (next, unsynced) = &mut *state;
        if *next == self.at {
            unsynced.cut();
            process::abort();
        }
        *next += 1;
        unsynced.note(operation, path);
        Verdict::Proceed
    }
}

impl Unsynced {
    /// Nothing yet, of the home at `root`, by the randomness of a seed.
    #[must_use]
    pub fn new(root: &Path, seed: u64) -> Self {
        assert!(root.components().count() > 2, "a home in a directory");
        Self {
            root: root.to_owned(),
            rng: StdRng::seed_from_u64(seed),
            synced: BTreeMap::new(),
            next: 0,
            unsynced: Vec::new(),
            aside: VecDeque::new(),
        }
    }

    /// Notes an operation that is about to be done.
    pub fn note(&mut self, operation: Operation, path: &Path) {
        let full = self.root.join(path);
        let length = fs::metadata(&full).map_or(0, |metadata| metadata.len());
        let change = |cut| Change {
            path: full.clone(),
            before: fs::read(&full).ok(),
            cut,
        };
        match operation {
            Operation::Create => {
                if !full.exists() {
                    self.unsynced.push(change(false));
                }
                self.know(&full, length);
            }
            Operation::Write { .. } => self.know(&full, length),
            Operation::Truncate => {
                self.know(&full, length);
                self.unsynced.push(change(true));
            }
            Operation::Sync => {
                self.unsynced.retain(|c| !c.cut || c.path != full);
                self.know(&full, length);
                if let Some((synced, _)) = self.synced.get_mut(&full) {
                    *synced = length;
                }
                let is_part = full.extension().is_some_and(|ending| ending == "part");
                if (path.starts_with(ASIDE) || is_part) && !self.aside.contains(&full) {
                    self.aside.push_back(full);
                }
            }
            Operation::Rename => {
                let aside = self.aside.pop_front();
                let synced = aside.and_then(|aside| self.synced.remove(&aside));
                self.unsynced.push(change(false));
                let synced = synced.unwrap_or_else(|| (0, self.number()));
                self.synced.insert(full, synced);
            }
            Operation::Unlink => {
                self.aside.retain(|aside| *aside != full);
                self.unsynced.push(change(false));
                self.synced.remove(&full);
            }
            Operation::SyncDirectory => {
                let inside = |c: &Change| c.path.parent() == Some(full.as_path());
                self.unsynced.retain(|c| c.cut || !inside(c));
            }
            _ => {}
        }
    }

    fn know(&mut self, path: &Path, length: u64) {
        if !self.synced.contains_key(path) {
            let number = self.number();
            self.synced.insert(path.to_owned(), (length, number));
        }
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes away some of what is not synced. Nobody may have the home open.
    pub fn cut(&mut self) {
        // Nobody gives them a place any more.
        self.aside.clear();
        let mut files: Vec<_> = std::mem::take(&mut self.synced).into_iter().collect();
        files.sort_by_key(|(_, (_, number))| *number);
        for (path, (synced, _)) in files {
            let Ok(mut bytes) = fs::read(&path) else {
                continue;
            };
            let length = bytes.len() as u64;
            if length <= synced {
                continue;
            }
            let kept = self.rng.random_range(synced..=length);
            let kept = usize::try_from(kept).unwrap();
            if self.rng.random_ratio(1, 3) {
                bytes[kept..].fill(0);
            } else {
                bytes.truncate(kept);
            }
            fs::write(path, bytes).unwrap();
        }
        for change in std::mem::take(&mut self.unsynced).into_iter().rev() {
            if self.rng.random() {
                continue;
            }
            match &change.before {
                Some(bytes) => put_back(&change.path, bytes).unwrap(),
                // It may be gone already.
                None => _ = fs::remove_file(&change.path),
            }
        }
    }
}

/// A file of a home is for its owner alone, one that comes back too.
fn put_back(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}
