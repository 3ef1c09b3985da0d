//! The answer comes in, is checked, and is stored. Nothing of it is compared with our items
//! (`spec/33-vole.md` §13.3).

use blindmatch_vole::{
    SessionId,
    online::{AnswerError, AnswerReader},
};
use sha2::{Digest, Sha256};

use super::{
    super::{
        Own, PIECE,
        frame::{self, ANSWER},
        journal,
    },
    Awaited, Base, Out, Phase,
};
use crate::{
    session::Outcome,
    stop::{Abort, Fault, Stop},
};

/// F8 was sent.
pub(super) struct Reading<I> {
    base: Base<I>,
    /// `None` where it has to be computed again, from what was sealed.
    own: Option<Own>,
    /// The digest of F8.
    masked: [u8; 32],
    reader: AnswerReader,
    /// The number of the last piece.
    number: u64,
    missing: usize,
    hash: Sha256,
    /// Pieces that are not durable yet.
    unsaved: usize,
}

impl<I> Reading<I> {
    pub(super) fn begin(base: Base<I>, masked: [u8; 32], own: Option<Own>) -> Result<Self, Stop> {
        let form = base.terms.form();
        let session = SessionId::from_bytes(base.terms.setup().id().0);
        Ok(Self {
            own,
            masked,
            reader: AnswerReader::new(form, session, base.commitment()?),
            number: 0,
            missing: form.bytes(),
            hash: Sha256::new(),
            unsaved: 0,
            base,
        })
    }

    pub(super) fn piece(
        mut self: Box<Self>,
        frame: &[u8],
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        let run = self.base.terms.run();
        let (number, bytes) = frame::read_piece(ANSWER, &run, frame)?;
        if number != self.number + 1 || self.missing == 0 {
            return Err(Abort::BatchNumber.into());
        }
        if bytes.len() != self.missing.min(PIECE) {
            return Err(Abort::BatchSize.into());
        }
        self.number = number;
        self.missing -= bytes.len();
        self.hash.update(bytes);
        self.reader.feed(bytes, |_| ()).map_err(refused)?;
        out.store(journal::piece(&run, number, bytes), Awaited::PieceStored);
        self.unsaved += 1;
        Ok(Phase::Reading(self))
    }

    pub(super) fn complete(
        mut self: Box<Self>,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        match (awaited, outcome) {
            (Awaited::PieceStored, Outcome::Stored) => self.unsaved -= 1,
            (Awaited::AnsweredStored, Outcome::Stored) => {
                let Self { base, own, .. } = *self;
                return base.conclude(own, out);
            }
            _ => return Err(Fault::Completion.into()),
        }
        if self.unsaved == 0 && self.missing == 0 {
            self.reader.finish().map_err(refused)?;
            let answer: [u8; 32] = self.hash.clone().finalize().into();
            let transcript = &mut self.base.transcript;
            transcript.absorb(&[&self.masked, &answer]);
            let record = journal::answered(&self.base.terms.run(), transcript.digest());
            out.store(record, Awaited::AnsweredStored);
        }
        Ok(Phase::Reading(self))
    }
}

/// All of it is the responder's doing, whatever our items are.
pub(in crate::batch) const fn refused(error: AnswerError) -> Stop {
    Stop::Abort(match error {
        AnswerError::Length => Abort::BatchSize,
        AnswerError::Commitment => Abort::Check,
        AnswerError::Tags(_) => Abort::Malformed,
    })
}
