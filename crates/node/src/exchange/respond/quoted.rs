//! Refusals of calls under a reference that both operators can quote: it stands in this node's log,
//! with what the peer is not told.

use blindmatch_transport::message::{
    Answer, Cosigned, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RosterRequest,
    Told, Views,
};
use blindmatch_transport::{ChunkSender, Exchange, Frames, Peer, Witness};
use blindmatch_wire::Problem;
use blindmatch_wire::problem::Reference;
use bytes::Bytes;
use tracing::info;

use super::Serving;

/// The answers of a node, each problem with a reference.
pub(in crate::exchange) struct Quoted(pub(in crate::exchange) Serving);

impl Quoted {
    fn told<T>(
        &self,
        peer: &Peer,
        call: &'static str,
        answer: Result<T, Problem>,
    ) -> Result<T, Problem> {
        answer.map_err(|problem| {
            let problem = match problem.reference {
                Some(_) => problem,
                None => problem.with_reference(Reference(rand::random())),
            };
            let kind = [("kind", problem.kind.name())];
            let counters = self.0.counters();
            counters.add("blindmatch_calls_refused_total", &kind, 1);
            info!(peer = %peer.member(), call, %problem, "call refused");
            problem
        })
    }
}

impl Exchange for Quoted {
    async fn hello(&self, peer: &Peer, greeting: Greeting) -> Result<Greeting, Problem> {
        self.told(peer, "hello", self.0.hello(peer, greeting).await)
    }

    async fn roster(&self, peer: &Peer, request: RosterRequest) -> Result<Bytes, Problem> {
        self.told(peer, "roster", self.0.roster(peer, request).await)
    }

    async fn views(&self, peer: &Peer) -> Result<Views, Problem> {
        self.told(peer, "views", self.0.views(peer).await)
    }

    async fn manifest(&self, peer: &Peer, request: ManifestRequest) -> Result<Manifest, Problem> {
        self.told(peer, "manifest", self.0.manifest(peer, request).await)
    }

    async fn file(
        &self,
        peer: &Peer,
        request: FileRequest,
        to: ChunkSender,
    ) -> Result<(), Problem> {
        self.told(peer, "file", self.0.file(peer, request, to).await)
    }

    async fn propose(&self, peer: &Peer, proposal: Proposal) -> Result<Answer, Problem> {
        self.told(peer, "propose", self.0.propose(peer, proposal).await)
    }

    async fn tell(&self, peer: &Peer, told: Told) -> Result<(), Problem> {
        self.told(peer, "tell", self.0.tell(peer, told).await)
    }

    async fn run(&self, peer: &Peer, frames: Frames) -> Result<(), Problem> {
        self.told(peer, "run", self.0.run(peer, frames).await)
    }

    async fn cosign(&self, peer: &Peer, request: Bytes) -> Cosigned {
        self.0.cosign(peer, request).await
    }

    fn is_serving(&self) -> bool {
        self.0.is_serving()
    }

    fn witness(&self, peer: &Peer, witness: Witness) {
        self.0.witness(peer, witness);
    }
}
