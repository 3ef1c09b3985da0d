//! What each side keeps of a setup until its run.

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use blindmatch_vole::{
    ReceiverVole, SenderShare, SenderVole, SessionId,
    setup::{receiver, sender},
};
use zeroize::Zeroizing;

use super::SetupTerms;
use crate::{agreement::RunId, batch::terms::Chunk, session::State, stop::Fault};

const QUERIER: &str = "blindmatch batch prepared querier v1";
const RESPONDER: &str = "blindmatch batch prepared responder v1";

/// More bytes than the terms have.
const MAX_TERMS: usize = 2048;
/// More bytes than a chunk takes: 256 trees of at most 24 levels.
const MAX_CHUNK: usize = 1 << 18;
/// More chunks than the largest class has.
const MAX_CHUNKS: u32 = 1 << 10;

/// A finished setup of one side, as it is sealed until its run.
pub struct Prepared {
    pub(super) terms: SetupTerms,
    pub(super) chunks: Vec<Zeroizing<Vec<u8>>>,
}

/// The querier's half of a setup: it evaluates what it encodes.
pub struct PreparedQuerier {
    pub(super) prepared: Prepared,
    /// The responder's commitment to its share.
    pub(super) commitment: [u8; 32],
}

/// The responder's half of a setup: it holds Δ.
pub struct PreparedResponder {
    pub(super) prepared: Prepared,
    pub(super) share: SenderShare,
}

impl PreparedQuerier {
    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &SetupTerms {
        &self.prepared.terms
    }

    /// The bytes to seal.
    #[must_use]
    pub fn to_state(&self) -> State {
        let mut writer = Writer::new(QUERIER);
        writer.fixed(&self.commitment);
        self.prepared.write(&mut writer)
    }

    /// What was sealed.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] where it is none.
    pub fn from_state(state: &State) -> Result<Self, Fault> {
        let read = || {
            let mut reader = Reader::new(QUERIER, state.as_bytes())?;
            let commitment = reader.fixed()?;
            Prepared::read(reader).map(|prepared| Self {
                prepared,
                commitment,
            })
        };
        read().map_err(|_: DecodeError| Fault::Journal)
    }

    pub(crate) const fn commitment(&self) -> &[u8; 32] {
        &self.commitment
    }

    /// The VOLE of a chunk, grown again from what was kept.
    pub(crate) fn expand(&self, chunk: &Chunk) -> Option<ReceiverVole> {
        let (session, bytes) = self.prepared.chunk(chunk)?;
        receiver::Checked::from_bytes(session, chunk.dimensions, bytes)
            .map(receiver::Checked::expand)
    }
}

impl PreparedResponder {
    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &SetupTerms {
        &self.prepared.terms
    }

    /// The bytes to seal.
    #[must_use]
    pub fn to_state(&self) -> State {
        let mut writer = Writer::new(RESPONDER);
        writer.fixed(&*self.share.to_bytes());
        self.prepared.write(&mut writer)
    }

    /// What was sealed.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] where it is none.
    pub fn from_state(state: &State) -> Result<Self, Fault> {
        let read = || {
            let mut reader = Reader::new(RESPONDER, state.as_bytes())?;
            let share = SenderShare::from_bytes(&reader.fixed()?);
            Prepared::read(reader).map(|prepared| Self { prepared, share })
        };
        read().map_err(|_: DecodeError| Fault::Journal)
    }

    pub(crate) const fn share(&self) -> &SenderShare {
        &self.share
    }

    /// The VOLE of a chunk, grown again from what was kept.
    pub(crate) fn expand(&self, chunk: &Chunk) -> Option<SenderVole> {
        let (session, bytes) = self.prepared.chunk(chunk)?;
        sender::Checked::from_bytes(session, chunk.dimensions, bytes).map(sender::Checked::expand)
    }
}

impl Prepared {
    fn write(&self, writer: &mut Writer) -> State {
        let bytes: usize = self.chunks.iter().map(|chunk| chunk.len() + 4).sum();
        writer.reserve(MAX_TERMS + bytes);
        writer.bytes(&self.terms.encode());
        // Far fewer than that.
        writer.u32(u32::try_from(self.chunks.len()).unwrap_or(u32::MAX));
        for chunk in &self.chunks {
            writer.bytes(chunk);
        }
        writer.finish().into()
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, DecodeError> {
        let terms = SetupTerms::decode(reader.bytes(MAX_TERMS)?)?;
        let count = reader.u32()?;
        if count > MAX_CHUNKS {
            return Err(DecodeError::TooLong);
        }
        let chunk = |_| Ok(Zeroizing::new(reader.bytes(MAX_CHUNK)?.to_vec()));
        let chunks = (0..count).map(chunk).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { terms, chunks })
    }

    fn chunk(&self, chunk: &Chunk) -> Option<(SessionId, &[u8])> {
        let (_, session) = self.terms.checked().ok()?;
        let bytes = self.chunks.get(chunk.number)?;
        Some((session.chunk(chunk.number), bytes))
    }

    /// The id of the setup.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.terms.id()
    }
}
