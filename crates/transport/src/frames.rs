//! The frames of a run, on one bidirectional stream, with credit (`spec/60-transport.md` §6).

use std::fmt;
use std::time::Duration;

use blindmatch_wire::message::RunMessage;
use blindmatch_wire::{Malformed, exchange as wire, limits, problem::Kind};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tonic::Streaming;

use crate::channel::{CallError, Held};
use crate::limits::Limits;
use crate::tasks::Tied;

/// What a frame costs besides its bytes, so that small ones are bounded as well.
const OVERHEAD: u64 = 64;

/// What a side may send before it was given any credit: the longest frame.
pub(crate) const FIRST_CREDIT: u64 = limits::FRAME as u64 + OVERHEAD;

/// Both directions of the stream of one run.
#[derive(Debug)]
pub struct Frames {
    run: [u8; 32],
    exporter: [u8; 32],
    sender: FrameSender,
    receiver: FrameReceiver,
}

/// Sends frames.
pub struct FrameSender {
    to: mpsc::Sender<wire::RunMessage>,
    sent: u64,
    credit: watch::Receiver<u64>,
    stall: Duration,
}

/// Receives frames.
pub struct FrameReceiver {
    from: mpsc::UnboundedReceiver<Result<Bytes, CallError>>,
    /// Gives credit back, until the end.
    to: Option<mpsc::Sender<wire::RunMessage>>,
    /// What the peer may have sent, and what it was told of that.
    granted: watch::Sender<u64>,
    told: u64,
    received: u64,
    window: u64,
    stall: Duration,
    silence: Duration,
    ended: bool,
    _reader: Tied,
    _connection: Option<Held>,
}

/// Reads the stream of the peer.
struct Reader {
    frames: mpsc::UnboundedSender<Result<Bytes, CallError>>,
    credit: watch::Sender<u64>,
    granted: watch::Receiver<u64>,
    received: u64,
}

impl Frames {
    /// Takes over a stream whose opening message has been read or sent; `from` is what comes of it.
    pub(crate) fn new(
        run: [u8; 32],
        exporter: [u8; 32],
        to: mpsc::Sender<wire::RunMessage>,
        from: impl Future<Output = Result<Streaming<wire::RunMessage>, CallError>> + Send + 'static,
        limits: &Limits,
        connection: Option<Held>,
    ) -> Self {
        let (frames, queue) = mpsc::unbounded_channel();
        let (credit_sender, credit) = watch::channel(FIRST_CREDIT);
        let (granted, granted_receiver) = watch::channel(FIRST_CREDIT);
        let reader = Reader {
            frames,
            credit: credit_sender,
            granted: granted_receiver,
            received: 0,
        };
        let reader = Tied::new(&tokio::spawn(reader.read(from)));
        let receiver = FrameReceiver {
            from: queue,
            to: Some(to.clone()),
            granted,
            told: FIRST_CREDIT,
            received: 0,
            window: limits.credit,
            stall: limits.stall,
            silence: limits.silence,
            ended: false,
            _reader: reader,
            _connection: connection,
        };
        let sender = FrameSender {
            to,
            sent: 0,
            credit,
            stall: limits.stall,
        };
        Self {
            run,
            exporter,
            sender,
            receiver,
        }
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &[u8; 32] {
        &self.run
    }

    /// What binds the run to this connection: equal on both sides (`spec/30-session.md` §3).
    #[must_use]
    pub const fn exporter(&self) -> &[u8; 32] {
        &self.exporter
    }

    /// Both directions apart, so that one can wait while the other goes on.
    #[must_use]
    pub const fn split(&mut self) -> (&mut FrameSender, &mut FrameReceiver) {
        (&mut self.sender, &mut self.receiver)
    }

    /// [`FrameSender::send`].
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn send(&mut self, frame: Bytes) -> Result<(), CallError> {
        self.sender.send(frame).await
    }

    /// [`FrameReceiver::receive`].
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn receive(&mut self) -> Result<Option<Bytes>, CallError> {
        self.receiver.receive().await
    }

    /// Ends the stream in order, for the side that dialled: what was sent arrives, and what still
    /// comes is passed over. Dropping the frames may cut off the last that were sent.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn finish(self) -> Result<(), CallError> {
        let Self {
            sender,
            mut receiver,
            ..
        } = self;
        let stall = sender.stall;
        drop(sender);
        receiver.to = None;
        let rest = async {
            while receiver.receive().await?.is_some() {}
            Ok(())
        };
        timeout(stall, rest).await.map_err(|_| timed_out())?
    }
}

impl FrameSender {
    /// Sends a frame as soon as the peer has room for it.
    ///
    /// # Errors
    ///
    /// [`CallError`] where the frame is empty or too long, the peer gives no credit for long, or the
    /// stream has ended: then [`FrameReceiver::receive`] says why.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), CallError> {
        if !(1..=limits::FRAME).contains(&frame.len()) {
            return Err(Malformed::Length.into());
        }
        let sent = self.sent.saturating_add(cost(&frame));
        let room = self.credit.wait_for(|credit| *credit >= sent);
        let room = timeout(self.stall, room).await.map_err(|_| timed_out())?;
        room.map_err(|_| ended())?;
        self.sent = sent;
        let message = RunMessage::Frame(frame).into();
        let taken = timeout(self.stall, self.to.send(message)).await;
        taken.map_err(|_| timed_out())?.map_err(|_| ended())
    }
}

impl FrameReceiver {
    /// The next frame, or `None` where the peer has ended the stream in order.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`CallError`]; afterwards there is nothing more.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, CallError> {
        if self.ended {
            return Ok(None);
        }
        self.give_credit().await?;
        let next = timeout(self.silence, self.from.recv()).await;
        match next.map_err(|_| timed_out())? {
            Some(Ok(frame)) => {
                self.received = self.received.saturating_add(cost(&frame));
                Ok(Some(frame))
            }
            Some(Err(error)) => {
                self.ended = true;
                Err(error)
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// Half a window at a time, so that small frames do not each make a message; and always as much
    /// as the longest frame.
    async fn give_credit(&mut self) -> Result<(), CallError> {
        let left = self.told.saturating_sub(self.received);
        let next = self.received.saturating_add(self.window);
        if let Some(to) = &self.to
            && left < FIRST_CREDIT.max(self.window / 2)
            && next > self.told
        {
            self.granted.send_replace(next);
            let told = timeout(self.stall, to.send(RunMessage::Credit(next).into())).await;
            match told.map_err(|_| timed_out())? {
                Ok(()) => self.told = next,
                // The stream has ended; why, stands behind the frames that are still there.
                Err(_) => self.to = None,
            }
        }
        Ok(())
    }
}

impl Reader {
    async fn read(
        mut self,
        from: impl Future<Output = Result<Streaming<wire::RunMessage>, CallError>>,
    ) {
        let mut from = match from.await {
            Ok(from) => from,
            Err(error) => {
                let _ = self.frames.send(Err(error));
                return;
            }
        };
        let end = loop {
            match from.message().await {
                Ok(Some(message)) => match self.take(message) {
                    Ok(()) => {}
                    Err(error) => break Some(error.into()),
                },
                Ok(None) => break None,
                Err(status) => break Some(CallError::from(&status)),
            }
        };
        if let Some(error) = end {
            // Nobody reads any more where the run has ended.
            let _ = self.frames.send(Err(error));
        }
    }

    fn take(&mut self, message: wire::RunMessage) -> Result<(), Malformed> {
        match message.try_into()? {
            RunMessage::Open(_) => Err(Malformed::Order),
            RunMessage::Frame(frame) => {
                self.received = self.received.saturating_add(cost(&frame));
                if self.received > *self.granted.borrow() {
                    return Err(Malformed::Credit);
                }
                let _ = self.frames.send(Ok(frame));
                Ok(())
            }
            RunMessage::Credit(credit) => {
                // Credit is a total, which never goes back.
                if credit < *self.credit.borrow() {
                    return Err(Malformed::Credit);
                }
                self.credit.send_replace(credit);
                Ok(())
            }
        }
    }
}

fn cost(frame: &Bytes) -> u64 {
    u64::try_from(frame.len()).map_or(u64::MAX, |length| length.saturating_add(OVERHEAD))
}

fn timed_out() -> CallError {
    CallError::Failed(Kind::Timeout.into())
}

fn ended() -> CallError {
    CallError::Failed(Kind::Unavailable.into())
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender").finish_non_exhaustive()
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").finish_non_exhaustive()
    }
}
