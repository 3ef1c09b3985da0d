//! Attach frames: what begins every connection of a run (`spec/30-session.md` §3).

use blindmatch_audit::{
    Signature, VerifyingKey,
    codec::{DecodeError, Reader, Writer},
    receipt::Side,
};

use crate::{
    agreement::RunId,
    session::{Record, State},
    stop::Abort,
};

pub(crate) const ATTACH: &str = "blindmatch attach v1";
/// The stored state that says under which counter a connection was begun.
pub(crate) const ATTACHED: &str = "blindmatch attached state v1";

/// What is stored before a connection is begun under a counter.
pub(crate) fn record(run: &RunId, counter: u64) -> Record {
    let bytes = Writer::new(ATTACHED).fixed(&run.0).u64(counter).finish();
    Record::State(bytes.into())
}

/// The counter under which a connection was begun, where this is such a state.
pub(crate) fn counter(state: &State) -> Option<u64> {
    let mut reader = Reader::new(ATTACHED, state.as_bytes()).ok()?;
    let _run: [u8; 32] = reader.fixed().ok()?;
    reader.u64().ok()
}

/// One side's word on which run this connection serves and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// The run.
    pub run: RunId,
    /// Who speaks.
    pub side: Side,
    /// The TLS exporter value of this connection.
    pub exporter: [u8; 32],
    /// Which of the run's connections this is; never used twice.
    pub counter: u64,
    /// The last batch whose answer is stored durably.
    pub batch: u64,
    /// The transcript after that batch.
    pub digest: [u8; 32],
}

impl Attach {
    /// What the speaker signs; the frame is this and the signature.
    #[must_use]
    pub fn signing_bytes(&self) -> Vec<u8> {
        Writer::new(ATTACH)
            .fixed(&self.run.0)
            .u8(self.side.code())
            .fixed(&self.exporter)
            .u64(self.counter)
            .u64(self.batch)
            .fixed(&self.digest)
            .finish()
    }

    /// The frame.
    #[must_use]
    pub fn encode(&self, signature: &Signature) -> Vec<u8> {
        let mut frame = self.signing_bytes();
        frame.extend_from_slice(&signature.to_bytes());
        frame
    }

    /// Reads a frame; verifies nothing yet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(frame: &[u8]) -> Result<(Self, Signature), DecodeError> {
        let mut reader = Reader::new(ATTACH, frame)?;
        let attach = Self {
            run: RunId(reader.fixed()?),
            side: Side::from_code(reader.u8()?)?,
            exporter: reader.fixed()?,
            counter: reader.u64()?,
            batch: reader.u64()?,
            digest: reader.fixed()?,
        };
        let signature = Signature::from_bytes(&reader.fixed()?);
        reader.finish()?;
        Ok((attach, signature))
    }

    /// The frame of the other side of the connection on which we would say `own`.
    ///
    /// # Errors
    ///
    /// [`Abort`]: another run, another connection, a signature that does not hold, or a frame of
    /// our own side, which a peer may have sent back.
    pub(crate) fn accept(frame: &[u8], own: &Self, peer: &VerifyingKey) -> Result<Self, Abort> {
        let (attach, signature) = Self::decode(frame).map_err(|_| Abort::Malformed)?;
        if attach.run != own.run {
            Err(Abort::WrongRun)
        } else if attach.exporter != own.exporter {
            Err(Abort::WrongConnection)
        } else if attach.side == own.side {
            Err(Abort::UnexpectedFrame)
        } else {
            peer.verify_strict(&attach.signing_bytes(), &signature)
                .map_err(|_| Abort::Signature)?;
            Ok(attach)
        }
    }
}
