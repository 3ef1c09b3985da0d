//! What a witness answers to a request to cosign, as C2SP tlog-witness has it
//! (<https://c2sp.org/tlog-witness>, `add-checkpoint`; `spec/42-ledger.md` §6).

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::{
    checkpoint::{
        Checkpoint, CheckpointError, Continuation, SignedCheckpoint, SuccessionError, read_decimal,
        read_hash,
    },
    note::{MAX_NOTE, NoteKey},
    record::MAX_RECORD,
    tree::Hash,
};

/// The most hashes of a proof in a request.
const MAX_PROOF: usize = 63;

/// Before the incarnation of the old size, where it is not the checkpoint's.
const INCARNATION: &str = "incarnation ";

/// Before the place and the bytes of the record that names the old state as lost.
const LOST: &str = "lost ";

/// A request to cosign a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size that this witness cosigned last, as the ledger believes; 0 for never.
    pub old: u64,
    /// The incarnation that it cosigned last; that of the checkpoint for never.
    pub incarnation: u64,
    /// How the checkpoint goes on from that.
    pub how: Continuation,
    /// The checkpoint, with the ledger's signature at least.
    pub checkpoint: SignedCheckpoint,
}

/// Why a witness does not cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The request is malformed, or its old size is above that of its checkpoint.
    Malformed,
    /// No signature of a key that the witness knows for this ledger, or one that does not hold.
    Untrusted,
    /// A ledger that the witness does not know.
    UnknownLedger,
    /// Another old size, or of another incarnation, than what the witness cosigned last.
    Conflict {
        /// The incarnation that it cosigned last.
        incarnation: u64,
        /// The size that it cosigned last.
        size: u64,
    },
    /// The checkpoint does not go on from what was cosigned last: a fork, or a wrong proof.
    Inconsistent(SuccessionError),
}

/// Decides about a request: `last` is what the witness cosigned last for the request's ledger, of
/// whichever incarnation, `logs` the keys of all ledgers that it knows, named by these.
///
/// Gives what to store in place of `last` before the [cosignature](crate::cosignature::cosign)
/// leaves. Reading `last`, deciding and storing must not overlap with another request for the same
/// ledger.
///
/// # Errors
///
/// [`Refusal`], by the first rule that the request breaks.
pub fn decide(
    last: Option<&Checkpoint>,
    logs: &[NoteKey],
    request: &Request,
) -> Result<Checkpoint, Refusal> {
    let origin = &request.checkpoint.unverified().origin;
    let verified = request.checkpoint.verify_by(logs);
    let checkpoint = verified.map_err(|error| match error {
        CheckpointError::OtherLedger => Refusal::UnknownLedger,
        _ => Refusal::Untrusted,
    })?;
    if request.incarnation == origin.incarnation && request.old > checkpoint.size {
        return Err(Refusal::Malformed);
    }
    let never = Checkpoint::empty(origin.clone());
    let last = last.unwrap_or(&never);
    let (incarnation, size) = (last.origin.incarnation, last.size);
    if (request.incarnation, request.old) != (incarnation, size) {
        return Err(Refusal::Conflict { incarnation, size });
    }
    checkpoint
        .verify_succession(last, &request.how)
        .map_err(Refusal::Inconsistent)?;
    Ok(checkpoint.clone())
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::read(bytes).ok_or(Refusal::Malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_NOTE {
            return None;
        }
        let (head, note) = str::from_utf8(bytes).ok()?.split_once("\n\n")?;
        let checkpoint = SignedCheckpoint::parse(note.as_bytes()).ok()?;
        let mut lines = head.split('\n').peekable();
        let old = read_decimal(lines.next()?.strip_prefix("old ")?)?;
        let present = checkpoint.unverified().origin.incarnation;
        let incarnation = match lines.next_if(|line| line.starts_with(INCARNATION)) {
            Some(line) => read_decimal(line.strip_prefix(INCARNATION)?)
                .filter(|earlier| (1..present).contains(earlier))?,
            None => present,
        };
        let lost = match lines.next_if(|line| incarnation < present && line.starts_with(LOST)) {
            Some(line) => {
                let (index, record) = line.strip_prefix(LOST)?.split_once(' ')?;
                let record = Base64::decode_vec(record).ok()?;
                if record.len() > MAX_RECORD {
                    return None;
                }
                Some((read_decimal(index)?, record))
            }
            None => None,
        };
        // One more than the most is enough to know that there are too many.
        let hashes = lines.take(MAX_PROOF + 1).map(read_hash);
        let hashes: Vec<Hash> = hashes.collect::<Option<_>>()?;
        (hashes.len() <= MAX_PROOF).then_some(Self {
            old,
            incarnation,
            how: Continuation::new(lost, hashes),
            checkpoint,
        })
    }
}

impl Refusal {
    /// The HTTP status that C2SP gives this refusal.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Untrusted => 403,
            Self::UnknownLedger => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }
}

/// The body of a request.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        if self.incarnation != self.checkpoint.unverified().origin.incarnation {
            writeln!(f, "{INCARNATION}{}", self.incarnation)?;
        }
        let hashes = match &self.how {
            Continuation::Kept(proof) => proof,
            Continuation::Lost {
                record,
                index,
                path,
            } => {
                writeln!(f, "{LOST}{index} {}", Base64::encode_string(record))?;
                path
            }
        };
        for hash in hashes {
            writeln!(f, "{}", Base64::encode_string(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the request is malformed"),
            Self::Untrusted => f.write_str("no known key of this ledger signed the checkpoint"),
            Self::UnknownLedger => f.write_str("the witness does not know this ledger"),
            Self::Conflict { incarnation, size } => write!(
                f,
                "the witness cosigned {size} records of incarnation {incarnation} last"
            ),
            Self::Inconsistent(error) => {
                write!(
                    f,
                    "the ledger does not go on from what was cosigned: {error}"
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
