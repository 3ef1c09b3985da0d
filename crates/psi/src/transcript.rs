//! The chain of digests over an exchange (`spec/30-session.md` §4).
//!
//! Each link covers what one step exchanged, but no proofs: those differ each time that a batch
//! is answered, and the same batch answered twice must leave the same transcript.

use blindmatch_audit::codec::Writer;
use sha2::{Digest, Sha256};

use crate::{agreement::RunId, attach::Attach, stop::Abort};

const START: &str = "blindmatch transcript v1";
const LINK: &str = "blindmatch transcript link v1";

/// The digests after each step so far; at first only that of the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transcript {
    start: [u8; 32],
    links: Vec<[u8; 32]>,
}

impl Transcript {
    /// The transcript of a run in which nothing was exchanged yet.
    pub(crate) fn new(run: &RunId) -> Self {
        let start = Writer::new(START).fixed(&run.0).finish();
        Self {
            start: Sha256::digest(start).into(),
            links: Vec::new(),
        }
    }

    /// The number of steps.
    pub(crate) const fn len(&self) -> u64 {
        // No `Vec` is longer than 2^63.
        self.links.len() as u64
    }

    /// The digest after all steps.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.links.last().copied().unwrap_or(self.start)
    }

    /// The digest after `steps` steps, if there were as many.
    pub(crate) fn digest_after(&self, steps: u64) -> Option<[u8; 32]> {
        match usize::try_from(steps).ok()?.checked_sub(1) {
            None => Some(self.start),
            Some(last) => self.links.get(last).copied(),
        }
    }

    /// Adds what one step exchanged, each part with its length.
    pub(crate) fn absorb(&mut self, parts: &[&[u8]]) {
        let mut hash = Sha256::new();
        let mut link = Writer::new(LINK);
        hash.update(link.fixed(&self.digest()).u64(self.len() + 1).finish());
        for part in parts {
            // In 64 bits, so that no part is too long to be absorbed.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        self.links.push(hash.finalize().into());
    }

    /// Adds a digest that was computed and stored before; `None` where it leaves a gap. Later
    /// steps, which it replaces, are dropped.
    #[must_use]
    pub(crate) fn restore(&mut self, step: u64, digest: [u8; 32]) -> Option<()> {
        let last = usize::try_from(step).ok()?.checked_sub(1)?;
        if last > self.links.len() {
            return None;
        }
        self.links.truncate(last);
        self.links.push(digest);
        Some(())
    }

    /// Meets a peer that has come as far as its attach frame says, in a run of `steps` steps: both
    /// go on from the smaller number, and who is ahead compares.
    pub(crate) fn meet(&mut self, theirs: &Attach, steps: u64) -> Result<(), Abort> {
        if theirs.batch > steps {
            return Err(Abort::BatchNumber);
        }
        if let Some(digest) = self.digest_after(theirs.batch) {
            if digest != theirs.digest {
                return Err(Abort::Transcript);
            }
            self.rewind(theirs.batch);
        }
        Ok(())
    }

    /// Goes back to the first `steps` steps.
    pub(crate) fn rewind(&mut self, steps: u64) {
        self.links
            .truncate(usize::try_from(steps).unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]
    fn digests_are_those_of_the_vectors() {
        let vectors = include_str!("../../../spec/vectors/session.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vector = &vectors["transcript"];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut transcript = Transcript::new(&RunId([9; 32]));
        assert_eq!(hex(&transcript.digest()), text(&vector["start"]));
        for (step, parts) in [vec!["one", "two"], vec!["", "three", ""]]
            .iter()
            .enumerate()
        {
            let step = &vector["steps"][step];
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            for (part, expected) in parts.iter().zip(step["parts"].as_array().unwrap()) {
                assert_eq!(hex(part), text(expected));
            }
            transcript.absorb(&parts);
            assert_eq!(hex(&transcript.digest()), text(&step["digest"]));
        }
    }

    #[test]
    fn every_part_and_its_place_counts() {
        let link = |run: u8, parts: &[&[u8]]| {
            let mut transcript = Transcript::new(&RunId([run; 32]));
            transcript.absorb(parts);
            transcript.digest()
        };
        let own = link(1, &[b"ab", b"c"]);
        assert_ne!(own, link(2, &[b"ab", b"c"]));
        assert_ne!(own, link(1, &[b"a", b"bc"]));
        assert_ne!(own, link(1, &[b"c", b"ab"]));
        assert_ne!(own, link(1, &[b"abc"]));
    }

    #[test]
    fn a_rewound_transcript_takes_the_same_steps_again() {
        let mut transcript = Transcript::new(&RunId([7; 32]));
        for step in 0..5_u8 {
            transcript.absorb(&[&[step]]);
        }
        let whole = transcript.clone();
        transcript.rewind(2);
        assert_eq!(transcript.len(), 2);
        assert_eq!(Some(transcript.digest()), whole.digest_after(2));
        for step in 2..5_u8 {
            transcript.absorb(&[&[step]]);
        }
        assert_eq!(transcript, whole);
        assert_eq!(whole.digest_after(6), None);
        assert_eq!(whole.digest_after(u64::MAX), None);
    }

    #[test]
    fn a_transcript_is_restored_from_its_digests() {
        let mut transcript = Transcript::new(&RunId([7; 32]));
        transcript.absorb(&[b"one"]);
        transcript.absorb(&[b"two"]);
        let mut restored = Transcript::new(&RunId([7; 32]));
        for step in [1, 2, 1, 2] {
            let digest = transcript.digest_after(step).unwrap_or_default();
            assert_eq!(restored.restore(step, digest), Some(()));
        }
        assert_eq!(restored, transcript);
        assert_eq!(restored.restore(4, [0; 32]), None);
        assert_eq!(restored.restore(0, [0; 32]), None);
    }
}
