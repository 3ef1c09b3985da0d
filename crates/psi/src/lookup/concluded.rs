//! What the querier has once it has signed: the only way to its matches (`spec/31-lookup.md` §4).

use std::collections::BTreeMap;

use blindmatch_audit::{
    VerifyingKey,
    receipt::{ReceiptError, Side, SignedReceipt},
};

use super::{MatchError, Matches, batches, find, first_item, journal::Entry, view_input};
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
    /// All states of the run, in the order in which they were stored: those of some batches only
    /// would lose matches without a word.
    ///
    /// # Errors
    ///
    /// [`MatchError::State`] for a state that is not this run's, [`MatchError::Incomplete`] where
    /// a batch is missing or they do not lead to the receipt, [`MatchError::View`] for another
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
        find(self.all_outputs(states)?, &manifest.domain, view).map_err(MatchError::File)
    }

    /// The outputs of all batches, each with the place of its item.
    fn all_outputs<'a>(
        &self,
        states: impl IntoIterator<Item = &'a State>,
    ) -> Result<Vec<(u64, &'a [u8; 64])>, MatchError> {
        let receipt = &self.signed.receipt;
        let run = RunId(receipt.run);
        // A batch that was answered twice has the same outputs twice, and its later transcript
        // counts, as it does for the session.
        let mut answered = BTreeMap::new();
        for state in states {
            match Entry::read(&run, state).map_err(|_| MatchError::State)? {
                Entry::Outputs {
                    batch,
                    digest,
                    outputs,
                } => {
                    answered.insert(batch, (digest, outputs));
                }
                Entry::Attached { .. } | Entry::Blinds { .. } => {}
                Entry::Answered { .. } => return Err(MatchError::State),
            }
        }
        let batches = batches(receipt.querier_input.class);
        let transcript = answered.get(&batches).map(|(digest, _)| *digest);
        if !answered.keys().copied().eq(1..=batches) || transcript != Some(receipt.transcript) {
            return Err(MatchError::Incomplete);
        }
        let mut all = Vec::new();
        for (batch, (_, outputs)) in answered {
            // Items are followed by padding only, for which nothing is stored.
            if !outputs.is_empty() && all.len() as u64 != first_item(batch) {
                return Err(MatchError::Incomplete);
            }
            all.extend((first_item(batch)..).zip(outputs));
        }
        Ok(all)
    }

    /// Whether the responder has signed too.
    #[must_use]
    pub const fn receipted(&self) -> bool {
        self.signed.responder.is_some()
    }
}
