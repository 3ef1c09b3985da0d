//! The two frames of the exchange (`spec/31-lookup.md` §3).

use blindmatch_audit::codec::{Reader, Writer};
use blindmatch_oprf::MAX_BATCH;
use sha2::{Digest, Sha256};

use crate::{
    agreement::RunId,
    frame::{malformed, open},
    stop::Abort,
};

pub(crate) const BATCH: &str = "blindmatch lookup batch v1";
pub(crate) const ANSWER: &str = "blindmatch lookup answer v1";
const DIGEST: &str = "blindmatch lookup batch digest v1";

/// An encoded group element, not yet decoded.
pub(crate) type Bytes32 = [u8; 32];

pub(crate) struct Answer {
    pub(crate) batch: u64,
    pub(crate) evaluated: Vec<Bytes32>,
    pub(crate) proof: [u8; 64],
}

pub(crate) fn batch(run: &RunId, batch: u64, blinded: &[Bytes32]) -> Vec<u8> {
    let mut writer = Writer::new(BATCH);
    writer.fixed(&run.0).u64(batch);
    write_elements(&mut writer, blinded);
    writer.finish()
}

pub(crate) fn read_batch(run: &RunId, frame: &[u8]) -> Result<(u64, Vec<Bytes32>), Abort> {
    let mut reader = open(BATCH, run, frame)?;
    let batch = reader.u64().map_err(malformed)?;
    let blinded = read_elements(&mut reader)?;
    reader.finish().map_err(malformed)?;
    Ok((batch, blinded))
}

pub(crate) fn answer(run: &RunId, answer: &Answer) -> Vec<u8> {
    let mut writer = Writer::new(ANSWER);
    writer.fixed(&run.0).u64(answer.batch);
    write_elements(&mut writer, &answer.evaluated);
    writer.fixed(&answer.proof).finish()
}

pub(crate) fn read_answer(run: &RunId, frame: &[u8]) -> Result<Answer, Abort> {
    let mut reader = open(ANSWER, run, frame)?;
    let answer = Answer {
        batch: reader.u64().map_err(malformed)?,
        evaluated: read_elements(&mut reader)?,
        proof: reader.fixed().map_err(malformed)?,
    };
    reader.finish().map_err(malformed)?;
    Ok(answer)
}

/// What a debit is tied to.
pub(crate) fn digest(run: &RunId, batch: u64, blinded: &[Bytes32]) -> [u8; 32] {
    let mut writer = Writer::new(DIGEST);
    writer.fixed(&run.0).u64(batch);
    write_elements(&mut writer, blinded);
    Sha256::digest(writer.finish()).into()
}

fn write_elements(writer: &mut Writer, elements: &[Bytes32]) {
    // And for a proof behind them.
    writer.reserve(4 + 32 * elements.len() + 64);
    // A batch has at most 4,096 elements: `MAX_BATCH` holds for all that is ours.
    writer.u32(u32::try_from(elements.len()).unwrap_or(u32::MAX));
    writer.fixed(elements.as_flattened());
}

fn read_elements(reader: &mut Reader<'_>) -> Result<Vec<Bytes32>, Abort> {
    let bytes = reader.items(MAX_BATCH, 32).map_err(malformed)?;
    let (elements, _) = bytes.as_chunks();
    Ok(elements.to_vec())
}
