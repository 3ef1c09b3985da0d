//! A connection that was dialled, and the calls on it.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use blindmatch_wire::exchange::exchange_client::ExchangeClient;
use blindmatch_wire::message::{
    Answer, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RosterRequest, RunMessage,
    Told, Views,
};
use blindmatch_wire::problem::{Kind, METADATA};
use blindmatch_wire::{Malformed, Problem, exchange as wire, limits};
use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::{Status, Streaming};

use crate::chunks::Chunks;
use crate::endpoint::{DialError, Endpoint};
use crate::exchange::Exchange;
use crate::frames::Frames;
use crate::io::Io;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::tasks::{Tasks, Tied};
use crate::tls::Identified;
use crate::witness::{Conversation, Witness};

/// What may be on the way to us on one stream and on one connection: we called, so there are few,
/// and files come this way.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 22;

/// Messages of a stream that wait for the network.
const QUEUE: usize = 2;

/// The most bytes of a roster: as of any signed note.
const MAX_ROSTER: usize = 1 << 20;

/// A connection to the node of a member. Clones share it; it closes when the last of them and of
/// what came of its calls is dropped.
#[derive(Clone)]
pub struct Channel(Arc<Open>);

/// Keeps a connection open.
pub(crate) type Held = Arc<Open>;

pub(crate) struct Open {
    peer: Peer,
    client: ExchangeClient<Sender>,
    limits: Limits,
    _driver: Tied,
}

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The peer says why.
    Refused(Problem),
    /// The connection or the call failed on the way.
    Failed(Problem),
    /// The peer sent what has no meaning.
    Malformed(Malformed),
}

/// What gRPC sends its requests by.
#[derive(Clone)]
pub(crate) enum Sender {
    Http2(http2::SendRequest<Body>),
    #[cfg(feature = "memory")]
    Memory(crate::memory::Sender),
}

impl Channel {
    /// Begins HTTP/2 on a connection of which the handshake is done.
    pub(crate) async fn open(
        endpoint: Endpoint,
        io: Io,
        identified: Identified,
        address: SocketAddr,
    ) -> Result<Self, DialError> {
        let limits = endpoint.limits().clone();
        let exporter = io.exporter();
        let (tasks, executor) = Tasks::new();
        let handshake = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(limits.headers)
            .keep_alive_interval(limits.keepalive)
            .keep_alive_timeout(limits.keepalive_answer)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(io));
        let refused = |_| DialError::Refused(Refusal::Ended);
        let (sender, connection) = handshake.await.map_err(refused)?;
        let (closing, closing_receiver) = watch::channel(false);
        let peer = Peer::new(identified, address, exporter, closing_receiver);
        let driver = tokio::spawn({
            let (endpoint, peer) = (endpoint.clone(), peer.clone());
            async move {
                let ended = async {
                    // How it ended shows in the calls. Those that there are may go on.
                    let _ = connection.await;
                    closing.send_replace(true);
                    tasks.closed().await;
                };
                tokio::select! {
                    () = ended => {}
                    () = no_member(&endpoint, &peer) => {}
                }
            }
        });
        Self::over(Sender::Http2(sender), peer, limits, Tied::new(&driver))
    }

    /// A channel whose requests this sends, for as long as the driver runs.
    pub(crate) fn over(
        sender: Sender,
        peer: Peer,
        limits: Limits,
        driver: Tied,
    ) -> Result<Self, DialError> {
        let origin = Uri::builder()
            .scheme("https")
            .authority(peer.member().as_str())
            .path_and_query("/")
            .build()
            .map_err(|_| DialError::UnknownMember)?;
        let client = ExchangeClient::with_origin(sender, origin)
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::MESSAGE);
        Ok(Self(Arc::new(Open {
            peer,
            client,
            limits,
            _driver: driver,
        })))
    }

    /// The member, whose certificate was verified.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Whether the connection takes no more calls.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.peer.is_closing()
    }

    /// Tells what we speak and hold, and asks for the same.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn hello(&self, greeting: Greeting) -> Result<Greeting, CallError> {
        let greeting = Some(greeting.into());
        let mut client = self.client();
        let answer = self.answer(client.hello(wire::HelloRequest { greeting }));
        Ok(answer.await?.greeting.try_into()?)
    }

    /// The text of a signed roster.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn roster(&self, request: RosterRequest) -> Result<Bytes, CallError> {
        let mut client = self.client();
        let request = wire::RosterRequest::from(request);
        let stream = self.answer(client.roster(request)).await?;
        self.chunks(stream, 0).collect(MAX_ROSTER).await
    }

    /// The views that we may ask.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn views(&self) -> Result<Views, CallError> {
        let mut client = self.client();
        let answer = self.answer(client.views(wire::ViewsRequest {}));
        Ok(answer.await?.try_into()?)
    }

    /// The manifest of a view's newest publication.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn manifest(&self, request: ManifestRequest) -> Result<Manifest, CallError> {
        let mut client = self.client();
        let request = wire::ManifestRequest::from(request);
        Ok(self.answer(client.manifest(request)).await?.try_into()?)
    }

    /// A publication or a difference, from an offset on.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn file(&self, request: FileRequest) -> Result<Chunks, CallError> {
        let mut client = self.client();
        let offset = request.offset;
        let request = wire::FileRequest::from(request);
        let stream = self.answer(client.file(request)).await?;
        Ok(self.chunks(stream, offset))
    }

    /// Proposes a run.
    ///
    /// # Errors
    ///
    /// [`CallError`]; a refusal by policy is an answer.
    pub async fn propose(&self, proposal: Proposal) -> Result<Answer, CallError> {
        let mut client = self.client();
        let request = wire::ProposeRequest::from(proposal);
        Ok(self.answer(client.propose(request)).await?.try_into()?)
    }

    /// Tells something about matches, and comes back once the peer keeps it.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn tell(&self, told: Told) -> Result<(), CallError> {
        let mut client = self.client();
        let request = wire::TellRequest::from(told);
        self.answer(client.tell(request)).await.map(drop)
    }

    /// Opens the stream of a run.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn run(&self, run: [u8; 32]) -> Result<Frames, CallError> {
        let (exporter, to, opening) = self.opening(run).await?;
        let from = opening.await?;
        Ok(self.frames(run, exporter, to, async { Ok(from) }))
    }

    /// The same without waiting for the peer to take it: what is sent first is under way already. Why it
    /// was not taken shows in what is [received](Frames::receive).
    ///
    /// # Errors
    ///
    /// [`CallError`] where there is no connection.
    pub async fn run_ahead(&self, run: [u8; 32]) -> Result<Frames, CallError> {
        let (exporter, to, opening) = self.opening(run).await?;
        Ok(self.frames(run, exporter, to, opening))
    }

    async fn opening(
        &self,
        run: [u8; 32],
    ) -> Result<
        (
            [u8; 32],
            mpsc::Sender<wire::RunMessage>,
            impl Future<Output = Result<Streaming<wire::RunMessage>, CallError>> + Send + 'static,
        ),
        CallError,
    > {
        let exporter = self.0.peer.exporter(&run);
        let exporter = exporter.ok_or_else(|| CallError::Failed(Kind::Unavailable.into()))?;
        let (to, messages) = mpsc::channel(QUEUE);
        let opened = to.send(RunMessage::Open(run).into()).await;
        opened.map_err(|_| CallError::Failed(Kind::Unavailable.into()))?;
        let channel = self.clone();
        let opening = async move {
            let mut client = channel.client();
            let opening = client.run(ReceiverStream::new(messages));
            channel.answer(opening).await
        };
        Ok((exporter, to, opening))
    }

    fn frames(
        &self,
        run: [u8; 32],
        exporter: [u8; 32],
        to: mpsc::Sender<wire::RunMessage>,
        from: impl Future<Output = Result<Streaming<wire::RunMessage>, CallError>> + Send + 'static,
    ) -> Frames {
        let held = Some(Arc::clone(&self.0));
        Frames::new(run, exporter, to, from, &self.0.limits, held)
    }

    /// Opens the stream on which both sides ask each other to cosign; `exchange` answers.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn witness<E: Exchange>(&self, exchange: Arc<E>) -> Result<Witness, CallError> {
        let (to, messages) = mpsc::channel(QUEUE);
        let mut client = self.client();
        let from = self.answer(client.witness(ReceiverStream::new(messages)));
        let from = from.await?;
        let held = Arc::clone(&self.0);
        let (witness, asks) = Witness::new(self.0.limits.call, Some(held));
        let conversation = Conversation {
            exchange,
            peer: self.0.peer.clone(),
            gate: None,
            from,
            to,
            asks,
        };
        // It ends with the connection, or when nobody can ask any more.
        tokio::spawn(async move {
            let _ = conversation.hold().await;
        });
        Ok(witness)
    }

    fn client(&self) -> ExchangeClient<Sender> {
        self.0.client.clone()
    }

    async fn answer<M>(
        &self,
        call: impl Future<Output = Result<tonic::Response<M>, Status>>,
    ) -> Result<M, CallError> {
        let answer = timeout(self.0.limits.call, call).await;
        let answer = answer.map_err(|_| CallError::Failed(Kind::Timeout.into()))?;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| CallError::from(&status))
    }

    fn chunks(&self, stream: Streaming<wire::Chunk>, offset: u64) -> Chunks {
        Chunks::new(stream, offset, self.0.limits.stall, Arc::clone(&self.0))
    }
}

/// Completes when the peer is no longer the member that it was.
pub(crate) async fn no_member(endpoint: &Endpoint, peer: &Peer) {
    let mut known = endpoint.directory().watch();
    let mut recheck = interval(endpoint.limits().recheck);
    loop {
        let present = known.borrow_and_update().clone();
        if !peer.is_member(&present, endpoint.now()) {
            return;
        }
        tokio::select! {
            biased;
            _ = known.changed() => {}
            _ = recheck.tick() => {}
        }
    }
}

impl Service<Request<Body>> for Sender {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match self {
            Self::Http2(sender) => sender.poll_ready(cx).map_err(StdError::from),
            #[cfg(feature = "memory")]
            Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Http2(sender) => {
                let answer = sender.send_request(request);
                Box::pin(async move { Ok(answer.await?.map(Body::new)) })
            }
            #[cfg(feature = "memory")]
            Self::Memory(sender) => sender.send(request),
        }
    }
}

impl From<&Status> for CallError {
    fn from(status: &Status) -> Self {
        let problem = Problem::from(status);
        if status.metadata().get_bin(METADATA).is_some() {
            Self::Refused(problem)
        } else {
            Self::Failed(problem)
        }
    }
}

impl From<Malformed> for CallError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

/// What a side that answers says of what went wrong with a stream of the one that asks.
impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(problem) | CallError::Failed(problem) => problem,
            CallError::Malformed(error) => error.into(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(problem) => write!(f, "the peer refuses: {problem}"),
            Self::Failed(problem) => problem.fmt(f),
            Self::Malformed(error) => write!(f, "what the peer answers is malformed: {error}"),
        }
    }
}

impl std::error::Error for CallError {}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.0.peer).finish()
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Open").field(&self.peer).finish()
    }
}
