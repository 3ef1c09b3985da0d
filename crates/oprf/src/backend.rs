//! Which kernels batches run on.

pub use blindmatch_simd::{Backend, NoBackend, backend, choose_backend, with_backend};

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
