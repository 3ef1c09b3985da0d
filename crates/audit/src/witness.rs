//! What a witness answers to a request to cosign, as C2SP tlog-witness has it
//! (<https://c2sp.org/tlog-witness>, `add-checkpoint`; `spec/42-ledger.md` §6).

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::{
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, read_decimal, read_hash},
    note::{MAX_NOTE, NoteError, NoteKey},
    tree::Hash,
};

/// The most hashes of a consistency proof in a request.
const MAX_PROOF: usize = 63;

/// A request to cosign a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size that this witness cosigned last, as the ledger believes; 0 for never.
    pub old: u64,
    /// The consistency proof from that size to the checkpoint's.
    pub proof: Vec<Hash>,
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
    /// Another old size than the one that the witness cosigned last, which is this.
    Conflict(u64),
    /// The checkpoint does not go on from what was cosigned last: a fork, or a wrong proof.
    Inconsistent,
}

/// Decides about a request: `last` is what the witness cosigned last for the request's origin,
/// `logs` the keys of all ledgers that it knows, named by their origins.
///
/// Gives what to store in place of `last` before the [cosignature](crate::cosignature::cosign)
/// leaves. Reading `last`, deciding and storing must not overlap with another request for the same
/// origin.
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
    let mut trusted = logs.iter().filter(|log| log.name() == origin).peekable();
    if trusted.peek().is_none() {
        return Err(Refusal::UnknownLedger);
    }
    let checkpoint = verify(&request.checkpoint, trusted)?;
    if request.old > checkpoint.size {
        return Err(Refusal::Malformed);
    }
    let never = Checkpoint::empty(origin.clone());
    let last = last.unwrap_or(&never);
    if request.old != last.size {
        return Err(Refusal::Conflict(last.size));
    }
    checkpoint
        .verify_succession(last, &request.proof)
        .map_err(|_| Refusal::Inconsistent)?;
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
        let mut lines = head.split('\n');
        let old = read_decimal(lines.next()?.strip_prefix("old ")?)?;
        // One more than the most is enough to know that there are too many.
        let proof: Vec<Hash> = lines
            .take(MAX_PROOF + 1)
            .map(read_hash)
            .collect::<Option<_>>()?;
        (proof.len() <= MAX_PROOF).then_some(Self {
            old,
            proof,
            checkpoint: SignedCheckpoint::parse(note.as_bytes()).ok()?,
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
            Self::Conflict(_) => 409,
            Self::Inconsistent => 422,
        }
    }
}

/// The body of a request.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
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
            Self::Conflict(size) => write!(f, "the witness cosigned {size} records last"),
            Self::Inconsistent => f.write_str("the ledger does not go on from what was cosigned"),
        }
    }
}

impl std::error::Error for Refusal {}

/// One of the ledger's keys must have signed, and none of them wrongly.
fn verify<'a>(
    signed: &'a SignedCheckpoint,
    keys: impl Iterator<Item = &'a NoteKey>,
) -> Result<&'a Checkpoint, Refusal> {
    let mut verified = Err(Refusal::Untrusted);
    for key in keys {
        match signed.verify(key) {
            Ok(checkpoint) => verified = Ok(checkpoint),
            Err(CheckpointError::Note(NoteError::Unsigned)) => {}
            Err(_) => return Err(Refusal::Untrusted),
        }
    }
    verified
}

#[cfg(test)]
mod tests;
