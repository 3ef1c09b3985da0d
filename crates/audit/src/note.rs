//! C2SP signed notes: a text and the signatures of named keys under it
//! (<https://c2sp.org/signed-note>), with Ed25519 keys (type `0x01`).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

pub(crate) mod key_text;
mod signature_line;

pub use signature_line::SignatureLine;

/// The most bytes that a note may have: the text and its signatures.
pub const MAX_NOTE: usize = 1 << 20;

/// The most signatures that a note may carry.
pub const MAX_SIGNATURES: usize = 100;

/// The type byte of an Ed25519 key.
const ED25519: u8 = 0x01;

/// A name of a key: not empty, without white space, control characters or `+`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// A key that verifies signatures of notes, with the name that it signs under.
///
/// Its text form is that of C2SP: `NAME+HASH+BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: KeyName,
    key: VerifyingKey,
}

/// A note: a text of lines, and signatures that are not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

/// What is wrong with a note, a key, or a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteError {
    /// More than [`MAX_NOTE`] bytes.
    TooLong,
    /// The text is empty, does not end in a newline, or has control characters in it.
    Text,
    /// A line under the text is no signature, or there is none.
    SignatureLine,
    /// More than [`MAX_SIGNATURES`] signatures.
    TooManySignatures,
    /// A name that no key may have.
    Name,
    /// A text that is no key, or of a type other than Ed25519.
    Key,
    /// No signature of a known key.
    Unsigned,
    /// A signature of a known key that does not hold.
    Signature,
}

impl KeyName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`].
    pub fn new(name: &str) -> Result<Self, NoteError> {
        let allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(NoteError::Name);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NoteKey {
    /// The key `key` under `name`.
    #[must_use]
    pub const fn new(name: KeyName, key: VerifyingKey) -> Self {
        Self { name, key }
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`NoteError::Name`] or [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, key) = key_text::read(text, ED25519)?;
        Ok(Self::new(name, key))
    }

    /// The name that the key signs under.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key itself.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    fn key_id(&self) -> [u8; 4] {
        key_text::key_id(&self.name, ED25519, &self.key)
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        key_text::write(f, &self.name, ED25519, &self.key)
    }
}

impl Note {
    /// An unsigned note of this text.
    ///
    /// # Errors
    ///
    /// [`NoteError::Text`] or [`NoteError::TooLong`].
    pub fn new(text: &str) -> Result<Self, NoteError> {
        if text.len() > MAX_NOTE {
            return Err(NoteError::TooLong);
        }
        // C2SP forbids ASCII control characters, i.e. those below U+0020.
        if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Text);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        })
    }

    /// Reads a signed note; verifies nothing yet.
    ///
    /// # Errors
    ///
    /// [`NoteError`], with what is wrong with its form.
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::TooLong);
        }
        let note = str::from_utf8(note).map_err(|_| NoteError::Text)?;
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::SignatureLine)?;
        let mut parsed = Self::new(&format!("{text}\n"))?;
        if lines.is_empty() {
            return Err(NoteError::SignatureLine);
        }
        for line in lines.split_inclusive('\n') {
            parsed.add(SignatureLine::parse(line)?)?;
        }
        Ok(parsed)
    }

    /// The text, newline at the end included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature, which is not verified.
    ///
    /// # Errors
    ///
    /// [`NoteError::TooManySignatures`].
    pub fn add(&mut self, signature: SignatureLine) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Adds the signature of `key` under `name`.
    pub fn sign(&mut self, name: &KeyName, key: &SigningKey) {
        let public = NoteKey::new(name.clone(), key.verifying_key());
        self.signatures.push(SignatureLine {
            name: name.clone(),
            key_id: public.key_id(),
            signature: key.sign(self.text.as_bytes()).to_bytes().to_vec(),
        });
    }

    /// Which of `keys` signed this note, in the order of `keys`.
    ///
    /// Each Ed25519 key counts once, under the first of its names that signed: a quorum counts
    /// keys, not names (`spec/40 §2`). Signatures of unknown keys are passed over.
    ///
    /// # Errors
    ///
    /// [`NoteError::Signature`] where one of a known key does not hold, [`NoteError::Unsigned`]
    /// where no known key signed.
    pub fn verify<'a>(&self, keys: &'a [NoteKey]) -> Result<Vec<&'a NoteKey>, NoteError> {
        let mut signers = Vec::new();
        for key in keys {
            let key_id = key.key_id();
            let mut own = self
                .signatures
                .iter()
                .filter(|s| s.name == key.name && s.key_id == key_id)
                .peekable();
            let counted = signers
                .iter()
                .any(|signer: &&NoteKey| signer.key == key.key);
            if own.peek().is_some() && !counted {
                signers.push(key);
            }
            for signature in own {
                let bytes = Signature::from_slice(&signature.signature);
                let signature = bytes.map_err(|_| NoteError::Signature)?;
                key.key
                    .verify_strict(self.text.as_bytes(), &signature)
                    .map_err(|_| NoteError::Signature)?;
            }
        }
        if signers.is_empty() {
            Err(NoteError::Unsigned)
        } else {
            Ok(signers)
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the note is too long",
            Self::Text => "the text of the note is malformed",
            Self::SignatureLine => "a signature line of the note is malformed or missing",
            Self::TooManySignatures => "the note has too many signatures",
            Self::Name => "the name of the key is malformed",
            Self::Key => "the key is malformed or of an unknown type",
            Self::Unsigned => "no known key signed the note",
            Self::Signature => "a signature of a known key does not hold",
        })
    }
}

impl std::error::Error for NoteError {}

#[cfg(test)]
mod tests;
