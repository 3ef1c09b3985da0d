//! Getting a publication: the whole file, or what leads to it from the one before.

use std::io::{self, Write};
use std::sync::Arc;

use blindmatch_psi::publication::Manifest;
use blindmatch_store::views::{PeerEpoch, ViewError};
use blindmatch_transport::message::FileRequest;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Chunks};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::ask::{AskError, blocking};
use super::daemon::Daemon;

/// A publication that is accepted and not here yet.
pub(super) struct Download {
    pub(super) daemon: Arc<Daemon>,
    pub(super) channel: Channel,
    /// The name of the view.
    pub(super) view: String,
    pub(super) manifest: Manifest,
    pub(super) proof: Bytes,
}

impl Download {
    /// Gets it, by the difference where the newest publication of `epoch` is the one before; gives
    /// the number of bytes that came.
    ///
    /// # Errors
    ///
    /// [`AskError`]; nothing was accepted then.
    pub(super) async fn fetch(&self, epoch: Option<Arc<PeerEpoch>>) -> Result<u64, AskError> {
        let newest = epoch.as_ref().and_then(|epoch| {
            let newest = epoch.publications().into_iter().next();
            Some(newest?.manifest.edition.sequence())
        });
        let mut bytes = 0;
        if let (Some(epoch), Some(since)) = (&epoch, newest) {
            match self
                .take(Some(Arc::clone(epoch)), Some(since), &mut bytes)
                .await
            {
                // It is not the one before, or not the same as the peer's.
                Err(AskError::Call(CallError::Refused(problem)))
                    if problem.kind == Kind::NotFound => {}
                Err(AskError::Node(crate::Error::View(ViewError::Publication(_)))) => {}
                taken => return taken.map(|()| bytes),
            }
        }
        self.take(epoch, None, &mut bytes).await?;
        Ok(bytes)
    }

    /// Gets the file, or the difference from the publication `since`.
    async fn take(
        &self,
        epoch: Option<Arc<PeerEpoch>>,
        since: Option<u64>,
        bytes: &mut u64,
    ) -> Result<(), AskError> {
        let request = FileRequest {
            view: self.view.clone(),
            sequence: self.manifest.edition.sequence(),
            since,
            offset: 0,
        };
        let mut incoming = Incoming {
            runtime: Handle::current(),
            chunks: self.channel.file(request).await?,
            bytes: 0,
            failed: None,
        };
        let daemon = Arc::clone(&self.daemon);
        let (manifest, proof) = (self.manifest.clone(), self.proof.clone());
        let (taken, came) = blocking(move || {
            let mut rng = rand::rng();
            let mut write = |to: &mut dyn Write| incoming.write(to);
            let taken = match (epoch, since) {
                (Some(epoch), Some(_)) => {
                    let scratch = daemon.views().scratch(&mut rng);
                    epoch.accept_difference(&manifest, &proof, &mut write, &scratch, &mut rng)
                }
                (Some(epoch), None) => epoch.accept(&manifest, &proof, &mut write, &mut rng),
                (None, _) => {
                    let accepted = daemon
                        .views()
                        .accept(&manifest, &proof, &mut write, &mut rng);
                    accepted.map(drop)
                }
            };
            let taken = match (taken, incoming.failed) {
                (Ok(()), _) => Ok(()),
                (Err(_), Some(error)) => Err(error.into()),
                (Err(error), None) => Err(error.into()),
            };
            Ok((taken, incoming.bytes))
        })
        .await?;
        *bytes = bytes.saturating_add(came);
        taken
    }
}

/// What comes, as it is written.
struct Incoming {
    runtime: Handle,
    chunks: Chunks,
    bytes: u64,
    failed: Option<CallError>,
}

impl Incoming {
    fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
        loop {
            match self.runtime.block_on(self.chunks.next()) {
                Ok(None) => return Ok(()),
                Ok(Some(chunk)) => {
                    let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                    self.bytes = self.bytes.saturating_add(length);
                    to.write_all(&chunk)?;
                }
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    }
}
