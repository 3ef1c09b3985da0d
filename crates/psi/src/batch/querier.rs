//! The side that learns the matches (`spec/34-batch.md` §3).
//!
//! `Attaching → Masking → Reading → Concluding → Concluded`: each phase owns what it needs and is
//! consumed by the step to the next.

mod masking;
mod reading;

use std::{collections::BTreeMap, sync::Arc};

use blindmatch_audit::receipt::{Side, SignedReceipt};
use rand_core::CryptoRng;

use self::{masking::Masking, reading::Reading};
use super::{
    Concluded, Own,
    frame::{ANSWER, EVALUATED},
    journal::Entry,
    loading,
    setup::PreparedQuerier,
    terms::Terms,
};
use crate::{
    attach::{self, ATTACH, Attach},
    conclude::{self, Concluding, Conclusion},
    frame::{COUNTERSIGNATURE, kind},
    lookup::Items,
    session::{
        self, Completion, Connection, Machine, Outbox, Outcome, Phases, Record, Session, Step,
        UnixSeconds,
    },
    stop::{Abort, Fault, Stop},
    transcript::Transcript,
};

/// The session of the side that asks.
pub struct Querier<I: Items>(Machine<Phase<I>>);

impl<I: Items> Querier<I> {
    /// Asks for `items` over a setup, on one connection.
    ///
    /// `records` are those that this run stored on earlier connections; none begins the run. The
    /// setup is in them once it is spent, and is no longer asked for.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] for another setup than the agreed one or none, [`Fault::Items`] for more
    /// items than were agreed, [`Fault::Journal`] for records that are not this run's.
    pub fn new(
        terms: Terms,
        connection: Connection,
        setup: Option<PreparedQuerier>,
        items: I,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, Fault> {
        if items.count() > terms.querier_class() as u64 {
            return Err(Fault::Items);
        }
        let run = terms.run();
        let mut base = Base {
            transcript: Transcript::new(&run),
            terms,
            connection,
            items,
            setup: setup.map(Arc::new),
            spent: false,
            sent: None,
            signed: None,
        };
        let mut last_counter = 0;
        for record in records {
            match record {
                Record::Debit(_) => return Err(Fault::Journal),
                Record::Receipt(signed) => base.signed = Some(signed),
                Record::Spent { setup } if setup == base.terms.setup().id().0 => base.spent = true,
                Record::Spent { .. } => return Err(Fault::Journal),
                Record::State(state) => match Entry::read(&run, &state)? {
                    Entry::Attached { counter } => last_counter = counter.max(last_counter),
                    Entry::Sealed(sealed) => base.setup = Some(Arc::new(sealed.setup)),
                    Entry::Sent { digest } => base.sent = Some(digest),
                    Entry::Piece { .. } => {}
                    Entry::Answered { digest } => {
                        let restored = base.transcript.restore(1, digest);
                        restored.ok_or(Fault::Journal)?;
                    }
                },
            }
        }
        let receipt = base.terms.receipt(&base.transcript);
        if base
            .setup
            .as_ref()
            .is_none_or(|setup| setup.terms() != base.terms.setup())
        {
            return Err(Fault::Terms);
        }
        let mut out = Outbox::new();
        let phase = match base.signed.take() {
            Some(signed) if signed.receipt != receipt => return Err(Fault::Journal),
            Some(signed) if signed.responder.is_some() => Phase::Concluded(signed, None),
            signed => {
                base.signed = signed;
                Phase::Attaching(Box::new(Attaching::begin(base, last_counter, &mut out)?))
            }
        };
        Ok(Self(Machine::new(run, phase, out)))
    }

    /// The concluded run, once both sides have signed.
    #[must_use]
    pub fn concluded(self) -> Option<Concluded> {
        match self.0.into_phase() {
            Some(Phase::Concluded(signed, own)) => Some(Concluded::new(*signed, own)),
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
    items: I,
    setup: Option<Arc<PreparedQuerier>>,
    /// One step: F8 and its answer.
    transcript: Transcript,
    /// Whether the setup is spent: then nothing of F8 leaves any more.
    spent: bool,
    /// The digest of F8, where all of it may have left.
    sent: Option<[u8; 32]>,
    /// From an earlier connection: the receipt with our signature, which we give for no other.
    signed: Option<Box<SignedReceipt>>,
}

enum Phase<I> {
    Attaching(Box<Attaching<I>>),
    Masking(Box<Masking<I>>),
    Reading(Box<Reading<I>>),
    Concluding(Box<Concluding>, Option<Own>),
    Concluded(Box<SignedReceipt>, Option<Own>),
}

/// What a completion was asked for.
enum Awaited {
    CounterStored,
    AttachSigned,
    Loading(loading::Awaited),
    Binned,
    Expanded,
    Encoded,
    Masked,
    SealedStored,
    SpentStored,
    SentStored,
    PieceStored,
    AnsweredStored,
    Concluding(conclude::Awaited),
}

impl From<conclude::Awaited> for Awaited {
    fn from(awaited: conclude::Awaited) -> Self {
        Self::Concluding(awaited)
    }
}

type Out = Outbox<Awaited>;

/// The counter is stored, our attach frame goes out, the responder's comes in.
struct Attaching<I> {
    base: Base<I>,
    attach: Attach,
    sent: bool,
}

impl<I: Items> Phases for Phase<I> {
    type Awaited = Awaited;

    fn receive(self, frame: &[u8], out: &mut Out) -> Result<Self, Stop> {
        let kinds = [ATTACH, ANSWER, EVALUATED, COUNTERSIGNATURE];
        match (kind(frame, &kinds), self) {
            (Some(ATTACH), Self::Attaching(phase)) => phase.attached(frame, out),
            (Some(EVALUATED), Self::Masking(phase)) => phase.evaluated(frame),
            (Some(ANSWER), Self::Reading(phase)) => phase.piece(frame, out),
            (Some(COUNTERSIGNATURE), Self::Concluding(phase, own)) => phase
                .countersigned(frame, out)
                .map(|phase| Self::Concluding(Box::new(phase), own)),
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
            (Self::Masking(phase), awaited, outcome) => phase.complete(awaited, outcome, out),
            (Self::Reading(phase), awaited, outcome) => phase.complete(awaited, outcome, out),
            (Self::Concluding(phase, own), Awaited::Concluding(awaited), outcome) => {
                Ok(match phase.complete(awaited, outcome, out)? {
                    Conclusion::Pending(phase) => Self::Concluding(phase, own),
                    Conclusion::Concluded(signed) => Self::Concluded(signed, own),
                })
            }
            _ => Err(Fault::Completion.into()),
        }
    }

    fn poll(self, now: UnixSeconds, rng: &mut dyn CryptoRng, out: &mut Out) -> Result<Self, Stop> {
        match self {
            Self::Masking(phase) => phase.poll(now, rng, out),
            phase => Ok(phase),
        }
    }

    fn concluded(&self) -> bool {
        matches!(self, Self::Concluded(..))
    }
}

impl<I: Items> Attaching<I> {
    fn begin(base: Base<I>, last_counter: u64, out: &mut Out) -> Result<Self, Fault> {
        let run = base.terms.run();
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

    fn attached(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        if !self.sent {
            return Err(Abort::UnexpectedFrame.into());
        }
        let base = &mut self.base;
        let theirs = Attach::accept(frame, &self.attach, &base.connection.peer)?;
        if theirs.counter != self.attach.counter {
            return Err(Abort::StaleAttach.into());
        }
        base.transcript.meet(&theirs, 1)?;
        if base.transcript.len() == 1 {
            return self.base.conclude(None, out);
        }
        match (base.spent, base.sent, theirs.batch) {
            // They have answered what we have never sent.
            (false, _, 1) => Err(Abort::Transcript.into()),
            (false, _, _) => Ok(Phase::Masking(Box::new(Masking::begin(self.base)))),
            (true, Some(masked), 1) => Reading::begin(self.base, masked, None).map(Phase::reading),
            // Some of F8 may have left, and there is no answer to it: it is never made again.
            (true, ..) => Err(Abort::Spent.into()),
        }
    }
}

impl<I> Phase<I> {
    fn reading(phase: Reading<I>) -> Self {
        Self::Reading(Box::new(phase))
    }
}

impl<I> Base<I> {
    /// The responder's commitment to its share.
    fn commitment(&self) -> Result<[u8; 32], Fault> {
        let setup = self.setup.as_ref().ok_or(Fault::Terms)?;
        Ok(*setup.commitment())
    }

    fn conclude(self, own: Option<Own>, out: &mut Out) -> Result<Phase<I>, Stop> {
        let Self {
            terms,
            connection,
            transcript,
            signed,
            ..
        } = self;
        let receipt = terms.receipt(&transcript);
        if signed.is_some_and(|signed| signed.receipt != receipt) {
            return Err(Abort::Transcript.into());
        }
        let concluding = Concluding::begin(terms.run(), connection, receipt, None, out);
        Ok(Phase::Concluding(Box::new(concluding), own))
    }
}

/// Parts that came back in any order, by their numbers.
type Parts<T> = BTreeMap<u32, T>;
