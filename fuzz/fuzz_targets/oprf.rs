#![no_main]
//! Encodings of the group and proofs; batches of which an answer is not the server's.

use std::sync::LazyLock;

use blindmatch_fuzz::edit::Edit;
use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{
    Blind, BlindedElement, EvaluationElement, Output, Proof, PublicKey, SecretKey, voprf,
};
use blindmatch_testkit::scripted;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const INPUTS: [&str; 3] = ["a", "b", ""];

#[derive(Arbitrary, Debug)]
enum Input {
    Encoding(Vec<u8>),
    Asked(Vec<[u8; 32]>),
    Answer(Vec<Edit>),
}

/// One exchange as it should be.
struct Exchange {
    key: SecretKey,
    authenticated: AuthenticatedKey,
    blinded: Blinded,
    /// The evaluated elements and the proof.
    answer: Vec<u8>,
    outputs: Vec<Output>,
}

static EXCHANGE: LazyLock<Exchange> = LazyLock::new(|| {
    let mut rng = scripted(1);
    let key = SecretKey::random(&mut rng);
    let blinds = INPUTS.map(|_| Blind::random(&mut rng)).into();
    let blinded = Blinded::new(&INPUTS, blinds).expect("a batch");
    let evaluated = voprf::blind_evaluate_batch(&key, blinded.elements(), &[0; 32]);
    let (evaluated, proof) = evaluated.expect("elements");
    Exchange {
        authenticated: AuthenticatedKey::vouch(key.public_key().clone()),
        answer: [evaluated.as_flattened(), &proof.to_bytes()].concat(),
        outputs: voprf::evaluate_batch(&key, &INPUTS).expect("inputs"),
        blinded,
        key,
    }
});

fuzz_target!(|input: Input| match input {
    Input::Encoding(bytes) => encodings(&bytes),
    Input::Asked(elements) => asked(&elements),
    Input::Answer(edits) => answer(&edits),
});

/// What decodes is its own encoding.
fn encodings(bytes: &[u8]) {
    if let Ok(element) = BlindedElement::from_bytes(bytes) {
        assert_eq!(element.as_bytes(), bytes);
    }
    if let Ok(element) = EvaluationElement::from_bytes(bytes) {
        assert_eq!(element.as_bytes(), bytes);
    }
    if let Ok(key) = PublicKey::from_bytes(bytes) {
        assert_eq!(key.as_bytes(), bytes);
    }
    if let Ok(key) = SecretKey::from_bytes(bytes) {
        assert_eq!(key.to_bytes().as_slice(), bytes);
    }
    if let Ok(blind) = Blind::from_bytes(bytes) {
        assert_eq!(blind.to_bytes().as_slice(), bytes);
    }
    if let Ok(proof) = Proof::from_bytes(bytes) {
        assert_eq!(proof.to_bytes().as_slice(), bytes);
    }
}

/// What the server answers, one by one or together, is one function of each element.
fn asked(elements: &[[u8; 32]]) {
    let key = &EXCHANGE.key;
    let Ok((evaluated, _)) = voprf::blind_evaluate_batch(key, elements, &[0; 32]) else {
        return;
    };
    for (element, evaluated) in elements.iter().zip(&evaluated) {
        let element = BlindedElement::from_bytes(element).expect("it was evaluated");
        let (alone, _) = voprf::blind_evaluate(key, &element, &[0; 32]);
        assert_eq!(alone.as_bytes(), evaluated);
    }
}

/// No answer but the server's leads to outputs.
fn answer(edits: &[Edit]) {
    let mut answer = EXCHANGE.answer.clone();
    edits.iter().for_each(|edit| edit.apply(&mut answer));
    let Some((evaluated, proof)) = answer.split_last_chunk::<64>() else {
        return;
    };
    let (evaluated, []) = evaluated.as_chunks() else {
        return;
    };
    let Ok(proof) = Proof::from_bytes(proof) else {
        return;
    };
    let Exchange {
        authenticated,
        blinded,
        ..
    } = &*EXCHANGE;
    match blinded.verify(evaluated, authenticated, &proof) {
        Ok(verified) => {
            assert_eq!(answer, EXCHANGE.answer);
            assert_eq!(verified.finalize(&INPUTS).as_ref(), Ok(&EXCHANGE.outputs));
        }
        Err(_) => assert_ne!(answer, EXCHANGE.answer),
    }
}
