//! Disks that fail: at one operation in one way, or like a machine that loses its power.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use blindmatch_store::disk::{Faults, Operation, Verdict};
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
    root: PathBuf,
    at: u64,
    state: Mutex<State>,
}

struct State {
    next: u64,
    rng: StdRng,
    /// The length up to which a file that was written to is synced.
    synced: HashMap<PathBuf, u64>,
    unsynced: Vec<Change>,
    /// The file last created or synced: what a rename gives its place.
    created: PathBuf,
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
            root: root.to_owned(),
            at,
            state: Mutex::new(State {
                next: 0,
                rng: StdRng::seed_from_u64(seed),
                synced: HashMap::new(),
                unsynced: Vec::new(),
                created: PathBuf::new(),
            }),
        }
    }
}

impl Faults for PowerCut {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let mut state = self.state.lock().unwrap();
        if state.next == self.at {
            state.cut(&self.root);
            process::abort();
        }
        state.next += 1;
        state.note(&self.root, operation, path);
        Verdict::Proceed
    }
}

impl State {
    fn note(&mut self, root: &Path, operation: Operation, path: &Path) {
        let full = root.join(path);
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
                self.synced.entry(full.clone()).or_insert(length);
                self.created = full;
            }
            Operation::Write { .. } => {
                self.synced.entry(full).or_insert(length);
            }
            Operation::Truncate => {
                self.synced.entry(full.clone()).or_insert(length);
                self.unsynced.push(change(true));
            }
            Operation::Sync => {
                self.unsynced.retain(|c| !c.cut || c.path != full);
                self.synced.insert(full.clone(), length);
                self.created = full;
            }
            Operation::Rename => {
                let synced = self.synced.remove(&self.created).unwrap_or(0);
                self.unsynced.push(change(false));
                self.synced.insert(full, synced);
            }
            Operation::Unlink => {
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

    fn cut(&mut self, root: &Path) {
        assert!(root.components().count() > 2, "a home in a directory");
        for (path, synced) in &self.synced {
            let Ok(mut bytes) = fs::read(path) else {
                continue;
            };
            let length = bytes.len() as u64;
            if length <= *synced {
                continue;
            }
            let kept = self.rng.random_range(*synced..=length);
            let kept = usize::try_from(kept).unwrap();
            if self.rng.random_ratio(1, 3) {
                bytes[kept..].fill(0);
            } else {
                bytes.truncate(kept);
            }
            fs::write(path, bytes).unwrap();
        }
        for change in self.unsynced.iter().rev() {
            if self.rng.random() {
                continue;
            }
            match &change.before {
                Some(bytes) => fs::write(&change.path, bytes).unwrap(),
                // It may be gone already.
                None => _ = fs::remove_file(&change.path),
            }
        }
    }
}
