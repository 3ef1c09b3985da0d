//! Telling a receiver of the operator's own by HTTPS: signed, bounded, and never redirected
//! (`spec/62-notify.md` §3).
//!
//! One connection a message: they come a few a day, and nothing is left open between them.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, version};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// Most bytes of one message.
pub const MAX_BODY: usize = 1 << 20;
/// Most bytes of what is answered before its body, which is not read.
const MAX_HEAD: usize = 16 << 10;
/// Most fields of it.
const MAX_FIELDS: usize = 64;

/// A receiver.
#[derive(Clone)]
pub struct Webhook {
    host: ServerName<'static>,
    authority: HeaderValue,
    address: (String, u16),
    path: String,
    tls: Arc<ClientConfig>,
    secret: Arc<Zeroizing<[u8; 32]>>,
    most: Duration,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebhookError {
    /// The address is not `https://HOST[:PORT]/PATH`.
    Url,
    /// There is no root certificate in the file for them.
    Roots,
    /// The message is longer than [`MAX_BODY`].
    TooLong,
    /// Nobody answers there.
    Unreachable,
    /// Who answers does not show a certificate that the roots vouch for, or no TLS 1.3.
    Tls,
    /// What is answered is not HTTP, or too long.
    Http,
    /// It took too long.
    Timeout,
    /// It was answered with this status, and not with one from 200 to 299.
    Status(u16),
}

impl Webhook {
    /// The receiver at `url`, whose certificate a root in `roots` (PEM) vouches for. Messages are signed
    /// with `secret`, and given up after `most`.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Url`], [`WebhookError::Roots`].
    pub fn new(
        url: &str,
        roots: &[u8],
        secret: Zeroizing<[u8; 32]>,
        most: Duration,
    ) -> Result<Self, WebhookError> {
        let Target { host, port, path } = target(url)?;
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots) {
            // One that does not read vouches for nobody.
            let _ = store.add(root.map_err(|_| WebhookError::Roots)?);
        }
        if store.is_empty() {
            return Err(WebhookError::Roots);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|_| WebhookError::Tls)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let authority = match port {
            443 => host.clone(),
            port => format!("{host}:{port}"),
        };
        let bare = host.trim_matches(['[', ']']);
        Ok(Self {
            host: ServerName::try_from(bare.to_owned()).map_err(|_| WebhookError::Url)?,
            authority: HeaderValue::try_from(authority).map_err(|_| WebhookError::Url)?,
            address: (bare.to_owned(), port),
            path,
            tls: Arc::new(tls),
            secret: Arc::new(secret),
            most,
        })
    }

    /// Sends a message, which `key` names: it is the same however often the same message is sent. `now`
    /// is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`WebhookError`]. After any but [`WebhookError::TooLong`] the receiver may have it all the same.
    pub async fn send(&self, body: Bytes, key: &str, now: u64) -> Result<(), WebhookError> {
        if body.len() > MAX_BODY {
            return Err(WebhookError::TooLong);
        }
        let sent = timeout(self.most, self.exchange(body, key, now)).await;
        let status = sent.map_err(|_| WebhookError::Timeout)??;
        match status.is_success() {
            true => Ok(()),
            false => Err(WebhookError::Status(status.as_u16())),
        }
    }

    async fn exchange(&self, body: Bytes, key: &str, now: u64) -> Result<StatusCode, WebhookError> {
        let (host, port) = &self.address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await;
        let tcp = tcp.map_err(|_| WebhookError::Unreachable)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = connector.connect(self.host.clone(), tcp).await;
        let tls = tls.map_err(|_| WebhookError::Tls)?;
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
        let connected = client.handshake(TokioIo::new(tls)).await;
        let (mut sender, connection) = connected.map_err(|_| WebhookError::Http)?;
        let signed = signature(&self.secret, now, &body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path.as_str())
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "blindmatch")
            .header("idempotency-key", key)
            .header("blindmatch-signature", signed)
            .body(Full::new(body))
            .map_err(|_| WebhookError::Http)?;
        // Ends with this: the connection is dropped, and with it what else may come.
        let mut answered = pin!(sender.send_request(request));
        let answered = tokio::select! {
            answered = &mut answered => answered,
            // It may have been answered and closed at once.
            _ = connection => answered.await,
        };
        match answered {
            Ok(answer) => Ok(answer.status()),
            Err(_) => Err(WebhookError::Http),
        }
    }
}

/// `t=SECONDS,v1=HEX`, HEX being HMAC-SHA-256(secret, SECONDS in decimal ‖ `.` ‖ body).
#[must_use]
pub fn signature(secret: &[u8; 32], now: u64, body: &[u8]) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(format!("{now}.").as_bytes());
    mac.update(body);
    let mac = mac.finalize().into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now},v1={hex}")
}

/// Whether messages may be sent to such an address.
///
/// # Errors
///
/// [`WebhookError::Url`].
pub fn check_url(url: &str) -> Result<(), WebhookError> {
    target(url).map(|_| ())
}

struct Target {
    host: String,
    port: u16,
    path: String,
}

fn target(url: &str) -> Result<Target, WebhookError> {
    let uri: Uri = url.parse().map_err(|_| WebhookError::Url)?;
    let authority = uri.authority().ok_or(WebhookError::Url)?;
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    if uri.scheme_str() != Some("https") || !is_plain || url.contains('#') {
        return Err(WebhookError::Url);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(Target {
        host: authority.host().to_owned(),
        port: authority.port_u16().unwrap_or(443),
        path: path.to_owned(),
    })
}

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "write it as https://HOST/PATH",
            Self::Roots => "the file of root certificates has none that reads",
            Self::TooLong => "the message is too long",
            Self::Unreachable => "nobody answers there",
            Self::Tls => {
                "the receiver shows no certificate for its name that the roots vouch for, or has no TLS 1.3"
            }
            Self::Http => "what it answers is no HTTP/1.1, or too long",
            Self::Timeout => "it took too long",
            Self::Status(status) => return write!(f, "it answers {status} and not 2xx"),
        })
    }
}

impl std::error::Error for WebhookError {}

impl fmt::Debug for Webhook {
    /// Neither the path, which may have a secret in it, nor the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}
