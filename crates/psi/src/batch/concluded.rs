//! What the querier has once it has signed: the only way to its matches (`spec/34-batch.md` §5).

use std::{collections::BTreeMap, fmt};

use blindmatch_audit::{
    VerifyingKey,
    receipt::{ReceiptError, Side, SignedReceipt},
};
use blindmatch_vole::{
    Evaluations, SessionId,
    online::{AnswerReader, Matching, Part, open},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Own,
    journal::Entry,
    terms::{LABEL_LENGTH, Labels, Terms},
};
use crate::{session::State, transcript::Transcript};

/// A run whose receipt the querier has signed.
pub struct Concluded {
    signed: SignedReceipt,
    own: Option<Own>,
}

/// An item that both sides hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Match {
    /// The item's place among those asked for.
    pub item: u64,
    /// What travels with the responder's item; `None` where the run has no labels.
    pub label: Option<Zeroizing<[u8; LABEL_LENGTH]>>,
}

/// What the responder holds of the items asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// The matches, in the order of the items.
    pub found: Vec<Match>,
    /// Items whose label does not open: planted, or damaged. They stand apart from the matches,
    /// and the responder never learns of them.
    pub unopened: Vec<u64>,
}

/// Why matches could not be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchError {
    /// A state that is not this run's, or an answer that was never accepted.
    State,
    /// States that are not all of the run's.
    Incomplete,
    /// Terms of another run.
    Terms,
    /// What the querier has of its own items is not there; see [`Own::restore`].
    Own,
}

impl Concluded {
    pub(super) const fn new(signed: SignedReceipt, own: Option<Own>) -> Self {
        Self { signed, own }
    }

    /// The run of a stored receipt, whether or not the responder signed it, with what was
    /// [computed again](Own::restore) of the querier's own items.
    ///
    /// Without the responder's signature the results are unreceipted, and are to be marked so;
    /// when to give up waiting for it is the caller's to decide.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Signature`] where one does not hold.
    pub fn restore(
        signed: SignedReceipt,
        querier: &VerifyingKey,
        responder: &VerifyingKey,
        own: Own,
    ) -> Result<Self, ReceiptError> {
        match signed.responder {
            Some(_) => signed.verify(querier, responder)?,
            None => signed
                .receipt
                .verify(Side::Querier, querier, &signed.querier)?,
        }
        Ok(Self::new(signed, Some(own)))
    }

    /// The receipt with its signatures.
    #[must_use]
    pub const fn receipt(&self) -> &SignedReceipt {
        &self.signed
    }

    /// Whether what it has of its own items is there: not where an earlier session sent them.
    #[must_use]
    pub const fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Gives what an earlier session had of the querier's own items.
    #[must_use]
    pub fn with_own(self, own: Own) -> Self {
        Self::new(self.signed, Some(own))
    }

    /// Compares the querier's own tags with the answer that the states of this run hold, and opens
    /// the labels.
    ///
    /// # Errors
    ///
    /// [`MatchError`]. Which it is says nothing that the responder could see.
    pub fn matches<'a>(
        self,
        terms: &Terms,
        states: impl IntoIterator<Item = &'a State>,
    ) -> Result<Matches, MatchError> {
        let receipt = &self.signed.receipt;
        if receipt.run != terms.run().0 {
            return Err(MatchError::Terms);
        }
        let own = self.own.ok_or(MatchError::Own)?;
        let (sent, pieces) = stored(terms, states)?;
        let mut hash = Sha256::new();
        pieces.values().for_each(|piece| hash.update(piece));
        let answer: [u8; 32] = hash.finalize().into();
        let mut transcript = Transcript::new(&terms.run());
        transcript.absorb(&[&sent, &answer]);
        if transcript.digest() != receipt.transcript {
            return Err(MatchError::Incomplete);
        }
        let session = SessionId::from_bytes(terms.setup().id().0);
        let mut reader = AnswerReader::new(terms.form(), session, own.commitment);
        let mut comparison = Comparison::new(own, terms.labels());
        for piece in pieces.into_values() {
            let read = reader.feed(piece, |part| comparison.take(part));
            read.map_err(|_| MatchError::State)?;
        }
        reader.finish().map_err(|_| MatchError::State)?;
        comparison.finish()
    }
}

/// The digest of F8, and the pieces of F9 by their numbers.
type Answered<'a> = ([u8; 32], BTreeMap<u64, &'a [u8]>);

fn stored<'a>(
    terms: &Terms,
    states: impl IntoIterator<Item = &'a State>,
) -> Result<Answered<'a>, MatchError> {
    let mut sent = None;
    let mut pieces = BTreeMap::new();
    for state in states {
        match Entry::read(&terms.run(), state).map_err(|_| MatchError::State)? {
            Entry::Sent { digest } => sent = Some(digest),
            // A piece that came twice was the same, or the transcript says otherwise.
            Entry::Piece { number, bytes } => drop(pieces.insert(number, bytes)),
            Entry::Attached { .. } | Entry::Sealed(_) | Entry::Answered { .. } => {}
        }
    }
    Ok((sent.ok_or(MatchError::Incomplete)?, pieces))
}

/// Own tags against the answer's, one after the other, then the labels.
struct Comparison {
    own: Option<Own>,
    labels: Labels,
    running: Option<Running>,
    /// The next label of the answer.
    entry: u32,
    /// The next hit whose label has not come.
    hit: usize,
    matches: Matches,
}

struct Running {
    own: Own,
    evaluations: Evaluations,
    matching: Matching,
}

impl Comparison {
    fn new(own: Own, labels: Labels) -> Self {
        Self {
            own: Some(own),
            labels,
            running: None,
            entry: 0,
            hit: 0,
            matches: Matches::default(),
        }
    }

    fn take(&mut self, part: Part<'_>) {
        match part {
            Part::Tag { share, tag } => {
                if let Some(mut own) = self.own.take() {
                    let decoded = std::mem::take(&mut own.decoded);
                    let evaluations = decoded.evaluate(own.opening.share + share);
                    let items = own.binned.all();
                    let matching = Matching::new(&evaluations, items.xs, items.places);
                    self.running = matching.map(|matching| Running {
                        own,
                        evaluations,
                        matching,
                    });
                }
                if let Some(running) = &mut self.running {
                    running.matching.tag(tag);
                }
            }
            Part::Label(sealed) => self.label(sealed),
        }
    }

    fn label(&mut self, sealed: &[u8]) {
        let entry = self.entry;
        self.entry += 1;
        let Some(running) = &self.running else {
            return;
        };
        while let Some(hit) = running.matching.hits().get(self.hit)
            && hit.entry <= entry
        {
            self.hit += 1;
            if hit.entry != entry || hit.place >= running.own.count {
                continue;
            }
            let items = running.own.binned.all();
            let key = items
                .xs
                .get(hit.at as usize)
                .and_then(|&x| running.evaluations.label_key(hit.at as usize, x));
            let mut copy = Zeroizing::new(sealed.to_vec());
            let opened = key.and_then(|key| open(&key, &mut copy).ok()?.first_chunk().copied());
            let item = hit.place.into();
            match opened {
                Some(label) => self.matches.found.push(Match {
                    item,
                    label: Some(Zeroizing::new(label)),
                }),
                None => self.matches.unopened.push(item),
            }
        }
    }

    fn finish(mut self) -> Result<Matches, MatchError> {
        let running = self.running.as_ref().ok_or(MatchError::Own)?;
        if self.labels == Labels::None {
            let hits = running.matching.hits().iter();
            let real = hits.filter(|hit| hit.place < running.own.count);
            self.matches.found = real
                .map(|hit| Match {
                    item: hit.place.into(),
                    label: None,
                })
                .collect();
        }
        self.matches.found.sort_unstable_by_key(|found| found.item);
        self.matches.unopened.sort_unstable();
        Ok(self.matches)
    }
}

impl fmt::Debug for Concluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concluded")
            .field("signed", &self.signed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match")
            .field("item", &self.item)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "a state that is not this run's",
            Self::Incomplete => "states that are not all of the run's",
            Self::Terms => "terms of another run",
            Self::Own => "the querier's own items were not evaluated",
        })
    }
}

impl std::error::Error for MatchError {}
