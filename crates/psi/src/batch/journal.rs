//! What a side keeps of a run to finish it (`spec/34-batch.md` §4).
//!
//! These bytes never travel, but a newer version of the code reads what an older one stored.

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use super::{PIECE, setup::PreparedQuerier};
use crate::{
    agreement::RunId,
    attach::ATTACHED,
    session::{Record, State},
    stop::Fault,
};

const SEALED: &str = "blindmatch batch sealed state v1";
const SENT: &str = "blindmatch batch sent state v1";
const PIECE_OF_ANSWER: &str = "blindmatch batch answer state v1";
const ANSWERED: &str = "blindmatch batch answered state v1";

/// More bytes than the querier's half of a setup has.
const MAX_PREPARED: usize = 1 << 27;

/// One [`State`] of a batch run.
pub(crate) enum Entry<'a> {
    /// A connection was begun under this counter.
    Attached { counter: u64 },
    /// Querier: all that it needs to finish, before anything of F8 leaves.
    Sealed(Box<Sealed>),
    /// Querier: the digest of F8, before the last of it leaves.
    Sent { digest: [u8; 32] },
    /// A piece of F9: at the responder before any of it leaves, at the querier as it arrived.
    Piece { number: u64, bytes: &'a [u8] },
    /// All of F9 is stored. The transcript of the run.
    Answered { digest: [u8; 32] },
}

/// What a querier needs to finish once F8 was sent.
pub(crate) struct Sealed {
    /// r and w_R.
    pub(crate) opening: [u8; 32],
    /// A key and the sum of the items under it: that it is the same items.
    pub(crate) items: [u8; 32],
    pub(crate) setup: PreparedQuerier,
}

pub(crate) fn sealed(run: &RunId, sealed: &Sealed) -> Record {
    let setup = sealed.setup.to_state();
    let mut writer = Writer::new(SEALED);
    writer.reserve(256 + setup.as_bytes().len());
    writer
        .fixed(&run.0)
        .fixed(&sealed.opening)
        .fixed(&sealed.items)
        .bytes(setup.as_bytes());
    Record::State(writer.finish().into())
}

pub(crate) fn sent(run: &RunId, digest: [u8; 32]) -> Record {
    Record::State(
        Writer::new(SENT)
            .fixed(&run.0)
            .fixed(&digest)
            .finish()
            .into(),
    )
}

pub(crate) fn piece(run: &RunId, number: u64, bytes: &[u8]) -> Record {
    let mut writer = Writer::new(PIECE_OF_ANSWER);
    writer.reserve(64 + bytes.len());
    let state = writer.fixed(&run.0).u64(number).bytes(bytes).finish();
    Record::State(state.into())
}

pub(crate) fn answered(run: &RunId, digest: [u8; 32]) -> Record {
    let mut writer = Writer::new(ANSWERED);
    Record::State(writer.fixed(&run.0).fixed(&digest).finish().into())
}

impl<'a> Entry<'a> {
    /// Reads one state of `run`.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] where it is none.
    pub(crate) fn read(run: &RunId, state: &'a State) -> Result<Self, Fault> {
        Self::decode(run, state.as_bytes()).map_err(|_| Fault::Journal)
    }

    fn decode(run: &RunId, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let begin = |context| {
            let mut reader = Reader::new(context, bytes).ok()?;
            (reader.fixed() == Ok(run.0)).then_some(reader)
        };
        let (entry, reader) = if let Some(mut reader) = begin(ATTACHED) {
            let counter = reader.u64()?;
            (Self::Attached { counter }, reader)
        } else if let Some(mut reader) = begin(PIECE_OF_ANSWER) {
            let number = reader.u64()?;
            let bytes = reader.bytes(PIECE)?;
            (Self::Piece { number, bytes }, reader)
        } else if let Some(mut reader) = begin(SEALED) {
            let (opening, items) = (reader.fixed()?, reader.fixed()?);
            let setup = State::from(reader.bytes(MAX_PREPARED)?.to_vec());
            let setup = PreparedQuerier::from_state(&setup).map_err(|_| DecodeError::Field)?;
            let sealed = Sealed {
                opening,
                items,
                setup,
            };
            (Self::Sealed(Box::new(sealed)), reader)
        } else if let Some(mut reader) = begin(SENT) {
            let digest = reader.fixed()?;
            (Self::Sent { digest }, reader)
        } else if let Some(mut reader) = begin(ANSWERED) {
            let digest = reader.fixed()?;
            (Self::Answered { digest }, reader)
        } else {
            return Err(DecodeError::Context);
        };
        reader.finish()?;
        Ok(entry)
    }
}
