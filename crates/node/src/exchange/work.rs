//! Work that does not belong on the threads that wait: it blocks, or computes for a while.

use tokio::task::spawn_blocking;

#[cfg(feature = "simulation")]
use crate::simulation;

/// What was to be done ended in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Does what blocks on a thread for that, to the end also where nobody waits for it any more.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Panicked> {
    #[cfg(feature = "simulation")]
    if simulation::is_on() {
        let done = tokio::spawn(async {
            simulation::pause().await;
            simulation::caught(work)
        });
        return done.await.ok().flatten().ok_or(Panicked);
    }
    spawn_blocking(work).await.map_err(|_| Panicked)
}

/// Computes on the pool of the process.
pub(super) fn compute(work: impl FnOnce() + Send + 'static) {
    #[cfg(feature = "simulation")]
    if simulation::is_on() {
        tokio::spawn(async {
            simulation::pause().await;
            simulation::caught(work);
        });
        return;
    }
    rayon::spawn(work);
}
