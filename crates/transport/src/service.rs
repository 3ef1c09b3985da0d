//! From the calls of gRPC to an [`Exchange`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use blindmatch_wire::exchange::exchange_server;
use blindmatch_wire::message::RunMessage;
use blindmatch_wire::problem::Kind;
use blindmatch_wire::{Malformed, Problem, exchange as wire};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::chunks::ChunkSender;
use crate::exchange::Exchange;
use crate::frames::Frames;
use crate::gate::Gate;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::tasks::Tied;
use crate::witness::{Conversation, Witness};

/// Messages of a stream that wait for the network.
const QUEUE: usize = 2;

/// What one connection is served by.
pub(crate) struct Service<E> {
    pub(crate) exchange: Arc<E>,
    pub(crate) peer: Peer,
    pub(crate) gate: Arc<Gate>,
    pub(crate) limits: Limits,
}

/// The messages of a call, and the task that makes them and ends with them.
pub(crate) struct Messages<M> {
    from: mpsc::Receiver<M>,
    /// Until it has said how the call ended.
    task: Option<JoinHandle<Result<(), Problem>>>,
    _tied: Tied,
}

type Answer<M> = Result<Response<M>, Status>;

impl<E: Exchange> Service<E> {
    /// Runs a call of which the answer is a stream, until its end or until it takes too long.
    fn stream<M: Send + 'static, F>(
        &self,
        call: impl FnOnce(mpsc::Sender<M>, Arc<E>, Peer) -> F,
    ) -> Answer<Messages<M>>
    where
        F: Future<Output = Result<(), Problem>> + Send + 'static,
    {
        let (to, from) = mpsc::channel(QUEUE);
        let call = call(to, Arc::clone(&self.exchange), self.peer.clone());
        let most = self.limits.stream;
        let task = tokio::spawn(async move {
            let outcome = timeout(most, call).await;
            outcome.unwrap_or_else(|_| Err(Kind::Timeout.into()))
        });
        let tied = Tied::new(&task);
        Ok(Response::new(Messages {
            from,
            task: Some(task),
            _tied: tied,
        }))
    }
}

#[async_trait]
impl<E: Exchange> exchange_server::Exchange for Service<E> {
    async fn hello(&self, request: Request<wire::HelloRequest>) -> Answer<wire::HelloResponse> {
        let greeting = request.into_inner().greeting;
        let greeting = greeting.try_into().map_err(malformed)?;
        let greeting = self.exchange.hello(&self.peer, greeting).await?;
        Ok(Response::new(wire::HelloResponse {
            greeting: Some(greeting.into()),
        }))
    }

    type RosterStream = Messages<wire::Chunk>;

    async fn roster(&self, request: Request<wire::RosterRequest>) -> Answer<Self::RosterStream> {
        let request = request.into_inner().into();
        let roster = self.exchange.roster(&self.peer, request).await?;
        let stall = self.limits.stall;
        self.stream(move |to, _, _| async move {
            let total = u64::try_from(roster.len()).map_err(|_| Kind::Internal)?;
            ChunkSender::new(to, stall).send(total, 0, roster).await
        })
    }

    async fn views(&self, _: Request<wire::ViewsRequest>) -> Answer<wire::ViewsResponse> {
        let views = self.exchange.views(&self.peer).await?;
        Ok(Response::new(views.into()))
    }

    async fn manifest(
        &self,
        request: Request<wire::ManifestRequest>,
    ) -> Answer<wire::ManifestResponse> {
        let request = request.into_inner().try_into().map_err(malformed)?;
        let manifest = self.exchange.manifest(&self.peer, request).await?;
        Ok(Response::new(manifest.into()))
    }

    type FileStream = Messages<wire::Chunk>;

    async fn file(&self, request: Request<wire::FileRequest>) -> Answer<Self::FileStream> {
        let request = request.into_inner().try_into().map_err(malformed)?;
        let stall = self.limits.stall;
        self.stream(move |to, exchange, peer| async move {
            let to = ChunkSender::new(to, stall);
            exchange.file(&peer, request, to).await
        })
    }

    async fn propose(
        &self,
        request: Request<wire::ProposeRequest>,
    ) -> Answer<wire::ProposeResponse> {
        let proposal = request.into_inner().try_into().map_err(malformed)?;
        let answer = self.exchange.propose(&self.peer, proposal).await?;
        Ok(Response::new(answer.into()))
    }

    async fn tell(&self, request: Request<wire::TellRequest>) -> Answer<wire::TellResponse> {
        let told = request.into_inner().try_into().map_err(malformed)?;
        self.exchange.tell(&self.peer, told).await?;
        Ok(Response::new(wire::TellResponse {}))
    }

    type RunStream = Messages<wire::RunMessage>;

    async fn run(&self, request: Request<Streaming<wire::RunMessage>>) -> Answer<Self::RunStream> {
        let mut from = request.into_inner();
        let open = from.message().await?.ok_or(Malformed::Missing);
        let open = open.and_then(RunMessage::try_from).map_err(malformed)?;
        let RunMessage::Open(run) = open else {
            return Err(malformed(Malformed::Order));
        };
        let exporter = self.peer.exporter(&run).ok_or(Kind::Unavailable);
        let exporter = exporter.map_err(Problem::from)?;
        let limits = self.limits.clone();
        self.stream(move |to, exchange, peer| async move {
            let from = async { Ok(from) };
            let frames = Frames::new(run, exporter, to, from, &limits, None);
            exchange.run(&peer, frames).await
        })
    }

    type WitnessStream = Messages<wire::WitnessMessage>;

    async fn witness(
        &self,
        request: Request<Streaming<wire::WitnessMessage>>,
    ) -> Answer<Self::WitnessStream> {
        let from = request.into_inner();
        let gate = Some(Arc::clone(&self.gate));
        let (witness, asks) = Witness::new(self.limits.call, None);
        self.exchange.witness(&self.peer, witness);
        self.stream(move |to, exchange, peer| async move {
            let conversation = Conversation {
                exchange,
                peer,
                gate,
                from,
                to,
                asks,
            };
            conversation.hold().await.map_err(Problem::from)
        })
    }
}

impl<M> Stream for Messages<M> {
    type Item = Result<M, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.from.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(task) = &mut self.task else {
            return Poll::Ready(None);
        };
        let outcome = ready!(Pin::new(task).poll(cx));
        self.task = None;
        // A task that ended otherwise has panicked: that is no end in order.
        let outcome = outcome.unwrap_or_else(|_| Err(Kind::Internal.into()));
        Poll::Ready(outcome.err().map(|problem| Err(problem.into())))
    }
}

fn malformed(error: Malformed) -> Status {
    Problem::from(error).into()
}
