//! Time as a seed has it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use blindmatch_node::simulation::Around;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// A clock that goes on with the timers of the runtime, and jumps where it is told to.
pub(crate) struct Time {
    shown: Cell<u64>,
    began: Cell<Option<Instant>>,
    rng: RefCell<StdRng>,
}

impl Time {
    /// A clock that stands still until [`start`](Self::start).
    pub(crate) fn new(now: u64, seed: u64) -> Self {
        Self {
            shown: Cell::new(now),
            began: Cell::new(None),
            rng: RefCell::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// Goes on from now on.
    pub(crate) fn start(&self) {
        self.began.set(Some(Instant::now()));
    }

    /// Moves it by so many seconds, backwards too.
    pub(crate) fn jump(&self, seconds: i64) {
        self.shown
            .set(self.shown.get().saturating_add_signed(seconds));
    }

    /// Since the start, without the jumps.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began
            .get()
            .map_or(Duration::ZERO, |began| began.elapsed())
    }
}

impl Around for Time {
    fn now(&self) -> u64 {
        self.shown.get() + self.elapsed().as_secs()
    }

    fn pause(&self) -> Duration {
        let mut rng = self.rng.borrow_mut();
        match rng.random_range(0..16) {
            0..12 => Duration::ZERO,
            12..15 => Duration::from_millis(rng.random_range(1..8)),
            _ => Duration::from_millis(rng.random_range(8..200)),
        }
    }
}
