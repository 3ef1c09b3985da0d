//! The verifiable mode of RFC 9497 (§3.3.2): every answer comes with a proof of its key.

use crate::backend::backend;
use crate::element::{Batch, Elements};
use crate::mode::{self, VOPRF};
use crate::{
    Backend, Blind, BlindedElement, Error, EvaluationElement, MAX_BATCH, Output, Proof, PublicKey,
    SecretKey, dleq,
};

/// `DeriveKeyPair` (§3.2.1): a key from a uniformly random seed and public info.
pub fn derive_key_pair(seed: &[u8; 32], info: &[u8]) -> Result<SecretKey, Error> {
    SecretKey::derive(seed, info, VOPRF.derive_key_pair)
}

/// `Blind` (§3.3.1): hides an input of at most 65,535 bytes.
pub fn blind(input: &[u8], blind: &Blind) -> Result<BlindedElement, Error> {
    VOPRF.blind(input, blind)
}

/// [`blind`] of each input under the blind in its place; at most
/// [`MAX_BATCH`].
pub fn blind_batch<I: AsRef<[u8]>>(inputs: &[I], blinds: &[Blind]) -> Result<Vec<[u8; 32]>, Error> {
    check_batch(inputs.len())?;
    VOPRF.blind_batch(inputs, blinds)
}

/// `BlindEvaluate`: the server's answer and its proof.
///
/// `fresh` are 32 new random bytes; the proof stays safe should they repeat (spec/20 §5).
pub fn blind_evaluate(
    key: &SecretKey,
    blinded: &BlindedElement,
    fresh: &[u8; 32],
) -> (EvaluationElement, Proof) {
    // evaluatedElement = skS * blindedElement
    let evaluated = mode::blind_evaluate(key, blinded);
    // blindedElements = [blindedElement], evaluatedElements = [evaluatedElement]
    // proof = GenerateProof(skS, G.Generator(), pkS, blindedElements, evaluatedElements)
    let bytes = std::slice::from_ref(evaluated.as_bytes());
    let proof = dleq::generate_proof(key, Elements::from(&blinded.0).batch(), bytes, fresh);
    (evaluated, proof)
}

/// [`blind_evaluate`] of each element, with one proof for all; at most
/// [`MAX_BATCH`].
pub fn blind_evaluate_batch(
    key: &SecretKey,
    blinded: &[[u8; 32]],
    fresh: &[u8; 32],
) -> Result<(Vec<[u8; 32]>, Proof), Error> {
    check_batch(blinded.len())?;
    let blinded = mode::decode_blinded(backend(), blinded)?;
    let evaluated = mode::blind_evaluate_batch(key, &blinded);
    let proof = dleq::generate_proof(key, blinded.batch(), &evaluated, fresh);
    Ok((evaluated, proof))
}

/// `Finalize`: the client's output, if the proof holds.
pub fn finalize(
    input: &[u8],
    blind: &Blind,
    evaluated: &EvaluationElement,
    blinded: &BlindedElement,
    key: &PublicKey,
    proof: &Proof,
) -> Result<Output, Error> {
    // if VerifyProof(G.Generator(), pkS, blindedElements, evaluatedElements, proof) == false:
    //   raise VerifyError
    let [c, d] = [&blinded.0, &evaluated.0].map(Elements::from);
    dleq::verify_proof(key, c.batch(), d.batch(), proof)?;
    mode::finalize(input, blind, evaluated)
}

/// [`finalize`] of each element, if the batch's proof holds; at most
/// [`MAX_BATCH`].
pub fn finalize_batch<I: AsRef<[u8]>>(
    inputs: &[I],
    blinds: &[Blind],
    evaluated: &[[u8; 32]],
    blinded: &[[u8; 32]],
    key: &PublicKey,
    proof: &Proof,
) -> Result<Vec<Output>, Error> {
    check_batch(blinded.len())?;
    let blinded = mode::decode_blinded(backend(), blinded)?;
    let evaluated = verify_batch(backend(), blinded.batch(), evaluated, key, proof)?;
    mode::finalize_batch(inputs, blinds, &evaluated)
}

/// `Evaluate` (§3.3.1): the server's output for an input of its own.
pub fn evaluate(key: &SecretKey, input: &[u8]) -> Result<Output, Error> {
    VOPRF.evaluate(key, input)
}

/// [`evaluate`] of each input, however many; more than [`MAX_BATCH`] are spread over rayon's
/// threads.
pub fn evaluate_batch<I: AsRef<[u8]> + Sync>(
    key: &SecretKey,
    inputs: &[I],
) -> Result<Vec<Output>, Error> {
    VOPRF.evaluate_batch(key, inputs)
}

/// The evaluated elements of a batch, whose size is checked, if the proof holds.
pub(crate) fn verify_batch<'a>(
    backend: Backend,
    blinded: Batch<'_>,
    evaluated: &'a [[u8; 32]],
    key: &PublicKey,
    proof: &Proof,
) -> Result<Elements<'a>, Error> {
    mode::same_length(blinded.bytes.len(), evaluated.len())?;
    let evaluated = mode::decode_evaluated(backend, evaluated)?;
    dleq::verify_proof(key, blinded, evaluated.batch(), proof)?;
    Ok(evaluated)
}

pub(crate) const fn check_batch(len: usize) -> Result<(), Error> {
    if len == 0 || len > MAX_BATCH {
        Err(Error::BatchSize { len })
    } else {
        Ok(())
    }
}
