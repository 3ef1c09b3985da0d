//! Cosigning over one stream, in which both sides may ask (`spec/42-ledger.md` §6).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use blindmatch_wire::message::{Cosigned, Witness as Content, WitnessMessage};
use blindmatch_wire::{Malformed, exchange as wire, limits, problem::Kind};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tonic::Streaming;

use crate::channel::{CallError, Held};
use crate::exchange::Exchange;
use crate::gate::Gate;
use crate::peer::Peer;

/// Requests of one side that may be without an answer at once.
const WAITING: usize = 4;

/// The status of an answer to who asks too often, as in HTTP.
const TOO_MANY_REQUESTS: u16 = 429;

/// Asks the peer of one connection to cosign. Clones ask the same peer.
///
/// A stream that was dialled is open for as long as there is one of these.
#[derive(Clone)]
pub struct Witness {
    asks: mpsc::Sender<Ask>,
    call: Duration,
    _connection: Option<Held>,
}

/// A request, and who waits for the answer.
pub(crate) struct Ask(Bytes, oneshot::Sender<Cosigned>);

/// One side of the stream.
pub(crate) struct Conversation<E> {
    pub(crate) exchange: Arc<E>,
    pub(crate) peer: Peer,
    /// Where the peer is one of many.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) from: Streaming<wire::WitnessMessage>,
    pub(crate) to: mpsc::Sender<wire::WitnessMessage>,
    pub(crate) asks: mpsc::Receiver<Ask>,
}

impl Witness {
    pub(crate) fn new(call: Duration, connection: Option<Held>) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, receiver) = mpsc::channel(WAITING);
        let witness = Self {
            asks,
            call,
            _connection: connection,
        };
        (witness, receiver)
    }

    /// Asks for a cosignature with the body of an `add-checkpoint` request.
    ///
    /// # Errors
    ///
    /// [`CallError`] where no answer came.
    pub async fn ask(&self, request: Bytes) -> Result<Cosigned, CallError> {
        if !(1..=limits::COSIGNING).contains(&request.len()) {
            return Err(Malformed::Length.into());
        }
        let (sender, answer) = oneshot::channel();
        let asked = async {
            self.asks.send(Ask(request, sender)).await.ok()?;
            answer.await.ok()
        };
        let answered = timeout(self.call, asked).await;
        let answered = answered.map_err(|_| CallError::Failed(Kind::Timeout.into()))?;
        answered.ok_or_else(|| CallError::Failed(Kind::Unavailable.into()))
    }
}

impl<E: Exchange> Conversation<E> {
    /// Asks and answers until the peer ends the stream, or on the side that dialled nobody asks any
    /// more.
    pub(crate) async fn hold(mut self) -> Result<(), CallError> {
        let mut waiting: BTreeMap<u32, oneshot::Sender<Cosigned>> = BTreeMap::new();
        let mut next = 0_u32;
        let mut asking = true;
        loop {
            waiting.retain(|_, asker| !asker.is_closed());
            tokio::select! {
                biased;
                // There are few of these at once.
                ask = self.asks.recv(), if asking && waiting.len() < WAITING => {
                    let Some(Ask(request, asker)) = ask else {
                        // The one that dialled ends it; the other may have nothing to ask.
                        if self.gate.is_none() {
                            return Ok(());
                        }
                        asking = false;
                        continue;
                    };
                    next = next.wrapping_add(1);
                    waiting.insert(next, asker);
                    let content = Content::Request(request);
                    self.send(next, content).await?;
                }
                message = self.from.message() => {
                    let Some(message) = message.map_err(|status| CallError::from(&status))? else {
                        return Ok(());
                    };
                    let WitnessMessage { id, content } = message.try_into()?;
                    match content {
                        Content::Request(request) => self.answer(id, request).await?,
                        // One that came too late has nobody who waits.
                        Content::Answer(answer) => {
                            if let Some(asker) = waiting.remove(&id) {
                                let _ = asker.send(answer);
                            }
                        }
                    }
                }
            }
        }
    }

    async fn answer(&self, id: u32, request: Bytes) -> Result<(), CallError> {
        let gate = self.gate.as_ref();
        let answer = if gate.is_none_or(|gate| gate.may_begin(self.peer.member())) {
            self.exchange.cosign(&self.peer, request).await
        } else {
            Cosigned {
                status: TOO_MANY_REQUESTS,
                body: Bytes::new(),
            }
        };
        self.send(id, Content::Answer(answer)).await
    }

    async fn send(&self, id: u32, content: Content) -> Result<(), CallError> {
        let sent = self.to.send(WitnessMessage { id, content }.into()).await;
        sent.map_err(|_| CallError::Failed(Kind::Unavailable.into()))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}
