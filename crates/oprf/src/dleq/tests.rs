#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use curve25519_dalek::Scalar;

use super::{Composites, Proof, generate_proof, verify_proof};
use crate::element::Elements;
use crate::support::{array, arrays, oprf_vectors, rng};
use crate::{Backend, Blind, Error, Malformed, SecretKey, voprf, with_backend};

/// RFC 9497, Appendix A.1.2: the nonces of the RFC give its proofs.
#[test]
fn proof_vectors() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let vectors = oprf_vectors();
            let mode = &vectors["modes"][1];
            assert_eq!(mode["mode"], "VOPRF");
            let key = SecretKey::from_bytes(&array::<32>(&mode["secret_key"])).unwrap();
            let exchanges = mode["exchanges"].as_array().unwrap();
            assert_eq!(exchanges.len(), 3);
            for exchange in exchanges {
                let blinded = arrays(&exchange["blinded_elements"]);
                let blinded = Elements::decode(crate::backend::backend(), &blinded).unwrap();
                let evaluated = arrays(&exchange["evaluation_elements"]);
                let r = Scalar::from_canonical_bytes(array(&exchange["proof_nonce"])).unwrap();
                let composites = Composites::compute_fast(&key, blinded.batch(), &evaluated);
                assert_eq!(
                    composites.prove(&key, &r).to_bytes(),
                    array(&exchange["proof"])
                );
            }
        });
    }
}

/// A key and a batch of three, blinded.
fn batch(seed: u64) -> (SecretKey, Vec<[u8; 32]>) {
    let rng = &mut rng(seed);
    let key = SecretKey::random(rng);
    let blinds = [(); 3].map(|()| Blind::random(rng));
    (key, voprf::blind_batch(&["a", "b", "c"], &blinds).unwrap())
}

#[test]
fn hedged_nonce_vector() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let vectors = oprf_vectors();
            let vector = &vectors["hedged_nonce"];
            let key = SecretKey::from_bytes(&array::<32>(&vector["secret_key"])).unwrap();
            let blinded = arrays(&vector["blinded_elements"]);
            let evaluated = arrays(&vector["evaluation_elements"]);
            let fresh = array(&vector["fresh"]);
            let blinded = Elements::decode(crate::backend::backend(), &blinded).unwrap();
            let composites = Composites::compute_fast(&key, blinded.batch(), &evaluated);
            assert_eq!(composites.bytes, [array(&vector["m"]), array(&vector["z"])]);
            assert_eq!(
                composites.nonce(&key, &fresh).to_bytes(),
                array(&vector["nonce"])
            );
            let proof = generate_proof(&key, blinded.batch(), &evaluated, &fresh);
            assert_eq!(proof.to_bytes(), array(&vector["proof"]));
        });
    }
}

/// The nonce is a function of all that is hashed, and of nothing else.
#[test]
fn nonces_differ_with_key_fresh_bytes_and_batch() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let (key, blinded) = batch(1);
            let nonce = |key: &SecretKey, blinded: &[[u8; 32]], fresh: &[u8; 32]| {
                let blinded = Elements::decode(crate::backend::backend(), blinded).unwrap();
                let evaluated = crate::mode::blind_evaluate_batch(key, &blinded);
                *Composites::compute_fast(key, blinded.batch(), &evaluated).nonce(key, fresh)
            };
            let first = nonce(&key, &blinded, &[0; 32]);
            assert_eq!(first, nonce(&key, &blinded, &[0; 32]));
            assert_ne!(first, nonce(&key, &blinded, &[1; 32]));
            assert_ne!(first, nonce(&key, &blinded[..2], &[0; 32]));
            let mut swapped = blinded.clone();
            swapped.swap(0, 1);
            assert_ne!(first, nonce(&key, &swapped, &[0; 32]));
            assert_ne!(first, nonce(&batch(2).0, &blinded, &[0; 32]));
        });
    }
}

#[test]
fn proofs_decode_strictly() {
    let (key, blinded) = batch(3);
    let (_, proof) = voprf::blind_evaluate_batch(&key, &blinded, &[0; 32]).unwrap();
    let bytes = proof.to_bytes();
    assert_eq!(Proof::from_bytes(&bytes), Ok(proof));
    for half in [0..32, 32..64] {
        let mut bad = bytes;
        bad[half.clone()].fill(0);
        assert_eq!(Proof::from_bytes(&bad), Err(Malformed::Zero));
        bad[half].fill(0xff);
        assert_eq!(Proof::from_bytes(&bad), Err(Malformed::NotCanonical));
    }
    assert_eq!(Proof::from_bytes(&bytes[..63]), Err(Malformed::Length));
    assert_eq!(
        Proof::from_bytes(&[&bytes[..], &[0]].concat()),
        Err(Malformed::Length)
    );
}

/// Whoever knows k could still not prove for a Z of another key.
#[test]
fn composites_agree_exactly_for_honest_batches() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let (key, blinded) = batch(4);
            let blinded = Elements::decode(crate::backend::backend(), &blinded).unwrap();
            let evaluated = crate::mode::blind_evaluate_batch(&key, &blinded);
            let fast = Composites::compute_fast(&key, blinded.batch(), &evaluated);
            let decoded = Elements::decode(crate::backend::backend(), &evaluated).unwrap();
            let slow = Composites::compute(key.public_key(), blinded.batch(), decoded.batch());
            assert_eq!(fast.bytes, slow.bytes);

            let (other, _) = batch(5);
            let lie = crate::mode::blind_evaluate_batch(&other, &blinded);
            let proof = generate_proof(&key, blinded.batch(), &lie, &[0; 32]);
            let lie = Elements::decode(crate::backend::backend(), &lie).unwrap();
            assert_eq!(
                verify_proof(key.public_key(), blinded.batch(), lie.batch(), &proof),
                Err(Error::Verify)
            );
        });
    }
}
