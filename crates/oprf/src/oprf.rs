//! The base mode of RFC 9497 (§3.3.1): the client takes the server's word for its key.
//!
//! The protocols of this project use [`voprf`](crate::voprf).

use crate::backend::backend;
use crate::mode::{self, OPRF};
use crate::{Blind, BlindedElement, Error, EvaluationElement, Output, SecretKey};

/// `DeriveKeyPair` (§3.2.1): a key from a uniformly random seed and public info.
pub fn derive_key_pair(seed: &[u8; 32], info: &[u8]) -> Result<SecretKey, Error> {
    SecretKey::derive(seed, info, OPRF.derive_key_pair)
}

/// `Blind`: hides an input of at most 65,535 bytes.
pub fn blind(input: &[u8], blind: &Blind) -> Result<BlindedElement, Error> {
    OPRF.blind(input, blind)
}

/// [`blind`] of each input under the blind in its place.
pub fn blind_batch<I: AsRef<[u8]>>(inputs: &[I], blinds: &[Blind]) -> Result<Vec<[u8; 32]>, Error> {
    OPRF.blind_batch(inputs, blinds)
}

/// `BlindEvaluate`: the server's answer.
pub fn blind_evaluate(key: &SecretKey, blinded: &BlindedElement) -> EvaluationElement {
    mode::blind_evaluate(key, blinded)
}

/// [`blind_evaluate`] of each element.
pub fn blind_evaluate_batch(key: &SecretKey, blinded: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, Error> {
    Ok(mode::blind_evaluate_batch(
        key,
        &mode::decode_blinded(backend(), blinded)?,
    ))
}

/// `Finalize`: the client's output.
pub fn finalize(
    input: &[u8],
    blind: &Blind,
    evaluated: &EvaluationElement,
) -> Result<Output, Error> {
    mode::finalize(input, blind, evaluated)
}

/// [`finalize`] of each element.
pub fn finalize_batch<I: AsRef<[u8]>>(
    inputs: &[I],
    blinds: &[Blind],
    evaluated: &[[u8; 32]],
) -> Result<Vec<Output>, Error> {
    mode::finalize_batch(
        inputs,
        blinds,
        &mode::decode_evaluated(backend(), evaluated)?,
    )
}

/// `Evaluate`: the server's output for an input of its own.
pub fn evaluate(key: &SecretKey, input: &[u8]) -> Result<Output, Error> {
    OPRF.evaluate(key, input)
}

/// [`evaluate`] of each input, however many; more than [`MAX_BATCH`](crate::MAX_BATCH) are spread over rayon's
/// threads.
pub fn evaluate_batch<I: AsRef<[u8]> + Sync>(
    key: &SecretKey,
    inputs: &[I],
) -> Result<Vec<Output>, Error> {
    OPRF.evaluate_batch(key, inputs)
}
