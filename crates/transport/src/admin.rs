//! The listener for probes and metrics, for this machine alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::tasks::Tied;

/// Connections at once.
const CONNECTIONS: usize = 16;
/// How long a request and its answer may take.
const MOST: Duration = Duration::from_secs(10);
/// How long the accept loop rests when the system has no more files or memory.
pub(crate) const REST: Duration = Duration::from_millis(50);

/// What a node says of itself to this machine.
pub trait Status: Send + Sync + 'static {
    /// Whether it can answer peers; if not, why, in words that name no value.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// All metrics, in the text format of Prometheus.
    fn metrics(&self) -> impl Future<Output = String> + Send;
}

/// Answers `/livez`, `/readyz` and `/metrics` on one listener until it is dropped.
pub struct Admin {
    address: SocketAddr,
    _ends_with_this: Tied,
}

impl Admin {
    /// Answers on `listener`, which is of a loopback address: whoever comes from elsewhere gets no
    /// answer. Needs a runtime of tokio.
    pub fn start<S: Status>(listener: TcpListener, status: Arc<S>) -> Self {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unknown);
        let accept = tokio::spawn(accept(listener, status));
        Self {
            address,
            _ends_with_this: Tied::new(&accept),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept<S: Status>(listener: TcpListener, status: Arc<S>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((tcp, address)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        if !address.ip().is_loopback() {
            continue;
        }
        let status = Arc::clone(&status);
        tokio::spawn(async move {
            let answer = |request| {
                let status = Arc::clone(&status);
                async move { Ok::<_, Infallible>(answer(&*status, &request).await) }
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(tcp), hyper::service::service_fn(answer));
            // Whoever asked sees how it ended.
            let _ = timeout(MOST, connection).await;
            drop(place);
        });
    }
}

async fn answer<S: Status>(
    status: &S,
    request: &Request<Incoming>,
) -> Response<http_body_util::Full<Bytes>> {
    let (code, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/livez") => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => match status.ready().await {
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
        },
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, status.metrics().await),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, String::new()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
    };
    let mut response = Response::new(http_body_util::Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
