//! Which kernels batches run on.

use std::cell::Cell;

pub use blindmatch_simd::Backend;

thread_local! {
    static CHOSEN: Cell<Option<Backend>> = const { Cell::new(None) };
}

/// Runs `work` with its batches on this backend, for tests and measurements that take each.
///
/// All else runs on the fastest that the processor has. It holds for the calling thread only.
pub fn with_backend<T>(backend: Backend, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Backend>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CHOSEN.set(self.0);
        }
    }
    let _restore = Restore(CHOSEN.replace(Some(backend)));
    work()
}

/// What the batches of this thread run on.
pub(crate) fn backend() -> Backend {
    CHOSEN.get().unwrap_or_else(Backend::detect)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Backend, backend, with_backend};
    use crate::mode::{VOPRF, decode_blinded};
    use crate::{Blind, voprf};

    /// What the batches of every function are made with is what was chosen, and only while it was.
    #[test]
    fn the_chosen_backend_runs() {
        let blind = Blind::random(&mut crate::support::rng(1));
        let blinded = voprf::blind_batch(&["x"], &[blind]).unwrap();
        for chosen in Backend::available() {
            with_backend(chosen, || {
                let hashed = VOPRF.hash_to_group_batch(backend(), &["x"]);
                assert_eq!(hashed.backend(), chosen);
                let decoded = decode_blinded(backend(), &blinded).unwrap();
                assert_eq!(decoded.points.backend(), chosen);
            });
            assert_eq!(backend(), Backend::detect());
        }
    }
}
