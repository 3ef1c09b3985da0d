//! The bytes of one TLS connection: shared with whoever needs its exporter, and noticed when the
//! first of them arrives.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use rustls::CommonState;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsStream;

use crate::refusal::Refusal;
use crate::tls;

/// The label of RFC 8446 §7.5 (`spec/30-session.md` §3).
const EXPORTER: &[u8] = b"EXPORTER-blindmatch-run";

/// One end of a connection.
pub(crate) struct Io {
    stream: Arc<Mutex<TlsStream<TcpStream>>>,
    /// What was read ahead.
    ahead: Vec<u8>,
    first: Option<oneshot::Sender<Result<(), Refusal>>>,
}

/// Derives secrets of a connection for as long as it is open.
#[derive(Clone)]
pub(crate) enum Exporter {
    Tls(Weak<Mutex<TlsStream<TcpStream>>>),
    #[cfg(feature = "memory")]
    Memory(Weak<crate::memory::Connection>),
}

impl Io {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self {
            stream: Arc::new(Mutex::new(stream)),
            ahead: Vec::new(),
            first: None,
        }
    }

    /// The same, with bytes that were read ahead, which come first.
    pub(crate) fn with_ahead(self, ahead: &[u8]) -> Self {
        let ahead = ahead.to_vec();
        Self { ahead, ..self }
    }

    /// Tells whether the peer ever says anything, or why not.
    pub(crate) fn first_word(&mut self) -> oneshot::Receiver<Result<(), Refusal>> {
        let (sender, receiver) = oneshot::channel();
        self.first = Some(sender);
        receiver
    }

    pub(crate) fn exporter(&self) -> Exporter {
        Exporter::Tls(Arc::downgrade(&self.stream))
    }

    fn stream(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exporter {
    /// The secret of this connection for a context, or `None` once it is closed.
    pub(crate) fn export(&self, context: &[u8]) -> Option<[u8; 32]> {
        let stream = match self {
            Self::Tls(stream) => stream.upgrade()?,
            #[cfg(feature = "memory")]
            Self::Memory(connection) => return Some(connection.upgrade()?.export(context)),
        };
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = [0; 32];
        match &*stream {
            TlsStream::Client(stream) => {
                let (_, connection) = stream.get_ref();
                connection.export_keying_material(secret, EXPORTER, Some(context))
            }
            TlsStream::Server(stream) => {
                let (_, connection) = stream.get_ref();
                connection.export_keying_material(secret, EXPORTER, Some(context))
            }
        }
        .ok()
    }
}

/// What TLS agreed on.
pub(crate) fn agreed(stream: &TlsStream<TcpStream>) -> &CommonState {
    let (_, connection) = stream.get_ref();
    connection
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let taken = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.drain(..taken).collect::<Vec<_>>());
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut *self.stream()).poll_read(cx, buffer));
        if let Some(first) = self.first.take() {
            // Nobody listens any more where dialling was given up.
            let _ = first.send(match &outcome {
                Ok(()) if buffer.filled().len() > before => Ok(()),
                Ok(()) => Err(Refusal::Ended),
                Err(error) => Err(tls::tls_error(error).map_or(Refusal::Ended, Refusal::from)),
            });
        }
        Poll::Ready(outcome)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_shutdown(cx)
    }
}
