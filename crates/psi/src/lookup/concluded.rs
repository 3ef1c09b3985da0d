//! What the querier has once it has signed: the only way to its matches (`spec/31-lookup.md` §4).

use blindmatch_audit::{
    VerifyingKey,
    receipt::{ReceiptError, Side, SignedReceipt},
};

use super::{MatchError, Matches, find, first_item, journal::Entry, view_input};
use crate::{
    agreement::RunId,
    publication::{Manifest, Publication, Stored},
    session::State,
    stop::Fault,
};

/// A run whose receipt the querier has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concluded {
    signed: SignedReceipt,
}

impl Concluded {
    pub(super) const fn new(signed: SignedReceipt) -> Self {
        Self { signed }
    }

    /// The run of a stored receipt, whether or not the responder signed it.
    ///
    /// Without the responder's signature the results are unreceipted, and are to be marked so;
    /// when to give up waiting for it is the caller's to decide.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Signature`] where one does not hold.
    pub fn restore(
        signed: SignedReceipt,
        querier: &VerifyingKey,
        responder: &VerifyingKey,
    ) -> Result<Self, ReceiptError> {
        match signed.responder {
            Some(_) => signed.verify(querier, responder)?,
            None => signed
                .receipt
                .verify(Side::Querier, querier, &signed.querier)?,
        }
        Ok(Self { signed })
    }

    /// The receipt with its signatures.
    #[must_use]
    pub const fn receipt(&self) -> &SignedReceipt {
        &self.signed
    }

    /// The OPRF outputs that one stored state of this run holds, each with the place of its item.
    /// States that hold none give none; a batch that was answered twice gives the same twice.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] for a state that is not this run's.
    pub fn outputs<'a>(
        &self,
        state: &'a State,
    ) -> Result<impl Iterator<Item = (u64, &'a [u8; 64])> + use<'a>, Fault> {
        let run = RunId(self.signed.receipt.run);
        let (batch, outputs) = match Entry::read(&run, state)? {
            Entry::Outputs { batch, outputs, .. } => (batch, outputs),
            Entry::Attached { .. } | Entry::Blinds { .. } | Entry::Answered { .. } => (1, &[][..]),
        };
        Ok((first_item(batch)..).zip(outputs))
    }

    /// Looks up what the stored states of this run hold in the view that it was about.
    ///
    /// All states at once, or some after others: memory follows what is handed in.
    ///
    /// # Errors
    ///
    /// [`MatchError::State`] for a state that is not this run's, [`MatchError::View`] for another
    /// manifest than the agreed one or another file than the manifest's, [`MatchError::File`].
    pub fn matches<'a, F: Stored>(
        &self,
        states: impl IntoIterator<Item = &'a State>,
        manifest: &Manifest,
        view: &Publication<F>,
    ) -> Result<Matches, MatchError> {
        let agreed = self.signed.receipt.responder_input == view_input(manifest);
        if !agreed || *view.edition() != manifest.edition || *view.root() != manifest.root {
            return Err(MatchError::View);
        }
        let mut outputs = Vec::new();
        for state in states {
            outputs.extend(self.outputs(state).map_err(|_| MatchError::State)?);
        }
        find(outputs, &manifest.domain, view).map_err(MatchError::File)
    }

    /// Whether the responder has signed too.
    #[must_use]
    pub const fn receipted(&self) -> bool {
        self.signed.responder.is_some()
    }
}
