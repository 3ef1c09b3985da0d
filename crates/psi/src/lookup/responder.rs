//! The side that serves its set (`spec/31-lookup.md` §3, §4).
//!
//! `Waiting → Attaching → Serving → Countersigning → Concluded`, each consumed by the step to
//! the next. A batch is charged, durably, before anything of it is decoded or evaluated.

use std::collections::BTreeMap;

use blindmatch_audit::receipt::{Side, SignedReceipt};
use rand_core::CryptoRng;

use super::{
    Connection, Task, Terms, WINDOW,
    frame::{self, Answer, BATCH, Bytes32},
    journal::{self, Entry},
};
use crate::{
    attach::{self, ATTACH, Attach},
    conclude::{self, Countersigned, Countersigning},
    frame::{RECEIPT, kind},
    session::{
        self, Completion, Debit, KeyId, Machine, Outbox, Outcome, Phases, Record, Session, Step,
        UnixSeconds,
    },
    stop::{Abort, Fault, Stop},
    transcript::Transcript,
};

/// The session of the side that evaluates.
pub struct Responder(Machine<Phase>);

impl Responder {
    /// Evaluates for a peer under the view's `key`, on one connection.
    ///
    /// `records` are those that this run stored on earlier connections, debits included; none
    /// begins the run.
    ///
    /// # Errors
    ///
    /// [`Fault::Journal`] for records that are not this run's.
    pub fn new(
        terms: Terms,
        connection: Connection,
        key: KeyId,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, Fault> {
        let run = terms.run;
        let mut base = Base {
            transcript: Transcript::new(&run),
            terms,
            connection,
            key,
            debits: BTreeMap::new(),
            signed: false,
        };
        let mut last_counter = 0;
        for record in records {
            match record {
                Record::Debit(debit) => {
                    let digest = *base.debits.entry(debit.batch).or_insert(debit.digest);
                    if digest != debit.digest {
                        return Err(Fault::Journal);
                    }
                }
                Record::Receipt(_) => base.signed = true,
                Record::Spent { .. } => return Err(Fault::Journal),
                Record::State(state) => match Entry::read(&run, &state)? {
                    Entry::Attached { counter } => last_counter = counter.max(last_counter),
                    Entry::Answered { batch, digest } => {
                        let restored = base.transcript.restore(batch, digest);
                        restored.ok_or(Fault::Journal)?;
                    }
                    Entry::Blinds { .. } | Entry::Outputs { .. } => return Err(Fault::Journal),
                },
            }
        }
        if base.signed && base.transcript.len() < base.terms.batches() {
            return Err(Fault::Journal);
        }
        let phase = Phase::Waiting(Waiting { base, last_counter });
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

impl Session for Responder {
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
struct Base {
    terms: Terms,
    connection: Connection,
    key: KeyId,
    /// The batches that were evaluated.
    transcript: Transcript,
    /// What was charged: the digest of each batch, by its number.
    debits: BTreeMap<u64, [u8; 32]>,
    /// Whether we signed the receipt on an earlier connection. It is given again when asked for,
    /// and there will be no other.
    signed: bool,
}

enum Phase {
    Waiting(Waiting),
    Attaching(Attaching),
    Serving(Serving),
    Countersigning(Countersigning),
    Concluded(Box<SignedReceipt>),
}

/// What a completion was asked for.
enum Awaited {
    CounterStored,
    AttachSigned,
    DebitStored(u64),
    Evaluated(u64),
    AnswerStored,
    Concluding(conclude::Awaited),
}

impl From<conclude::Awaited> for Awaited {
    fn from(awaited: conclude::Awaited) -> Self {
        Self::Concluding(awaited)
    }
}

type Out = Outbox<Awaited>;

/// Nothing was heard of the querier yet.
struct Waiting {
    base: Base,
    last_counter: u64,
}

/// The querier's attach frame holds; its counter is stored and our own frame goes out.
struct Attaching {
    base: Base,
    attach: Attach,
}

/// Batches come in, answers go out.
struct Serving {
    base: Base,
    in_flight: BTreeMap<u64, InFlight>,
    /// The next batch that the querier may send.
    next: u64,
}

/// A batch under way, from its arrival to its turn to be answered.
enum InFlight {
    Charging(Vec<Bytes32>),
    Charged(Vec<Bytes32>),
    Evaluating,
    Evaluated {
        blinded: Vec<Bytes32>,
        answer: Answer,
    },
}

impl Phases for Phase {
    type Awaited = Awaited;

    fn receive(self, frame: &[u8], out: &mut Out) -> Result<Self, Stop> {
        match (kind(frame, &[ATTACH, BATCH, RECEIPT]), self) {
            (Some(ATTACH), Self::Waiting(phase)) => phase.attached(frame, out),
            (Some(BATCH), Self::Serving(phase)) => phase.asked(frame, out),
            (Some(RECEIPT), Self::Serving(phase)) => phase.receipt(frame, out),
            (Some(_), _) => Err(Abort::UnexpectedFrame.into()),
            (None, _) => Err(Abort::Malformed.into()),
        }
    }

    fn complete(self, awaited: Awaited, outcome: Outcome, out: &mut Out) -> Result<Self, Stop> {
        use super::Outcome::Evaluated;
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
                Ok(Self::Serving(phase.serve()))
            }
            (Self::Serving(_), Awaited::DebitStored(_), Outcome::Refused) => {
                Err(Abort::Budget.into())
            }
            // Another connection of this run was charged for another batch of this number.
            (Self::Serving(_), Awaited::DebitStored(_), Outcome::Contradicted) => {
                Err(Abort::Transcript.into())
            }
            (Self::Serving(mut phase), Awaited::DebitStored(batch), Outcome::Stored) => {
                phase.charged(batch);
                Ok(Self::Serving(phase))
            }
            (
                Self::Serving(mut phase),
                Awaited::Evaluated(batch),
                Outcome::Lookup(Evaluated {
                    blinded,
                    evaluated,
                    proof,
                }),
            ) => {
                let answer = Answer {
                    batch,
                    evaluated,
                    proof,
                };
                phase.evaluated(blinded, answer, out);
                Ok(Self::Serving(phase))
            }
            // Nothing waits for it: a lost one costs an evaluation, should the run be resumed.
            (phase, Awaited::AnswerStored, Outcome::Stored) => Ok(phase),
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
            Self::Serving(mut phase) => {
                phase.evaluate_charged(now, rng, out)?;
                Ok(Self::Serving(phase))
            }
            phase => Ok(phase),
        }
    }

    fn concluded(&self) -> bool {
        matches!(self, Self::Concluded(_))
    }
}

impl Waiting {
    fn attached(mut self, frame: &[u8], out: &mut Out) -> Result<Phase, Stop> {
        let base = &mut self.base;
        let mut attach = Attach {
            run: base.terms.run,
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
        if base.signed && theirs.batch < base.terms.batches() {
            return Err(Abort::Transcript.into());
        }
        attach.counter = theirs.counter;
        base.transcript.meet(&theirs, base.terms.batches())?;
        let record = attach::record(&base.terms.run, attach.counter);
        // A crash ends every connection, and with it what an earlier counter was signed for.
        out.store_beside(record, Awaited::CounterStored);
        Ok(Phase::Attaching(Attaching {
            base: self.base,
            attach,
        }))
    }
}

impl Attaching {
    fn counter_stored(&self, out: &mut Out) {
        let sign = session::Task::Sign {
            key: self.base.connection.signer,
            message: self.attach.signing_bytes(),
        };
        out.work(sign, Awaited::AttachSigned);
    }

    fn serve(self) -> Serving {
        Serving {
            next: self.base.transcript.len() + 1,
            base: self.base,
            in_flight: BTreeMap::new(),
        }
    }
}

impl Serving {
    fn asked(mut self, frame: &[u8], out: &mut Out) -> Result<Phase, Stop> {
        let terms = &self.base.terms;
        let (batch, blinded) = frame::read_batch(&terms.run, frame)?;
        if batch != self.next || batch > terms.batches() {
            return Err(Abort::BatchNumber.into());
        }
        if blinded.len() != terms.batch_size(batch) {
            return Err(Abort::BatchSize.into());
        }
        if self.in_flight.len() >= WINDOW {
            return Err(Abort::Window.into());
        }
        self.next += 1;
        let digest = frame::digest(&terms.run, batch, &blinded);
        let in_flight = match self.base.debits.insert(batch, digest) {
            None => {
                let debit = Debit {
                    batch,
                    digest,
                    // A batch has at most 4,096 elements.
                    evaluations: blinded.len() as u64,
                };
                out.store(Record::Debit(debit), Awaited::DebitStored(batch));
                InFlight::Charging(blinded)
            }
            Some(charged) if charged == digest => InFlight::Charged(blinded),
            // The run evaluates what was agreed, and no more.
            Some(_) => return Err(Abort::Transcript.into()),
        };
        self.in_flight.insert(batch, in_flight);
        Ok(Phase::Serving(self))
    }

    fn charged(&mut self, batch: u64) {
        if let Some(InFlight::Charging(blinded)) = self.in_flight.remove(&batch) {
            self.in_flight.insert(batch, InFlight::Charged(blinded));
        }
    }

    fn evaluate_charged(
        &mut self,
        now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Out,
    ) -> Result<(), Stop> {
        for (batch, in_flight) in &mut self.in_flight {
            let InFlight::Charged(blinded) = in_flight else {
                continue;
            };
            if now > self.base.terms.until {
                return Err(Abort::EpochOver.into());
            }
            let mut fresh = [0; 32];
            rng.fill_bytes(&mut fresh);
            let task = Task::Evaluate {
                key: self.base.key,
                blinded: std::mem::take(blinded),
                fresh,
            };
            out.work(session::Task::Lookup(task), Awaited::Evaluated(*batch));
            *in_flight = InFlight::Evaluating;
        }
        Ok(())
    }

    /// Takes an evaluated batch; those whose turn it is enter the transcript and are sent.
    fn evaluated(&mut self, blinded: Vec<Bytes32>, answer: Answer, out: &mut Out) {
        self.in_flight
            .insert(answer.batch, InFlight::Evaluated { blinded, answer });
        while let Some(entry) = self.in_flight.first_entry() {
            if !matches!(entry.get(), InFlight::Evaluated { .. }) {
                return;
            }
            if let InFlight::Evaluated { blinded, answer } = entry.remove() {
                let Base {
                    terms, transcript, ..
                } = &mut self.base;
                transcript.absorb(&[blinded.as_flattened(), answer.evaluated.as_flattened()]);
                let record = journal::answered(&terms.run, answer.batch, transcript.digest());
                out.store_beside(record, Awaited::AnswerStored);
                out.send(frame::answer(&terms.run, &answer));
            }
        }
    }

    fn receipt(self, frame: &[u8], out: &mut Out) -> Result<Phase, Stop> {
        let Base {
            terms,
            connection,
            transcript,
            ..
        } = &self.base;
        if transcript.len() < terms.batches() {
            return Err(Abort::UnexpectedFrame.into());
        }
        let receipt = terms.receipt(transcript);
        let phase = Countersigning::begin(&terms.run, connection, receipt, frame, out)?;
        Ok(Phase::Countersigning(phase))
    }
}
