//! A peer's view, made ready to be asked: its newest publication, accepted and here.

use std::io::{self, Write};
use std::sync::Arc;

use blindmatch_audit::checkpoint::{Checkpoint, Continuation};
use blindmatch_audit::proof::RecordProof;
use blindmatch_membership::{MemberId, Witnesses};
use blindmatch_psi::publication::Manifest;
use blindmatch_store::views::{Accepted, PeerEpoch};
use blindmatch_transport::message::{FileRequest, ManifestRequest};
use blindmatch_transport::{Channel, Chunks};
use tokio::runtime::Handle;

use super::accept::{self, Before, Expected};
use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::view::View;

/// A view that can be asked.
pub(super) struct Prepared {
    /// What was accepted of its epoch, and what was asked of it already.
    pub(super) epoch: Arc<PeerEpoch>,
    /// Its newest publication.
    pub(super) accepted: Accepted,
    /// Bytes that came for it.
    pub(super) bytes: u64,
}

/// Gets the newest publication of a peer's view, where it is not here yet, and accepts it.
///
/// # Errors
///
/// [`AskError`]; nothing was accepted then.
pub(super) async fn prepare(
    daemon: &Arc<Daemon>,
    channel: &Channel,
    view: &View,
) -> Result<Prepared, AskError> {
    let peer = channel.peer().id();
    let before = blocking({
        let (daemon, peer, view) = (Arc::clone(daemon), peer.clone(), view.clone());
        move || Ok(before(&daemon, &peer, &view))
    })
    .await?;
    let request = ManifestRequest {
        view: view.to_string(),
        size: before.checkpoint.as_ref().map_or(0, |before| before.size),
    };
    let answer = channel.manifest(request).await?;
    let accepted = {
        let known = daemon.directory().known();
        let now = daemon.now();
        let witnesses = Witnesses::of(&known.roster, &known.delegations, peer.member(), now);
        let expected = Expected {
            consortium: peer.consortium().as_str(),
            responder: &peer.to_string(),
            view,
            ledger: &daemon.ledger_keys_of(peer.member()),
            quorum: &witnesses.quorum().map_err(AskError::Quorum)?,
        };
        let continuation = Continuation::Kept(answer.consistency);
        accept::accept(
            &answer.manifest,
            &answer.proof,
            &continuation,
            &expected,
            &before,
            now,
        )
        .map_err(AskError::NotAccepted)?
    };
    let manifest = accepted.manifest;
    let held = |epoch: Arc<PeerEpoch>, bytes| {
        let newest = epoch.publications().into_iter().next();
        // An epoch that was accepted has one.
        let accepted = newest.filter(|newest| newest.manifest == manifest)?;
        Some(Prepared {
            epoch,
            accepted,
            bytes,
        })
    };
    let of_epoch = |epoch: &Arc<PeerEpoch>| *epoch.domain() == manifest.domain;
    let epoch = daemon.views().peers().into_iter().find(of_epoch);
    if let Some(prepared) = epoch.clone().and_then(|epoch| held(epoch, 0)) {
        return Ok(prepared);
    }

    let request = FileRequest {
        view: view.to_string(),
        sequence: manifest.edition.sequence(),
        since: None,
        offset: 0,
    };
    let chunks = channel.file(request).await?;
    let (epoch, bytes) = blocking({
        let (daemon, manifest) = (Arc::clone(daemon), manifest.clone());
        let runtime = Handle::current();
        move || download(&daemon, &runtime, epoch, &manifest, &answer.proof, chunks)
    })
    .await?;
    held(epoch, bytes).ok_or(AskError::Answer)
}

/// Takes a file in, which appears once it is what the manifest says.
fn download(
    daemon: &Daemon,
    runtime: &Handle,
    epoch: Option<Arc<PeerEpoch>>,
    manifest: &Manifest,
    proof: &[u8],
    mut chunks: Chunks,
) -> Result<(Arc<PeerEpoch>, u64), AskError> {
    let mut bytes: u64 = 0;
    let mut failed = None;
    let mut write = |to: &mut dyn Write| -> io::Result<()> {
        loop {
            match runtime.block_on(chunks.next()) {
                Ok(None) => return Ok(()),
                Ok(Some(chunk)) => {
                    bytes = bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
                    to.write_all(&chunk)?;
                }
                Err(error) => {
                    failed = Some(error);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    };
    let mut rng = rand::rng();
    let accepted = match epoch {
        Some(epoch) => {
            let accepted = epoch.accept(manifest, proof, &mut write, &mut rng);
            accepted.map(|()| epoch)
        }
        None => daemon.views().accept(manifest, proof, &mut write, &mut rng),
    };
    match (accepted, failed) {
        (Ok(epoch), _) => Ok((epoch, bytes)),
        (Err(_), Some(error)) => Err(error.into()),
        (Err(error), None) => Err(error.into()),
    }
}

/// What was accepted of a peer: the newest checkpoint of its ledger that any of its publications
/// stood in, and the newest manifest of the view.
fn before(daemon: &Daemon, peer: &MemberId, view: &View) -> Before {
    let (consortium, responder) = (peer.consortium().as_str(), peer.to_string());
    let view = view.to_string();
    let mut before = Before::default();
    for epoch in daemon.views().peers() {
        let domain = epoch.domain();
        let of_peer =
            domain.consortium == consortium.as_bytes() && domain.responder == responder.as_bytes();
        if !of_peer {
            continue;
        }
        for accepted in epoch.publications() {
            // It was read before it was kept.
            let Ok(proof) = RecordProof::parse(&accepted.proof) else {
                continue;
            };
            let checkpoint = proof.checkpoint.unverified();
            let place = |checkpoint: &Checkpoint| (checkpoint.origin.incarnation, checkpoint.size);
            if before
                .checkpoint
                .as_ref()
                .is_none_or(|newest| place(newest) < place(checkpoint))
            {
                before.checkpoint = Some(checkpoint.clone());
            }
            let newer = before.manifest.as_ref().is_none_or(|newest| {
                let number = |manifest: &Manifest| manifest.edition.sequence();
                number(newest) < number(&accepted.manifest)
            });
            if domain.view == view.as_bytes() && newer {
                before.manifest = Some(accepted.manifest);
            }
        }
    }
    before
}
