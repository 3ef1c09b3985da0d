//! One's own side of all connections.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blindmatch_membership::Name;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::channel::Channel;
use crate::credentials::Credentials;
use crate::directory::Directory;
use crate::event::Event;
use crate::exchange::Exchange;
use crate::io::{Io, agreed};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::server::Server;
use crate::tls::{self, Verifier};

/// Seconds of Unix time.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Takes events; it must not block.
pub type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// What a node goes by on all its connections, opened or accepted. Clones share it.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    directory: Directory,
    credentials: Credentials,
    limits: Limits,
    clock: Clock,
    events: Events,
    /// What connections go over, where that is no socket.
    #[cfg(feature = "memory")]
    link: Option<Arc<dyn crate::memory::Link>>,
}

/// Why a member could not be reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The roster has no such member.
    UnknownMember,
    /// The address cannot be resolved, or nobody answers there.
    Unreachable(io::ErrorKind),
    /// TCP, TLS or HTTP/2 were not there in time.
    Timeout,
    /// We refuse whoever answered, or are refused ([`Refusal::Alert`]). [`Refusal::Ended`] is what
    /// a peer does to which we have too many connections.
    Refused(Refusal),
    /// Our own certificate could not be made.
    OwnCertificate,
}

impl Endpoint {
    /// An endpoint by the system's clock that tells nobody what happens.
    #[must_use]
    pub fn new(directory: Directory, credentials: Credentials, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            directory,
            credentials,
            limits,
            clock: Arc::new(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.map_or(0, |since| since.as_secs())
            }),
            events: Arc::new(|_| {}),
            #[cfg(feature = "memory")]
            link: None,
        }))
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        let inner = self.parts();
        Self(Arc::new(Inner { clock, ..inner }))
    }

    /// The same with somebody who listens.
    #[must_use]
    pub fn with_events(self, events: Events) -> Self {
        let inner = self.parts();
        Self(Arc::new(Inner { events, ..inner }))
    }

    /// The same, whose connections go over this link.
    #[cfg(feature = "memory")]
    #[must_use]
    pub fn with_link(self, link: Arc<dyn crate::memory::Link>) -> Self {
        let inner = self.parts();
        let link = Some(link);
        Self(Arc::new(Inner { link, ..inner }))
    }

    /// Serves whoever connects to `listener`. Needs a runtime of tokio.
    pub fn serve<E: Exchange>(&self, listener: TcpListener, exchange: Arc<E>) -> Server {
        Server::start(self.clone(), listener, exchange)
    }

    /// Connects to the node of a member, at the address that the roster names.
    ///
    /// # Errors
    ///
    /// [`DialError`].
    pub async fn dial(&self, member: &Name) -> Result<Channel, DialError> {
        #[cfg(feature = "memory")]
        if let Some(link) = &self.0.link {
            return crate::memory::dial(self, link, member).await;
        }
        let address = self.directory().address(member);
        let address = address.ok_or(DialError::UnknownMember)?;
        let limits = self.limits();
        let tcp = in_time(limits.connect, TcpStream::connect(address.as_str())).await?;
        let tcp = tcp.map_err(|error| DialError::Unreachable(error.kind()))?;
        // Latency only, and nothing that could not be done without.
        let _ = tcp.set_nodelay(true);
        let peer = tcp.peer_addr();
        let peer = peer.map_err(|error| DialError::Unreachable(error.kind()))?;
        let verifier = Verifier::new(self.directory().known(), self.now(), Some(member.clone()));
        let certified = self.credentials().certified(self.now());
        let certified = certified.ok_or(DialError::OwnCertificate)?;
        let config = tls::client_config(&verifier, certified);
        let connector = TlsConnector::from(config.map_err(|_| DialError::OwnCertificate)?);
        // Not sent: certificates name members, and the verifier holds them against the one called.
        let name = ServerName::IpAddress(peer.ip().into());
        let stream = in_time(limits.handshake, connector.connect(name, tcp)).await?;
        let stream = stream.map_err(|error| DialError::Refused(verifier.refusal(&error)))?;
        let stream = stream.into();
        tls::check_agreed(agreed(&stream)).map_err(DialError::Refused)?;
        let identified = verifier.identified().map_err(DialError::Refused)?;
        self.introduce(&identified);
        let mut io = Io::new(stream);
        let accepted = io.first_word();
        let opened = Channel::open(self.clone(), io, identified, peer);
        let channel = in_time(limits.preface, opened).await??;
        // A server of TLS 1.3 verifies us after our part of the handshake is done.
        match in_time(limits.preface, accepted).await? {
            Ok(Ok(())) => Ok(channel),
            Ok(Err(refusal)) => Err(DialError::Refused(refusal)),
            Err(_) => Err(DialError::Refused(Refusal::Ended)),
        }
    }

    /// Who is a member at present.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// One's own key and delegation.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn now(&self) -> u64 {
        (self.0.clock)()
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.0.events)(event);
    }

    /// Takes over the delegation that a peer showed and, by the handshake, has the key of.
    pub(crate) fn introduce(&self, identified: &tls::Identified) {
        let Some(delegation) = &identified.shown.delegation else {
            return;
        };
        if !identified.introduces {
            return;
        }
        match self.directory().adopt(delegation, self.now()) {
            Ok(true) => {
                if let Ok(delegation) = blindmatch_membership::Delegation::read(delegation) {
                    let delegation = Box::new(delegation);
                    self.tell(Event::Introduced { delegation });
                }
            }
            // Another connection of the same peer was first.
            Ok(false) => {}
            Err(error) => self.tell(Event::NotIntroduced {
                member: identified.member.clone(),
                error,
            }),
        }
    }

    fn parts(&self) -> Inner {
        let inner = &self.0;
        Inner {
            directory: inner.directory.clone(),
            credentials: inner.credentials.clone(),
            limits: inner.limits.clone(),
            clock: Arc::clone(&inner.clock),
            events: Arc::clone(&inner.events),
            #[cfg(feature = "memory")]
            link: inner.link.clone(),
        }
    }
}

async fn in_time<T>(most: Duration, future: impl Future<Output = T>) -> Result<T, DialError> {
    timeout(most, future).await.map_err(|_| DialError::Timeout)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownMember => f.write_str("the roster has no such member"),
            Self::Unreachable(kind) => write!(f, "the member's node cannot be reached: {kind}"),
            Self::Timeout => f.write_str("the member's node does not answer in time"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::OwnCertificate => f.write_str("the node's own certificate cannot be made"),
        }
    }
}

impl std::error::Error for DialError {}
