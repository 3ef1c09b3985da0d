//! Checkpoints: the head of a ledger's tree as a signed note, in the form of C2SP tlog-checkpoint
//! (<https://c2sp.org/tlog-checkpoint>, `spec/42-ledger.md` §3).

use std::{fmt, slice};

use base64ct::{Base64, Encoding};
use ed25519_dalek::SigningKey;

use crate::{
    note::{KeyName, Note, NoteError, NoteKey, SignatureLine},
    tree::{CompactRange, Hash},
};

mod origin;
mod succession;

pub use origin::Origin;
pub use succession::{Continuation, SuccessionError};

/// The head of a ledger's tree at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger, and which of its incarnations.
    pub origin: Origin,
    /// The number of records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// A checkpoint with the signatures under it, which are not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

/// What is wrong with a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note that it is.
    Note(NoteError),
    /// The text is no origin, size and root, each on a line, and nothing else.
    Text,
    /// It is of another ledger than the key that is to have signed it.
    OtherLedger,
}

/// The name of a member's ledger, `blindmatch/CONSORTIUM/MEMBER/ledger`.
///
/// # Errors
///
/// [`NoteError::Name`] where one of the two names is not fit for it.
pub fn ledger_name(consortium: &str, member: &str) -> Result<KeyName, NoteError> {
    member_key_name(consortium, member, "ledger")
}

/// The name that a member cosigns under, `blindmatch/CONSORTIUM/MEMBER/witness`.
///
/// # Errors
///
/// [`NoteError::Name`] where one of the two names is not fit for it.
pub fn witness_name(consortium: &str, member: &str) -> Result<KeyName, NoteError> {
    member_key_name(consortium, member, "witness")
}

impl Checkpoint {
    /// The head of a ledger without records.
    #[must_use]
    pub fn empty(origin: Origin) -> Self {
        Self {
            origin,
            size: 0,
            root: CompactRange::default().root(),
        }
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Text`]. One checkpoint has one text: extension lines are refused.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        Self::read(text).ok_or(CheckpointError::Text)
    }

    /// Signs with the ledger's checkpoint key.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedCheckpoint {
        let Ok(mut note) = Note::new(&self.to_string()) else {
            unreachable!("a checkpoint's text is that of a note")
        };
        note.sign(&self.origin.key_name(), key);
        SignedCheckpoint {
            checkpoint: self,
            note,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let end = lines.next();
        let checkpoint = Self {
            origin: Origin::parse(origin)?,
            size: read_decimal(size)?,
            root: read_hash(root)?,
        };
        end.is_none().then_some(checkpoint)
    }
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint; verifies nothing yet.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Note`] or [`CheckpointError::Text`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes).map_err(CheckpointError::Note)?;
        Ok(Self {
            checkpoint: Checkpoint::parse(note.text())?,
            note,
        })
    }

    /// The checkpoint, which nobody need have signed.
    #[must_use]
    pub const fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Verifies the ledger's own signature. The key is named by the ledger, or by any of its
    /// origins.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::OtherLedger`], or [`CheckpointError::Note`] with what is wrong with the
    /// signature.
    pub fn verify(&self, log: &NoteKey) -> Result<&Checkpoint, CheckpointError> {
        self.verify_by(slice::from_ref(log))
    }

    /// Verifies that one of the ledger's keys signed, and that no signature of any of them is wrong
    /// (`spec/40-audit.md` §2).
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub fn verify_by(&self, keys: &[NoteKey]) -> Result<&Checkpoint, CheckpointError> {
        let origin = &self.checkpoint.origin;
        let keys: Vec<NoteKey> = keys
            .iter()
            .filter_map(|key| origin.signed_by(key))
            .collect();
        if keys.is_empty() {
            return Err(CheckpointError::OtherLedger);
        }
        self.note.verify(&keys).map_err(CheckpointError::Note)?;
        Ok(&self.checkpoint)
    }

    /// The signatures under the checkpoint, the ledger's own among them.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        self.note.signatures()
    }

    /// Adds a signature, such as a witness's cosignature; one that is there already is not added
    /// again.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Note`] where the note is full.
    pub fn add(&mut self, signature: &SignatureLine) -> Result<(), CheckpointError> {
        if !self.signatures().contains(signature) {
            let added = self.note.add(signature.clone());
            added.map_err(CheckpointError::Note)?;
        }
        Ok(())
    }
}

/// The text of the note, newline at the end included.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = Base64::encode_string(&self.root);
        writeln!(f, "{}\n{}\n{root}", self.origin, self.size)
    }
}

/// The signed note.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Text => f.write_str("the note is not a checkpoint"),
            Self::OtherLedger => f.write_str("the checkpoint is of another ledger"),
        }
    }
}

impl std::error::Error for CheckpointError {}

/// A number in decimal, without leading zeros or a sign.
pub(crate) fn read_decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in base64.
pub(crate) fn read_hash(text: &str) -> Option<Hash> {
    Base64::decode_vec(text).ok()?.try_into().ok()
}

/// A slash within a name would let two members share a name.
fn member_key_name(consortium: &str, member: &str, use_of: &str) -> Result<KeyName, NoteError> {
    let valid = |name: &str| !name.is_empty() && !name.contains('/');
    if valid(consortium) && valid(member) {
        KeyName::new(&format!("blindmatch/{consortium}/{member}/{use_of}"))
    } else {
        Err(NoteError::Name)
    }
}

#[cfg(test)]
mod tests;
