//! Connections within one process, for simulations: everything but TCP, TLS and the framing of HTTP/2
//! is as on the network, down to certificates and who is a member.
//!
//! What happens on the way is for a [`Link`] to say: every call, its answer and every part of either
//! passes it one by one.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use blindmatch_membership::Name;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::StdError;

use crate::channel::{self, Channel, no_member};
use crate::endpoint::{DialError, Endpoint};
use crate::exchange::Exchange;
use crate::io::Exporter;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::server::{OpenCall, Shared};
use crate::tasks::Tied;
use crate::tls::{Identified, Verifier};

/// Calls whose requests are streams.
const STREAMS: [&str; 2] = [
    "/blindmatch.exchange.v1.Exchange/Run",
    "/blindmatch.exchange.v1.Exchange/Witness",
];

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type Answering = Future<Result<Response<Body>, StdError>>;

/// What all connections go over.
pub trait Link: Send + Sync + 'static {
    /// Who answers when `from` calls `to`; nothing where nobody does.
    fn call(&self, from: &Name, to: &Name) -> Future<Option<Listener>>;

    /// A connection was made. It stays until it is cut, or until who called drops its channel.
    fn opened(&self, connection: &Arc<Connection>);

    /// Lets something pass once it is done, or loses it, and the connection with it.
    fn pass(&self, passing: Passing<'_>) -> Future<Fate>;
}

/// What passes a link.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// The connection.
    pub connection: &'a Arc<Connection>,
    /// The path of the call.
    pub path: &'a str,
    /// What of the call.
    pub part: Part<'a>,
}

/// What of a call passes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The call itself, before anything of it.
    Call,
    /// Bytes to who answers.
    Request(&'a [u8]),
    /// That there is an answer.
    Answer,
    /// Bytes of the answer.
    Response(&'a [u8]),
}

/// What becomes of what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives,
    /// It arrives twice, and the first answer is lost: of a call that is no stream. All else arrives
    /// once.
    Twice,
    /// It is lost, and the connection broken.
    Lost,
}

/// Who answers calls over a link. Clones are the same one.
#[derive(Clone)]
pub struct Listener(Arc<dyn Accept>);

/// One connection.
pub struct Connection {
    number: u64,
    from: Name,
    to: Name,
    cut: watch::Sender<bool>,
}

/// The calling side of a connection.
#[derive(Clone)]
pub(crate) struct Sender {
    connection: Arc<Connection>,
    link: Arc<dyn Link>,
    answers: Arc<dyn Answers>,
}

/// Accepts connections.
trait Accept: Send + Sync {
    /// The certificate that is shown to who calls.
    fn certificate(&self) -> Option<Vec<u8>>;

    /// Answers who shows this certificate.
    fn accept(
        &self,
        certificate: &[u8],
        connection: &Arc<Connection>,
    ) -> Result<Arc<dyn Answers>, Refusal>;
}

/// Answers the calls of one connection.
trait Answers: Send + Sync {
    fn answer(&self, request: Request<Body>) -> Answering;

    /// Completes when the peer is a member no more.
    fn no_member(&self) -> Future<()>;
}

struct Accepting<E>(Arc<Shared<E>>);

struct Accepted<E> {
    shared: Arc<Shared<E>>,
    peer: Peer,
    open: Arc<watch::Sender<usize>>,
}

/// One call of a connection.
#[derive(Clone)]
struct Call {
    connection: Arc<Connection>,
    link: Arc<dyn Link>,
    path: Arc<str>,
    /// Who called wants no more of the answer.
    reset: Arc<watch::Sender<bool>>,
}

/// A body on its way, which ends with its call and connection.
struct Passed {
    body: Body,
    call: Call,
    is_answer: bool,
    /// What has not passed yet.
    held: Option<(Frame<Bytes>, Future<Fate>)>,
    over: Future<()>,
    ended: bool,
}

impl Endpoint {
    /// Answers calls over links, as [`serve`](Self::serve) those on a listener.
    pub fn listen_in_memory<E: Exchange>(&self, exchange: Arc<E>) -> Listener {
        let (_, drain) = watch::channel(None);
        let shared = Shared::new(self.clone(), exchange, drain);
        Listener(Arc::new(Accepting(Arc::new(shared))))
    }
}

/// Calls a member over a link.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    link: &Arc<dyn Link>,
    member: &Name,
) -> Result<Channel, DialError> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    endpoint
        .directory()
        .address(member)
        .ok_or(DialError::UnknownMember)?;
    let own = endpoint.credentials().member();
    let listener = link.call(&own, member).await;
    let refused = DialError::Unreachable(io::ErrorKind::ConnectionRefused);
    let Some(Listener(listener)) = listener else {
        return Err(refused);
    };
    let (cut, _) = watch::channel(false);
    let connection = Arc::new(Connection {
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        from: own,
        to: member.clone(),
        cut,
    });
    let certificate = endpoint.credentials().certificate(endpoint.now());
    let certificate = certificate.ok_or(DialError::OwnCertificate)?;
    let theirs = listener.certificate().ok_or(refused)?;
    let identified = identify(endpoint, &theirs, Some(member)).map_err(DialError::Refused)?;
    let accepted = listener.accept(&certificate, &connection);
    let answers = accepted.map_err(DialError::Refused)?;
    let peer = connection.peer(identified);
    link.opened(&connection);
    let driver = tokio::spawn({
        let (endpoint, peer) = (endpoint.clone(), peer.clone());
        let (answers, connection) = (Arc::clone(&answers), Arc::downgrade(&connection));
        let cut = peer.clone();
        async move {
            tokio::select! {
                biased;
                () = cut.closing() => {}
                () = no_member(&endpoint, &peer) => {}
                () = answers.no_member() => {}
            }
            if let Some(connection) = connection.upgrade() {
                connection.cut();
            }
        }
    });
    let sender = Sender {
        connection,
        link: Arc::clone(link),
        answers,
    };
    let sender = channel::Sender::Memory(sender);
    Channel::over(sender, peer, endpoint.limits().clone(), Tied::new(&driver))
}

/// Who shows a certificate, as in a handshake.
fn identify(
    endpoint: &Endpoint,
    certificate: &[u8],
    called: Option<&Name>,
) -> Result<Identified, Refusal> {
    let known = endpoint.directory().known();
    let verifier = Verifier::new(known, endpoint.now(), called.cloned());
    // Why not, is kept beside the outcome.
    let _ = verifier.verify(&CertificateDer::from(certificate), &[]);
    let identified = verifier.identified()?;
    endpoint.introduce(&identified);
    Ok(identified)
}

impl Connection {
    /// Who called.
    #[must_use]
    pub const fn from(&self) -> &Name {
        &self.from
    }

    /// Who was called.
    #[must_use]
    pub const fn to(&self) -> &Name {
        &self.to
    }

    /// Ends it: nothing passes any more.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// The same on both sides, and on no other connection.
    pub(crate) fn export(&self, context: &[u8]) -> [u8; 32] {
        let mut secret = [0; 32];
        for (byte, context) in secret.iter_mut().zip(context) {
            *byte = *context;
        }
        for (byte, number) in secret.iter_mut().zip(self.number.to_be_bytes()) {
            *byte ^= number;
        }
        secret
    }

    fn peer(self: &Arc<Self>, identified: Identified) -> Peer {
        let exporter = Exporter::Memory(Arc::downgrade(self));
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        Peer::new(identified, address, exporter, self.cut.subscribe())
    }
}

impl<E: Exchange> Accept for Accepting<E> {
    fn certificate(&self) -> Option<Vec<u8>> {
        let endpoint = self.0.endpoint();
        endpoint.credentials().certificate(endpoint.now())
    }

    fn accept(
        &self,
        certificate: &[u8],
        connection: &Arc<Connection>,
    ) -> Result<Arc<dyn Answers>, Refusal> {
        let identified = identify(self.0.endpoint(), certificate, None)?;
        Ok(Arc::new(Accepted {
            shared: Arc::clone(&self.0),
            peer: connection.peer(identified),
            open: Arc::new(watch::channel(0).0),
        }))
    }
}

impl<E: Exchange> Answers for Accepted<E> {
    fn answer(&self, request: Request<Body>) -> Answering {
        let shared = Arc::clone(&self.shared);
        let (services, peer) = (shared.answers(&self.peer), self.peer.clone());
        let open = OpenCall::new(&self.open);
        Box::pin(async move {
            let answered: Result<_, Infallible> = shared.call(services, peer, open, request).await;
            Ok(answered?.map(Body::new))
        })
    }

    fn no_member(&self) -> Future<()> {
        let (shared, peer) = (Arc::clone(&self.shared), self.peer.clone());
        Box::pin(async move { no_member(shared.endpoint(), &peer).await })
    }
}

impl Sender {
    /// Sends a request, and gives the answer, as far as the link lets them pass.
    pub(crate) fn send(&self, request: Request<Body>) -> Answering {
        let call = Call {
            connection: Arc::clone(&self.connection),
            link: Arc::clone(&self.link),
            path: request.uri().path().into(),
            reset: Arc::new(watch::channel(false).0),
        };
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            let answered = call.make(answers, request).await;
            if answered.is_err() {
                call.connection.cut();
            }
            answered
        })
    }
}

impl Call {
    async fn make(
        &self,
        answers: Arc<dyn Answers>,
        request: Request<Body>,
    ) -> Result<Response<Body>, StdError> {
        let mut request = request.map(|body| Body::new(Passed::new(body, self, false)));
        if self.passes(Part::Call).await? == Fate::Twice && !STREAMS.contains(&&*self.path) {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let again = || Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())));
            let first = answers.answer(again()).await?;
            // What is said in it is lost, and not what is done for it.
            let _ = first.into_body().collect().await;
            request = again();
        }
        let answer = tokio::select! {
            biased;
            () = self.over() => return Err(lost()),
            answer = answers.answer(request) => answer?,
        };
        self.passes(Part::Answer).await?;
        Ok(answer.map(|body| Body::new(Passed::new(body, self, true))))
    }

    async fn passes(&self, part: Part<'_>) -> Result<Fate, StdError> {
        let fate = tokio::select! {
            biased;
            () = self.over() => Fate::Lost,
            fate = self.pass(part) => fate,
        };
        if fate == Fate::Lost || self.is_over() {
            Err(lost())
        } else {
            Ok(fate)
        }
    }

    fn pass(&self, part: Part<'_>) -> Future<Fate> {
        self.link.pass(Passing {
            connection: &self.connection,
            path: &self.path,
            part,
        })
    }

    fn is_over(&self) -> bool {
        *self.connection.cut.borrow() || *self.reset.borrow()
    }

    fn over(&self) -> impl std::future::Future<Output = ()> + Send + use<> {
        let (mut cut, mut reset) = (self.connection.cut.subscribe(), self.reset.subscribe());
        async move {
            // Without its sender each is over, too.
            tokio::select! {
                biased;
                _ = cut.wait_for(|cut| *cut) => {}
                _ = reset.wait_for(|reset| *reset) => {}
            }
        }
    }
}

fn lost() -> StdError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}

impl Passed {
    fn new(body: Body, call: &Call, is_answer: bool) -> Self {
        Self {
            body,
            over: Box::pin(call.over()),
            call: call.clone(),
            is_answer,
            held: None,
            ended: false,
        }
    }

    fn broken(&mut self) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // Who makes it stops with it.
        self.body = Body::empty();
        self.held = None;
        if self.ended {
            return Poll::Ready(None);
        }
        self.ended = true;
        Poll::Ready(Some(Err(Status::unavailable("the connection is broken"))))
    }
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended || self.call.is_over() || self.over.as_mut().poll(cx).is_ready() {
            return self.broken();
        }
        loop {
            if let Some((_, passing)) = &mut self.held {
                let fate = ready!(passing.as_mut().poll(cx));
                match self.held.take() {
                    Some((frame, _)) if fate != Fate::Lost && !self.call.is_over() => {
                        self.ended = frame.is_trailers();
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    _ => {
                        self.call.connection.cut();
                        return self.broken();
                    }
                }
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                self.ended = true;
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                self.ended = true;
                return Poll::Ready(Some(frame));
            };
            let bytes = frame.data_ref().cloned().unwrap_or_default();
            let part = if self.is_answer {
                Part::Response(&bytes)
            } else {
                Part::Request(&bytes)
            };
            let passing = self.call.pass(part);
            self.held = Some((frame, passing));
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        if self.is_answer && !self.ended {
            self.call.reset.send_replace(true);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} to {})", self.from, self.to)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}
