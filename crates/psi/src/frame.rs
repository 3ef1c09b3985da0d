//! Frames that all protocols share (`spec/30-session.md` §7).

use blindmatch_audit::{
    Signature,
    codec::{DecodeError, Reader, Writer},
    receipt::Receipt,
};

use crate::{agreement::RunId, stop::Abort};

const ABORT: &str = "blindmatch abort v1";
pub(crate) const RECEIPT: &str = "blindmatch receipt frame v1";
pub(crate) const COUNTERSIGNATURE: &str = "blindmatch countersignature v1";

/// More bytes than a receipt has.
const MAX_RECEIPT: usize = 1024;

/// What kind of frame this is, if of a kind in `kinds`.
pub(crate) fn kind(frame: &[u8], kinds: &[&'static str]) -> Option<&'static str> {
    kinds
        .iter()
        .copied()
        .find(|kind| Reader::new(kind, frame).is_ok())
}

/// Begins to read a frame of `run`.
pub(crate) fn open<'a>(
    context: &'static str,
    run: &RunId,
    frame: &'a [u8],
) -> Result<Reader<'a>, Abort> {
    let mut reader = Reader::new(context, frame).map_err(|_| Abort::Malformed)?;
    if reader.fixed() == Ok(run.0) {
        Ok(reader)
    } else {
        Err(Abort::WrongRun)
    }
}

/// Every way of being malformed is one to the peer.
pub(crate) const fn malformed(_: DecodeError) -> Abort {
    Abort::Malformed
}

/// The frame that tells the peer why we break off.
pub(crate) fn abort(run: &RunId, abort: Abort) -> Vec<u8> {
    Writer::new(ABORT).fixed(&run.0).u8(abort.code()).finish()
}

/// Why the peer breaks this run off, if that is what the frame says.
pub(crate) fn peer_abort(run: &RunId, frame: &[u8]) -> Option<Abort> {
    let mut reader = open(ABORT, run, frame).ok()?;
    let abort = Abort::from_code(reader.u8().ok()?);
    reader.finish().ok()?;
    abort
}

/// The receipt with the querier's signature.
pub(crate) fn receipt(receipt: &Receipt, signature: &Signature) -> Vec<u8> {
    Writer::new(RECEIPT)
        .fixed(&receipt.run)
        .bytes(&receipt.encode())
        .fixed(&signature.to_bytes())
        .finish()
}

pub(crate) fn read_receipt(run: &RunId, frame: &[u8]) -> Result<(Receipt, Signature), Abort> {
    let mut reader = open(RECEIPT, run, frame)?;
    let receipt = reader.bytes(MAX_RECEIPT).and_then(Receipt::decode);
    let receipt = receipt.map_err(malformed)?;
    let signature = reader.fixed().map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok((receipt, Signature::from_bytes(&signature)))
}

/// The responder's signature under the same receipt.
pub(crate) fn countersignature(run: &RunId, signature: &Signature) -> Vec<u8> {
    Writer::new(COUNTERSIGNATURE)
        .fixed(&run.0)
        .fixed(&signature.to_bytes())
        .finish()
}

pub(crate) fn read_countersignature(run: &RunId, frame: &[u8]) -> Result<Signature, Abort> {
    let mut reader = open(COUNTERSIGNATURE, run, frame)?;
    let signature = reader.fixed().map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok(Signature::from_bytes(&signature))
}
