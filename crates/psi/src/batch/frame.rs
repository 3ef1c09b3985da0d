//! The frames of the online flights (`spec/34-batch.md` §3).

use blindmatch_audit::codec::Writer;

use super::PIECE;
use crate::{
    agreement::RunId,
    frame::{malformed, open},
    stop::Abort,
};

/// A piece of F8, from the querier.
pub(crate) const MASKED: &str = "blindmatch batch masked v1";
/// A piece of F9, from the responder.
pub(crate) const ANSWER: &str = "blindmatch batch answer v1";
/// The responder has evaluated a chunk.
pub(crate) const EVALUATED: &str = "blindmatch batch evaluated v1";

/// A piece of a flight, of which the first has number 1.
pub(crate) fn piece(kind: &'static str, run: &RunId, number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(kind);
    writer.reserve(64 + bytes.len());
    writer.fixed(&run.0).u64(number).bytes(bytes).finish()
}

pub(crate) fn read_piece<'a>(
    kind: &'static str,
    run: &RunId,
    frame: &'a [u8],
) -> Result<(u64, &'a [u8]), Abort> {
    let mut reader = open(kind, run, frame)?;
    let number = reader.u64().map_err(malformed)?;
    let bytes = reader.bytes(PIECE).map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok((number, bytes))
}

pub(crate) fn evaluated(run: &RunId, chunk: u64) -> Vec<u8> {
    Writer::new(EVALUATED).fixed(&run.0).u64(chunk).finish()
}

pub(crate) fn read_evaluated(run: &RunId, frame: &[u8]) -> Result<u64, Abort> {
    let mut reader = open(EVALUATED, run, frame)?;
    let chunk = reader.u64().map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok(chunk)
}
