//! The accept loop, and what becomes of each connection.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use blindmatch_wire::exchange::exchange_server::ExchangeServer;
use blindmatch_wire::problem::Kind;
use blindmatch_wire::{Problem, limits};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service as _, StdError};

use crate::channel::no_member;
use crate::endpoint::Endpoint;
use crate::event::{End, Event};
use crate::exchange::Exchange;
use crate::gate::{Gate, Place};
use crate::health::{self, Checks};
use crate::io::{Io, agreed};
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::tasks::{Tasks, Tied};
use crate::tls::{self, Identified, Verifier};

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Streams that a peer has reset and we have not yet let go of.
const RESETS: usize = 32;

/// How long the accept loop rests when the system has no more files or memory.
const REST: Duration = Duration::from_millis(50);

/// Calls of this are taken whatever else there is to do.
const WITNESS: &str = "/blindmatch.exchange.v1.Exchange/Witness";

/// Serves members on one listener, until it is drained or dropped.
pub struct Server {
    address: SocketAddr,
    drain: watch::Sender<Option<Instant>>,
    accept: tokio::task::JoinHandle<()>,
    _ends_with_this: Tied,
}

/// What all connections of a server have in common.
pub(crate) struct Shared<E> {
    endpoint: Endpoint,
    exchange: Arc<E>,
    gate: Arc<Gate>,
    handshakes: Handshakes,
    /// When everything has to be over, once that is known.
    drain: watch::Receiver<Option<Instant>>,
}

/// What answers the calls of a connection: those of members, and health checks.
type Services<E> = (ExchangeServer<Service<E>>, Checks<E>);

/// Handshakes under way, the oldest first.
#[derive(Default)]
struct Handshakes {
    number: AtomicU64,
    running: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

/// A body that counts as a call until it is over.
pub(crate) struct Counted {
    body: Body,
    _open: OpenCall,
    _place: Option<Place>,
}

/// One call more on a connection, for as long as this is there.
pub(crate) struct OpenCall(Arc<watch::Sender<usize>>);

impl Server {
    pub(crate) fn start<E: Exchange>(
        endpoint: Endpoint,
        listener: TcpListener,
        exchange: Arc<E>,
    ) -> Self {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unknown);
        let (drain, draining) = watch::channel(None);
        let shared = Arc::new(Shared::new(endpoint, exchange, draining));
        let accept = tokio::spawn(shared.accept(listener));
        let tied = Tied::new(&accept);
        Self {
            address,
            drain,
            accept,
            _ends_with_this: tied,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and no more calls, lets those that there are end, and cuts what is
    /// left after `most`. Whether all had ended by then.
    pub async fn drain(self, most: Duration) -> bool {
        let deadline = Instant::now() + most;
        self.drain.send_replace(Some(deadline));
        let mut accept = self.accept;
        // Connections cut themselves at the deadline.
        let all = timeout(most + REST, &mut accept).await;
        all.is_ok() && Instant::now() < deadline
    }
}

impl<E: Exchange> Shared<E> {
    pub(crate) fn new(
        endpoint: Endpoint,
        exchange: Arc<E>,
        drain: watch::Receiver<Option<Instant>>,
    ) -> Self {
        Self {
            gate: Gate::new(endpoint.limits()),
            endpoint,
            exchange,
            handshakes: Handshakes::default(),
            drain,
        }
    }

    #[cfg(feature = "memory")]
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let mut drain = self.drain.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, address)) => {
                        // Latency only, and nothing that could not be done without.
                        let _ = tcp.set_nodelay(true);
                        let number = self.handshakes.number.fetch_add(1, Ordering::Relaxed);
                        let given_up = self.handshakes.begin(number, self.endpoint.limits().handshakes);
                        let shared = Arc::clone(&self);
                        connections.spawn(shared.connection(tcp, address, number, given_up));
                    }
                    Err(_) => sleep(REST).await,
                },
                _ = connections.join_next(), if !connections.is_empty() => {}
                _ = drained(&mut drain) => break,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn connection(
        self: Arc<Self>,
        tcp: TcpStream,
        address: SocketAddr,
        number: u64,
        given_up: oneshot::Receiver<()>,
    ) {
        let mut drain = self.drain.clone();
        let handshake = tokio::select! {
            handshake = self.handshake(tcp) => handshake,
            Ok(()) = given_up => Err((None, Refusal::CrowdedHandshakes)),
            // There is nothing to lose before a handshake is done.
            _ = drained(&mut drain) => return,
        };
        self.handshakes.end(number);
        match handshake {
            Ok((io, identified)) => match self.gate.connection(identified.member.member()) {
                Ok(place) => self.serve(io, identified, address, place).await,
                Err(refusal) => self.refuse(address, Some(&identified), refusal),
            },
            Err((identified, refusal)) => self.refuse(address, identified.as_ref(), refusal),
        }
    }

    fn refuse(&self, address: SocketAddr, identified: Option<&Identified>, refusal: Refusal) {
        self.endpoint.tell(Event::Refused {
            address,
            member: identified.map(|identified| identified.member.clone()),
            refusal,
        });
    }

    /// TLS and the preface of HTTP/2.
    async fn handshake(
        &self,
        tcp: TcpStream,
    ) -> Result<(Io, Identified), (Option<Identified>, Refusal)> {
        let (endpoint, limits) = (&self.endpoint, self.endpoint.limits());
        let nobody = |refusal| (None, refusal);
        let now = endpoint.now();
        let verifier = Verifier::new(endpoint.directory().known(), now, None);
        let certified = endpoint.credentials().certified(now);
        let certified = certified.ok_or_else(|| nobody(Refusal::Ended))?;
        let config = tls::server_config(&verifier, certified);
        let config = config.map_err(|_| nobody(Refusal::Ended))?;
        let stream = timeout(limits.handshake, TlsAcceptor::from(config).accept(tcp)).await;
        let stream = stream.map_err(|_| nobody(Refusal::SlowHandshake))?;
        let stream = stream.map_err(|error| nobody(verifier.refusal(&error)))?;
        let mut stream = TlsStream::from(stream);
        tls::check_agreed(agreed(&stream)).map_err(nobody)?;
        let identified = verifier.identified().map_err(nobody)?;
        endpoint.introduce(&identified);
        let mut preface = [0; PREFACE.len()];
        let read = timeout(limits.preface, stream.read_exact(&mut preface)).await;
        let refusal = match read {
            Err(_) => Refusal::SlowPreface,
            Ok(Err(error)) => verifier.refusal(&error),
            Ok(Ok(_)) if preface != PREFACE => Refusal::Preface,
            Ok(Ok(_)) => return Ok((Io::new(stream).with_ahead(&preface), identified)),
        };
        Err((Some(identified), refusal))
    }

    /// Serves one connection of a member to its end.
    async fn serve(
        self: &Arc<Self>,
        io: Io,
        identified: Identified,
        address: SocketAddr,
        _place: Place,
    ) {
        let member = identified.member.clone();
        self.endpoint.tell(Event::Opened {
            member: member.clone(),
            address,
        });
        let (closing, closing_receiver) = watch::channel(false);
        let peer = Peer::new(identified, address, io.exporter(), closing_receiver);
        let end = self.serve_peer(io, &peer, &closing).await;
        self.endpoint.tell(Event::Closed { member, end });
    }

    async fn serve_peer(
        self: &Arc<Self>,
        io: Io,
        peer: &Peer,
        closing: &watch::Sender<bool>,
    ) -> End {
        let limits = self.endpoint.limits();
        let (_tasks, executor) = Tasks::new();
        let (open, mut open_calls) = watch::channel(0);
        let open = Arc::new(open);
        let services = self.answers(peer);
        let service = hyper::service::service_fn(|request| {
            let call = OpenCall::new(&open);
            Arc::clone(self).call(services.clone(), peer.clone(), call, request)
        });
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(limits.headers)
            .initial_stream_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window)
            .max_send_buf_size(limits::MESSAGE)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .keep_alive_interval(limits.keepalive)
            .keep_alive_timeout(limits.keepalive_answer)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let mut no_member = pin!(no_member(&self.endpoint, peer));
        let mut drain = self.drain.clone();
        let mut age = pin!(sleep(limits.age));
        let mut idle = pin!(sleep(limits.idle));
        // Why the connection takes no more calls, and when it is cut.
        let end;
        let deadline = loop {
            tokio::select! {
                _ = connection.as_mut() => return End::Peer,
                () = no_member.as_mut() => return End::NoMember,
                deadline = drained(&mut drain) => {
                    end = End::Drained;
                    break deadline;
                }
                () = age.as_mut() => {
                    end = End::Age;
                    break Instant::now() + limits.grace;
                }
                Ok(()) = open_calls.changed() => idle.as_mut().reset(Instant::now() + limits.idle),
                () = idle.as_mut(), if *open.borrow() == 0 => {
                    end = End::Idle;
                    break Instant::now() + limits.grace;
                }
            }
        };
        closing.send_replace(true);
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => end,
            () = no_member => End::NoMember,
            () = sleep_until(deadline) => end,
            () = async { sleep_until(drained(&mut drain).await).await } => End::Drained,
        }
    }

    /// What answers the calls of one connection.
    pub(crate) fn answers(&self, peer: &Peer) -> Services<E> {
        let service = Service {
            exchange: Arc::clone(&self.exchange),
            peer: peer.clone(),
            gate: Arc::clone(&self.gate),
            limits: self.endpoint.limits().clone(),
        };
        let exchange = ExchangeServer::new(service)
            .max_decoding_message_size(limits::MESSAGE)
            .max_encoding_message_size(limits::MESSAGE);
        (exchange, health::checks(&self.exchange))
    }

    /// One call: whose, whether now, and for how long.
    pub(crate) async fn call<B>(
        self: Arc<Self>,
        (mut exchange, mut health): Services<E>,
        peer: Peer,
        open: OpenCall,
        request: Request<B>,
    ) -> Result<Response<Counted>, Infallible>
    where
        B: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    {
        let known = self.endpoint.directory().known();
        if !peer.is_member(&known, self.endpoint.now()) {
            return Ok(refused(Kind::NotAllowed, open));
        }
        let place = if request.uri().path() == WITNESS {
            None
        } else {
            let place = self.gate.call(peer.member());
            if place.is_none() {
                let member = peer.id().clone();
                self.endpoint.tell(Event::Shed { member });
                return Ok(refused(Kind::Busy, open));
            }
            place
        };
        let most = self.endpoint.limits().call;
        let answer = if request.uri().path().starts_with(health::PATH) {
            timeout(most, health.call(request)).await
        } else {
            timeout(most, exchange.call(request)).await
        };
        Ok(match answer {
            Ok(Ok(response)) => response.map(|body| Counted {
                body,
                _open: open,
                _place: place,
            }),
            Err(_) => refused(Kind::Timeout, open),
        })
    }
}

/// Waits until the server is to end, and gives the time by which it has.
async fn drained(drain: &mut watch::Receiver<Option<Instant>>) -> Instant {
    // Without the server there is no time left.
    let deadline = drain
        .wait_for(Option::is_some)
        .await
        .map(|deadline| *deadline);
    deadline.ok().flatten().unwrap_or_else(Instant::now)
}

fn refused(kind: Kind, open: OpenCall) -> Response<Counted> {
    let status = Status::from(Problem::new(kind));
    status.into_http::<Body>().map(|body| Counted {
        body,
        _open: open,
        _place: None,
    })
}

impl Handshakes {
    /// Counts a handshake in, and gives up the oldest if there are more than `most`: an honest one
    /// takes milliseconds.
    fn begin(&self, number: u64, most: usize) -> oneshot::Receiver<()> {
        let (give_up, given_up) = oneshot::channel();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(number, give_up);
        if running.len() > most
            && let Some((_, oldest)) = running.pop_first()
        {
            // It may be done by now.
            let _ = oldest.send(());
        }
        given_up
    }

    fn end(&self, number: u64) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&number);
    }
}

impl OpenCall {
    pub(crate) fn new(open: &Arc<watch::Sender<usize>>) -> Self {
        open.send_modify(|open| *open = open.saturating_add(1));
        Self(Arc::clone(open))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
