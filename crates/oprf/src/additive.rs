//! VOPRF with additive blinding: cheaper for the client, the same bytes for the server.
//!
//! A blinded element is H(x) + r·G instead of r·H(x), and the output comes from Z − r·pkS. That
//! is two multiplications of fixed points, which have tables, instead of two of variable points.
//! The outputs are those of [`voprf`], and the server cannot tell.
//!
//! It is sound only if Z was made with the very key whose multiple the client takes away: under
//! a public key of the server's choosing, outputs of different inputs are related in ways that
//! it knows. So there is no way here to an output but over both conditions: an
//! [`AuthenticatedKey`], and a proof that [`Blinded::verify`] found to hold (spec/20 §6).
//!
//! ```compile_fail,E0599
//! # use blindmatch_oprf::additive::Blinded;
//! // No output before the proof.
//! fn too_early(blinded: &Blinded) { blinded.finalize(&["x"]); }
//! ```

use blindmatch_simd::{FixedBase, Points};
use zeroize::Zeroizing;

use crate::backend::backend;
use crate::element::{Batch, Elements};
use crate::mode::{VOPRF, check_inputs, outputs, refuse_identity, same_length, scalars};
use crate::{Blind, Error, Output, Proof, PublicKey, voprf};

/// A public key that the caller knows to be the one that everybody else is shown.
///
/// In lookup that is the key of a manifest whose inclusion in a cosigned checkpoint was verified.
/// It carries a table of multiples, 30 to 120 KiB, so make one per view, not one per batch.
pub struct AuthenticatedKey {
    key: PublicKey,
    table: FixedBase,
}

impl AuthenticatedKey {
    /// States that the key is authenticated. Nothing here can check it.
    pub fn vouch(key: PublicKey) -> Self {
        let table = FixedBase::of(backend(), &key.0.point);
        Self { key, table }
    }

    /// The key.
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

/// A batch of blinded inputs that waits for its answer.
#[derive(Debug)]
pub struct Blinded {
    blinds: Vec<Blind>,
    /// Kept for the proof, 160 bytes each, so that they need not be decoded again.
    points: Points,
    elements: Vec<[u8; 32]>,
}

impl Blinded {
    /// Blinds each input under the blind in its place; at most
    /// [`MAX_BATCH`](crate::MAX_BATCH). The same blinds give the same elements again.
    pub fn new<I: AsRef<[u8]>>(inputs: &[I], blinds: Vec<Blind>) -> Result<Self, Error> {
        voprf::check_batch(inputs.len())?;
        same_length(inputs.len(), blinds.len())?;
        check_inputs(inputs)?;
        let backend = backend();
        let input_elements = VOPRF.hash_to_group_batch(backend, inputs);
        let masks = Points::multiples_of_generator(backend, &scalars(&blinds));
        let points = input_elements.add(&masks);
        let elements = points.encode();
        refuse_identity(0, &elements)?;
        Ok(Self {
            blinds,
            points,
            elements,
        })
    }

    /// The blinded elements, to be sent to the server.
    pub fn elements(&self) -> &[[u8; 32]] {
        &self.elements
    }

    /// Checks the server's answer and its proof against the authenticated key.
    pub fn verify<'a>(
        &'a self,
        evaluated: &[[u8; 32]],
        key: &'a AuthenticatedKey,
        proof: &Proof,
    ) -> Result<Verified<'a>, Error> {
        // Where the table is, what it is added to must be.
        let backend = key.table.backend();
        let blinded = Batch {
            points: &self.points,
            bytes: &self.elements,
        };
        let Elements { points, .. } =
            voprf::verify_batch(backend, blinded, evaluated, &key.key, proof)?;
        Ok(Verified {
            blinds: &self.blinds,
            key,
            evaluated: points,
        })
    }
}

/// A batch whose proof holds.
pub struct Verified<'a> {
    blinds: &'a [Blind],
    key: &'a AuthenticatedKey,
    evaluated: Points,
}

impl Verified<'_> {
    /// The outputs of the inputs that were blinded, in the same order.
    pub fn finalize<I: AsRef<[u8]>>(&self, inputs: &[I]) -> Result<Vec<Output>, Error> {
        same_length(inputs.len(), self.blinds.len())?;
        check_inputs(inputs)?;
        // N = Z - r * pkS
        let mut negated = scalars(self.blinds);
        negated.iter_mut().for_each(|blind| *blind = -*blind);
        let masks = self.key.table.multiply(&negated);
        let unblinded = Zeroizing::new(self.evaluated.add(&masks).encode());
        refuse_identity(0, &unblinded)?;
        Ok(outputs(self.evaluated.backend(), inputs, &unblinded))
    }
}
