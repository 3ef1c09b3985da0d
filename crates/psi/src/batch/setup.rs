//! The part of the batch protocol that needs no input: one VOLE, chunk by chunk
//! (`spec/34-batch.md` §2).
//!
//! Both sides agree on [`SetupTerms`], run a [`SetupSession`] each, and end with something stored
//! that one later run uses up. A setup that breaks off leaves nothing: another one begins anew,
//! with other nonces.

mod machine;
mod prepared;

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use blindmatch_vole::{SessionId, Shape};

pub(crate) use self::machine::{Next, Step};
pub use self::{
    machine::SetupSession,
    prepared::{Prepared, PreparedQuerier, PreparedResponder},
};
use super::terms::{Labels, class_holding};
use crate::{
    agreement::{MAX_NAME, RunId},
    stop::Fault,
};

const TERMS: &str = "blindmatch batch setup v1";

/// What both sides of a setup agree on. It is no agreement to any run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupTerms {
    /// The consortium.
    pub consortium: Vec<u8>,
    /// Who will learn the matches.
    pub querier: Vec<u8>,
    /// Who will serve its set.
    pub responder: Vec<u8>,
    /// The class of the querier's set.
    pub class: u32,
    /// Whether the responder's items have labels.
    pub labels: Labels,
    /// 32 fresh random bytes of the querier.
    pub querier_nonce: [u8; 32],
    /// 32 fresh random bytes of the responder.
    pub responder_nonce: [u8; 32],
}

impl SetupTerms {
    /// The canonical bytes.
    ///
    /// # Panics
    ///
    /// On a name of more than 4 GiB.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(TERMS)
            .bytes(&self.consortium)
            .bytes(&self.querier)
            .bytes(&self.responder)
            .u32(self.class)
            .u8(match self.labels {
                Labels::None => 0,
                Labels::Sealed => 1,
            })
            .fixed(&self.querier_nonce)
            .fixed(&self.responder_nonce)
            .finish()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Field`] also for what is no class.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(TERMS, bytes)?;
        let name = |reader: &mut Reader<'_>| reader.bytes(MAX_NAME).map(<[u8]>::to_vec);
        let terms = Self {
            consortium: name(&mut reader)?,
            querier: name(&mut reader)?,
            responder: name(&mut reader)?,
            class: reader.u32()?,
            labels: match reader.u8()? {
                0 => Labels::None,
                1 => Labels::Sealed,
                _ => return Err(DecodeError::Field),
            },
            querier_nonce: reader.fixed()?,
            responder_nonce: reader.fixed()?,
        };
        reader.finish()?;
        if class_holding(terms.class.into()) == Some(terms.class) {
            Ok(terms)
        } else {
            Err(DecodeError::Field)
        }
    }

    /// The setup's id, which the agreement of its run names. It stands where a run's id does in
    /// the frames of the setup.
    ///
    /// # Panics
    ///
    /// As [`Self::encode`].
    #[must_use]
    pub fn id(&self) -> RunId {
        // A class that is none has no shape, and no session either.
        let session = self.session().unwrap_or(SessionId::from_bytes([0; 32]));
        RunId(*session.as_bytes())
    }

    /// The id as the setup's hashes take it.
    fn session(&self) -> Option<SessionId> {
        let shape = self.shape()?;
        Some(SessionId::new(
            &self.encode(),
            &shape,
            &self.responder_nonce,
            &self.querier_nonce,
        ))
    }

    fn shape(&self) -> Option<Shape> {
        let class = class_holding(self.class.into()).filter(|class| *class == self.class)?;
        Shape::for_class(class)
    }

    /// Shape and session of terms that one can be set up for.
    pub(crate) fn checked(&self) -> Result<(Shape, SessionId), Fault> {
        let named = self.querier != self.responder
            && self.querier_nonce != [0; 32]
            && self.responder_nonce != [0; 32];
        self.shape()
            .zip(self.session())
            .filter(|_| named)
            .ok_or(Fault::Terms)
    }
}
