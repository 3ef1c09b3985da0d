//! Batches are the chosen backend's work in every step, on all threads. The bytes are the same on
//! each, so kernels count what they do; for all of the process, hence one test in one of its own.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{Backend, Blind, MAX_BATCH, SecretKey, oprf, voprf, with_backend};
use blindmatch_simd::items_done;
use support::rng;

/// Runs a function on a batch of so many items, each of which goes through so many kernels of the
/// backend, and through none of another.
fn works<T>(
    backend: Backend,
    name: &str,
    [items, kernels]: [usize; 2],
    run: impl FnOnce() -> T,
) -> T {
    let done = || {
        Backend::available()
            .into_iter()
            .map(|each| (each, items_done(each)))
    };
    let before: Vec<_> = done().collect();
    let made = with_backend(backend, run);
    for ((each, after), (_, before)) in done().zip(before) {
        let expected = if each == backend { items * kernels } else { 0 };
        assert_eq!(
            after - before,
            expected as u64,
            "{name} on {backend:?}: items of {each:?}"
        );
    }
    made
}

#[test]
fn every_step_of_a_batch_is_the_chosen_backends() {
    let key = SecretKey::random(&mut rng(1));
    let public = key.public_key();
    let own: Vec<_> = (0..2 * MAX_BATCH + 1).map(usize::to_be_bytes).collect();
    let n = 100;
    let inputs = own.iter().take(n).collect::<Vec<_>>();
    let inputs: Vec<&[u8]> = inputs.into_iter().map(|input| input.as_slice()).collect();
    let blinds = || {
        let rng = &mut rng(2);
        (0..n).map(|_| Blind::random(rng)).collect::<Vec<_>>()
    };
    for backend in Backend::available() {
        macro_rules! works {
            ($kernels:expr, $items:expr, $call:expr) => {
                works(backend, stringify!($call), [$items, $kernels], || $call).unwrap()
            };
        }
        // Expand, map, multiply and encode, hash.
        works!(4, n, voprf::evaluate_batch(&key, &inputs));
        works!(4, n, oprf::evaluate_batch(&key, &inputs));
        // The same in three parts, which are other threads' work.
        let all = own.len();
        works!(4, all, voprf::evaluate_batch(&key, &own));
        works!(4, all, oprf::evaluate_batch(&key, &own));

        let blinds_ = blinds();
        // Expand, map, multiply and encode.
        works!(3, n, oprf::blind_batch(&inputs, &blinds_));
        let blinded = works!(3, n, voprf::blind_batch(&inputs, &blinds_));
        // Decode, multiply and encode.
        works!(2, n, oprf::blind_evaluate_batch(&key, &blinded));
        // And for the proof expand, sum.
        let (evaluated, proof) =
            works!(4, n, voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]));
        // Decode, multiply and encode, hash.
        works!(3, n, oprf::finalize_batch(&inputs, &blinds_, &evaluated));
        // And for the proof decode, expand, sum twice.
        works!(
            7,
            n,
            voprf::finalize_batch(&inputs, &blinds_, &evaluated, &blinded, public, &proof)
        );

        // Expand, map, multiply, add, encode.
        let additive = works!(5, n, Blinded::new(&inputs, blinds()));
        let blinded = additive.elements();
        let (evaluated, proof) = works!(4, n, voprf::blind_evaluate_batch(&key, blinded, &[1; 32]));
        let vouched = with_backend(backend, || AuthenticatedKey::vouch(public.clone()));
        // Decode, expand, sum twice.
        let verified = works!(4, n, additive.verify(&evaluated, &vouched, &proof));
        // Multiply, add, encode, hash.
        works!(4, n, verified.finalize(&inputs));
    }
}
