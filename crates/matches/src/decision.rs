//! The bytes of a decision (`spec/70-matches.md` §5).

use blindmatch_audit::codec::{DecodeError, Reader, Writer};

use crate::life::{Disposition, Verdict};

const CONTEXT: &str = "blindmatch decision v1";
/// The most bytes of what an operator writes, and of the operator's name.
pub const MAX_TEXT: usize = 255;

/// What an operator decided, and about which match.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    /// The match, as this node names it.
    pub about: [u8; 8],
    /// What.
    pub disposition: Disposition,
}

impl Decision {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Disposition {
            verdict,
            by,
            at,
            case,
            reason,
        } = &self.disposition;
        let mut writer = Writer::new(CONTEXT);
        writer.fixed(&self.about).u8(verdict.code()).u64(*at);
        for text in [by, case, reason] {
            writer.bytes(text.as_bytes());
        }
        writer.finish()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; [`DecodeError::Field`] also of a text that is none, has control characters, or of
    /// an operator without a name.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let about = reader.fixed()?;
        let verdict = Verdict::from_code(reader.u8()?).ok_or(DecodeError::Field)?;
        let at = reader.u64()?;
        let mut text = || {
            let bytes = reader.bytes(MAX_TEXT)?;
            let text = str::from_utf8(bytes).map_err(|_| DecodeError::Field)?;
            match text.chars().any(char::is_control) {
                true => Err(DecodeError::Field),
                false => Ok(text.to_owned()),
            }
        };
        let (by, case, reason) = (text()?, text()?, text()?);
        if by.is_empty() {
            return Err(DecodeError::Field);
        }
        reader.finish()?;
        let disposition = Disposition {
            verdict,
            by,
            at,
            case,
            reason,
        };
        Ok(Self { about, disposition })
    }

    /// Whether [`decode`](Self::decode) reads what [`encode`](Self::encode) writes: no text is too long.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        Self::decode(&self.encode()).as_ref() == Ok(self)
    }
}

/// Shows what was decided, not about what.
impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("disposition", &self.disposition)
            .finish_non_exhaustive()
    }
}
