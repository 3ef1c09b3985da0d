use std::{cell::Cell, rc::Rc};

use blindmatch_psi::session::UnixSeconds;

/// A clock that stands still until a test moves it; clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Rc<Cell<u64>>);

impl Clock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: u64) -> Self {
        Self(Rc::new(Cell::new(now)))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.get())
    }

    /// Moves it by so many seconds, backwards too.
    pub fn advance(&self, seconds: i64) {
        self.0.set(self.0.get().saturating_add_signed(seconds));
    }
}
