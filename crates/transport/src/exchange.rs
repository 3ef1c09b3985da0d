//! What a node answers to its peers.

use bytes::Bytes;

use blindmatch_wire::Problem;
use blindmatch_wire::message::{
    Answer, Cosigned, FileRequest, Greeting, Manifest, ManifestRequest, Proposal, RosterRequest,
    Told, Views,
};
use blindmatch_wire::problem::Kind;

use crate::chunks::ChunkSender;
use crate::frames::Frames;
use crate::peer::Peer;
use crate::witness::Witness;

/// The answers of a node. `peer` is a member, verified, of the roster that the directory has now.
///
/// The future of a call is dropped when the peer goes away, the call takes too long, or the peer is
/// no longer a member: whatever has to be whole must not depend on being polled to its end.
pub trait Exchange: Send + Sync + 'static {
    /// What this node speaks and holds.
    fn hello(
        &self,
        peer: &Peer,
        greeting: Greeting,
    ) -> impl Future<Output = Result<Greeting, Problem>> + Send;

    /// The text of a signed roster.
    fn roster(
        &self,
        peer: &Peer,
        request: RosterRequest,
    ) -> impl Future<Output = Result<Bytes, Problem>> + Send;

    /// The views that the peer may ask.
    fn views(&self, peer: &Peer) -> impl Future<Output = Result<Views, Problem>> + Send;

    /// The manifest of a view's newest publication.
    fn manifest(
        &self,
        peer: &Peer,
        request: ManifestRequest,
    ) -> impl Future<Output = Result<Manifest, Problem>> + Send;

    /// Sends a publication or a difference from the offset on that the request names.
    fn file(
        &self,
        peer: &Peer,
        request: FileRequest,
        to: ChunkSender,
    ) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Agrees to a run, or refuses.
    fn propose(
        &self,
        peer: &Peer,
        proposal: Proposal,
    ) -> impl Future<Output = Result<Answer, Problem>> + Send;

    /// Takes what the peer tells about matches; that it was taken is said once it is kept. Who keeps
    /// none says so.
    fn tell(&self, _peer: &Peer, _told: Told) -> impl Future<Output = Result<(), Problem>> + Send {
        async { Err(Kind::NotFound.into()) }
    }

    /// Runs one side of a run; its end ends the stream.
    fn run(&self, peer: &Peer, frames: Frames) -> impl Future<Output = Result<(), Problem>> + Send;

    /// Answers a request to cosign a checkpoint, over a connection that either side opened.
    fn cosign(&self, peer: &Peer, request: Bytes) -> impl Future<Output = Cosigned> + Send;

    /// Whether members are answered, for who checks that and asks nothing.
    fn is_serving(&self) -> bool {
        true
    }

    /// The peer has opened a stream on which it may be asked to cosign, too.
    fn witness(&self, peer: &Peer, witness: Witness);
}
