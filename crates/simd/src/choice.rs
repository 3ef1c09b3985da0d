//! Which backend is taken: the process's choice, and a thread's for a while.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::Backend;

/// The process's choice.
static CHOSEN: OnceLock<Backend> = OnceLock::new();

thread_local! {
    static TEMPORARY: Cell<Option<Backend>> = const { Cell::new(None) };
}

/// Makes all batches of this process run on one backend instead of the fastest that the processor
/// has. The program calls it once, before the first batch, with what its settings name.
///
/// # Errors
///
/// What was chosen before, if that is another one.
pub fn choose_backend(backend: Backend) -> Result<(), Backend> {
    let chosen = *CHOSEN.get_or_init(|| backend);
    if chosen == backend {
        Ok(())
    } else {
        Err(chosen)
    }
}

/// What the batches of this thread run on.
#[must_use]
pub fn backend() -> Backend {
    let temporary = TEMPORARY.get().or_else(|| CHOSEN.get().copied());
    temporary.unwrap_or_else(Backend::detect)
}

/// Runs `work` with its batches on this backend, for tests and measurements that take each.
///
/// It holds for what the calling thread asks for, on whatever threads that is done.
pub fn with_backend<T>(backend: Backend, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Backend>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TEMPORARY.set(self.0);
        }
    }
    let _restore = Restore(TEMPORARY.replace(Some(backend)));
    work()
}
