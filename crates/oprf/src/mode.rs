//! What both modes do alike, under tags of their own (RFC 9497 §3.1, §3.3).

use blindmatch_simd::{Backend, Points, expand_message_xmd, sha512};
use curve25519_dalek::Scalar;
use rayon::prelude::*;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::backend::backend;
use crate::element::{Element, Elements};
use crate::hash::{Dst, Expander};
use crate::{
    Blind, BlindedElement, Error, EvaluationElement, MAX_BATCH, Malformed, Output, SecretKey,
};

/// The tags of one mode, all built on its `contextString` (RFC 9497 §3.1):
/// `"OPRFV1-" || I2OSP(mode, 1) || "-ristretto255-SHA512"`.
pub(crate) struct Mode {
    hash_to_group: Dst,
    pub(crate) hash_to_scalar: Dst,
    pub(crate) derive_key_pair: Dst,
}

macro_rules! tag {
    ($prefix:literal, $mode:literal) => {
        concat!($prefix, "OPRFV1-", $mode, "-ristretto255-SHA512")
    };
}

macro_rules! mode {
    ($byte:literal) => {
        Mode {
            hash_to_group: Dst::new(tag!("HashToGroup-", $byte)),
            hash_to_scalar: Dst::new(tag!("HashToScalar-", $byte)),
            derive_key_pair: Dst::new(tag!("DeriveKeyPair", $byte)),
        }
    };
}

/// `modeOPRF`.
pub(crate) const OPRF: Mode = mode!("\0");
/// `modeVOPRF`.
pub(crate) const VOPRF: Mode = mode!("\x01");
/// `seedDST` of §2.2.1 in `modeVOPRF`, the only mode here that proves.
pub(crate) const SEED_DST: &[u8] = tag!("Seed-", "\x01").as_bytes();

impl Mode {
    pub(crate) fn group_hasher(&self) -> Expander {
        Expander::new(self.hash_to_group)
    }

    /// `Blind`, RFC 9497 §3.3.1.
    pub(crate) fn blind(&self, input: &[u8], blind: &Blind) -> Result<BlindedElement, Error> {
        check_inputs(&[input])?;
        // inputElement = G.HashToGroup(input)
        let input_element = self.group_hasher().hash_to_group(input);
        // blindedElement = blind * inputElement
        let blinded_element = Element::encode(input_element * blind.scalar());
        // if inputElement == G.Identity(): raise InvalidInputError. The blind is not zero, so
        // one is the identity exactly if the other is.
        refuse_identity(0, &[blinded_element.bytes])?;
        Ok(BlindedElement(blinded_element))
    }

    /// [`Mode::blind`] of each input under the blind in its place.
    pub(crate) fn blind_batch<I: AsRef<[u8]>>(
        &self,
        inputs: &[I],
        blinds: &[Blind],
    ) -> Result<Vec<[u8; 32]>, Error> {
        same_length(inputs.len(), blinds.len())?;
        check_inputs(inputs)?;
        let input_elements = self.hash_to_group_batch(backend(), inputs);
        let blinded = input_elements.multiply_each_encode(&scalars(blinds));
        refuse_identity(0, &blinded)?;
        Ok(blinded)
    }

    /// `Evaluate`, RFC 9497 §3.3.1.
    pub(crate) fn evaluate(&self, key: &SecretKey, input: &[u8]) -> Result<Output, Error> {
        check_inputs(&[input])?;
        // inputElement = G.HashToGroup(input)
        let input_element = Zeroizing::new(self.group_hasher().hash_to_group(input));
        // evaluatedElement = skS * inputElement
        let evaluated_element = Zeroizing::new(*input_element * key.scalar());
        // issuedElement = G.SerializeElement(evaluatedElement)
        let issued_element = Zeroizing::new(evaluated_element.compress().to_bytes());
        // if inputElement == G.Identity(): raise InvalidInputError
        refuse_identity(0, std::slice::from_ref(&*issued_element))?;
        Ok(output(input, &issued_element))
    }

    /// [`Mode::evaluate`] of each input. More than [`MAX_BATCH`] are work for several threads.
    pub(crate) fn evaluate_batch<I: AsRef<[u8]> + Sync>(
        &self,
        key: &SecretKey,
        inputs: &[I],
    ) -> Result<Vec<Output>, Error> {
        check_inputs(inputs)?;
        // Chosen for this thread, which is not the one that does the work.
        let backend = backend();
        let mut all = blank_outputs(inputs.len());
        // In parts, so that the working set does not grow with the owner's set.
        let part = |(number, (inputs, outputs)): (usize, (&[I], &mut [Output]))| {
            let input_elements = self.hash_to_group_batch(backend, inputs);
            let issued = Zeroizing::new(input_elements.multiply_encode(key.scalar()));
            refuse_identity(number * MAX_BATCH, &issued)?;
            fill_outputs(backend, inputs, &issued, outputs);
            Ok(())
        };
        if inputs.len() <= MAX_BATCH {
            part((0, (inputs, &mut all)))?;
        } else {
            let parts = inputs
                .par_chunks(MAX_BATCH)
                .zip(all.par_chunks_mut(MAX_BATCH));
            parts.enumerate().try_for_each(part)?;
        }
        Ok(all)
    }

    /// `HashToGroup` (RFC 9497 §4.1) of each input.
    pub(crate) fn hash_to_group_batch<I: AsRef<[u8]>>(
        &self,
        backend: Backend,
        inputs: &[I],
    ) -> Points {
        let messages = inputs.iter().map(|input| [input.as_ref()]);
        let uniform = expand_message_xmd(backend, self.hash_to_group.as_bytes(), messages);
        Points::from_uniform(backend, &uniform)
    }
}

/// `BlindEvaluate`, RFC 9497 §3.3.1.
pub(crate) fn blind_evaluate(key: &SecretKey, blinded: &BlindedElement) -> EvaluationElement {
    // evaluatedElement = skS * blindedElement
    EvaluationElement(Element::encode(blinded.0.point * key.scalar()))
}

/// [`blind_evaluate`] of each element.
pub(crate) fn blind_evaluate_batch(key: &SecretKey, blinded: &Elements<'_>) -> Vec<[u8; 32]> {
    blinded.points.multiply_encode(key.scalar())
}

/// `Finalize`, RFC 9497 §3.3.1.
pub(crate) fn finalize(
    input: &[u8],
    blind: &Blind,
    evaluated: &EvaluationElement,
) -> Result<Output, Error> {
    check_inputs(&[input])?;
    // N = G.ScalarInverse(blind) * evaluatedElement
    let inverse: Zeroizing<Scalar> = Zeroizing::new(blind.scalar().invert());
    let n = Zeroizing::new(evaluated.0.point * *inverse);
    // unblindedElement = G.SerializeElement(N)
    let unblinded_element = Zeroizing::new(n.compress().to_bytes());
    Ok(output(input, &unblinded_element))
}

/// [`finalize`] of each element, with one inversion of all blinds.
pub(crate) fn finalize_batch<I: AsRef<[u8]>>(
    inputs: &[I],
    blinds: &[Blind],
    evaluated: &Elements<'_>,
) -> Result<Vec<Output>, Error> {
    same_length(inputs.len(), blinds.len())?;
    same_length(inputs.len(), evaluated.bytes.len())?;
    check_inputs(inputs)?;
    let mut inverses = scalars(blinds);
    // No blind is zero.
    Scalar::invert_batch_alloc(&mut inverses).zeroize();
    let unblinded = Zeroizing::new(evaluated.points.multiply_each_encode(&inverses));
    Ok(outputs(evaluated.points.backend(), inputs, &unblinded))
}

/// The blinds side by side, as the kernels take them.
pub(crate) fn scalars(blinds: &[Blind]) -> Zeroizing<Vec<Scalar>> {
    // The count is exact, so the vector does not grow and leave a copy behind.
    Zeroizing::new(blinds.iter().map(|blind| *blind.scalar()).collect())
}

/// [`output`] of each input, given its unblinded element. The inputs' lengths are checked.
pub(crate) fn outputs<I: AsRef<[u8]>>(
    backend: Backend,
    inputs: &[I],
    unblinded: &[[u8; 32]],
) -> Vec<Output> {
    let mut outputs = blank_outputs(inputs.len());
    fill_outputs(backend, inputs, unblinded, &mut outputs);
    outputs
}

/// A place for each output, in which it stays: a moved one would leave a copy behind.
fn blank_outputs(count: usize) -> Vec<Output> {
    (0..count).map(|_| Output::new([0; 64])).collect()
}

fn fill_outputs<I: AsRef<[u8]>>(
    backend: Backend,
    inputs: &[I],
    unblinded: &[[u8; 32]],
    outputs: &mut [Output],
) {
    let lens = inputs.iter().map(|input| len_prefix(input.as_ref()));
    let lens = lens.collect::<Vec<_>>();
    let messages = inputs.iter().zip(&lens).zip(unblinded);
    let messages = messages.map(|((input, len), n)| {
        let message: [&[u8]; 5] = [len, input.as_ref(), &[0, 32], n, b"Finalize"];
        message
    });
    let digests = sha512(backend, messages);
    for (output, digest) in outputs.iter_mut().zip(digests.iter()) {
        output.fill(digest);
    }
}

/// The hash that ends `Finalize` and `Evaluate`, RFC 9497 §3.3.1. The input's length is checked.
fn output(input: &[u8], unblinded_element: &[u8; 32]) -> Output {
    // hashInput = I2OSP(len(input), 2) || input ||
    //             I2OSP(len(unblindedElement), 2) || unblindedElement ||
    //             "Finalize"
    let mut hash = Sha512::new_with_prefix(len_prefix(input));
    hash.update(input);
    hash.update([0, 32]);
    hash.update(unblinded_element);
    hash.update(b"Finalize");
    // return Hash(hashInput)
    Output::new(hash.finalize().into())
}

/// `I2OSP(len(input), 2)` of an input whose length is checked.
const fn len_prefix(input: &[u8]) -> [u8; 2] {
    let [.., hi, lo] = input.len().to_be_bytes();
    [hi, lo]
}

/// `PrivateInput` is opaque<0..2^16-1>, RFC 9497 §1.2.
pub(crate) fn check_inputs<I: AsRef<[u8]>>(inputs: &[I]) -> Result<(), Error> {
    let too_long = |input: &I| input.as_ref().len() > usize::from(u16::MAX);
    inputs
        .iter()
        .position(too_long)
        .map_or(Ok(()), |index| Err(Error::InputTooLong { index }))
}

pub(crate) const fn same_length(a: usize, b: usize) -> Result<(), Error> {
    if a == b {
        Ok(())
    } else {
        Err(Error::LengthsDiffer)
    }
}

/// Refuses an input that led to the identity; `first` is the index of the first element given.
/// No such input is known: to find one would take 2^252 tries.
pub(crate) fn refuse_identity(first: usize, elements: &[[u8; 32]]) -> Result<(), Error> {
    let identity = elements.iter().position(|element| *element == [0; 32]);
    identity.map_or(Ok(()), |at| Err(Error::InvalidInput { index: first + at }))
}

pub(crate) fn decode_blinded(
    backend: Backend,
    elements: &[[u8; 32]],
) -> Result<Elements<'_>, Error> {
    let refused = |(index, offence): (usize, Malformed)| Error::BlindedElement { index, offence };
    Elements::decode(backend, elements).map_err(refused)
}

pub(crate) fn decode_evaluated(
    backend: Backend,
    elements: &[[u8; 32]],
) -> Result<Elements<'_>, Error> {
    let refused =
        |(index, offence): (usize, Malformed)| Error::EvaluationElement { index, offence };
    Elements::decode(backend, elements).map_err(refused)
}
