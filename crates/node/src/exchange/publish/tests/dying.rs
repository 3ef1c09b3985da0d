//! Publishing on a disk that stops at any operation.

use std::fs;
use std::io;
use std::sync::atomic::AtomicUsize;

use blindmatch_store::disk::{Disk, Faults, Operation, Verdict};

use super::*;

/// From some change on nothing changes any more: what a process leaves that dies there.
#[derive(Default)]
struct Dying {
    /// Changes until then; counted once the node is open.
    left: AtomicU64,
    is_open: AtomicU64,
    /// How often the state of a view was written.
    states: AtomicUsize,
}

impl Faults for Dying {
    fn before(&self, operation: Operation, path: &Path) -> Verdict {
        let is_change = !matches!(
            operation,
            Operation::Read | Operation::Sync | Operation::SyncDirectory
        );
        if !is_change || self.is_open.load(Ordering::Relaxed) == 0 {
            return Verdict::Proceed;
        }
        let one_less = |left: u64| left.checked_sub(1);
        let lives = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if lives.is_err() {
            return Verdict::Fail(io::ErrorKind::Other.into());
        }
        if operation == Operation::Rename && path.ends_with("state") {
            self.states.fetch_add(1, Ordering::Relaxed);
        }
        Verdict::Proceed
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn whoever_dies_while_it_publishes_seals_no_number_twice() {
    let days = Days::new(0..40);
    days.publish();
    days.import((3..40).chain(200..203));
    days.tomorrow();
    let home = days.daemon.node().disk().root().to_owned();
    let Days {
        place,
        clock,
        daemon,
    } = days;
    drop(daemon);
    let now = clock.load(Ordering::Relaxed);
    let open = |disk: Disk| {
        let node = Node::on(disk).unwrap();
        Daemon::open(node, canonicaliser(), Arc::new(move || now)).unwrap()
    };
    let (mut died, mut used_up) = (0, 0);
    // Of the changes every fifth, others each time that this is run.
    let first = now % 5;
    for left in (first..).step_by(5) {
        let again = place.path().join(format!("again-{left}"));
        copy(&home, &again);
        let dying = Arc::new(Dying::default());
        dying.left.store(left, Ordering::Relaxed);
        let faults: Arc<dyn Faults> = Arc::clone(&dying) as _;
        let daemon = open(Disk::with_faults(&again, faults));
        dying.is_open.store(1, Ordering::Relaxed);
        let published = daemon.publish();
        drop(daemon);

        let daemon = open(Disk::new(&again));
        daemon.publish().unwrap();
        let (epochs, sequences) = recorded(&daemon);
        // Reserved, and never published.
        let is_used_up = dying.states.load(Ordering::Relaxed) == 1;
        let number = if is_used_up { 3 } else { 2 };
        assert_eq!((epochs, sequences), (vec![1], vec![1, number]), "{left}");
        let days = Days {
            place: tempfile::tempdir().unwrap(),
            clock: Arc::clone(&clock),
            daemon,
        };
        assert_eq!(days.held(), (3..40).chain(200..203).collect(), "{left}");
        assert!(days.daemon.publish().unwrap().is_empty());
        used_up += u32::from(is_used_up);
        drop(days);
        fs::remove_dir_all(again).unwrap();
        if published.is_ok_and(|published| !published.is_empty()) {
            break;
        }
        died += 1;
    }
    assert!(died > 5 && used_up > 2, "{died}, {used_up}");
}
