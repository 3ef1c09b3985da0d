//! The side that learns the matches (`spec/31-lookup.md` §3, §4).
//!
//! `Attaching → Exchanging → Concluding → Concluded`: each phase owns what it needs and is
//! consumed by the step to the next.

mod exchange;

use std::{collections::BTreeMap, sync::Arc};

use blindmatch_audit::receipt::{Side, SignedReceipt};
use blindmatch_oprf::additive::AuthenticatedKey;
use rand_core::CryptoRng;

use self::exchange::Exchanging;
use super::{
    Concluded, Connection, Items, Terms, WINDOW,
    frame::ANSWER,
    journal::{Blinds, Entry},
};
use crate::{
    attach::{self, ATTACH, Attach},
    conclude::{self, Concluding, Conclusion},
    frame::{COUNTERSIGNATURE, kind},
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
    /// [`Fault::Terms`] for another key than the manifest's, [`Fault::Items`] for more items than
    /// were agreed, [`Fault::Journal`] for records that are not this run's.
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
                Record::Debit(_) | Record::Spent { .. } => return Err(Fault::Journal),
                Record::Receipt(signed) => base.signed = Some(signed),
                Record::State(state) => match Entry::read(&run, &state)? {
                    Entry::Attached { counter } => last_counter = counter.max(last_counter),
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
    Concluding(conclude::Awaited),
}

impl From<conclude::Awaited> for Awaited {
    fn from(awaited: conclude::Awaited) -> Self {
        Self::Concluding(awaited)
    }
}

type Out = Outbox<Awaited>;

/// The counter is stored, our attach frame goes out, the responder's comes in. On the first connection of
/// a run batches are made ready beside that: nothing of them depends on what the responder says.
struct Attaching<I> {
    exchanging: Exchanging<I>,
    attach: Attach,
    sent: bool,
    is_first: bool,
}

impl<I: Items> Phases for Phase<I> {
    type Awaited = Awaited;

    fn receive(self, frame: &[u8], out: &mut Out) -> Result<Self, Stop> {
        match (kind(frame, &[ATTACH, ANSWER, COUNTERSIGNATURE]), self) {
            (Some(ATTACH), Self::Attaching(phase)) => phase.attached(frame, out),
            (Some(ANSWER), Self::Exchanging(phase)) => phase.answered(frame, out),
            (Some(COUNTERSIGNATURE), Self::Concluding(phase)) => phase
                .countersigned(frame, out)
                .map(|phase| Self::Concluding(Box::new(phase))),
            (Some(_), _) => Err(Abort::UnexpectedFrame.into()),
            (None, _) => Err(Abort::Malformed.into()),
        }
    }

    fn complete(self, awaited: Awaited, outcome: Outcome, out: &mut Out) -> Result<Self, Stop> {
        match (self, awaited, outcome) {
            (Self::Attaching(phase), Awaited::CounterStored, Outcome::Stored) => {
                phase.counter_stored(out);
                Ok(Self::Attaching(phase))
            }
            // Another session of ours has begun a connection since our records were read.
            (Self::Attaching(_), Awaited::CounterStored, Outcome::Contradicted) => {
                Err(Fault::Journal.into())
            }
            (Self::Attaching(mut phase), Awaited::AttachSigned, Outcome::Signed(signature)) => {
                out.send(phase.attach.encode(&signature));
                phase.sent = true;
                Ok(Self::Attaching(phase))
            }
            (
                Self::Attaching(mut phase),
                awaited @ (Awaited::BlindsStored(_) | Awaited::Blinded(_)),
                outcome,
            ) => {
                phase.exchanging = phase.exchanging.complete(awaited, outcome, out)?;
                Ok(Self::Attaching(phase))
            }
            (Self::Exchanging(phase), awaited, outcome) => {
                Ok(Self::Exchanging(phase.complete(awaited, outcome, out)?))
            }
            (Self::Concluding(phase), Awaited::Concluding(awaited), outcome) => {
                Ok(match phase.complete(awaited, outcome, out)? {
                    Conclusion::Pending(phase) => Self::Concluding(phase),
                    Conclusion::Concluded(signed) => Self::Concluded(signed),
                })
            }
            _ => Err(Fault::Completion.into()),
        }
    }

    fn poll(self, now: UnixSeconds, rng: &mut dyn CryptoRng, out: &mut Out) -> Result<Self, Stop> {
        match self {
            Self::Attaching(mut phase) if phase.is_first => {
                phase.exchanging.fill_window(now, rng, out)?;
                Ok(Self::Attaching(phase))
            }
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
        let record = attach::record(&run, attach.counter);
        out.store(record, Awaited::CounterStored);
        Ok(Self {
            exchanging: Exchanging::begin(base),
            attach,
            sent: false,
            is_first: last_counter == 0,
        })
    }

    fn counter_stored(&self, out: &mut Out) {
        let sign = session::Task::Sign {
            key: self.exchanging.base.connection.signer,
            message: self.attach.signing_bytes(),
        };
        out.work(sign, Awaited::AttachSigned);
    }

    fn attached(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        if !self.sent {
            return Err(Abort::UnexpectedFrame.into());
        }
        let base = &mut self.exchanging.base;
        let theirs = Attach::accept(frame, &self.attach, &base.connection.peer)?;
        if theirs.counter != self.attach.counter {
            return Err(Abort::StaleAttach.into());
        }
        base.transcript.meet(&theirs, base.terms.batches())?;
        self.exchanging.attached(out);
        Ok(Phase::Exchanging(self.exchanging))
    }
}
