//! Which kernels batches run on.

use std::cell::Cell;
use std::sync::OnceLock;

pub use blindmatch_simd::{Backend, NoBackend};

/// The process's choice.
static CHOSEN: OnceLock<Backend> = OnceLock::new();

thread_local! {
    static TEMPORARY: Cell<Option<Backend>> = const { Cell::new(None) };
}

/// Makes all batches of this process run on one backend instead of the fastest that the processor
/// has. The program calls it once, before the first batch, with what its settings name.
///
/// # Errors
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use super::{Backend, backend, with_backend};
    use crate::mode::{VOPRF, decode_blinded};
    use crate::{Blind, MAX_BATCH, SecretKey, voprf};

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

    /// An own set of several batches is evaluated on other threads than the one that chose, by
    /// what it chose: eight lanes and one at a time give the same.
    #[test]
    fn the_chosen_backend_goes_along_to_other_threads() {
        let key = SecretKey::random(&mut crate::support::rng(2));
        let inputs: Vec<_> = (0..2 * MAX_BATCH as u32 + 1)
            .map(u32::to_be_bytes)
            .collect();
        let [first, rest @ ..] = &*Backend::available() else {
            unreachable!("there is one at least")
        };
        let evaluate = |chosen| with_backend(chosen, || voprf::evaluate_batch(&key, &inputs));
        let expected = evaluate(*first).unwrap();
        for (input, output) in inputs.iter().zip(&expected).step_by(1000) {
            assert_eq!(voprf::evaluate(&key, input).unwrap(), *output);
        }
        for other in rest {
            assert!(evaluate(*other).unwrap() == expected);
        }
    }
}
