//! The proof that a record stands in a ledger, in the form of C2SP tlog-proof
//! (<https://c2sp.org/tlog-proof>, `spec/42-ledger.md` §5). It verifies offline.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::{
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, read_decimal, read_hash},
    codec::DecodeError,
    cosignature::{Quorum, QuorumError},
    note::{MAX_NOTE, NoteKey},
    record::{MAX_RECORD, Record},
    tree::{self, Hash, ProofError},
};

/// The most hashes of a path in a tree.
pub(crate) const MAX_PATH: usize = 64;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A record with all that proves where it stands, none of it verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordProof {
    /// The canonical bytes of the record.
    pub record: Vec<u8>,
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf to the root.
    pub path: Vec<Hash>,
    /// The head of the tree that the path leads to.
    pub checkpoint: SignedCheckpoint,
}

/// A record that stands in its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRecord {
    /// The record.
    pub record: Record,
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The head of the tree in which it stands.
    pub checkpoint: Checkpoint,
}

/// Why a record is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordProofError {
    /// The text is not that of a proof.
    Text,
    /// The checkpoint, or the ledger's signature under it.
    Checkpoint(CheckpointError),
    /// The witnesses' cosignatures.
    Quorum(QuorumError),
    /// The path from the record to the checkpoint.
    Path(ProofError),
    /// The record itself.
    Record(DecodeError),
}

impl RecordProof {
    /// Reads the text form; verifies nothing yet.
    ///
    /// # Errors
    ///
    /// [`RecordProofError::Text`], or [`RecordProofError::Checkpoint`] where that part is at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordProofError> {
        if bytes.len() > MAX_NOTE {
            return Err(RecordProofError::Text);
        }
        let text = str::from_utf8(bytes).map_err(|_| RecordProofError::Text)?;
        let (head, note) = text.split_once("\n\n").ok_or(RecordProofError::Text)?;
        let (record, index, path) = read_head(head).ok_or(RecordProofError::Text)?;
        Ok(Self {
            record,
            index,
            path,
            checkpoint: SignedCheckpoint::parse(note.as_bytes())
                .map_err(RecordProofError::Checkpoint)?,
        })
    }

    /// Verifies that the record stands in the ledger of `keys`, in a tree that one of them signed and
    /// `quorum` cosigned.
    ///
    /// # Errors
    ///
    /// [`RecordProofError`], with what does not hold.
    pub fn verify(
        &self,
        keys: &[NoteKey],
        quorum: &Quorum,
    ) -> Result<ProvenRecord, RecordProofError> {
        let checkpoint = self
            .checkpoint
            .verify_by(keys)
            .map_err(RecordProofError::Checkpoint)?;
        quorum
            .verify(&self.checkpoint)
            .map_err(RecordProofError::Quorum)?;
        let leaf = tree::leaf_hash(&self.record);
        tree::verify_inclusion(
            &leaf,
            self.index,
            checkpoint.size,
            &self.path,
            &checkpoint.root,
        )
        .map_err(RecordProofError::Path)?;
        Ok(ProvenRecord {
            record: Record::decode(&self.record).map_err(RecordProofError::Record)?,
            index: self.index,
            checkpoint: checkpoint.clone(),
        })
    }
}

/// The text form: the record as extra data, index, path, checkpoint.
impl fmt::Display for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = Base64::encode_string(&self.record);
        writeln!(f, "{HEADER}\nextra {record}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", Base64::encode_string(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Hides the bytes of the record, which hold its nonce.
impl fmt::Debug for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordProof")
            .field("index", &self.index)
            .field("checkpoint", self.checkpoint.unverified())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RecordProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the text is not a proof of a record"),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Quorum(error) => error.fmt(f),
            Self::Path(error) => error.fmt(f),
            Self::Record(error) => write!(f, "the record is malformed: {error}"),
        }
    }
}

impl std::error::Error for RecordProofError {}

fn read_head(head: &str) -> Option<(Vec<u8>, u64, Vec<Hash>)> {
    let mut lines = head.split('\n');
    if lines.next() != Some(HEADER) {
        return None;
    }
    let record = Base64::decode_vec(lines.next()?.strip_prefix("extra ")?).ok()?;
    let index = read_decimal(lines.next()?.strip_prefix("index ")?)?;
    // One more than the most is enough to know that there are too many.
    let path: Vec<Hash> = lines
        .take(MAX_PATH + 1)
        .map(read_hash)
        .collect::<Option<_>>()?;
    (record.len() <= MAX_RECORD && path.len() <= MAX_PATH).then_some((record, index, path))
}

#[cfg(test)]
mod tests;
