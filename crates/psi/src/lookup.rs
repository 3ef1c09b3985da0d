//! The lookup protocol: an OPRF against a published view (`spec/31-lookup.md`).
//!
//! The [`Querier`] asks for evaluations of its blinded items in batches, the [`Responder`]
//! charges and evaluates them with one proof a batch, both sign the receipt, and only then does
//! the querier look its outputs up in the view ([`Concluded`]). The responder learns the class of
//! the number of items and nothing else.

mod concluded;
mod frame;
mod journal;
mod matches;
mod querier;
mod responder;
mod work;

use blindmatch_audit::receipt::{Input, Receipt};
use blindmatch_oprf::MAX_BATCH;
use zeroize::Zeroizing;

pub(crate) use self::work::{Outcome, Task};
pub use self::{
    concluded::Concluded,
    matches::{Found, MatchError, Matches, find},
    querier::Querier,
    responder::Responder,
};
pub use crate::session::Connection;
use crate::{
    agreement::{Agreement, Direction, Protocol, RunId},
    publication::{Manifest, QueryClass},
    session::UnixSeconds,
    stop::Fault,
    transcript::Transcript,
};

/// How many batches may be under way at once: sent, and not yet answered.
pub const WINDOW: usize = 4;

/// An item as it is hashed: the canonical bytes of an indicator, wiped when dropped.
pub type Item = Zeroizing<Vec<u8>>;

/// The items that a querier asks for, in the order of its results.
///
/// A run that is resumed must be given the same items in the same order.
pub trait Items: Send {
    /// How many there are.
    fn count(&self) -> u64;

    /// The next `count` items from `first` on, all of which exist; `None` where they cannot be
    /// read any more.
    fn read(&mut self, first: u64, count: usize) -> Option<Vec<Item>>;
}

impl Items for Vec<Item> {
    fn count(&self) -> u64 {
        // No `Vec` is longer than 2^63.
        self.len() as u64
    }

    fn read(&mut self, first: u64, count: usize) -> Option<Vec<Item>> {
        let first = usize::try_from(first).ok()?;
        let items = self.get(first..first.checked_add(count)?)?;
        Some(items.to_vec())
    }
}

/// What both sides of one lookup run know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    run: RunId,
    querier: Vec<u8>,
    responder: Vec<u8>,
    querier_input: Input,
    responder_input: Input,
    /// The view's public key.
    public_key: [u8; 32],
    until: UnixSeconds,
}

impl Terms {
    /// The terms of the run in `direction` of an agreement, against the view that `manifest`
    /// describes, whose key may be used until `until`.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] where the agreement is about another protocol or another manifest than
    /// this one, the number of items is not a size class, a nonce is missing, or a setup is named,
    /// of which this protocol has none. Which types have a payment key is for the caller to check.
    pub fn new(
        agreement: &Agreement,
        direction: &Direction,
        manifest: &Manifest,
        until: UnixSeconds,
    ) -> Result<Self, Fault> {
        let responder = &agreement.party(direction.querier.other()).identity;
        let class = direction.querier_input.class;
        let domain = &manifest.domain;
        let agreed = agreement.protocol == Protocol::Lookup
            && agreement.directions.contains(direction)
            && agreement.parties.iter().all(|party| party.nonce != [0; 32])
            && direction.setup == [0; 32]
            && QueryClass::holding(class).is_some_and(|least| least.items() == class)
            && direction.responder_input == view_input(manifest)
            && direction.canonicalisation == manifest.canonicalisation
            && agreement.consortium == domain.consortium
            && *responder == domain.responder
            && direction.view == domain.view
            && direction.indicator_type == domain.indicator_type;
        if !agreed {
            return Err(Fault::Terms);
        }
        Ok(Self {
            run: agreement.run_id(direction),
            querier: agreement.party(direction.querier).identity.clone(),
            responder: responder.clone(),
            querier_input: direction.querier_input,
            responder_input: direction.responder_input,
            public_key: manifest.public_key,
            until,
        })
    }

    /// The run's id.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The evaluations that the whole run costs, and the most that it can cost (`spec/31 §3`).
    #[must_use]
    pub const fn evaluations(&self) -> u64 {
        self.querier_input.class
    }

    /// The number of batches: full ones, and what remains in the last.
    const fn batches(&self) -> u64 {
        batches(self.evaluations())
    }

    /// The number of elements in a batch, all of them counted from 1; zero beyond the last.
    fn batch_size(&self, batch: u64) -> usize {
        within_batch(self.evaluations(), batch)
    }

    /// The receipt of the whole run.
    fn receipt(&self, transcript: &Transcript) -> Receipt {
        Receipt {
            run: self.run.0,
            querier: self.querier.clone(),
            responder: self.responder.clone(),
            querier_input: self.querier_input,
            responder_input: self.responder_input,
            transcript: transcript.digest(),
        }
    }
}

/// The number of batches of so many inputs.
const fn batches(inputs: u64) -> u64 {
    inputs.div_ceil(MAX_BATCH as u64)
}

/// How many of so many inputs are in a batch.
fn within_batch(inputs: u64, batch: u64) -> usize {
    let rest = inputs.saturating_sub(first_item(batch));
    usize::try_from(rest).map_or(MAX_BATCH, |rest| rest.min(MAX_BATCH))
}

/// The index of the first item of a batch.
const fn first_item(batch: u64) -> u64 {
    batch.saturating_sub(1).saturating_mul(MAX_BATCH as u64)
}

/// What the responder puts into a lookup run: the view of a manifest.
#[must_use]
pub fn view_input(manifest: &Manifest) -> Input {
    Input {
        commitment: manifest.digest(),
        class: manifest.edition.class().entries(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn terms(class: u64) -> Terms {
        let input = Input {
            commitment: [0; 32],
            class,
        };
        Terms {
            run: RunId([0; 32]),
            querier: Vec::new(),
            responder: Vec::new(),
            querier_input: input,
            responder_input: input,
            public_key: [0; 32],
            until: UnixSeconds(0),
        }
    }

    #[test]
    fn batches_are_those_of_the_vectors() {
        let vectors = include_str!("../../../spec/vectors/session.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        for vector in vectors["batches"].as_array().unwrap() {
            let terms = terms(vector["class"].as_u64().unwrap());
            let sizes = vector["sizes"].as_array().unwrap();
            assert_eq!(terms.batches(), sizes.len() as u64);
            for (batch, size) in (1..).zip(sizes) {
                assert_eq!(terms.batch_size(batch) as u64, size.as_u64().unwrap());
            }
            assert_eq!(terms.batch_size(terms.batches() + 1), 0);
        }
    }

    #[test]
    fn every_batch_of_every_class_is_of_a_class() {
        let mut class = 8;
        while class < 1 << 40 {
            let terms = terms(class);
            let last = terms.batch_size(terms.batches()) as u64;
            assert_eq!(QueryClass::holding(last).unwrap().items(), last, "{class}");
            class = QueryClass::holding(class + 1).unwrap().items();
        }
        // The largest numbers that a peer could name neither overflow nor panic.
        assert_eq!(terms(8).batch_size(u64::MAX), 0);
        assert_eq!(terms(u64::MAX).batch_size(1), MAX_BATCH);
    }
}
