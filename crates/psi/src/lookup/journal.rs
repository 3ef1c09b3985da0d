//! What a side keeps of a run to resume it (`spec/31-lookup.md` §5).
//!
//! These bytes never travel, but a newer version of the code reads what an older one stored.

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use blindmatch_oprf::{Blind, MAX_BATCH, Output};
use sha2::{Digest, Sha256};

use super::Item;
use crate::{
    agreement::RunId,
    attach::ATTACHED,
    session::{Record, State},
    stop::Fault,
};

const BLINDS: &str = "blindmatch lookup blinds state v1";
const INPUTS: &str = "blindmatch lookup inputs digest v1";
const OUTPUTS: &str = "blindmatch lookup outputs state v1";
const ANSWERED: &str = "blindmatch lookup answered state v1";

/// One [`State`] of a lookup run.
pub(crate) enum Entry<'a> {
    /// A connection was begun under this counter.
    Attached { counter: u64 },
    /// Querier: a batch is about to be sent under these blinds.
    Blinds { batch: u64, blinds: Blinds },
    /// Querier: a batch was answered and verified; the outputs of its items, without padding.
    Outputs {
        batch: u64,
        digest: [u8; 32],
        outputs: &'a [[u8; 64]],
    },
    /// Responder: a batch was evaluated.
    Answered { batch: u64, digest: [u8; 32] },
}

/// The blinds of a batch, and for which inputs they are.
///
/// The same blinds for other inputs would tell the responder how the two sets of inputs differ.
pub(crate) struct Blinds {
    pub(crate) blinds: Vec<Blind>,
    inputs: [u8; 32],
}

impl Blinds {
    pub(crate) fn new(blinds: Vec<Blind>, inputs: &[Item]) -> Self {
        let inputs = digest_inputs(&blinds, inputs);
        Self { blinds, inputs }
    }

    /// Whether these are the blinds of these inputs.
    pub(crate) fn are_for(&self, inputs: &[Item]) -> bool {
        digest_inputs(&self.blinds, inputs) == self.inputs
    }
}

/// A digest of inputs under the secret blinds.
fn digest_inputs(blinds: &[Blind], inputs: &[Item]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(Writer::new(INPUTS).u32(count(blinds)).finish());
    for blind in blinds {
        hash.update(blind.to_bytes().as_slice());
    }
    for input in inputs {
        hash.update((input.len() as u64).to_be_bytes());
        hash.update(input);
    }
    hash.finalize().into()
}

pub(crate) fn blinds(run: &RunId, batch: u64, blinds: &Blinds) -> Record {
    let mut writer = Writer::new(BLINDS);
    writer.reserve(32 + 8 + 32 + 4 + 32 * blinds.blinds.len());
    writer
        .fixed(&run.0)
        .u64(batch)
        .fixed(&blinds.inputs)
        .u32(count(&blinds.blinds));
    for blind in &blinds.blinds {
        writer.fixed(&*blind.to_bytes());
    }
    Record::State(writer.finish().into())
}

pub(crate) fn outputs(run: &RunId, batch: u64, digest: [u8; 32], outputs: &[Output]) -> Record {
    let mut writer = Writer::new(OUTPUTS);
    writer.reserve(32 + 8 + 32 + 4 + 64 * outputs.len());
    writer
        .fixed(&run.0)
        .u64(batch)
        .fixed(&digest)
        .u32(count(outputs));
    for output in outputs {
        writer.fixed(output.as_bytes());
    }
    Record::State(writer.finish().into())
}

pub(crate) fn answered(run: &RunId, batch: u64, digest: [u8; 32]) -> Record {
    let mut writer = Writer::new(ANSWERED);
    let bytes = writer.fixed(&run.0).u64(batch).fixed(&digest).finish();
    Record::State(bytes.into())
}

impl<'a> Entry<'a> {
    /// Reads one state of `run`.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] where it is none.
    pub(crate) fn read(run: &RunId, state: &'a State) -> Result<Self, Fault> {
        Self::decode(run, state.as_bytes()).map_err(|_| Fault::Journal)
    }

    fn decode(run: &RunId, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let begin = |context| {
            let mut reader = Reader::new(context, bytes).ok()?;
            (reader.fixed() == Ok(run.0)).then_some(reader)
        };
        let (entry, reader) = if let Some(mut reader) = begin(ATTACHED) {
            let counter = reader.u64()?;
            (Self::Attached { counter }, reader)
        } else if let Some(mut reader) = begin(BLINDS) {
            let (batch, inputs) = (reader.u64()?, reader.fixed()?);
            let (encoded, _) = reader.items(MAX_BATCH, 32)?.as_chunks::<32>();
            // At once, and not as it grows: that would leave copies behind.
            let mut blinds = Vec::with_capacity(encoded.len());
            for blind in encoded {
                blinds.push(Blind::from_bytes(blind).map_err(|_| DecodeError::Field)?);
            }
            let blinds = Blinds { blinds, inputs };
            (Self::Blinds { batch, blinds }, reader)
        } else if let Some(mut reader) = begin(OUTPUTS) {
            let (batch, digest) = (reader.u64()?, reader.fixed()?);
            let (outputs, _) = reader.items(MAX_BATCH, 64)?.as_chunks();
            let entry = Self::Outputs {
                batch,
                digest,
                outputs,
            };
            (entry, reader)
        } else if let Some(mut reader) = begin(ANSWERED) {
            let (batch, digest) = (reader.u64()?, reader.fixed()?);
            (Self::Answered { batch, digest }, reader)
        } else {
            return Err(DecodeError::Context);
        };
        reader.finish()?;
        Ok(entry)
    }
}

/// A batch has at most 4,096 elements.
fn count<T>(elements: &[T]) -> u32 {
    u32::try_from(elements.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn items(texts: [&str; 2]) -> [Item; 2] {
        texts.map(|text| Item::new(text.into()))
    }

    fn blinds(numbers: [u8; 2]) -> Vec<Blind> {
        let blind = |number| {
            let mut bytes = [0; 32];
            bytes[0] = number;
            Blind::from_bytes(&bytes).unwrap()
        };
        numbers.map(blind).into()
    }

    /// Whoever guesses the items of a journal needs its blinds to see whether the guess is right.
    #[test]
    fn the_digest_of_inputs_is_keyed_by_every_blind() {
        let inputs = items(["a", "b"]);
        let digest = |numbers| Blinds::new(blinds(numbers), &inputs).inputs;
        assert_eq!(digest([1, 2]), digest([1, 2]));
        for other in [[3, 2], [1, 3], [2, 1]] {
            assert_ne!(digest(other), digest([1, 2]), "{other:?}");
        }
    }

    #[test]
    fn blinds_are_for_their_inputs_only() {
        let blinds = Blinds::new(blinds([1, 2]), &items(["a", "bc"]));
        assert!(blinds.are_for(&items(["a", "bc"])));
        for other in [["a", "bd"], ["bc", "a"], ["ab", "c"], ["abc", ""]] {
            assert!(!blinds.are_for(&items(other)), "{other:?}");
        }
        assert!(!blinds.are_for(&items(["a", "bc"])[..1]));
    }
}
