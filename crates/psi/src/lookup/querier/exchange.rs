//! Batches out, answers in (`spec/31-lookup.md` §3).

use std::{collections::BTreeMap, mem, sync::Arc};

use blindmatch_oprf::Blind;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    super::{
        Item, Items, Task, WINDOW, first_item, frame,
        journal::{self, Blinds},
        within_batch,
        work::{Asked, Finalized},
    },
    Awaited, Base, Out, Phase,
};
use crate::{
    conclude::Concluding,
    session::{self, Outcome, Record, UnixSeconds},
    stop::{Abort, Fault, Stop},
};

/// Batches go out, answers come in.
pub(super) struct Exchanging<I> {
    pub(super) base: Base<I>,
    /// Whether the responder is there to be sent anything.
    is_attached: bool,
    in_flight: BTreeMap<u64, InFlight>,
    /// The next batch to blind.
    next: u64,
    /// The next batch to send.
    next_sent: u64,
    /// The next batch that the responder may answer.
    next_answer: u64,
    /// Outputs that are not durable yet.
    unsaved: usize,
    /// The outputs of the last batch: they are stored beside the receipt over them.
    last: Option<Record>,
}

/// A batch under way, from blinding to its turn in the transcript.
enum InFlight {
    Preparing {
        asked: Option<Asked>,
        /// Whether the blinds are durable.
        stored: bool,
    },
    Sent(Asked),
    Verifying,
    Verified(Finalized),
}

impl<I: Items> Exchanging<I> {
    pub(super) fn begin(base: Base<I>) -> Self {
        let next = base.transcript.len() + 1;
        Self {
            base,
            is_attached: false,
            in_flight: BTreeMap::new(),
            next,
            next_sent: next,
            next_answer: next,
            unsaved: 0,
            last: None,
        }
    }

    /// The responder is there, and goes on from the same batch.
    pub(super) fn attached(&mut self, out: &mut Out) {
        let next = self.base.transcript.len() + 1;
        if self.in_flight.is_empty() {
            (self.next, self.next_sent, self.next_answer) = (next, next, next);
        }
        self.is_attached = true;
        self.send_prepared(out);
    }

    pub(super) fn complete(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Self, Stop> {
        use super::super::Outcome::{Blinded, Finalized};
        match (awaited, outcome) {
            (Awaited::BlindsStored(batch), Outcome::Stored) => self.prepared(batch, None, out),
            (Awaited::Blinded(batch), Outcome::Lookup(Blinded(asked))) => {
                self.prepared(batch, Some(asked), out);
            }
            (Awaited::Finalized(batch), Outcome::Lookup(Finalized(answer))) => {
                self.verified(batch, answer, out);
            }
            (Awaited::OutputsStored, Outcome::Stored) => self.unsaved -= 1,
            _ => return Err(Fault::Completion.into()),
        }
        Ok(self)
    }

    /// Begins to blind as many batches as the window has room for.
    pub(super) fn fill_window(
        &mut self,
        now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Out,
    ) -> Result<(), Stop> {
        while self.in_flight.len() < WINDOW && self.next <= self.base.terms.batches() {
            if now > self.base.terms.until {
                return Err(Abort::EpochOver.into());
            }
            let batch = self.next;
            self.next += 1;
            let inputs = self.read_inputs(batch)?;
            let resent = self.base.blinds.remove(&batch);
            let stored = resent.is_some();
            if self.base.signed.is_some() && !stored {
                // Fresh blinds would make another transcript than the one that we signed.
                return Err(Abort::Transcript.into());
            }
            let blinds = resent.unwrap_or_else(|| {
                let fresh = inputs.iter().map(|_| Blind::random(rng));
                Blinds::new(fresh.collect(), &inputs)
            });
            if !stored {
                let record = journal::blinds(&self.base.terms.run, batch, &blinds);
                out.store(record, Awaited::BlindsStored(batch));
            } else if !blinds.are_for(&inputs) {
                return Err(Fault::Items.into());
            }
            let blinds = blinds.blinds;
            let task = Task::Blind { inputs, blinds };
            out.work(session::Task::Lookup(task), Awaited::Blinded(batch));
            let asked = None;
            self.in_flight
                .insert(batch, InFlight::Preparing { asked, stored });
        }
        Ok(())
    }

    /// The inputs of a batch, padded with empty ones, which under their blinds look like all
    /// others.
    fn read_inputs(&mut self, batch: u64) -> Result<Vec<Item>, Fault> {
        let Base { terms, items, .. } = &mut self.base;
        let size = terms.batch_size(batch);
        let real = real_items(items, batch, size);
        let mut inputs = match real {
            0 => Vec::new(),
            _ => items.read(first_item(batch), real).ok_or(Fault::Items)?,
        };
        if inputs.len() != real {
            return Err(Fault::Items);
        }
        inputs.resize_with(size, || Zeroizing::new(Vec::new()));
        Ok(inputs)
    }

    /// Takes one of the two things that a batch needs before it leaves, and sends what is ready.
    fn prepared(&mut self, batch: u64, blinded: Option<Asked>, out: &mut Out) {
        if let Some(InFlight::Preparing { asked, stored }) = self.in_flight.get_mut(&batch) {
            match blinded {
                Some(blinded) => *asked = Some(blinded),
                None => *stored = true,
            }
        }
        self.send_prepared(out);
    }

    fn send_prepared(&mut self, out: &mut Out) {
        while self.is_attached
            && let Some(in_flight) = self.in_flight.get_mut(&self.next_sent)
        {
            match mem::replace(in_flight, InFlight::Verifying) {
                InFlight::Preparing {
                    asked: Some(asked),
                    stored: true,
                } => {
                    let elements = asked.blinded.elements();
                    out.send(frame::batch(&self.base.terms.run, self.next_sent, elements));
                    *in_flight = InFlight::Sent(asked);
                    self.next_sent += 1;
                }
                other => {
                    *in_flight = other;
                    return;
                }
            }
        }
    }

    pub(super) fn answered(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        let answer = frame::read_answer(&self.base.terms.run, frame)?;
        if answer.batch != self.next_answer {
            return Err(Abort::BatchNumber.into());
        }
        if answer.evaluated.len() != self.base.terms.batch_size(answer.batch) {
            return Err(Abort::BatchSize.into());
        }
        let in_flight = self.in_flight.get_mut(&answer.batch);
        let in_flight = in_flight.ok_or(Abort::UnexpectedFrame)?;
        let InFlight::Sent(asked) = mem::replace(in_flight, InFlight::Verifying) else {
            // Answered before it was asked.
            return Err(Abort::UnexpectedFrame.into());
        };
        self.next_answer += 1;
        let task = Task::Finalize {
            asked,
            evaluated: answer.evaluated,
            proof: answer.proof,
            key: Arc::clone(&self.base.key),
        };
        out.work(
            session::Task::Lookup(task),
            Awaited::Finalized(answer.batch),
        );
        Ok(Phase::Exchanging(self))
    }

    /// Takes a verified answer; those whose turn it is enter the transcript and are stored.
    fn verified(&mut self, batch: u64, answer: Finalized, out: &mut Out) {
        self.in_flight.insert(batch, InFlight::Verified(answer));
        loop {
            let batch = self.base.transcript.len() + 1;
            let Some(InFlight::Verified(answer)) = self
                .in_flight
                .get(&batch)
                .and_then(|in_flight| matches!(in_flight, InFlight::Verified(_)).then_some(()))
                .and_then(|()| self.in_flight.remove(&batch))
            else {
                return;
            };
            let Base {
                terms,
                items,
                transcript,
                ..
            } = &mut self.base;
            transcript.absorb(&[
                answer.blinded.as_flattened(),
                answer.evaluated.as_flattened(),
            ]);
            let real = real_items(items, batch, answer.outputs.len());
            let outputs = answer.outputs.get(..real).unwrap_or_default();
            let record = journal::outputs(&terms.run, batch, transcript.digest(), outputs);
            if batch == terms.batches() {
                self.last = Some(record);
            } else {
                out.store(record, Awaited::OutputsStored);
                self.unsaved += 1;
            }
        }
    }

    pub(super) fn conclude_if_done(self, out: &mut Out) -> Result<Phase<I>, Stop> {
        if self.unsaved > 0 || self.base.transcript.len() < self.base.terms.batches() {
            return Ok(Phase::Exchanging(self));
        }
        let Base {
            terms,
            connection,
            transcript,
            signed,
            ..
        } = self.base;
        let receipt = terms.receipt(&transcript);
        if signed.is_some_and(|signed| signed.receipt != receipt) {
            return Err(Abort::Transcript.into());
        }
        let concluding = Concluding::begin(terms.run, connection, receipt, self.last, out);
        Ok(Phase::Concluding(Box::new(concluding)))
    }
}

/// How many of a batch's `size` inputs are items, and not padding.
fn real_items<I: Items>(items: &I, batch: u64, size: usize) -> usize {
    within_batch(items.count(), batch).min(size)
}
