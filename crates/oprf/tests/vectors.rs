//! RFC 9497, Appendix A.1.1 and A.1.2, and this project's additive form, by the public functions.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{
    Backend, Blind, BlindedElement, EvaluationElement, Output, Proof, PublicKey, SecretKey, oprf,
    voprf, with_backend,
};
use serde_json::Value;
use support::{array, arrays, hex, hexes, oprf_vectors};

/// One exchange of a vector file.
struct Exchange {
    inputs: Vec<Vec<u8>>,
    blinds: Vec<Blind>,
    blinded: Vec<[u8; 32]>,
    evaluated: Vec<[u8; 32]>,
    outputs: Vec<[u8; 64]>,
}

fn exchanges(mode: &Value) -> impl Iterator<Item = (&Value, Exchange)> {
    mode["exchanges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e, exchange(e)))
}

fn exchange(vector: &Value) -> Exchange {
    let blinds = hexes(&vector["blinds"]);
    Exchange {
        inputs: hexes(&vector["inputs"]),
        blinds: blinds
            .iter()
            .map(|blind| Blind::from_bytes(blind).unwrap())
            .collect(),
        blinded: arrays(&vector["blinded_elements"]),
        evaluated: arrays(&vector["evaluation_elements"]),
        outputs: arrays(&vector["outputs"]),
    }
}

fn bytes(outputs: &[Output]) -> Vec<[u8; 64]> {
    outputs.iter().map(|output| *output.as_bytes()).collect()
}

#[test]
fn base_mode() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let vectors = oprf_vectors();
            assert_eq!(vectors["suite"], "ristretto255-SHA512");
            let mode = &vectors["modes"][0];
            assert_eq!(mode["mode"], "OPRF");
            let key =
                oprf::derive_key_pair(&array(&mode["seed"]), &hex(&mode["key_info"])).unwrap();
            assert_eq!(*key.to_bytes(), array(&mode["secret_key"]));

            let mut seen = 0;
            for (_, e) in exchanges(mode) {
                let (input, blind) = (&e.inputs[0], &e.blinds[0]);
                let blinded = oprf::blind(input, blind).unwrap();
                assert_eq!(*blinded.as_bytes(), e.blinded[0]);
                let evaluated = oprf::blind_evaluate(&key, &blinded);
                assert_eq!(*evaluated.as_bytes(), e.evaluated[0]);
                let output = oprf::finalize(input, blind, &evaluated).unwrap();
                assert_eq!(*output.as_bytes(), e.outputs[0]);
                assert_eq!(oprf::evaluate(&key, input).unwrap(), output);

                assert_eq!(oprf::blind_batch(&e.inputs, &e.blinds).unwrap(), e.blinded);
                assert_eq!(
                    oprf::blind_evaluate_batch(&key, &e.blinded).unwrap(),
                    e.evaluated
                );
                let outputs = oprf::finalize_batch(&e.inputs, &e.blinds, &e.evaluated).unwrap();
                assert_eq!(bytes(&outputs), e.outputs);
                assert_eq!(oprf::evaluate_batch(&key, &e.inputs).unwrap(), outputs);
                seen += 1;
            }
            assert_eq!(seen, 2);
        });
    }
}

/// The proofs themselves, under the RFC's nonces, are checked in `dleq`.
#[test]
fn verifiable_mode() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let vectors = oprf_vectors();
            let mode = &vectors["modes"][1];
            assert_eq!(mode["mode"], "VOPRF");
            let key =
                voprf::derive_key_pair(&array(&mode["seed"]), &hex(&mode["key_info"])).unwrap();
            assert_eq!(*key.to_bytes(), array(&mode["secret_key"]));
            assert_eq!(*key.public_key().as_bytes(), array(&mode["public_key"]));
            let public = PublicKey::from_bytes(&hex(&mode["public_key"])).unwrap();

            let mut sizes = vec![];
            for (vector, e) in exchanges(mode) {
                let proof = Proof::from_bytes(&hex(&vector["proof"])).unwrap();
                if e.inputs.len() == 1 {
                    let blinded = voprf::blind(&e.inputs[0], &e.blinds[0]).unwrap();
                    assert_eq!(*blinded.as_bytes(), e.blinded[0]);
                    let (evaluated, own) = voprf::blind_evaluate(&key, &blinded, &[0; 32]);
                    assert_eq!(*evaluated.as_bytes(), e.evaluated[0]);
                    for proof in [&proof, &own] {
                        let blinded = BlindedElement::from_bytes(&e.blinded[0]).unwrap();
                        let evaluated = EvaluationElement::from_bytes(&e.evaluated[0]).unwrap();
                        let (input, blind) = (&e.inputs[0], &e.blinds[0]);
                        let output =
                            voprf::finalize(input, blind, &evaluated, &blinded, &public, proof);
                        assert_eq!(*output.unwrap().as_bytes(), e.outputs[0]);
                    }
                }
                assert_eq!(voprf::blind_batch(&e.inputs, &e.blinds).unwrap(), e.blinded);
                let (evaluated, own) =
                    voprf::blind_evaluate_batch(&key, &e.blinded, &[0; 32]).unwrap();
                assert_eq!(evaluated, e.evaluated);
                for proof in [&proof, &own] {
                    let outputs = voprf::finalize_batch(
                        &e.inputs,
                        &e.blinds,
                        &e.evaluated,
                        &e.blinded,
                        &public,
                        proof,
                    );
                    assert_eq!(bytes(&outputs.unwrap()), e.outputs);
                }
                assert_eq!(
                    bytes(&voprf::evaluate_batch(&key, &e.inputs).unwrap()),
                    e.outputs
                );
                sizes.push(e.inputs.len());
            }
            assert_eq!(sizes, [1, 1, 2]);
        });
    }
}

#[test]
fn additive_blinding() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let vectors = oprf_vectors();
            let vector = &vectors["additive"];
            let key = SecretKey::from_bytes(&hex(&vector["secret_key"])).unwrap();
            let e = exchange(vector);
            let blinded = Blinded::new(&e.inputs, e.blinds).unwrap();
            assert_eq!(blinded.elements(), e.blinded);
            let fresh = array(&vector["fresh"]);
            let (evaluated, proof) = voprf::blind_evaluate_batch(&key, &e.blinded, &fresh).unwrap();
            assert_eq!(evaluated, e.evaluated);
            assert_eq!(proof, Proof::from_bytes(&hex(&vector["proof"])).unwrap());
            let authenticated = AuthenticatedKey::vouch(key.public_key().clone());
            let verified = blinded.verify(&evaluated, &authenticated, &proof).unwrap();
            assert_eq!(bytes(&verified.finalize(&e.inputs).unwrap()), e.outputs);
        });
    }
}
