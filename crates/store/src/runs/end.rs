//! How a run ended: the file that makes its results visible.

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    receipt::SignedReceipt,
};

use super::head::Head;

const CONTEXT: &str = "blindmatch run end v1";
/// More than a head or a receipt has.
const MAX_PART: usize = 32 << 10;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a receipt of both sides.
    Concluded,
    /// Without the responder's signature; the querier opened its results after its time.
    OpenedLate,
    /// Without a receipt, and with nothing found.
    GivenUp,
}

/// A run that is over. It holds no indicator, and outlives what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What the run was about.
    pub head: Head,
    /// When it ended, in seconds since 1970.
    pub ended: u64,
    /// How.
    pub outcome: Outcome,
    /// The receipt: with both signatures, or with that of the querier where the results were opened
    /// late.
    pub receipt: Option<SignedReceipt>,
    /// What becomes of what was found; nothing where this side finds nothing.
    pub results: Option<Retention>,
}

/// How long results are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The first second in which they are no longer there, since 1970.
    pub expires: Option<u64>,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Concluded, Self::OpenedLate, Self::GivenUp];

    const fn code(self) -> u8 {
        match self {
            Self::Concluded => 1,
            Self::OpenedLate => 2,
            Self::GivenUp => 3,
        }
    }
}

impl Retention {
    /// Whether they are no longer there.
    #[must_use]
    pub fn is_expired(self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl End {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        writer
            .bytes(&self.head.encode())
            .u64(self.ended)
            .u8(self.outcome.code());
        match &self.receipt {
            Some(receipt) => writer.u8(1).bytes(&receipt.encode()),
            None => writer.u8(0),
        };
        match self.results {
            Some(kept) => writer.u8(1).u64(kept.expires.unwrap_or(0)),
            None => writer.u8(0),
        };
        writer.finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let head = Head::decode(reader.bytes(MAX_PART)?)?;
        let ended = reader.u64()?;
        let code = reader.u8()?;
        let outcome = Outcome::ALL.into_iter().find(|known| known.code() == code);
        let outcome = outcome.ok_or(DecodeError::Field)?;
        let receipt = match reader.u8()? {
            0 => None,
            1 => Some(SignedReceipt::decode(reader.bytes(MAX_PART)?)?),
            _ => return Err(DecodeError::Field),
        };
        let results = match reader.u8()? {
            0 => None,
            1 => {
                let expires = reader.u64()?;
                let expires = (expires != 0).then_some(expires);
                Some(Retention { expires })
            }
            _ => return Err(DecodeError::Field),
        };
        reader.finish()?;
        Ok(Self {
            head,
            ended,
            outcome,
            receipt,
            results,
        })
    }
}
