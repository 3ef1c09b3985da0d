//! The side that learns the matches (`spec/31-lookup.md` §3, §4).
//!
//! `Attaching → Exchanging → Concluding → Concluded`: each phase owns what it needs and is
//! consumed by the step to the next.

use std::{collections::BTreeMap, mem, sync::Arc};

use blindmatch_audit::{
    Signature,
    receipt::{Receipt, Side, SignedReceipt},
};
use blindmatch_oprf::{Blind, additive::AuthenticatedKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    Concluded, Connection, Item, Items, Task, Terms, WINDOW, first_item,
    frame::{self, ANSWER},
    journal::{self, Blinds, Entry},
    within_batch,
    work::{Asked, Finalized},
};
use crate::{
    attach::{ATTACH, Attach},
    frame::{COUNTERSIGNATURE, kind, read_countersignature, receipt},
    session::{
        self, Completion, Machine, Outbox, Outcome, Phases, Record, Session, Step, UnixSeconds,
    },
    stop::{Abort, Fault, Stop},
    transcript::Transcript,
};

/// The session of the side that asks.
pub struct Querier<I: Items>(Machine<Phase<I>>);

impl<I: Items> Querier<I> {
    /// Asks for `items` under the view's `key`, on one connection.
    ///
    /// `records` are those that this run stored on earlier connections; none begins the run.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] for another key than the manifest's, [`Fault::Items`] for more items than were agreed, [`Fault::Journal`] for records that are
    /// not this run's.
    pub fn new(
        terms: Terms,
        connection: Connection,
        key: Arc<AuthenticatedKey>,
        items: I,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, Fault> {
        if *key.public_key().as_bytes() != terms.public_key {
            return Err(Fault::Terms);
        }
        if items.count() > terms.evaluations() {
            return Err(Fault::Items);
        }
        let run = terms.run;
        let mut base = Base {
            transcript: Transcript::new(&run),
            terms,
            connection,
            key,
            items,
            blinds: BTreeMap::new(),
            signed: None,
        };
        let mut last_counter = 0;
        for record in records {
            match record {
                Record::Debit(_) => return Err(Fault::Journal),
                Record::Receipt(signed) => base.signed = Some(signed),
                Record::State(state) => match Entry::read(&run, &state)? {
                    Entry::Attached { counter } => last_counter = counter,
                    Entry::Blinds { batch, blinds } => {
                        base.blinds.insert(batch, blinds);
                    }
                    Entry::Outputs { batch, digest, .. } => {
                        let restored = base.transcript.restore(batch, digest);
                        restored.ok_or(Fault::Journal)?;
                        base.forget_blinds();
                    }
                    Entry::Answered { .. } => return Err(Fault::Journal),
                },
            }
        }
        let receipt = base.terms.receipt(&base.transcript);
        let mut out = Outbox::new();
        let phase = match base.signed.take() {
            Some(signed) if signed.receipt != receipt => return Err(Fault::Journal),
            Some(signed) if signed.responder.is_some() => Phase::Concluded(signed),
            signed => {
                base.signed = signed;
                Phase::Attaching(Attaching::begin(base, last_counter, &mut out)?)
            }
        };
        Ok(Self(Machine::new(run, phase, out)))
    }

    /// The concluded run, once both sides have signed.
    #[must_use]
    pub fn concluded(self) -> Option<Concluded> {
        match self.0.into_phase() {
            Some(Phase::Concluded(signed)) => Some(Concluded::new(*signed)),
            _ => None,
        }
    }
}

impl<I: Items> Session for Querier<I> {
    fn receive(&mut self, frame: &[u8]) {
        self.0.receive(frame);
    }

    fn complete(&mut self, completion: Completion) {
        self.0.complete(completion);
    }

    fn poll(&mut self, now: UnixSeconds, rng: &mut dyn CryptoRng) -> Step {
        self.0.poll(now, rng)
    }
}

/// What lasts as long as the connection.
struct Base<I> {
    terms: Terms,
    connection: Connection,
    key: Arc<AuthenticatedKey>,
    items: I,
    /// The batches whose answers are verified.
    transcript: Transcript,
    /// From earlier connections: the blinds of batches that may have to be sent again.
    blinds: BTreeMap<u64, Blinds>,
    /// From an earlier connection: the receipt with our signature, which we give for no other.
    signed: Option<Box<SignedReceipt>>,
}

enum Phase<I> {
    Attaching(Attaching<I>),
    Exchanging(Exchanging<I>),
    Concluding(Box<Concluding>),
    Concluded(Box<SignedReceipt>),
}

/// What a completion was asked for.
enum Awaited {
    CounterStored,
    AttachSigned,
    BlindsStored(u64),
    Blinded(u64),
    Finalized(u64),
    OutputsStored,
    ReceiptSigned,
    ReceiptStored,
    CountersignedStored,
}

type Out = Outbox<Awaited>;

/// The counter is stored, our attach frame goes out, the responder's comes in.
struct Attaching<I> {
    base: Base<I>,
    attach: Attach,
    sent: bool,
}

/// Batches go out, answers come in.
struct Exchanging<I> {
    base: Base<I>,
    in_flight: BTreeMap<u64, InFlight>,
    /// The next batch to blind.
    next: u64,
    /// The next batch to send.
    next_sent: u64,
    /// The next batch that the responder may answer.
    next_answer: u64,
    /// Outputs that are not durable yet.
    unsaved: usize,
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

/// Our signature, then theirs.
struct Concluding {
    terms: Terms,
    connection: Connection,
    receipt: Receipt,
    step: Signing,
}

enum Signing {
    Own,
    StoringOwn(Signature),
    AwaitingTheirs(Signature),
    StoringTheirs(Box<SignedReceipt>),
}

impl<I: Items> Phases for Phase<I> {
    type Awaited = Awaited;

    fn receive(self, frame: &[u8], out: &mut Out) -> Result<Self, Stop> {
        match (kind(frame, &[ATTACH, ANSWER, COUNTERSIGNATURE]), self) {
            (Some(ATTACH), Self::Attaching(phase)) => phase.attached(frame),
            (Some(ANSWER), Self::Exchanging(phase)) => phase.answered(frame, out),
            (Some(COUNTERSIGNATURE), Self::Concluding(phase)) => phase.countersigned(frame, out),
            (Some(_), _) => Err(Abort::UnexpectedFrame.into()),
            (None, _) => Err(Abort::Malformed.into()),
        }
    }

    fn complete(self, awaited: Awaited, outcome: Outcome, out: &mut Out) -> Result<Self, Stop> {
        use super::Outcome::{Blinded, Finalized};
        match (self, awaited, outcome) {
            (Self::Attaching(phase), Awaited::CounterStored, Outcome::Stored) => {
                phase.counter_stored(out);
                Ok(Self::Attaching(phase))
            }
            (Self::Attaching(mut phase), Awaited::AttachSigned, Outcome::Signed(signature)) => {
                out.send(phase.attach.encode(&signature));
                phase.sent = true;
                Ok(Self::Attaching(phase))
            }
            (Self::Exchanging(mut phase), awaited, outcome) => {
                match (awaited, outcome) {
                    (Awaited::BlindsStored(batch), Outcome::Stored) => {
                        phase.prepared(batch, None, out);
                    }
                    (Awaited::Blinded(batch), Outcome::Lookup(Blinded(asked))) => {
                        phase.prepared(batch, Some(asked), out);
                    }
                    (Awaited::Finalized(batch), Outcome::Lookup(Finalized(answer))) => {
                        phase.verified(batch, answer, out);
                    }
                    (Awaited::OutputsStored, Outcome::Stored) => phase.unsaved -= 1,
                    _ => return Err(Fault::Completion.into()),
                }
                Ok(Self::Exchanging(phase))
            }
            (Self::Concluding(phase), awaited, outcome) => phase.complete(awaited, outcome, out),
            _ => Err(Fault::Completion.into()),
        }
    }

    fn poll(self, now: UnixSeconds, rng: &mut dyn CryptoRng, out: &mut Out) -> Result<Self, Stop> {
        match self {
            Self::Exchanging(mut phase) => {
                phase.fill_window(now, rng, out)?;
                phase.conclude_if_done(out)
            }
            phase => Ok(phase),
        }
    }

    fn concluded(&self) -> bool {
        matches!(self, Self::Concluded(_))
    }
}

impl<I: Items> Base<I> {
    /// Blinds so far behind the last verified answer are of no use: the responder cannot be that
    /// far behind unless it lost what it stored, and then it has lost the debits with it.
    fn forget_blinds(&mut self) {
        let oldest = self.transcript.len().saturating_sub(WINDOW as u64);
        self.blinds = self.blinds.split_off(&oldest);
    }
}

impl<I: Items> Attaching<I> {
    fn begin(base: Base<I>, last_counter: u64, out: &mut Out) -> Result<Self, Fault> {
        let run = base.terms.run;
        let attach = Attach {
            run,
            side: Side::Querier,
            exporter: base.connection.exporter,
            counter: last_counter.checked_add(1).ok_or(Fault::Journal)?,
            batch: base.transcript.len(),
            digest: base.transcript.digest(),
        };
        let record = journal::attached(&run, attach.counter);
        out.store(record, Awaited::CounterStored);
        Ok(Self {
            base,
            attach,
            sent: false,
        })
    }

    fn counter_stored(&self, out: &mut Out) {
        let sign = session::Task::Sign {
            key: self.base.connection.signer,
            message: self.attach.signing_bytes(),
        };
        out.work(sign, Awaited::AttachSigned);
    }

    fn attached(mut self, frame: &[u8]) -> Result<Phase<I>, Stop> {
        if !self.sent {
            return Err(Abort::UnexpectedFrame.into());
        }
        let base = &mut self.base;
        let theirs = Attach::accept(frame, &self.attach, &base.connection.peer)?;
        if theirs.counter != self.attach.counter {
            return Err(Abort::StaleAttach.into());
        }
        if theirs.batch > base.terms.batches() {
            return Err(Abort::BatchNumber.into());
        }
        // Both go on from the smaller; who is ahead compares.
        if let Some(digest) = base.transcript.digest_after(theirs.batch) {
            if digest != theirs.digest {
                return Err(Abort::Transcript.into());
            }
            base.transcript.rewind(theirs.batch);
        }
        let next = base.transcript.len() + 1;
        Ok(Phase::Exchanging(Exchanging {
            base: self.base,
            in_flight: BTreeMap::new(),
            next,
            next_sent: next,
            next_answer: next,
            unsaved: 0,
        }))
    }
}

impl<I: Items> Exchanging<I> {
    /// Begins to blind as many batches as the window has room for.
    fn fill_window(
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
        while let Some(in_flight) = self.in_flight.get_mut(&self.next_sent) {
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

    fn answered(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
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
            out.store(record, Awaited::OutputsStored);
            self.unsaved += 1;
        }
    }

    fn conclude_if_done(self, out: &mut Out) -> Result<Phase<I>, Stop> {
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
        let sign = session::Task::Sign {
            key: connection.signer,
            message: receipt.signing_bytes(Side::Querier),
        };
        out.work(sign, Awaited::ReceiptSigned);
        Ok(Phase::Concluding(Box::new(Concluding {
            terms,
            connection,
            receipt,
            step: Signing::Own,
        })))
    }
}

impl Concluding {
    fn complete<I>(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Out,
    ) -> Result<Phase<I>, Stop> {
        let step = mem::replace(&mut self.step, Signing::Own);
        self.step = match (step, awaited, outcome) {
            (Signing::Own, Awaited::ReceiptSigned, Outcome::Signed(signature)) => {
                let record = Record::Receipt(Box::new(self.signed(signature, None)));
                out.store(record, Awaited::ReceiptStored);
                Signing::StoringOwn(signature)
            }
            (Signing::StoringOwn(signature), Awaited::ReceiptStored, Outcome::Stored) => {
                out.send(receipt(&self.receipt, &signature));
                Signing::AwaitingTheirs(signature)
            }
            (Signing::StoringTheirs(signed), Awaited::CountersignedStored, Outcome::Stored) => {
                return Ok(Phase::Concluded(signed));
            }
            (Signing::StoringOwn(_), Awaited::ReceiptStored, Outcome::Contradicted) => {
                return Err(Fault::Journal.into());
            }
            _ => return Err(Fault::Completion.into()),
        };
        Ok(Phase::Concluding(Box::new(self)))
    }

    fn countersigned<I>(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        let Signing::AwaitingTheirs(own) = self.step else {
            return Err(Abort::UnexpectedFrame.into());
        };
        let theirs = read_countersignature(&self.terms.run, frame)?;
        self.receipt
            .verify(Side::Responder, &self.connection.peer, &theirs)
            .map_err(|_| Abort::Signature)?;
        let signed = Box::new(self.signed(own, Some(theirs)));
        out.store(
            Record::Receipt(signed.clone()),
            Awaited::CountersignedStored,
        );
        self.step = Signing::StoringTheirs(signed);
        Ok(Phase::Concluding(Box::new(self)))
    }

    fn signed(&self, querier: Signature, responder: Option<Signature>) -> SignedReceipt {
        SignedReceipt {
            receipt: self.receipt.clone(),
            querier,
            responder,
        }
    }
}

/// How many of a batch's `size` inputs are items, and not padding.
fn real_items<I: Items>(items: &I, batch: u64, size: usize) -> usize {
    within_batch(items.count(), batch).min(size)
}
