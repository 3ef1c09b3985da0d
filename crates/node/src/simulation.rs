//! A node alone on its thread, by a clock that is not the system's: what simulations need so that a
//! seed decides the order of everything (feature `simulation`, which the binary has not).
//!
//! Inside, what would block on another thread or compute on all cores is done where it is asked for,
//! behind a pause that the simulation draws: others go on meanwhile, as they would on other threads.
//! The index of the ledger is kept in memory.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

thread_local! {
    static AROUND: RefCell<Option<Rc<dyn Around>>> = const { RefCell::new(None) };
}

/// What stands around the nodes of a thread.
pub trait Around {
    /// The time, in seconds since 1970.
    fn now(&self) -> u64;

    /// How long it takes until a thread is free for what blocks.
    fn pause(&self) -> Duration;
}

/// The nodes of this thread are simulated for as long as this is there.
#[derive(Debug)]
pub struct Simulated(());

impl Simulated {
    /// From now on this stands around the nodes of this thread.
    #[must_use]
    pub fn by(around: Rc<dyn Around>) -> Self {
        AROUND.with_borrow_mut(|slot| *slot = Some(around));
        Self(())
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        AROUND.with_borrow_mut(|slot| *slot = None);
    }
}

fn around() -> Option<Rc<dyn Around>> {
    AROUND.with_borrow(Clone::clone)
}

/// Whether this thread's nodes are simulated.
pub(crate) fn is_on() -> bool {
    AROUND.with_borrow(Option::is_some)
}

/// The time, where it is a simulation's, or that of a test whose nodes are processes: it stands in a file.
pub(crate) fn now() -> Option<u64> {
    around().map(|around| around.now()).or_else(|| {
        let file = env::var_os("BLINDMATCH_TEST_CLOCK")?;
        fs::read_to_string(file).ok()?.parse().ok()
    })
}

/// The newest version of the protocol that this process speaks, where a test of upgrades has it be one
/// of another release.
pub(crate) fn version() -> Option<u32> {
    env::var("BLINDMATCH_TEST_VERSION").ok()?.parse().ok()
}

/// Lets others go on.
pub(crate) async fn pause() {
    match around().map(|around| around.pause()) {
        None | Some(Duration::ZERO) => yield_now().await,
        Some(pause) => sleep(pause).await,
    }
}

/// Does what would be done on another thread; nothing where it panicked.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
