//! Batches do what single calls do, up to their limits.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{
    Backend, Blind, Error, EvaluationElement, MAX_BATCH, SecretKey, oprf, voprf, with_backend,
};
use support::rng;

fn blinds(count: usize, seed: u64) -> Vec<Blind> {
    let rng = &mut rng(seed);
    (0..count).map(|_| Blind::random(rng)).collect()
}

fn inputs(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| format!("input {i}").into_bytes())
        .collect()
}

/// Sizes on either side of where the group library changes its algorithms, and of ours.
#[test]
fn batches_agree_with_single_calls() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let key = SecretKey::random(&mut rng(1));
            for size in [1, 2, 3, 8, 189, 190, 191] {
                let (inputs, blinds) = (inputs(size), blinds(size, 2));
                let blinded = voprf::blind_batch(&inputs, &blinds).unwrap();
                let (evaluated, proof) =
                    voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]).unwrap();
                assert_eq!(
                    oprf::blind_evaluate_batch(&key, &blinded).unwrap(),
                    evaluated
                );
                let public = key.public_key();
                let outputs =
                    voprf::finalize_batch(&inputs, &blinds, &evaluated, &blinded, public, &proof)
                        .unwrap();
                assert_eq!(outputs, voprf::evaluate_batch(&key, &inputs).unwrap());
                for i in 0..size {
                    let one = voprf::blind(&inputs[i], &blinds[i]).unwrap();
                    assert_eq!(*one.as_bytes(), blinded[i]);
                    let (answer, proof) = voprf::blind_evaluate(&key, &one, &[2; 32]);
                    assert_eq!(*answer.as_bytes(), evaluated[i]);
                    let answer = EvaluationElement::from_bytes(&evaluated[i]).unwrap();
                    let output =
                        voprf::finalize(&inputs[i], &blinds[i], &answer, &one, public, &proof)
                            .unwrap();
                    assert_eq!(output, outputs[i]);
                    assert_eq!(output, voprf::evaluate(&key, &inputs[i]).unwrap());
                }

                let authenticated = AuthenticatedKey::vouch(public.clone());
                let additive = Blinded::new(&inputs, blinds).unwrap();
                assert_ne!(additive.elements(), blinded);
                let (evaluated, proof) =
                    voprf::blind_evaluate_batch(&key, additive.elements(), &[1; 32]).unwrap();
                let verified = additive.verify(&evaluated, &authenticated, &proof).unwrap();
                assert_eq!(verified.finalize(&inputs).unwrap(), outputs);
            }
        });
    }
}

#[test]
fn the_largest_batch_and_one_more() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let key = SecretKey::random(&mut rng(3));
            let (mut inputs, mut blinds) = (inputs(MAX_BATCH), blinds(MAX_BATCH, 4));
            let mut blinded = voprf::blind_batch(&inputs, &blinds).unwrap();
            let (mut evaluated, proof) =
                voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]).unwrap();
            let public = key.public_key();
            let outputs =
                voprf::finalize_batch(&inputs, &blinds, &evaluated, &blinded, public, &proof)
                    .unwrap();
            // Own sets have no limit: one more input goes through a second part.
            inputs.push(b"one more".to_vec());
            let own = voprf::evaluate_batch(&key, &inputs).unwrap();
            assert_eq!(own[..MAX_BATCH], outputs);
            assert_eq!(own[MAX_BATCH], voprf::evaluate(&key, b"one more").unwrap());

            let refused = Error::BatchSize { len: MAX_BATCH + 1 };
            blinds.push(Blind::random(&mut rng(5)));
            blinded.push(blinded[0]);
            evaluated.push(evaluated[0]);
            assert_eq!(voprf::blind_batch(&inputs, &blinds), Err(refused));
            assert_eq!(
                voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]),
                Err(refused)
            );
            let finalized =
                voprf::finalize_batch(&inputs, &blinds, &evaluated, &blinded, public, &proof);
            assert_eq!(finalized, Err(refused));
            assert_eq!(Blinded::new(&inputs, blinds).err(), Some(refused));
        });
    }
}

#[test]
fn empty_batches() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let key = SecretKey::random(&mut rng(6));
            let none: [&[u8]; 0] = [];
            let refused = Error::BatchSize { len: 0 };
            assert_eq!(voprf::blind_batch(&none, &[]), Err(refused));
            assert_eq!(
                voprf::blind_evaluate_batch(&key, &[], &[1; 32]),
                Err(refused)
            );
            assert_eq!(Blinded::new(&none, vec![]).err(), Some(refused));
            // Without a proof there is nothing that an empty batch could not have.
            assert_eq!(oprf::blind_batch(&none, &[]), Ok(vec![]));
            assert_eq!(oprf::blind_evaluate_batch(&key, &[]), Ok(vec![]));
            assert_eq!(oprf::finalize_batch(&none, &[], &[]), Ok(vec![]));
            assert_eq!(voprf::evaluate_batch(&key, &none), Ok(vec![]));
        });
    }
}

#[test]
fn inputs_up_to_two_bytes_of_length() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let key = SecretKey::random(&mut rng(7));
            let (longest, too_long) = (vec![b'x'; 65_535], vec![b'x'; 65_536]);
            let refused = Error::InputTooLong { index: 1 };
            let inputs = [longest.as_slice(), too_long.as_slice()];
            assert!(voprf::evaluate_batch(&key, &inputs[..1]).is_ok());
            assert_eq!(voprf::evaluate_batch(&key, &inputs), Err(refused));
            assert_eq!(voprf::blind_batch(&inputs, &blinds(2, 8)), Err(refused));
            assert_eq!(oprf::blind_batch(&inputs, &blinds(2, 8)), Err(refused));
            assert_eq!(Blinded::new(&inputs, blinds(2, 8)).err(), Some(refused));
            let single = Err(Error::InputTooLong { index: 0 });
            assert_eq!(voprf::evaluate(&key, &too_long), single);
            assert_eq!(
                voprf::blind(&too_long, &blinds(1, 8)[0]).map(drop),
                single.map(drop)
            );
        });
    }
}

#[test]
fn slices_go_in_step() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let key = SecretKey::random(&mut rng(9));
            let (all, blinds) = (inputs(3), blinds(3, 10));
            let blinded = voprf::blind_batch(&all, &blinds).unwrap();
            let (evaluated, proof) = voprf::blind_evaluate_batch(&key, &blinded, &[1; 32]).unwrap();
            let finalize = |inputs: usize, blinds_: usize, evaluated_: usize, blinded_: usize| {
                voprf::finalize_batch(
                    &all[..inputs],
                    &blinds[..blinds_],
                    &evaluated[..evaluated_],
                    &blinded[..blinded_],
                    key.public_key(),
                    &proof,
                )
            };
            assert!(finalize(3, 3, 3, 3).is_ok());
            for n in [[2, 3, 3, 3], [3, 2, 3, 3], [3, 3, 2, 3], [3, 3, 3, 2]] {
                assert_eq!(
                    finalize(n[0], n[1], n[2], n[3]),
                    Err(Error::LengthsDiffer),
                    "{n:?}"
                );
            }
            assert_eq!(
                voprf::blind_batch(&all, &blinds[..2]),
                Err(Error::LengthsDiffer)
            );
            let without_proof = oprf::finalize_batch(&all, &blinds[..2], &evaluated);
            assert_eq!(without_proof, Err(Error::LengthsDiffer));
            let authenticated = AuthenticatedKey::vouch(key.public_key().clone());
            let additive = Blinded::new(&all, blinds).unwrap();
            let (evaluated, proof) =
                voprf::blind_evaluate_batch(&key, additive.elements(), &[1; 32]).unwrap();
            let verified = additive.verify(&evaluated, &authenticated, &proof).unwrap();
            assert_eq!(verified.finalize(&all[..2]), Err(Error::LengthsDiffer));
        });
    }
}
