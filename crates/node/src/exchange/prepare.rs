//! A peer's view, made ready to be asked: its newest publication, accepted and here.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_audit::checkpoint::{Checkpoint, Continuation, SignedCheckpoint};
use blindmatch_audit::proof::RecordProof;
use blindmatch_membership::{MemberId, Witnesses};
use blindmatch_psi::publication::{Domain, Manifest};
use blindmatch_store::views::{Accepted, PeerEpoch};
use blindmatch_transport::message::ManifestRequest;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Endpoint};
use bytes::Bytes;
use tokio::time::timeout;

use super::accept::{self, Before, Expected, NotAccepted};
use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::download::Download;
use super::peers::patiently;
use super::respond;
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

/// Gets the newest publication of a peer's view, where it is not here yet, and accepts it. Waits no
/// longer than `patience` for the file, which goes on coming as long as the process lives.
///
/// # Errors
///
/// [`AskError`]; nothing was accepted then. [`AskError::Preparing`] where it was not waited for.
pub(super) async fn prepare(
    daemon: &Arc<Daemon>,
    endpoint: &Endpoint,
    channel: &Channel,
    view: &View,
    patience: Option<Duration>,
) -> Result<Prepared, AskError> {
    let peer = channel.peer().id();
    let known = blocking({
        let (daemon, peer, view) = (Arc::clone(daemon), peer.clone(), view.clone());
        move || Ok(known(&daemon, &peer, &view))
    })
    .await?;
    let Known {
        before,
        checkpoint,
        proofs,
    } = known;
    let request = ManifestRequest {
        view: view.to_string(),
        checkpoint: checkpoint.map_or_else(Bytes::new, |signed| signed.to_string().into()),
    };
    let answer = match patiently(|| channel.manifest(request.clone())).await {
        // What was restored in its place has no key of what is in use here.
        Err(CallError::Refused(problem))
            if problem.kind == Kind::NotNow && problem.rule != respond::UNKNOWN_KEY =>
        {
            return in_use(daemon, before).ok_or_else(|| CallError::Refused(problem).into());
        }
        answer => answer?,
    };
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
        let lost = answer.lost.map(|lost| (lost.index, lost.record.into()));
        let continuation = Continuation::new(lost, answer.consistency);
        accept::accept(
            &answer.manifest,
            &answer.proof,
            &continuation,
            &expected,
            &before,
            now,
        )
    };
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) if error.is_equivocation() => {
            let (daemon, peer) = (Arc::clone(daemon), peer.member().clone());
            let held = match error {
                NotAccepted::Ledger(_) => proofs.of_ledger,
                _ => proofs.of_view,
            };
            blocking(move || Ok(daemon.convict(&peer, &held, &answer.proof)?)).await?;
            return Err(AskError::Equivocation(error));
        }
        Err(error) => return Err(AskError::NotAccepted(error)),
    };
    let manifest = accepted.manifest;
    let epoch = epoch_of(daemon, &manifest.domain);
    if let Some(prepared) = epoch.clone().and_then(|epoch| held(epoch, &manifest, 0)) {
        return Ok(prepared);
    }
    let length = manifest.edition.file_length();
    let download = Download {
        daemon: Arc::clone(daemon),
        endpoint: endpoint.clone(),
        channel: channel.clone(),
        view: view.to_string(),
        manifest,
        proof: answer.proof,
    };
    // It goes on where it is not waited for.
    let fetching = tokio::spawn(async move {
        let bytes = download.fetch(epoch).await?;
        let epoch = epoch_of(&download.daemon, &download.manifest.domain);
        let prepared = epoch.and_then(|epoch| held(epoch, &download.manifest, bytes));
        prepared.ok_or(AskError::Answer)
    });
    let fetched = match patience {
        None => fetching.await,
        Some(patience) => timeout(patience, fetching)
            .await
            .map_err(|_| AskError::Preparing(length))?,
    };
    fetched.unwrap_or(Err(AskError::Panicked))
}

/// The newest that was accepted of a view, where it is valid still: until the peer has a later one
/// cosigned, that one is in use.
fn in_use(daemon: &Daemon, before: Before) -> Option<Prepared> {
    let newest = before.manifest?;
    newest.check_time(daemon.now()).ok()?;
    held(epoch_of(daemon, &newest.domain)?, &newest, 0)
}

fn epoch_of(daemon: &Daemon, domain: &Domain) -> Option<Arc<PeerEpoch>> {
    let mut peers = daemon.views().peers().into_iter();
    peers.find(|epoch| epoch.domain() == domain)
}

/// A publication that is the newest of its epoch here.
fn held(epoch: Arc<PeerEpoch>, manifest: &Manifest, bytes: u64) -> Option<Prepared> {
    let newest = epoch.publications().into_iter().next();
    let accepted = newest.filter(|newest| newest.manifest == *manifest)?;
    Some(Prepared {
        epoch,
        accepted,
        bytes,
    })
}

/// What was accepted of a peer.
#[derive(Default)]
struct Known {
    /// The newest checkpoint of its ledger that any of its publications stood in, and the newest
    /// manifest of the view.
    before: Before,
    /// The checkpoint as it was signed.
    checkpoint: Option<SignedCheckpoint>,
    proofs: Proofs,
}

/// The proofs in which both stood.
#[derive(Default)]
struct Proofs {
    of_ledger: Vec<u8>,
    of_view: Vec<u8>,
}

fn known(daemon: &Daemon, peer: &MemberId, view: &View) -> Known {
    let (consortium, responder) = (peer.consortium().as_str(), peer.to_string());
    let view = view.to_string();
    let mut known = Known::default();
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
            if known
                .before
                .checkpoint
                .as_ref()
                .is_none_or(|newest| place(newest) < place(checkpoint))
            {
                known.before.checkpoint = Some(checkpoint.clone());
                known.checkpoint = Some(proof.checkpoint.clone());
                known.proofs.of_ledger.clone_from(&accepted.proof);
            }
            let newer = known.before.manifest.as_ref().is_none_or(|newest| {
                let number = |manifest: &Manifest| manifest.edition.sequence();
                number(newest) < number(&accepted.manifest)
            });
            if domain.view == view.as_bytes() && newer {
                known.proofs.of_view = accepted.proof;
                known.before.manifest = Some(accepted.manifest);
            }
        }
    }
    known
}
