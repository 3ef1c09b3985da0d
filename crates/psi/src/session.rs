//! The seam between a protocol and whoever runs it (`spec/30-session.md` §5).
//!
//! A [`Session`] is one side of a run on one connection. It takes frames and gives frames, and
//! does nothing else itself: CPU work comes out as owned [`Work`], what must be durable comes out
//! as [`Store`], and randomness and time are arguments. Whoever runs it calls [`Session::poll`]
//! until it says [`Step::Wait`], then brings it the next frame or completion.
//!
//! ```
//! # use blindmatch_psi::session::{End, Keys, Record, Session, Step, UnixSeconds};
//! # use rand_core::CryptoRng;
//! /// Runs a session until it waits for a frame, or ends.
//! fn drive(
//!     session: &mut dyn Session,
//!     keys: &dyn Keys,
//!     now: UnixSeconds,
//!     rng: &mut dyn CryptoRng,
//!     send: &mut dyn FnMut(Vec<u8>),
//!     make_durable: &mut dyn FnMut(Record),
//! ) -> Option<End> {
//!     loop {
//!         match session.poll(now, rng) {
//!             Step::Send(frame) => send(frame),
//!             // On this thread or any other; several at once.
//!             Step::Work(work) => session.complete(work.run(keys)),
//!             Step::Store(store) => {
//!                 let (record, stored) = store.stored();
//!                 make_durable(record);
//!                 session.complete(stored);
//!             }
//!             Step::Wait => return None,
//!             Step::Done(end) => return Some(end),
//!         }
//!     }
//! }
//! ```
//!
//! A run survives its connections by its [`Record`]s: a new session of the same side that is
//! given all of them goes on where the old one stopped.
//!
//! One session of a run at a time: whoever runs a responder drops the one of an earlier connection
//! when the next one has taken an attach frame. Should two live for a moment, storage keeps them
//! from giving two accounts of the run: it takes no record that [contradicts](Record::contradicts)
//! one of the run's, and the session whose record it was ends with nothing evaluated or signed.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use blindmatch_audit::{Signature, VerifyingKey, receipt::SignedReceipt};
use blindmatch_oprf::SecretKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    agreement::RunId,
    attach, batch, frame, lookup,
    stop::{Abort, Fault, Stop},
};

/// The most bytes of any frame.
pub const MAX_FRAME: usize = 256 * 1024;

/// Seconds since the beginning of 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixSeconds(pub u64);

/// Names a key, so that work can be made and moved without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

/// What a session holds of its connection and of both sides' signatures.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The TLS exporter value.
    pub exporter: [u8; 32],
    /// The key that signs for us.
    pub signer: KeyId,
    /// The key that the peer signs with.
    pub peer: VerifyingKey,
}

/// One side of one run on one connection.
pub trait Session: Send {
    /// Takes a frame of the peer. What is wrong with it shows in the next [`Self::poll`].
    fn receive(&mut self, frame: &[u8]);

    /// Takes what became of a [`Work`] or a [`Store`] of this session; any order will do.
    ///
    /// That of any other session, though of the same run, ends this one with
    /// [`Fault::OtherSession`].
    fn complete(&mut self, completion: Completion);

    /// What to do next. After [`Step::Wait`] only a frame or a completion brings something new;
    /// [`Step::Done`] is the last word and repeats itself.
    fn poll(&mut self, now: UnixSeconds, rng: &mut dyn CryptoRng) -> Step;
}

/// What a session wants done.
#[derive(Debug)]
pub enum Step {
    /// Send this frame, after those before it.
    Send(Vec<u8>),
    /// Run this, on any thread.
    Work(Work),
    /// Make this durable.
    Store(Store),
    /// Nothing, until a frame or a completion arrives.
    Wait,
    /// Nothing any more.
    Done(End),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With a receipt that both sides signed.
    Concluded,
    /// Before that.
    Stopped(Stop),
}

/// A piece of CPU work that owns its input and names its key.
///
/// It is bounded: at most one batch of 4,096 elements in lookup; in batch one bin of the sets, one
/// chunk of a VOLE, or the sorting of a set.
pub struct Work {
    ticket: Ticket,
    task: Task,
}

pub(crate) enum Task {
    /// Sign a message.
    Sign { key: KeyId, message: Vec<u8> },
    /// A task of the lookup protocol.
    Lookup(lookup::Task),
    /// A task of the batch protocol.
    Batch(batch::Task),
}

/// The keys that work names.
pub trait Keys: Sync {
    /// The key that evaluates for a view, or `None` where it is unknown or destroyed.
    fn evaluation_key(&self, id: &KeyId) -> Option<&SecretKey>;

    /// The Ed25519 signature of a key over `message`, or `None` where the key is unknown.
    fn sign(&self, id: &KeyId, message: &[u8]) -> Option<Signature>;
}

/// Something that must be durable before the session goes on from it.
///
/// Records are to be stored in the order in which they are asked for. One that
/// [contradicts](Record::contradicts) another of the run is not stored, whichever session that came
/// from: comparing and storing are one step, under one lock or in one transaction. A debit that
/// the run has already is charged no second time.
#[derive(Debug)]
pub struct Store {
    ticket: Ticket,
    record: Record,
    awaited: bool,
}

/// One entry of a run's durable history. All of them, in order, resume the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Responder: the evaluations that this batch costs, charged before anything is evaluated.
    Debit(Debit),
    /// What this side needs to go on. Some of it is secret, so it is sealed like all of it, and
    /// destroyed once the run has its receipt and its results are stored.
    State(State),
    /// The setup of this id is used up by this run. No run takes a setup that any run has used,
    /// itself included: that is for whoever stores it to see to (`spec/34-batch.md` §4).
    Spent {
        /// The setup's id.
        setup: [u8; 32],
    },
    /// The receipt: first with the querier's signature only, then with both.
    Receipt(Box<SignedReceipt>),
}

/// A charge on the budget of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Debit {
    /// The batch's number in its run, from 1. A run has one debit of each number.
    pub batch: u64,
    /// The digest of its blinded elements.
    pub digest: [u8; 32],
    /// The evaluations charged: all elements, padding included.
    pub evaluations: u64,
}

/// Encoded state of a run, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct State(Zeroizing<Vec<u8>>);

/// What became of a [`Work`] or a [`Store`].
#[derive(Debug)]
pub struct Completion {
    ticket: Ticket,
    outcome: Outcome,
}

/// What a session knows its own work and stores by.
#[derive(Debug)]
struct Ticket {
    /// Shared by all tickets of one session, and by nothing else: two sessions differ in the
    /// place of it.
    session: Arc<()>,
    number: u64,
}

pub(crate) enum Outcome {
    Stored,
    /// The budget does not cover a debit.
    Refused,
    /// The run has a record that contradicts this one.
    Contradicted,
    Signed(Signature),
    Lookup(lookup::Outcome),
    Batch(batch::Outcome),
    Failed(Stop),
}

impl Work {
    /// The key that this work needs, if any.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        match &self.task {
            Task::Sign { key, .. } => Some(*key),
            Task::Lookup(task) => task.key(),
            Task::Batch(_) => None,
        }
    }

    /// How many elements it handles: a measure of how long it takes.
    #[must_use]
    pub fn elements(&self) -> usize {
        match &self.task {
            Task::Sign { .. } => 1,
            Task::Lookup(task) => task.elements(),
            Task::Batch(task) => task.elements(),
        }
    }

    /// Does it.
    #[must_use]
    pub fn run(self, keys: &dyn Keys) -> Completion {
        let outcome = match self.task {
            Task::Sign { key, message } => keys
                .sign(&key, &message)
                .map_or(Outcome::Failed(Fault::UnknownKey.into()), Outcome::Signed),
            Task::Lookup(task) => task.run(keys).map_or_else(Outcome::Failed, Outcome::Lookup),
            Task::Batch(task) => task.run().map_or_else(Outcome::Failed, Outcome::Batch),
        };
        Completion {
            ticket: self.ticket,
            outcome,
        }
    }
}

impl Store {
    /// What to store.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Whether the session waits for it. What it does not wait for may become durable with the next
    /// record, or be lost.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Says that the record is durable, and gives it back.
    #[must_use]
    pub fn stored(self) -> (Record, Completion) {
        let outcome = Outcome::Stored;
        let ticket = self.ticket;
        (self.record, Completion { ticket, outcome })
    }

    /// Says that the record is not stored: the budget does not cover the debit, or, for any other
    /// record, storing failed.
    #[must_use]
    pub fn refused(self) -> Completion {
        let outcome = match self.record {
            Record::Debit(_) => Outcome::Refused,
            Record::State(_) | Record::Spent { .. } | Record::Receipt(_) => {
                Outcome::Failed(Fault::Storage.into())
            }
        };
        Completion {
            ticket: self.ticket,
            outcome,
        }
    }

    /// Says that the record is not stored, since it [contradicts](Record::contradicts) one that
    /// the run has.
    #[must_use]
    pub fn contradicted(self) -> Completion {
        Completion {
            ticket: self.ticket,
            outcome: Outcome::Contradicted,
        }
    }
}

impl Record {
    /// Whether no run that has the record `earlier` takes this one: receipts about different
    /// things, debits for two different batches of one number, a setup that is spent, or the
    /// beginning of a connection under a counter that is not above the other's (`spec/30 §5`).
    #[must_use]
    pub fn contradicts(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Debit(own), Self::Debit(other)) => own.batch == other.batch && own != other,
            (Self::Receipt(own), Self::Receipt(other)) => own.receipt != other.receipt,
            (Self::Spent { setup: own }, Self::Spent { setup: other }) => own == other,
            (Self::State(own), Self::State(other)) => {
                match (attach::counter(own), attach::counter(other)) {
                    (Some(own), Some(other)) => own <= other,
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

impl State {
    /// State as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes to seal.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for State {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// What a session has asked for: steps not yet taken, and what their completions will mean.
pub(crate) struct Outbox<A> {
    session: Arc<()>,
    steps: VecDeque<Step>,
    awaited: BTreeMap<u64, A>,
    next: u64,
}

impl<A> Outbox<A> {
    pub(crate) fn new() -> Self {
        Self {
            session: Arc::new(()),
            steps: VecDeque::new(),
            awaited: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        self.steps.push_back(Step::Send(frame));
    }

    pub(crate) fn work(&mut self, task: Task, awaited: A) {
        let ticket = self.ticket(awaited);
        self.steps.push_back(Step::Work(Work { ticket, task }));
    }

    pub(crate) fn store(&mut self, record: Record, awaited: A) {
        self.store_for(record, awaited, true);
    }

    /// Stores what nothing waits for.
    pub(crate) fn store_beside(&mut self, record: Record, awaited: A) {
        self.store_for(record, awaited, false);
    }

    fn store_for(&mut self, record: Record, means: A, awaited: bool) {
        let ticket = self.ticket(means);
        self.steps.push_back(Step::Store(Store {
            ticket,
            record,
            awaited,
        }));
    }

    fn ticket(&mut self, awaited: A) -> Ticket {
        let number = self.next;
        self.next += 1;
        self.awaited.insert(number, awaited);
        Ticket {
            session: Arc::clone(&self.session),
            number,
        }
    }

    /// What a completion was asked for.
    fn redeem(&mut self, ticket: &Ticket) -> Result<A, Fault> {
        if !Arc::ptr_eq(&ticket.session, &self.session) {
            return Err(Fault::OtherSession);
        }
        self.awaited.remove(&ticket.number).ok_or(Fault::Completion)
    }
}

/// The phases of one side of a protocol: each call consumes the phase and gives the next.
pub(crate) trait Phases: Sized + Send {
    /// What a completion was asked for.
    type Awaited: Send;

    fn receive(self, frame: &[u8], out: &mut Outbox<Self::Awaited>) -> Result<Self, Stop>;

    fn complete(
        self,
        awaited: Self::Awaited,
        outcome: Outcome,
        out: &mut Outbox<Self::Awaited>,
    ) -> Result<Self, Stop>;

    /// Called when nothing is left to do: starts what needs time or randomness, if anything.
    fn poll(
        self,
        now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Outbox<Self::Awaited>,
    ) -> Result<Self, Stop>;

    /// Whether this is the last phase.
    fn concluded(&self) -> bool;
}

/// Runs the phases of one side and ends them: what all sessions of all protocols have in common.
pub(crate) struct Machine<P: Phases> {
    run: RunId,
    /// `None` once stopped.
    phase: Option<P>,
    out: Outbox<P::Awaited>,
    stop: Option<Stop>,
}

impl<P: Phases> Machine<P> {
    pub(crate) const fn new(run: RunId, phase: P, out: Outbox<P::Awaited>) -> Self {
        Self {
            run,
            phase: Some(phase),
            out,
            stop: None,
        }
    }

    pub(crate) fn into_phase(self) -> Option<P> {
        self.phase
    }

    fn advance(&mut self, step: impl FnOnce(P, &mut Outbox<P::Awaited>) -> Result<P, Stop>) {
        let Some(phase) = self.phase.take() else {
            return;
        };
        match step(phase, &mut self.out) {
            Ok(next) => self.phase = Some(next),
            Err(stop) => {
                // What was asked for before is void: nothing of it leaves any more.
                self.out = Outbox::new();
                if let Some(abort) = stop.told() {
                    self.out.send(frame::abort(&self.run, abort));
                }
                self.stop = Some(stop);
            }
        }
    }

    fn concluded(&self) -> bool {
        self.phase.as_ref().is_some_and(P::concluded)
    }
}

impl<P: Phases> Session for Machine<P> {
    fn receive(&mut self, frame: &[u8]) {
        // Nothing that arrives after the end has any effect.
        if self.concluded() {
            return;
        }
        let run = self.run;
        self.advance(|phase, out| match frame::peer_abort(&run, frame) {
            Some(abort) => Err(Stop::PeerAborted(abort)),
            None if frame.len() > MAX_FRAME => Err(Abort::Malformed.into()),
            None => phase.receive(frame, out),
        });
    }

    fn complete(&mut self, completion: Completion) {
        // What is still being stored then is of no consequence any more.
        if self.concluded() {
            return;
        }
        self.advance(|phase, out| {
            let awaited = out.redeem(&completion.ticket)?;
            match completion.outcome {
                Outcome::Failed(stop) => Err(stop),
                outcome => phase.complete(awaited, outcome, out),
            }
        });
    }

    fn poll(&mut self, now: UnixSeconds, rng: &mut dyn CryptoRng) -> Step {
        if self.out.steps.is_empty() {
            self.advance(|phase, out| phase.poll(now, rng, out));
        }
        match (self.out.steps.pop_front(), self.stop) {
            (Some(step), _) => step,
            (None, Some(stop)) => Step::Done(End::Stopped(stop)),
            (None, None) if self.concluded() => Step::Done(End::Concluded),
            (None, None) => Step::Wait,
        }
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("number", &self.ticket.number)
            .field("elements", &self.elements())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State(<redacted>)")
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "Stored",
            Self::Refused => "Refused",
            Self::Contradicted => "Contradicted",
            Self::Signed(_) => "Signed",
            Self::Lookup(_) => "Lookup",
            Self::Batch(_) => "Batch",
            Self::Failed(_) => "Failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_their_work_go_to_any_thread() {
        const fn goes<T: Send + 'static>() {}
        goes::<Box<dyn Session>>();
        goes::<Work>();
        goes::<Store>();
        goes::<Completion>();
    }

    #[test]
    fn state_and_work_do_not_print_what_they_hold() {
        let state = State::from(b"secret".to_vec());
        let record = Record::State(state);
        assert_eq!(format!("{record:?}"), "State(State(<redacted>))");
        let task = Task::Sign {
            key: KeyId([0; 32]),
            message: b"secret".to_vec(),
        };
        let ticket = Outbox::new().ticket(());
        let work = Work { ticket, task };
        assert_eq!(format!("{work:?}"), "Work { number: 0, elements: 1, .. }");
    }
}
