//! Malicious servers and clients, each with the exact refusal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{
    Backend, Blind, BlindedElement, Error, EvaluationElement, Malformed, Output, Proof, PublicKey,
    SecretKey, oprf, voprf, with_backend,
};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::CompressedRistretto;
use serde_json::Value;
use support::{array, ristretto255_vectors, rng};

const INPUTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const IDENTITY: [u8; 32] = [0; 32];

type Evaluated = Vec<[u8; 32]>;

/// What the two kinds of client make of a batch that a server answers as `answer` says.
fn clients(
    public: &PublicKey,
    answer: impl Fn(&[[u8; 32]]) -> (Evaluated, Proof),
) -> [Result<Vec<Output>, Error>; 2] {
    let rng = &mut rng(1);
    let blinds = INPUTS.map(|_| Blind::random(rng));
    let blinded = voprf::blind_batch(&INPUTS, &blinds).unwrap();
    let (evaluated, proof) = answer(&blinded);
    let multiplicative =
        voprf::finalize_batch(&INPUTS, &blinds, &evaluated, &blinded, public, &proof);

    let authenticated = AuthenticatedKey::vouch(public.clone());
    let blinded = Blinded::new(&INPUTS, blinds.into()).unwrap();
    let (evaluated, proof) = answer(blinded.elements());
    let additive = blinded.verify(&evaluated, &authenticated, &proof);
    [
        multiplicative,
        additive.and_then(|verified| verified.finalize(&INPUTS)),
    ]
}

fn refused(error: Error) -> [Result<Vec<Output>, Error>; 2] {
    [Err(error), Err(error)]
}

fn point(bytes: &[u8; 32]) -> RistrettoPoint {
    CompressedRistretto(*bytes).decompress().unwrap()
}

fn keys() -> [SecretKey; 2] {
    let rng = &mut rng(2);
    [SecretKey::random(rng), SecretKey::random(rng)]
}

fn honest(key: &SecretKey, blinded: &[[u8; 32]]) -> (Evaluated, Proof) {
    voprf::blind_evaluate_batch(key, blinded, &[3; 32]).unwrap()
}

#[test]
fn an_honest_server_is_believed() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, _] = keys();
            let own = voprf::evaluate_batch(&key, &INPUTS).unwrap();
            for outputs in clients(key.public_key(), |blinded| honest(&key, blinded)) {
                assert_eq!(outputs.unwrap(), own);
            }
        });
    }
}

/// Another key, consistently: its proof holds for the other key only. For the additive client
/// this is the public key that lies.
#[test]
fn a_whole_batch_under_another_key() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, other] = keys();
            let results = clients(key.public_key(), |blinded| honest(&other, blinded));
            assert_eq!(results, refused(Error::Verify));
            // Its elements with a proof of the right key, made for what the right key gives.
            let results = clients(key.public_key(), |blinded| {
                (honest(&other, blinded).0, honest(&key, blinded).1)
            });
            assert_eq!(results, refused(Error::Verify));
        });
    }
}

#[test]
fn one_element_under_another_key() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, other] = keys();
            for i in 0..INPUTS.len() {
                let results = clients(key.public_key(), |blinded| {
                    let (mut evaluated, proof) = honest(&key, blinded);
                    evaluated[i] = honest(&other, blinded).0[i];
                    (evaluated, proof)
                });
                assert_eq!(results, refused(Error::Verify), "element {i}");
            }
        });
    }
}

/// A public key that is nobody's multiple of the generator that the server knows: the server
/// shifts its own by a point it chose.
#[test]
fn a_public_key_that_was_shifted() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, other] = keys();
            let [a, b] = [&key, &other].map(|key| {
                CompressedRistretto(*key.public_key().as_bytes())
                    .decompress()
                    .unwrap()
            });
            let shifted = PublicKey::from_bytes((a + b).compress().as_bytes()).unwrap();
            for key in [&key, &other] {
                assert_eq!(
                    clients(&shifted, |blinded| honest(key, blinded)),
                    refused(Error::Verify)
                );
            }
        });
    }
}

#[test]
fn elements_negated_shifted_repeated_or_swapped() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, _] = keys();
            let tricks: [fn(&mut Evaluated); 5] = [
                |e| e[2] = (-point(&e[2])).compress().0,
                |e| e[2] = (point(&e[2]) + RISTRETTO_BASEPOINT_POINT).compress().0,
                |e| e[3] = e[2],
                |e| e.swap(0, 4),
                |e| e.rotate_left(1),
            ];
            for (i, trick) in tricks.iter().enumerate() {
                let results = clients(key.public_key(), |blinded| {
                    let (mut evaluated, proof) = honest(&key, blinded);
                    trick(&mut evaluated);
                    (evaluated, proof)
                });
                assert_eq!(results, refused(Error::Verify), "trick {i}");
            }
            // What cancels in a plain sum does not in a weighted one.
            let results = clients(key.public_key(), |blinded| {
                let (mut evaluated, proof) = honest(&key, blinded);
                evaluated[0] = (point(&evaluated[0]) + RISTRETTO_BASEPOINT_POINT)
                    .compress()
                    .0;
                evaluated[1] = (point(&evaluated[1]) - RISTRETTO_BASEPOINT_POINT)
                    .compress()
                    .0;
                (evaluated, proof)
            });
            assert_eq!(results, refused(Error::Verify));
        });
    }
}

/// Answers to the batch in another order, with a proof of that.
#[test]
fn a_proof_for_another_order_or_batch() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, _] = keys();
            let results = clients(key.public_key(), |blinded| {
                let mut reordered = blinded.to_vec();
                reordered.reverse();
                honest(&key, &reordered)
            });
            assert_eq!(results, refused(Error::Verify));
            // A proof of an earlier batch of the same size.
            let results = clients(key.public_key(), |blinded| {
                let (evaluated, _) = honest(&key, blinded);
                let (_, proof) = honest(&key, &evaluated);
                (evaluated, proof)
            });
            assert_eq!(results, refused(Error::Verify));
        });
    }
}

#[test]
fn a_proof_for_another_batch_size() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, _] = keys();
            let results = clients(key.public_key(), |blinded| {
                (honest(&key, blinded).0, honest(&key, &blinded[..4]).1)
            });
            assert_eq!(results, refused(Error::Verify));
            let results = clients(key.public_key(), |blinded| {
                let longer = [blinded, &blinded[..1]].concat();
                (honest(&key, blinded).0, honest(&key, &longer).1)
            });
            assert_eq!(results, refused(Error::Verify));
            for size in [0, 4] {
                let results = clients(key.public_key(), |blinded| {
                    let (mut evaluated, proof) = honest(&key, blinded);
                    evaluated.truncate(size);
                    (evaluated, proof)
                });
                assert_eq!(results, refused(Error::LengthsDiffer));
            }
            let results = clients(key.public_key(), |blinded| {
                let (mut evaluated, proof) = honest(&key, blinded);
                evaluated.push(evaluated[0]);
                (evaluated, proof)
            });
            assert_eq!(results, refused(Error::LengthsDiffer));
        });
    }
}

/// Every bit of the proof matters: no flip decodes to something that holds.
#[test]
fn a_mauled_proof() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, _] = keys();
            let input = ["x"];
            let blinds = [Blind::random(&mut rng(4))];
            let blinded = voprf::blind_batch(&input, &blinds).unwrap();
            let (evaluated, proof) = honest(&key, &blinded);
            let finalize = |proof: &Proof| {
                voprf::finalize_batch(
                    &input,
                    &blinds,
                    &evaluated,
                    &blinded,
                    key.public_key(),
                    proof,
                )
            };
            assert!(finalize(&proof).is_ok());
            let (mut undecodable, mut refuted) = (0, 0);
            for bit in 0..512 {
                let mut mauled = proof.to_bytes();
                mauled[bit / 8] ^= 1 << (bit % 8);
                match Proof::from_bytes(&mauled) {
                    Err(offence) => {
                        assert_eq!(offence, Malformed::NotCanonical, "bit {bit}");
                        undecodable += 1;
                    }
                    Ok(mauled) => {
                        assert_eq!(finalize(&mauled), Err(Error::Verify), "bit {bit}");
                        refuted += 1;
                    }
                }
            }
            // The three highest bits of each scalar cannot be set below the order.
            assert_eq!(undecodable + refuted, 512);
            assert!(
                undecodable >= 6 && refuted >= 2 * 252,
                "{undecodable} {refuted}"
            );
            let mut swapped = proof.to_bytes();
            swapped.rotate_left(32);
            assert_eq!(
                finalize(&Proof::from_bytes(&swapped).unwrap()),
                Err(Error::Verify)
            );
        });
    }
}

/// Each kind of what is no element, or must not be one, with its offence.
fn bad_elements() -> Vec<([u8; 32], Malformed)> {
    let vectors = ristretto255_vectors();
    let invalid = vectors["invalid_encodings"].as_array().unwrap();
    let mut kinds: Vec<_> = invalid.iter().map(|vector| &vector["offence"]).collect();
    kinds.dedup();
    assert_eq!(kinds.len(), 5);
    let first = |kind: &Value| invalid.iter().find(|vector| vector["offence"] == *kind);
    let bad = kinds.into_iter().filter_map(first);
    bad.map(|vector| (array(&vector["encoding"]), Malformed::NotCanonical))
        .chain([(IDENTITY, Malformed::Identity)])
        .collect()
}

/// From 32 on, kernels decode more than eight at once.
const SIZES: [usize; 5] = [31, 32, 33, 64, 70];

#[test]
fn bad_elements_from_the_server_at_each_position() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let (bad, [key, _]) = (bad_elements(), keys());
            let public = key.public_key();
            let authenticated = AuthenticatedKey::vouch(public.clone());
            for size in SIZES {
                let rng = &mut rng(8);
                let inputs: Vec<_> = (0..size).map(usize::to_be_bytes).collect();
                let blinds: Vec<_> = inputs.iter().map(|_| Blind::random(rng)).collect();
                let blinded = voprf::blind_batch(&inputs, &blinds).unwrap();
                let (good, proof) = honest(&key, &blinded);
                assert!(oprf::finalize_batch(&inputs, &blinds, &good).is_ok());
                let finalize = |evaluated: &[[u8; 32]]| {
                    voprf::finalize_batch(&inputs, &blinds, evaluated, &blinded, public, &proof)
                };
                assert!(finalize(&good).is_ok());
                let again = blinds
                    .iter()
                    .map(|blind| Blind::from_bytes(&*blind.to_bytes()));
                let additive = Blinded::new(&inputs, again.map(Result::unwrap).collect()).unwrap();
                for index in 0..size {
                    for &(bytes, offence) in &bad {
                        let mut evaluated = good.clone();
                        evaluated[index] = bytes;
                        let refused = Error::EvaluationElement { index, offence };
                        assert_eq!(finalize(&evaluated), Err(refused), "of {size}");
                        let unproven = oprf::finalize_batch(&inputs, &blinds, &evaluated);
                        assert_eq!(unproven, Err(refused), "of {size}");
                        let verified = additive.verify(&evaluated, &authenticated, &proof);
                        assert_eq!(verified.err(), Some(refused), "of {size}");
                    }
                }
            }
            assert_eq!(
                EvaluationElement::from_bytes(&IDENTITY),
                Err(Malformed::Identity)
            );
        });
    }
}

#[test]
fn bad_elements_from_the_client_at_each_position() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let (bad, [key, _]) = (bad_elements(), keys());
            for size in SIZES {
                let rng = &mut rng(5);
                let inputs: Vec<_> = (0..size).map(usize::to_be_bytes).collect();
                let blinds: Vec<_> = inputs.iter().map(|_| Blind::random(rng)).collect();
                let good = voprf::blind_batch(&inputs, &blinds).unwrap();
                let (evaluated, proof) = honest(&key, &good);
                for index in 0..size {
                    for &(bytes, offence) in &bad {
                        let mut blinded = good.clone();
                        blinded[index] = bytes;
                        let refused = Error::BlindedElement { index, offence };
                        let answer = voprf::blind_evaluate_batch(&key, &blinded, &[6; 32]);
                        assert_eq!(answer, Err(refused), "of {size}");
                        let answer = oprf::blind_evaluate_batch(&key, &blinded);
                        assert_eq!(answer, Err(refused), "of {size}");
                        // Nor does a client take one for its own.
                        let outputs = voprf::finalize_batch(
                            &inputs,
                            &blinds,
                            &evaluated,
                            &blinded,
                            key.public_key(),
                            &proof,
                        );
                        assert_eq!(outputs, Err(refused), "of {size}");
                    }
                }
            }
            assert_eq!(
                BlindedElement::from_bytes(&IDENTITY),
                Err(Malformed::Identity)
            );
        });
    }
}

/// In the base mode nothing is proven: only what cannot be an element is refused.
#[test]
fn the_base_mode_believes_any_element() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let [key, other] = keys();
            let rng = &mut rng(7);
            let blinds = INPUTS.map(|_| Blind::random(rng));
            let blinded = oprf::blind_batch(&INPUTS, &blinds).unwrap();
            let mut evaluated = oprf::blind_evaluate_batch(&other, &blinded).unwrap();
            let outputs = oprf::finalize_batch(&INPUTS, &blinds, &evaluated).unwrap();
            assert_eq!(outputs, oprf::evaluate_batch(&other, &INPUTS).unwrap());
            assert_ne!(outputs, oprf::evaluate_batch(&key, &INPUTS).unwrap());
            evaluated[3] = IDENTITY;
            let refused = Error::EvaluationElement {
                index: 3,
                offence: Malformed::Identity,
            };
            assert_eq!(
                oprf::finalize_batch(&INPUTS, &blinds, &evaluated),
                Err(refused)
            );
        });
    }
}
