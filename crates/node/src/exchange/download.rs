//! Getting a publication: the whole file, or what leads to it from the one before.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use blindmatch_psi::publication::Manifest;
use blindmatch_store::views::{PeerEpoch, ViewError};
use blindmatch_transport::message::FileRequest;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Chunks, Endpoint};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::peers::{RECONNECTS, pause, reach};

/// A connection that brought so many bytes was worth it.
const PROGRESS: u64 = 1 << 17;

/// A publication that is accepted and not here yet.
pub(super) struct Download {
    pub(super) daemon: Arc<Daemon>,
    pub(super) endpoint: Endpoint,
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
        let source = Source {
            daemon: Arc::clone(&self.daemon),
            endpoint: self.endpoint.clone(),
            channel: self.channel.clone(),
            request,
            chunks: None,
            lost: 0,
            mark: 0,
        };
        let mut incoming = Incoming {
            runtime: Handle::current(),
            source,
            ahead: VecDeque::new(),
            bytes: 0,
            failed: None,
        };
        #[cfg(feature = "simulation")]
        if crate::simulation::is_on() {
            incoming.read_ahead().await;
        }
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
                (Err(_), Some(error)) => Err(error),
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
    source: Source,
    /// What came before it was wanted.
    ahead: VecDeque<Result<Option<Bytes>, AskError>>,
    bytes: u64,
    failed: Option<AskError>,
}

impl Incoming {
    /// Reads all of it, on a thread that cannot wait while it writes.
    #[cfg(feature = "simulation")]
    async fn read_ahead(&mut self) {
        loop {
            let next = self.source.next().await;
            let is_last = !matches!(next, Ok(Some(_)));
            self.ahead.push_back(next);
            if is_last {
                return;
            }
        }
    }

    fn write(&mut self, to: &mut dyn Write) -> io::Result<()> {
        loop {
            let next = self.ahead.pop_front();
            match next.unwrap_or_else(|| self.runtime.block_on(self.source.next())) {
                Ok(None) => return Ok(()),
                Ok(Some(chunk)) => {
                    self.bytes = self.bytes.saturating_add(length(&chunk));
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

/// A file of a peer, over connections that break: each goes on where the one before came to.
struct Source {
    daemon: Arc<Daemon>,
    endpoint: Endpoint,
    channel: Channel,
    request: FileRequest,
    chunks: Option<Chunks>,
    /// Connections in a row that brought less than [`PROGRESS`].
    lost: u32,
    /// Where the first of them began.
    mark: u64,
}

impl Source {
    /// The next bytes, or nothing behind the last.
    async fn next(&mut self) -> Result<Option<Bytes>, AskError> {
        loop {
            match self.read().await {
                Ok(Some(chunk)) => {
                    self.request.offset = self.request.offset.saturating_add(length(&chunk));
                    if self.request.offset - self.mark >= PROGRESS {
                        self.mark = self.request.offset;
                        self.lost = 0;
                    }
                    return Ok(Some(chunk));
                }
                Err(error) if is_passing(&error) && self.lost < RECONNECTS => {
                    sleep(pause(self.lost)).await;
                    self.lost += 1;
                    self.chunks = None;
                    let member = self.channel.peer().member();
                    // Who is not reached is tried again.
                    match reach(&self.daemon, &self.endpoint, member).await {
                        Ok((channel, _)) => self.channel = channel,
                        Err(error) if error.is_removal() => return Err(error),
                        Err(_) => {}
                    }
                }
                ended => return Ok(ended?),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Bytes>, CallError> {
        let chunks = match &mut self.chunks {
            Some(chunks) => chunks,
            none => none.insert(self.channel.file(self.request.clone()).await?),
        };
        chunks.next().await
    }
}

/// Whether another attempt may fare better.
const fn is_passing(error: &CallError) -> bool {
    match error {
        CallError::Failed(_) => true,
        CallError::Refused(problem) => matches!(
            problem.kind,
            Kind::Busy | Kind::NotNow | Kind::Timeout | Kind::Unavailable
        ),
        _ => false,
    }
}

fn length(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}
