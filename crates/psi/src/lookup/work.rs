//! The CPU work of a lookup run: one batch each (`spec/31-lookup.md` §3).

use std::sync::Arc;

use blindmatch_oprf::{
    Blind, Error, Output, Proof,
    additive::{AuthenticatedKey, Blinded},
    voprf,
};

use super::{Item, frame::Bytes32};
use crate::{
    session::{KeyId, Keys},
    stop::{Abort, Fault, Stop},
};

/// A batch as the querier keeps it from blinding to its answer.
pub(crate) struct Asked {
    pub(crate) inputs: Vec<Item>,
    pub(crate) blinded: Blinded,
}

pub(crate) enum Task {
    /// Querier: blind a batch.
    Blind {
        inputs: Vec<Item>,
        blinds: Vec<Blind>,
    },
    /// Responder: decode, evaluate and prove a batch; `fresh` hedges the proof's nonce.
    Evaluate {
        key: KeyId,
        blinded: Vec<Bytes32>,
        fresh: [u8; 32],
    },
    /// Querier: verify an answer and unblind it.
    Finalize {
        asked: Asked,
        evaluated: Vec<Bytes32>,
        proof: [u8; 64],
        key: Arc<AuthenticatedKey>,
    },
}

pub(crate) enum Outcome {
    Blinded(Asked),
    Evaluated {
        blinded: Vec<Bytes32>,
        evaluated: Vec<Bytes32>,
        proof: [u8; 64],
    },
    Finalized(Finalized),
}

/// A batch whose proof holds.
pub(crate) struct Finalized {
    pub(crate) blinded: Vec<Bytes32>,
    pub(crate) evaluated: Vec<Bytes32>,
    pub(crate) outputs: Vec<Output>,
}

impl Task {
    pub(crate) const fn key(&self) -> Option<KeyId> {
        match self {
            Self::Evaluate { key, .. } => Some(*key),
            Self::Blind { .. } | Self::Finalize { .. } => None,
        }
    }

    pub(crate) const fn elements(&self) -> usize {
        match self {
            Self::Blind { inputs, .. } => inputs.len(),
            Self::Evaluate { blinded, .. } => blinded.len(),
            Self::Finalize { evaluated, .. } => evaluated.len(),
        }
    }

    pub(crate) fn run(self, keys: &dyn Keys) -> Result<Outcome, Stop> {
        match self {
            Self::Blind { inputs, blinds } => {
                let blinded = Blinded::new(&inputs, blinds).map_err(|_| Fault::Items)?;
                Ok(Outcome::Blinded(Asked { inputs, blinded }))
            }
            Self::Evaluate {
                key,
                blinded,
                fresh,
            } => {
                let key = keys.evaluation_key(&key).ok_or(Fault::UnknownKey)?;
                let (evaluated, proof) =
                    voprf::blind_evaluate_batch(key, &blinded, &fresh).map_err(refused)?;
                Ok(Outcome::Evaluated {
                    blinded,
                    evaluated,
                    proof: proof.to_bytes(),
                })
            }
            Self::Finalize {
                asked,
                evaluated,
                proof,
                key,
            } => {
                let proof = Proof::from_bytes(&proof).map_err(|_| Abort::Element)?;
                let verified = asked.blinded.verify(&evaluated, &key, &proof);
                let outputs = verified
                    .map_err(refused)?
                    .finalize(&asked.inputs)
                    .map_err(refused)?;
                Ok(Outcome::Finalized(Finalized {
                    blinded: asked.blinded.elements().to_vec(),
                    evaluated,
                    outputs,
                }))
            }
        }
    }
}

/// Whose doing it is that a batch was refused.
fn refused(error: Error) -> Stop {
    match error {
        Error::BlindedElement { .. } | Error::EvaluationElement { .. } => Abort::Element.into(),
        Error::Verify => Abort::Proof.into(),
        Error::BatchSize { .. } | Error::LengthsDiffer => Abort::BatchSize.into(),
        // An answer that leads to the identity: a proof holds for no such element.
        Error::InvalidInput { .. } => Abort::Element.into(),
        Error::InputTooLong { .. } | Error::DeriveKeyPair => Fault::Items.into(),
    }
}
