//! What both modes do alike, under tags of their own (RFC 9497 §3.1, §3.3).

use curve25519_dalek::Scalar;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::element::{Element, Elements};
use crate::hash::{Dst, Expander};
use crate::products::{HalvedScalar, encode_products};
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
        let hasher = self.group_hasher();
        let halved = blinds.iter().map(|blind| HalvedScalar::of(blind.scalar()));
        let points = inputs
            .iter()
            .map(|input| hasher.hash_to_group(input.as_ref()));
        let blinded = encode_products(halved.zip(points));
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

    /// [`Mode::evaluate`] of each input.
    pub(crate) fn evaluate_batch<I: AsRef<[u8]>>(
        &self,
        key: &SecretKey,
        inputs: &[I],
    ) -> Result<Vec<Output>, Error> {
        check_inputs(inputs)?;
        let hasher = self.group_hasher();
        let mut outputs = Vec::with_capacity(inputs.len());
        // In parts, so that the working set does not grow with the owner's set.
        for part in inputs.chunks(MAX_BATCH) {
            let points = part
                .iter()
                .map(|input| hasher.hash_to_group(input.as_ref()));
            let issued = encode_products(points.map(|point| (key.halved(), point)));
            let issued = Zeroizing::new(issued);
            refuse_identity(outputs.len(), &issued)?;
            outputs.extend(
                part.iter()
                    .zip(issued.iter())
                    .map(|(i, n)| output(i.as_ref(), n)),
            );
        }
        Ok(outputs)
    }
}

/// `BlindEvaluate`, RFC 9497 §3.3.1.
pub(crate) fn blind_evaluate(key: &SecretKey, blinded: &BlindedElement) -> EvaluationElement {
    // evaluatedElement = skS * blindedElement
    EvaluationElement(Element::encode(blinded.0.point * key.scalar()))
}

/// [`blind_evaluate`] of each element.
pub(crate) fn blind_evaluate_batch(key: &SecretKey, blinded: &Elements<'_>) -> Vec<[u8; 32]> {
    encode_products(blinded.points.iter().map(|point| (key.halved(), point)))
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
    same_length(inputs.len(), evaluated.points.len())?;
    check_inputs(inputs)?;
    let inverses = HalvedScalar::of_inverses(blinds);
    let unblinded = encode_products(inverses.iter().zip(&evaluated.points));
    let unblinded = Zeroizing::new(unblinded);
    Ok(outputs(inputs, &unblinded))
}

/// The output of each input, given its unblinded element.
pub(crate) fn outputs<I: AsRef<[u8]>>(inputs: &[I], unblinded: &[[u8; 32]]) -> Vec<Output> {
    inputs
        .iter()
        .zip(unblinded)
        .map(|(input, n)| output(input.as_ref(), n))
        .collect()
}

/// The hash that ends `Finalize` and `Evaluate`, RFC 9497 §3.3.1. The input's length is checked.
fn output(input: &[u8], unblinded_element: &[u8; 32]) -> Output {
    // hashInput = I2OSP(len(input), 2) || input ||
    //             I2OSP(len(unblindedElement), 2) || unblindedElement ||
    //             "Finalize"
    let [.., hi, lo] = input.len().to_be_bytes();
    let mut hash = Sha512::new_with_prefix([hi, lo]);
    hash.update(input);
    hash.update([0, 32]);
    hash.update(unblinded_element);
    hash.update(b"Finalize");
    // return Hash(hashInput)
    Output::new(hash.finalize().into())
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

pub(crate) fn decode_blinded(elements: &[[u8; 32]]) -> Result<Elements<'_>, Error> {
    let refused = |(index, offence): (usize, Malformed)| Error::BlindedElement { index, offence };
    Elements::decode(elements).map_err(refused)
}

pub(crate) fn decode_evaluated(elements: &[[u8; 32]]) -> Result<Elements<'_>, Error> {
    let refused =
        |(index, offence): (usize, Malformed)| Error::EvaluationElement { index, offence };
    Elements::decode(elements).map_err(refused)
}
