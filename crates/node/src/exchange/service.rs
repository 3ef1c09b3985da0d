//! A node that serves: its listener, and what it does unasked.

mod chores;
mod cosigning;
mod events;
mod rosters;
mod status;
mod telling;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) use self::status::Counters;
use blindmatch_transport::{Limits, Server};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::info;

use super::ask::Asker;
use super::daemon::{Daemon, lock};
use super::respond::{Quoted, Serving};
use crate::config::Config;
use crate::error::Error;

/// A node that serves, for as long as this is there.
pub struct Service {
    serving: Serving,
    asker: Arc<Mutex<Asker>>,
    address: SocketAddr,
    /// Until it is drained.
    server: Mutex<Option<Server>>,
    /// Something has changed that may make a publication due.
    changed: Arc<Notify>,
    jobs: Vec<JoinHandle<()>>,
}

/// The listener of a node, by its configuration: where it is to listen, else at the address in the
/// roster, else, where that is a name, at its port on every address of this machine.
///
/// # Errors
///
/// [`Error::Listen`].
pub fn listener(config: &Config) -> Result<TcpListener, Error> {
    let bind = |address: SocketAddr| {
        TcpListener::bind(address).map_err(|error| Error::Listen(address, error))
    };
    let named = config.node.address.as_str();
    if let Some(address) = config.serve.listen.or_else(|| named.parse().ok()) {
        return bind(address);
    }
    let port = named.rsplit(':').next().and_then(|port| port.parse().ok());
    let port: u16 = port.unwrap_or_default();
    // The first takes IPv4 too, where there is IPv6.
    bind((Ipv6Addr::UNSPECIFIED, port).into())
        .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, port).into()))
}

impl Service {
    /// Serves members on `listener`, and does what is due: publishes, has the ledger cosigned,
    /// destroys what has expired. Needs a runtime of tokio.
    ///
    /// # Errors
    ///
    /// [`Error::Port`].
    pub fn start(daemon: Daemon, listener: TcpListener) -> Result<Self, Error> {
        let daemon = Arc::new(daemon);
        let endpoint = daemon.endpoint(Limits::default());
        let serving = Serving::new(Arc::clone(&daemon));
        let endpoint = endpoint.with_events(events::listen(&serving));
        listener.set_nonblocking(true).map_err(Error::Port)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(Error::Port)?;
        let server = endpoint.serve(listener, Arc::new(Quoted(serving.clone())));
        let address = server.address();
        let changed = Arc::new(Notify::new());
        let jobs = vec![
            tokio::spawn(chores::every_day(serving.clone(), Arc::clone(&changed))),
            tokio::spawn(cosigning::whenever_due(
                serving.clone(),
                endpoint.clone(),
                Arc::clone(&changed),
            )),
            tokio::spawn(rosters::watch(
                serving.clone(),
                endpoint.clone(),
                Arc::clone(&changed),
            )),
        ];
        let asker = Arc::new(Mutex::new(Asker::new(daemon, endpoint)));
        let telling = telling::whenever_due(serving.clone(), Arc::clone(&asker));
        let jobs = jobs.into_iter().chain([tokio::spawn(telling)]).collect();
        Ok(Self {
            serving,
            asker,
            address,
            server: Mutex::new(Some(server)),
            changed,
            jobs,
        })
    }

    /// What answers to peers.
    #[must_use]
    pub const fn serving(&self) -> &Serving {
        &self.serving
    }

    /// Publishes what has become due by a command, e.g. an import.
    pub fn publish_soon(&self) {
        self.changed.notify_one();
    }

    /// The node, as it asks others: by what the operator's files are now.
    #[must_use]
    pub fn asker(&self) -> Asker {
        present(&self.asker, &self.serving)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes from now on by what the operator's files, the roster and the keys are now, and publishes
    /// what has become due by that. Reads the disk.
    ///
    /// # Errors
    ///
    /// As [`Serving::read_again`].
    pub fn read_again(&self) -> Result<(), Error> {
        self.serving.read_again()?;
        info!("read again: configuration, policy, roster, keys");
        self.changed.notify_one();
        Ok(())
    }

    /// Takes no more calls, lets those that there are end, and cuts what is left after `most`.
    /// Whether all had ended by then.
    pub async fn drain(&self, most: Duration) -> bool {
        for job in &self.jobs {
            job.abort();
        }
        let server = lock(&self.server).take();
        match server {
            Some(server) => server.drain(most).await,
            None => true,
        }
    }
}

/// What asks by what the operator's files are now. Nothing keeps what it asked by before, and the keys of
/// that.
fn present(asker: &Mutex<Asker>, serving: &Serving) -> Asker {
    let mut asker = lock(asker);
    *asker = asker.clone().with_daemon(serving.daemon());
    asker.clone()
}
