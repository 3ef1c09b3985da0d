//! The side that serves its set (`spec/34-batch.md` §3).
//!
//! `Waiting → Attaching → Serving → Answering → Countersigning → Concluded`, each consumed by the
//! step to the next. The run is charged and its setup spent, durably, before anything is
//! evaluated; the answer is stored, whole, before anything of it leaves.

mod answering;
mod serving;

use std::{collections::BTreeMap, sync::Arc};

use blindmatch_audit::receipt::{Side, SignedReceipt};
use rand_core::CryptoRng;

use self::{answering::Answering, serving::Serving};
use super::{
    frame::MASKED, items::LabelledItems, journal::Entry, loading, setup::PreparedResponder,
    terms::Terms,
};
use crate::{
    attach::{self, ATTACH, Attach},
    conclude::{self, Countersigned, Countersigning},
    frame::{RECEIPT, kind},
    session::{
        self, Completion, Connection, Machine, Outbox, Outcome, Phases, Record, Session, Step,
        UnixSeconds,
    },
    stop::{Abort, Fault, Stop},
    transcript::Transcript,
};

/// The session of the side that serves.
pub struct Responder<I: LabelledItems>(Machine<Phase<I>>);

impl<I: LabelledItems> Responder<I> {
    /// Serves `items` over a setup, on one connection.
    ///
    /// `records` are those that this run stored on earlier connections; none begins the run. The
    /// setup is no longer asked for once it is spent.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] for another setup than the agreed one or none, [`Fault::Items`] for more
    /// items than were agreed, [`Fault::Journal`] for records that are not this run's.
    pub fn new(
        terms: Terms,
        connection: Connection,
        setup: Option<PreparedResponder>,
        items: I,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, Fault> {
        if items.count() > terms.responder_class() as u64 {
            return Err(Fault::Items);
        }
        if setup
            .as_ref()
            .is_some_and(|setup| setup.terms() != terms.setup())
        {
            return Err(Fault::Terms);
        }
        let run = terms.run();
        let mut base = Base {
            transcript: Transcript::new(&run),
            terms,
            connection,
            items,
            setup: setup.map(Arc::new),
            spent: false,
            pieces: BTreeMap::new(),
            signed: false,
        };
        let mut last_counter = 0;
        for record in records {
            match record {
                Record::Debit(_) => {}
                Record::Receipt(_) => base.signed = true,
                Record::Spent { setup } if setup == base.terms.setup().id().0 => base.spent = true,
                Record::Spent { .. } => return Err(Fault::Journal),
                Record::State(state) => match Entry::read(&run, &state)? {
                    Entry::Attached { counter } => last_counter = counter.max(last_counter),
                    Entry::Piece { number, bytes } => {
                        base.pieces.insert(number, bytes.to_vec());
                    }
                    Entry::Answered { digest } => {
                        let restored = base.transcript.restore(1, digest);
                        restored.ok_or(Fault::Journal)?;
                    }
                    Entry::Sealed(_) | Entry::Sent { .. } => return Err(Fault::Journal),
                },
            }
        }
        let answered = base.transcript.len() == 1;
        if base.signed && !answered {
            return Err(Fault::Journal);
        }
        if !base.spent && base.setup.is_none() {
            return Err(Fault::Terms);
        }
        let phase = Phase::Waiting(Box::new(Waiting { base, last_counter }));
        Ok(Self(Machine::new(run, phase, Outbox::new())))
    }

    /// The receipt, once both sides have signed it.
    #[must_use]
    pub fn receipt(self) -> Option<SignedReceipt> {
        match self.0.into_phase() {
            Some(Phase::Concluded(signed)) => Some(*signed),
            _ => None,
        }
    }
}

impl<I: LabelledItems> Session for Responder<I> {
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
    setup: Option<Arc<PreparedResponder>>,
    /// One step: F8 and its answer.
    transcript: Transcript,
    /// Whether the setup is spent: then nothing is evaluated under it any more.
    spent: bool,
    /// The answer, from an earlier connection.
    pieces: BTreeMap<u64, Vec<u8>>,
    /// Whether we signed the receipt on an earlier connection.
    signed: bool,
}

enum Phase<I> {
    Waiting(Box<Waiting<I>>),
    Attaching(Box<Attaching<I>>),
    Serving(Box<Serving<I>>),
    Answering(Box<Answering<I>>),
    Countersigning(Countersigning),
    Concluded(Box<SignedReceipt>),
}

/// What a completion was asked for.
enum Awaited {
    CounterStored,
    AttachSigned,
    Loading(loading::Awaited),
    Expanded,
    DebitStored,
    SpentStored,
    Binned,
    Evaluated,
    Finished,
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

/// Nothing was heard of the querier yet.
struct Waiting<I> {
    base: Base<I>,
    last_counter: u64,
}

/// The querier's attach frame holds; its counter is stored and our own frame goes out.
struct Attaching<I> {
    base: Base<I>,
    attach: Attach,
    /// The step up to which the querier has our answer.
    theirs: u64,
}

impl<I: LabelledItems> Phases for Phase<I> {
    type Awaited = Awaited;

    fn receive(self, frame: &[u8], out: &mut Out) -> Result<Self, Stop> {
        match (kind(frame, &[ATTACH, MASKED, RECEIPT]), self) {
            (Some(ATTACH), Self::Waiting(phase)) => phase.attached(frame, out),
            (Some(MASKED), Self::Serving(phase)) => phase.piece(frame, out),
            (Some(RECEIPT), Self::Answering(phase)) => phase.receipt(frame, out),
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
            // Another connection of this run was attached under this counter or a higher one.
            (Self::Attaching(_), Awaited::CounterStored, Outcome::Contradicted) => {
                Err(Abort::StaleAttach.into())
            }
            (Self::Attaching(phase), Awaited::AttachSigned, Outcome::Signed(signature)) => {
                out.send(phase.attach.encode(&signature));
                phase.serve()
            }
            (Self::Serving(phase), awaited, outcome) => phase.complete(awaited, outcome, out),
            (Self::Countersigning(phase), Awaited::Concluding(awaited), outcome) => {
                Ok(match phase.complete(awaited, outcome, out)? {
                    Countersigned::Pending(phase) => Self::Countersigning(phase),
                    Countersigned::Concluded(signed) => Self::Concluded(signed),
                })
            }
            _ => Err(Fault::Completion.into()),
        }
    }

    fn poll(self, now: UnixSeconds, rng: &mut dyn CryptoRng, out: &mut Out) -> Result<Self, Stop> {
        match self {
            Self::Serving(phase) => phase.poll(now, rng, out),
            Self::Answering(mut phase) => {
                phase.send_next(out);
                Ok(Self::Answering(phase))
            }
            phase => Ok(phase),
        }
    }

    fn concluded(&self) -> bool {
        matches!(self, Self::Concluded(_))
    }
}

impl<I: LabelledItems> Waiting<I> {
    fn attached(mut self, frame: &[u8], out: &mut Out) -> Result<Phase<I>, Stop> {
        let base = &mut self.base;
        let mut attach = Attach {
            run: base.terms.run(),
            side: Side::Responder,
            exporter: base.connection.exporter,
            counter: 0,
            batch: base.transcript.len(),
            digest: base.transcript.digest(),
        };
        let theirs = Attach::accept(frame, &attach, &base.connection.peer)?;
        if theirs.counter <= self.last_counter {
            return Err(Abort::StaleAttach.into());
        }
        if base.signed && theirs.batch < 1 {
            return Err(Abort::Transcript.into());
        }
        attach.counter = theirs.counter;
        // The answer stays as it is, however often it is asked for.
        let own = base.transcript.clone();
        base.transcript.meet(&theirs, 1)?;
        base.transcript = own;
        // Evaluated, or about to be, and no answer stored: nothing is evaluated a second time.
        if base.spent && base.transcript.len() == 0 {
            return Err(Abort::Spent.into());
        }
        let record = attach::record(&base.terms.run(), attach.counter);
        out.store(record, Awaited::CounterStored);
        Ok(Phase::Attaching(Box::new(Attaching {
            base: self.base,
            attach,
            theirs: theirs.batch,
        })))
    }
}

impl<I: LabelledItems> Attaching<I> {
    fn counter_stored(&self, out: &mut Out) {
        let sign = session::Task::Sign {
            key: self.base.connection.signer,
            message: self.attach.signing_bytes(),
        };
        out.work(sign, Awaited::AttachSigned);
    }

    fn serve(mut self) -> Result<Phase<I>, Stop> {
        if self.base.transcript.len() == 0 {
            // A querier that has an answer which we did not give is refused when it says so: its
            // receipt has no place.
            return Ok(Phase::Serving(Box::new(Serving::begin(self.base)?)));
        }
        let pieces = std::mem::take(&mut self.base.pieces);
        let pieces = if self.theirs == 0 {
            pieces
        } else {
            BTreeMap::new()
        };
        Ok(Phase::Answering(Box::new(Answering::stored(
            self.base, pieces,
        ))))
    }
}
