//! Against the `voprf` crate, in both roles and both modes, over random exchanges.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use ::voprf::{
    BlindedElement as TheirBlinded, EvaluationElement as TheirEvaluated, Group, OprfClient,
    OprfServer, Proof as TheirProof, Ristretto255, VoprfClient, VoprfServer,
};
use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{
    Backend, Blind, EvaluationElement, Proof, SecretKey, oprf, voprf, with_backend,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use support::rng;

/// Exchanges each way and mode.
const EXCHANGES: usize = 1_000;

/// The randomness of this workspace, as the other crate's generation of traits has it.
struct Older<'a>(&'a mut StdRng);

impl rand_core_0_9::RngCore for Older<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

impl rand_core_0_9::CryptoRng for Older<'_> {}

/// One to three inputs of up to 300 bytes, sometimes the same twice.
fn inputs(rng: &mut StdRng) -> Vec<Vec<u8>> {
    let mut inputs = vec![];
    for _ in 0..rng.random_range(1..=3) {
        let mut input = vec![0; rng.random_range(0..=300)];
        rng.fill_bytes(&mut input);
        inputs.push(input);
    }
    if rng.random_ratio(1, 10) {
        inputs.push(inputs[0].clone());
    }
    inputs
}

fn fresh(rng: &mut StdRng) -> [u8; 32] {
    let mut fresh = [0; 32];
    rng.fill_bytes(&mut fresh);
    fresh
}

#[test]
fn their_verifying_client_our_server() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let rng = &mut rng(10);
            for _ in 0..EXCHANGES {
                let key = SecretKey::random(rng);
                let inputs = inputs(rng);
                let states = inputs
                    .iter()
                    .map(|x| VoprfClient::<Ristretto255>::blind(x, &mut Older(rng)).unwrap());
                let states = states.collect::<Vec<_>>();
                let blinded = states.iter().map(|s| s.message.serialize().into());

                let blinded = blinded.collect::<Vec<[u8; 32]>>();
                let (evaluated, proof) =
                    voprf::blind_evaluate_batch(&key, &blinded, &fresh(rng)).unwrap();

                let clients = states.into_iter().map(|s| s.state).collect::<Vec<_>>();
                let messages = evaluated
                    .iter()
                    .map(|e| TheirEvaluated::deserialize(e).unwrap());
                let messages = messages.collect::<Vec<_>>();
                let proof = TheirProof::deserialize(&proof.to_bytes()).unwrap();
                let public = Ristretto255::deserialize_elem(key.public_key().as_bytes()).unwrap();
                let outputs =
                    VoprfClient::batch_finalize(&inputs, &clients, &messages, &proof, public)
                        .unwrap();
                let own = voprf::evaluate_batch(&key, &inputs).unwrap();
                assert_eq!(own.len(), inputs.len());
                for (theirs, own) in outputs.zip(own) {
                    assert_eq!(theirs.unwrap()[..], *own.as_bytes());
                }
            }
        });
    }
}

#[test]
fn our_verifying_client_their_server() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let rng = &mut rng(11);
            for _ in 0..EXCHANGES {
                let key = SecretKey::random(rng);
                let server = VoprfServer::<Ristretto255>::new_with_key(&*key.to_bytes()).unwrap();
                let public = Ristretto255::serialize_elem(server.get_public_key());
                assert_eq!(public[..], *key.public_key().as_bytes());
                let inputs = inputs(rng);
                let blinds = inputs
                    .iter()
                    .map(|_| Blind::random(rng))
                    .collect::<Vec<_>>();
                let answer = |blinded: &[[u8; 32]], rng: &mut StdRng| {
                    let blinded = blinded
                        .iter()
                        .map(|b| TheirBlinded::deserialize(b).unwrap());
                    let blinded = blinded.collect::<Vec<_>>();
                    let answer = server
                        .batch_blind_evaluate(&mut Older(rng), &blinded)
                        .unwrap();
                    let evaluated = answer.messages.iter().map(|m| m.serialize().into());
                    let proof = Proof::from_bytes(&answer.proof.serialize()).unwrap();
                    (evaluated.collect::<Vec<[u8; 32]>>(), proof)
                };

                let blinded = voprf::blind_batch(&inputs, &blinds).unwrap();
                let (evaluated, proof) = answer(&blinded, rng);
                let public = key.public_key();
                let outputs =
                    voprf::finalize_batch(&inputs, &blinds, &evaluated, &blinded, public, &proof)
                        .unwrap();
                for (input, output) in inputs.iter().zip(&outputs) {
                    assert_eq!(server.evaluate(input).unwrap()[..], *output.as_bytes());
                }

                let blinded = Blinded::new(&inputs, blinds).unwrap();
                let (evaluated, proof) = answer(blinded.elements(), rng);
                let authenticated = AuthenticatedKey::vouch(public.clone());
                let verified = blinded.verify(&evaluated, &authenticated, &proof).unwrap();
                assert_eq!(verified.finalize(&inputs).unwrap(), outputs);
            }
        });
    }
}

#[test]
fn their_base_client_our_server() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let rng = &mut rng(12);
            for _ in 0..EXCHANGES {
                let key = SecretKey::random(rng);
                let input = inputs(rng).swap_remove(0);
                let client = OprfClient::<Ristretto255>::blind(&input, &mut Older(rng)).unwrap();
                let blinded = client.message.serialize().into();
                let evaluated = oprf::blind_evaluate_batch(&key, &[blinded]).unwrap();
                let evaluated = TheirEvaluated::deserialize(&evaluated[0]).unwrap();
                let output = client.state.finalize(&input, &evaluated).unwrap();
                assert_eq!(
                    output[..],
                    *oprf::evaluate(&key, &input).unwrap().as_bytes()
                );
            }
        });
    }
}

#[test]
fn our_base_client_their_server() {
    for backend in Backend::available() {
        with_backend(backend, || {
            let rng = &mut rng(13);
            for _ in 0..EXCHANGES {
                let seed = fresh(rng);
                let info = inputs(rng).swap_remove(0);
                let server = OprfServer::<Ristretto255>::new_from_seed(&seed, &info).unwrap();
                let key = oprf::derive_key_pair(&seed, &info).unwrap();
                assert_eq!(server.serialize()[..], *key.to_bytes());
                let input = inputs(rng).swap_remove(0);
                let blind = Blind::random(rng);
                let blinded = oprf::blind(&input, &blind).unwrap();
                let blinded = TheirBlinded::deserialize(blinded.as_bytes()).unwrap();
                let evaluated = server.blind_evaluate(&blinded).serialize();
                let evaluated = EvaluationElement::from_bytes(&evaluated).unwrap();
                let output = oprf::finalize(&input, &blind, &evaluated).unwrap();
                assert_eq!(server.evaluate(&input).unwrap()[..], *output.as_bytes());
            }
        });
    }
}
