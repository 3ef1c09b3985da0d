//! One signature line of a note, also on its own, as witnesses answer (`spec/42-ledger.md` §4).

use std::fmt;

use base64ct::{Base64, Encoding};

use super::{KeyName, NoteError};

/// What begins a signature line: an em dash and a space.
const PREFIX: &str = "\u{2014} ";

/// A signature of some type under a note, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// The name of the key.
    pub name: KeyName,
    /// Which key of that name, and which type of signature.
    pub key_id: [u8; 4],
    /// The signature, at least one byte.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line, newline at its end included.
    ///
    /// # Errors
    ///
    /// [`NoteError::SignatureLine`].
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        Self::read(line).ok_or(NoteError::SignatureLine)
    }

    fn read(line: &str) -> Option<Self> {
        let (name, base64) = line
            .strip_suffix('\n')?
            .strip_prefix(PREFIX)?
            .split_once(' ')?;
        let bytes = Base64::decode_vec(base64).ok()?;
        let (key_id, signature) = bytes.split_first_chunk()?;
        (!signature.is_empty()).then_some(Self {
            name: KeyName::new(name).ok()?,
            key_id: *key_id,
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_slice(), &self.signature].concat();
        let base64 = Base64::encode_string(&bytes);
        writeln!(f, "{PREFIX}{} {base64}", self.name.as_str())
    }
}
