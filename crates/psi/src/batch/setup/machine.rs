//! The seven flights of a setup as a session, chunk after chunk.
//!
//! Only one chunk is in memory at a time. Each flight is one piece of work; its randomness is
//! drawn before.

use std::{collections::VecDeque, mem};

use blindmatch_audit::codec::Writer;
use blindmatch_vole::{
    Dimensions, Draws, SenderShare, SessionId,
    setup::{SetupError, receiver, sender},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Prepared, PreparedQuerier, PreparedResponder, SetupTerms};
use crate::{
    agreement::RunId,
    batch::{self, Task},
    frame::{malformed, open},
    session::{
        self, Completion, MAX_FRAME, Machine, Outbox, Outcome, Phases, Record, Session, UnixSeconds,
    },
    stop::{Abort, Fault, Stop},
};

const FLIGHT: &str = "blindmatch batch setup flight v1";

/// One side of a setup.
pub struct SetupSession(Machine<Phase>);

impl SetupSession {
    /// The side that will ask.
    ///
    /// # Errors
    ///
    /// [`Fault::Terms`] for terms that name no class, no nonces or one party twice.
    pub fn querier(terms: SetupTerms) -> Result<Self, Fault> {
        Self::new(terms, |session, dimensions| State::Await1 {
            next: receiver::start(session, dimensions),
        })
    }

    /// The side that will serve its set. It speaks first.
    ///
    /// # Errors
    ///
    /// As [`Self::querier`].
    pub fn responder(terms: SetupTerms) -> Result<Self, Fault> {
        Self::new(terms, |session, dimensions| State::Start {
            session,
            dimensions,
        })
    }

    fn new(terms: SetupTerms, begin: fn(SessionId, Dimensions) -> State) -> Result<Self, Fault> {
        let (shape, session) = terms.checked()?;
        let pending = (0..)
            .zip(shape.chunks())
            .map(|(chunk, bins)| (session.chunk(chunk), shape.dimensions(&bins)))
            .collect();
        let id = RunId(*session.as_bytes());
        let mut phase = Phase {
            id,
            session,
            begin,
            pending,
            chunk: 0,
            state: State::Working,
            arrived: None,
            checking_last: false,
            early: None,
            secret: Secret::None,
            prepared: Prepared {
                terms,
                chunks: Vec::new(),
            },
            last: None,
            concluded: false,
        };
        phase.next_chunk();
        Ok(Self(Machine::new(id, phase, Outbox::new())))
    }

    /// The querier's half, once it is stored.
    #[must_use]
    pub fn prepared_querier(self) -> Option<PreparedQuerier> {
        let phase = self.0.into_phase().filter(|phase| phase.concluded)?;
        match phase.secret {
            Secret::Commitment(commitment) => Some(PreparedQuerier {
                prepared: phase.prepared,
                commitment,
            }),
            Secret::None | Secret::Share(_) => None,
        }
    }

    /// The responder's half, once it is stored.
    #[must_use]
    pub fn prepared_responder(self) -> Option<PreparedResponder> {
        let phase = self.0.into_phase().filter(|phase| phase.concluded)?;
        match phase.secret {
            Secret::Share(share) => Some(PreparedResponder {
                prepared: phase.prepared,
                share,
            }),
            Secret::None | Secret::Commitment(_) => None,
        }
    }
}

impl Session for SetupSession {
    fn receive(&mut self, frame: &[u8]) {
        self.0.receive(frame);
    }

    fn complete(&mut self, completion: Completion) {
        self.0.complete(completion);
    }

    fn poll(&mut self, now: UnixSeconds, rng: &mut dyn CryptoRng) -> session::Step {
        self.0.poll(now, rng)
    }
}

struct Phase {
    id: RunId,
    session: SessionId,
    begin: fn(SessionId, Dimensions) -> State,
    /// Chunks that were not begun.
    pending: VecDeque<(SessionId, Dimensions)>,
    /// The number of the chunk under way, from 0.
    chunk: u32,
    state: State,
    /// The flight that the state waits for.
    arrived: Option<Vec<u8>>,
    /// Whether the last flight of the chunk has arrived.
    checking_last: bool,
    /// The first flight of the next chunk, should it have come by then.
    early: Option<Vec<u8>>,
    /// Of the whole setup: it opens the first flight.
    secret: Secret,
    prepared: Prepared,
    /// The responder's last flight, which leaves when its half is stored.
    last: Option<Vec<u8>>,
    concluded: bool,
}

enum Secret {
    None,
    Share(SenderShare),
    Commitment([u8; 32]),
}

/// Where the chunk under way is.
enum State {
    /// Responder: nothing was sent yet.
    Start {
        session: SessionId,
        dimensions: Dimensions,
    },
    Await1 {
        next: receiver::AwaitingF1,
    },
    Await2 {
        next: sender::AwaitingF2,
    },
    Await3 {
        next: receiver::AwaitingF3,
    },
    Await4 {
        next: sender::AwaitingF4,
    },
    Await5 {
        next: receiver::AwaitingF5,
    },
    Await6 {
        next: sender::AwaitingF6,
    },
    Await7 {
        next: receiver::AwaitingF7,
    },
    /// A piece of work has it.
    Working,
    /// All chunks are done.
    Storing,
}

/// One flight of one chunk, with what it draws from.
pub(crate) struct Step {
    state: State,
    arrived: Vec<u8>,
    seed: Zeroizing<[u8; 32]>,
}

/// What a step leads to: where the chunk then is, or what is kept of it, and the flight to send.
pub(crate) struct Next {
    reached: Reached,
    flight: Option<Vec<u8>>,
}

enum Reached {
    State(State),
    Kept(Zeroizing<Vec<u8>>),
}

impl Step {
    pub(crate) fn run(self) -> Result<Next, Stop> {
        let mut rng = Draws::new(&*self.seed);
        let (reached, flight) = self.state.step(&self.arrived, &mut rng).map_err(refused)?;
        Ok(Next { reached, flight })
    }
}

/// Whose doing it is that a flight was refused.
const fn refused(error: SetupError) -> Stop {
    Stop::Abort(match error {
        SetupError::Length(_) => Abort::Malformed,
        SetupError::GroupElement(_) => Abort::Element,
        SetupError::Correlation | SetupError::Challenge | SetupError::Check => Abort::Check,
    })
}

impl State {
    /// The number of the flight that this waits for.
    const fn awaited(&self) -> Option<u8> {
        match self {
            Self::Await1 { .. } => Some(1),
            Self::Await2 { .. } => Some(2),
            Self::Await3 { .. } => Some(3),
            Self::Await4 { .. } => Some(4),
            Self::Await5 { .. } => Some(5),
            Self::Await6 { .. } => Some(6),
            Self::Await7 { .. } => Some(7),
            Self::Start { .. } | Self::Working | Self::Storing => None,
        }
    }

    fn step(
        self,
        arrived: &[u8],
        rng: &mut Draws,
    ) -> Result<(Reached, Option<Vec<u8>>), SetupError> {
        let (state, flight) = match self {
            Self::Start {
                session,
                dimensions,
            } => {
                let (next, flight) = sender::start(session, dimensions, rng);
                (Self::Await2 { next }, flight)
            }
            Self::Await1 { next } => {
                let (next, flight) = next.receive(arrived, rng)?;
                (Self::Await3 { next }, flight)
            }
            Self::Await2 { next } => {
                let (next, flight) = next.receive(arrived, rng)?;
                (Self::Await4 { next }, flight)
            }
            Self::Await3 { next } => {
                let (next, flight) = next.receive(arrived)?;
                (Self::Await5 { next }, flight)
            }
            Self::Await4 { next } => {
                let (next, flight) = next.receive(arrived, rng)?;
                (Self::Await6 { next }, flight)
            }
            Self::Await5 { next } => {
                let (next, flight) = next.receive(arrived, rng)?;
                (Self::Await7 { next }, flight)
            }
            Self::Await6 { next } => {
                let (checked, flight) = next.receive(arrived)?;
                return Ok((Reached::Kept(checked.to_bytes()), Some(flight)));
            }
            Self::Await7 { next } => {
                let checked = next.receive(arrived)?;
                return Ok((Reached::Kept(checked.to_bytes()), None));
            }
            Self::Working | Self::Storing => (Self::Storing, Vec::new()),
        };
        Ok((Reached::State(state), Some(flight)))
    }
}

/// What a completion was asked for.
enum Awaited {
    /// A step; the number of the flight that it makes, if it makes one.
    Step(u8),
    Stored,
}

impl Phases for Phase {
    type Awaited = Awaited;

    fn receive(mut self, frame: &[u8], _out: &mut Outbox<Awaited>) -> Result<Self, Stop> {
        let mut reader = open(FLIGHT, &self.id, frame)?;
        let number = reader.u8().map_err(malformed)?;
        let chunk = reader.u32().map_err(malformed)?;
        let flight = reader.bytes(MAX_FRAME).map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        // The responder goes on to the next chunk while the querier still checks its last flight.
        let ahead = self.checking_last
            && self.early.is_none()
            && number == 1
            && Some(chunk) == self.chunk.checked_add(1)
            && !self.pending.is_empty();
        if ahead {
            self.early = Some(flight.to_vec());
            return Ok(self);
        }
        if self.arrived.is_some() || self.state.awaited() != Some(number) || chunk != self.chunk {
            return Err(Abort::UnexpectedFrame.into());
        }
        self.checking_last = number == 7;
        let mut flight = flight;
        if number == 1 && self.chunk == 0 {
            let (commitment, rest) = flight.split_first_chunk().ok_or(Abort::Malformed)?;
            self.secret = Secret::Commitment(*commitment);
            flight = rest;
        }
        self.arrived = Some(flight.to_vec());
        Ok(self)
    }

    fn complete(
        mut self,
        awaited: Awaited,
        outcome: Outcome,
        out: &mut Outbox<Awaited>,
    ) -> Result<Self, Stop> {
        match (awaited, outcome) {
            (Awaited::Step(number), Outcome::Batch(batch::Outcome::Setup(next))) => {
                self.stepped(number, *next, out);
                Ok(self)
            }
            (Awaited::Stored, Outcome::Stored) => {
                if let Some(frame) = self.last.take() {
                    out.send(frame);
                }
                self.concluded = true;
                Ok(self)
            }
            _ => Err(Fault::Completion.into()),
        }
    }

    fn poll(
        mut self,
        _now: UnixSeconds,
        rng: &mut dyn CryptoRng,
        out: &mut Outbox<Awaited>,
    ) -> Result<Self, Stop> {
        let (number, arrived) = match (&self.state, self.arrived.take()) {
            (State::Start { .. }, _) => {
                if self.chunk == 0 {
                    let (share, commitment) = SenderShare::commit(&self.session, rng);
                    self.secret = Secret::Share(share);
                    self.last = Some(commitment.to_vec());
                }
                (1, Vec::new())
            }
            (state, Some(arrived)) => match state.awaited() {
                Some(number) => (number + 1, arrived),
                None => return Err(Fault::Completion.into()),
            },
            (_, None) => return Ok(self),
        };
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let step = Step {
            state: mem::replace(&mut self.state, State::Working),
            arrived,
            seed,
        };
        let task = Task::Setup(Box::new(step));
        out.work(session::Task::Batch(task), Awaited::Step(number));
        Ok(self)
    }

    fn concluded(&self) -> bool {
        self.concluded
    }
}

impl Phase {
    /// Begins the next chunk, or notes that there is none.
    fn next_chunk(&mut self) {
        self.checking_last = false;
        self.arrived = self.early.take();
        self.state = match self.pending.pop_front() {
            Some((session, dimensions)) => (self.begin)(session, dimensions),
            None => State::Storing,
        };
    }

    /// Takes what a step has led to, and sends its flight.
    fn stepped(&mut self, number: u8, next: Next, out: &mut Outbox<Awaited>) {
        // In front of the first flight stands the commitment.
        let opening = self.last.take().unwrap_or_default();
        let frame = next.flight.map(|flight| {
            let mut writer = Writer::new(FLIGHT);
            writer.reserve(64 + opening.len() + flight.len());
            writer.fixed(&self.id.0).u8(number).u32(self.chunk);
            writer.bytes(&[opening, flight].concat()).finish()
        });
        match next.reached {
            Reached::State(state) => {
                self.state = state;
                frame.into_iter().for_each(|frame| out.send(frame));
                return;
            }
            Reached::Kept(kept) => self.prepared.chunks.push(kept),
        }
        if self.pending.is_empty() {
            self.state = State::Storing;
            self.last = frame;
            if let Some(state) = self.stored_form() {
                out.store(Record::State(state), Awaited::Stored);
            }
        } else {
            frame.into_iter().for_each(|frame| out.send(frame));
            self.chunk += 1;
            self.next_chunk();
        }
    }

    /// The whole setup as it is stored.
    fn stored_form(&mut self) -> Option<session::State> {
        let prepared = Prepared {
            terms: self.prepared.terms.clone(),
            chunks: mem::take(&mut self.prepared.chunks),
        };
        let state;
        (state, self.prepared) = match mem::replace(&mut self.secret, Secret::None) {
            Secret::Commitment(commitment) => {
                let whole = PreparedQuerier {
                    prepared,
                    commitment,
                };
                self.secret = Secret::Commitment(commitment);
                (whole.to_state(), whole.prepared)
            }
            Secret::Share(share) => {
                let whole = PreparedResponder { prepared, share };
                let state = whole.to_state();
                self.secret = Secret::Share(whole.share);
                (state, whole.prepared)
            }
            Secret::None => return None,
        };
        Some(state)
    }
}
