//! A whole ledger in one file, for anybody to verify offline.
//!
//! Lines of JSON (`spec/42-ledger.md` §8), so that a page of any language can check it. Nothing stands
//! there that is not verified, so no keys: those come from somebody who is believed.

use std::io::{self, BufRead, Write};

use base64ct::{Base64, Encoding};
use blindmatch_audit::checkpoint::{
    Checkpoint, CheckpointError, Continuation, SignedCheckpoint, SuccessionError,
};
use blindmatch_audit::cosignature::{Quorum, QuorumError};
use blindmatch_audit::note::NoteKey;
use blindmatch_audit::record::MAX_RECORD;
use blindmatch_audit::replay::{Replay, ReplayError};
use blindmatch_store::ledger::{LedgerError, Log};
use serde::{Deserialize, Serialize};

/// What the first line says that the file is.
const SCHEMA: &str = "blindmatch.ledger.v1";
/// No line is longer: a checkpoint with its cosignatures, or a record.
const MAX_LINE: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    schema: String,
    checkpoint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    index: u64,
    record: String,
}

/// Why an exported ledger does not hold.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExportedError {
    /// It cannot be read or written.
    Io(io::Error),
    /// The ledger itself cannot be read.
    Ledger(LedgerError),
    /// This line, from 1, is not what stands there.
    Line(u64),
    /// The checkpoint, or the signature under it.
    Checkpoint(CheckpointError),
    /// The witnesses' cosignatures.
    Quorum(QuorumError),
    /// It does not go on from the known checkpoint of this place in their list.
    Known(usize, SuccessionError),
    /// The records.
    Replay(ReplayError),
}

/// Writes the records that `checkpoint` covers.
///
/// # Errors
///
/// [`ExportedError`].
pub fn write(
    log: &Log,
    checkpoint: &SignedCheckpoint,
    to: &mut dyn Write,
) -> Result<(), ExportedError> {
    let size = checkpoint.unverified().size;
    let head = Head {
        schema: SCHEMA.to_owned(),
        checkpoint: checkpoint.to_string(),
    };
    write_line(to, &head)?;
    for record in log.records(0..size) {
        let (index, record) = record.map_err(ExportedError::Ledger)?;
        let record = Base64::encode_string(&record.encode());
        write_line(to, &Line { index, record })?;
    }
    Ok(())
}

/// Verifies an exported ledger of one of `keys`, cosigned by `quorum`; gives the checkpoint. Records behind the checkpoint are refused.
///
/// `known` are verified checkpoints of the ledger, of whichever of its incarnations, from each of which it
/// is to go on.
///
/// # Errors
///
/// [`ExportedError`], with what does not hold.
pub fn verify(
    from: &mut impl BufRead,
    keys: &[NoteKey],
    quorum: &Quorum,
    known: Vec<Checkpoint>,
) -> Result<SignedCheckpoint, ExportedError> {
    let mut number = 1;
    let head: Head = read_line(from, number)?.ok_or(ExportedError::Line(1))?;
    if head.schema != SCHEMA {
        return Err(ExportedError::Line(1));
    }
    let signed = SignedCheckpoint::parse(head.checkpoint.as_bytes());
    let signed = signed.map_err(ExportedError::Checkpoint)?;
    let verified = signed.verify_by(keys);
    let checkpoint = verified.map_err(ExportedError::Checkpoint)?.clone();
    quorum.verify(&signed).map_err(ExportedError::Quorum)?;
    for (at, known) in known.iter().enumerate() {
        // Those of one incarnation show by themselves which is newer; the records show the others.
        if known.origin.incarnation >= checkpoint.origin.incarnation {
            let kept = Continuation::Kept(Vec::new());
            match checkpoint.verify_succession(known, &kept) {
                Ok(()) | Err(SuccessionError::Proof(_)) => {}
                Err(error) => return Err(ExportedError::Known(at, error)),
            }
        }
    }
    let mut expected = known;
    expected.push(checkpoint.clone());
    let mut replay = Replay::new(expected);
    loop {
        number += 1;
        let Some(line) = read_line::<Line>(from, number)? else {
            break;
        };
        let bytes = Base64::decode_vec(&line.record).map_err(|_| ExportedError::Line(number))?;
        if bytes.len() > MAX_RECORD || line.index >= checkpoint.size {
            return Err(ExportedError::Line(number));
        }
        let record = replay.record(line.index, &bytes);
        record.map_err(ExportedError::Replay)?;
    }
    replay.finish().map_err(ExportedError::Replay)?;
    Ok(signed)
}

fn write_line(to: &mut dyn Write, line: &impl Serialize) -> Result<(), ExportedError> {
    let text = serde_json::to_string(line).map_err(|error| ExportedError::Io(error.into()))?;
    writeln!(to, "{text}").map_err(ExportedError::Io)
}

/// The next line, which is exactly what [`write_line`] makes of what it says.
fn read_line<T: for<'de> Deserialize<'de> + Serialize>(
    from: &mut impl BufRead,
    number: u64,
) -> Result<Option<T>, ExportedError> {
    use std::io::Read;
    let mut line = Vec::new();
    let read = from.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
    if read.map_err(ExportedError::Io)? == 0 {
        return Ok(None);
    }
    let read: T = serde_json::from_slice(&line).map_err(|_| ExportedError::Line(number))?;
    let mut written = Vec::with_capacity(line.len());
    write_line(&mut written, &read)?;
    if written == line {
        Ok(Some(read))
    } else {
        Err(ExportedError::Line(number))
    }
}

impl std::fmt::Display for ExportedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Ledger(error) => error.fmt(f),
            Self::Line(line) => write!(f, "line {line} is not that of an exported ledger"),
            Self::Checkpoint(error) => error.fmt(f),
            Self::Quorum(error) => error.fmt(f),
            Self::Known(_, error) => error.fmt(f),
            Self::Replay(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExportedError {}
