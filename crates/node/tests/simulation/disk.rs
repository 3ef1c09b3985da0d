//! Disks that stop.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use blindmatch_membership::Name;
use blindmatch_node::store::disk::{Faults, Operation, Verdict};
use blindmatch_testkit::crash::Unsynced;

use crate::net::Net;

/// The disk of one node. When its node dies nothing changes on it any more, and what was not synced
/// may be gone when it is started again.
pub(crate) struct NodeDisk {
    name: Name,
    net: Weak<Net>,
    state: Mutex<State>,
}

struct State {
    is_dead: bool,
    /// Changes until it stops by itself.
    left: Option<u64>,
    unsynced: Unsynced,
}

impl NodeDisk {
    pub(crate) fn new(name: &Name, net: &Arc<Net>, home: &Path, seed: u64) -> Self {
        Self {
            name: name.clone(),
            net: Arc::downgrade(net),
            state: Mutex::new(State {
                is_dead: false,
                left: None,
                unsynced: Unsynced::new(home, seed),
            }),
        }
    }

    /// It stops behind so many changes.
    pub(crate) fn stop_behind(&self, changes: Option<u64>) {
        self.state.lock().unwrap().left = changes;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().is_dead
    }

    pub(crate) fn die(&self) {
        self.state.lock().unwrap().is_dead = true;
    }

    /// Another home stands in the place of the one that was there.
    pub(crate) fn replace(&self, home: &Path, seed: u64) {
        let mut state = self.state.lock().unwrap();
        *state = State {
            is_dead: false,
            left: None,
            unsynced: Unsynced::new(home, seed),
        };
    }

    /// Is there again, once nobody has anything of it open; with `power` what was not synced went
    /// with the machine, else only the process died.
    pub(crate) fn revive(&self, power: bool) {
        let mut state = self.state.lock().unwrap();
        if power {
            state.unsynced.cut();
        }
        state.is_dead = false;
        state.left = None;
    }

    fn dead(operation: Operation) -> Verdict {
        match operation {
            // Whoever syncs changes nothing, and would end this process where he could not.
            Operation::Read | Operation::Sync | Operation::SyncDirectory => Verdict::Proceed,
            _ => Verdict::Fail(io::ErrorKind::Other.into()),
        }
    }
}

impl Faults for NodeDisk {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let mut state = self.state.lock().unwrap();
        if state.is_dead {
            return Self::dead(operation);
        }
        if operation == Operation::Read {
            return Verdict::Proceed;
        }
        if let Some(left) = &mut state.left {
            let Some(less) = left.checked_sub(1) else {
                state.is_dead = true;
                let verdict = match operation {
                    Operation::Write { length } if length > 1 => {
                        state.unsynced.note(operation, path);
                        Verdict::Shorten(length / 2)
                    }
                    operation => Self::dead(operation),
                };
                drop(state);
                if let Some(net) = self.net.upgrade() {
                    net.die(&self.name);
                }
                return verdict;
            };
            *left = less;
        }
        state.unsynced.note(operation, path);
        Verdict::Proceed
    }
}
