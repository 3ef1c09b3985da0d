//! The stored answer leaves; then the receipt comes in.

use std::{collections::BTreeMap, iter::Peekable};

use blindmatch_vole::online::Pieces;

use super::{
    super::frame::{self, ANSWER},
    Base, Out, Phase,
};
use crate::{
    conclude::Countersigning,
    stop::{Abort, Stop},
};

/// The answer is durable.
pub(super) struct Answering<I> {
    base: Base<I>,
    pieces: Peekable<Box<dyn Iterator<Item = Vec<u8>> + Send>>,
    number: u64,
}

impl<I> Answering<I> {
    /// An answer that was made on this connection.
    pub(super) fn made(base: Base<I>, pieces: Pieces) -> Self {
        Self::new(base, Box::new(pieces))
    }

    /// An answer that was made on an earlier connection.
    pub(super) fn stored(base: Base<I>, pieces: BTreeMap<u64, Vec<u8>>) -> Self {
        Self::new(base, Box::new(pieces.into_values()))
    }

    fn new(base: Base<I>, pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>) -> Self {
        Self {
            base,
            pieces: pieces.peekable(),
            number: 0,
        }
    }

    /// Sends the next piece: the last was taken.
    pub(super) fn send_next(&mut self, out: &mut Out) {
        if let Some(piece) = self.pieces.next() {
            self.number += 1;
            let run = self.base.terms.run();
            out.send(frame::piece(ANSWER, &run, self.number, &piece));
        }
    }

    pub(super) fn receipt(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        if self.pieces.peek().is_some() {
            return Err(Abort::UnexpectedFrame.into());
        }
        let Base {
            terms,
            connection,
            transcript,
            ..
        } = &self.base;
        let receipt = terms.receipt(transcript);
        let phase = Countersigning::begin(&terms.run(), connection, receipt, frame, out)?;
        Ok(Phase::Countersigning(phase))
    }
}
