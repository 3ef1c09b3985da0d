//! A node: its home, what is configured, what it trusts.

use std::fmt;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use blindmatch_membership::{Delegations, Roster, Trust};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::{Home, HomeError};
use blindmatch_transport::Clock;

use crate::clock;
use crate::config::{self, Config};
use crate::error::Error;
use crate::opened::Opened;

/// The roster that the node holds, or the fingerprint that it trusts.
pub(crate) const TRUST: &str = "roster/trust";
/// A roster is a note, and little stands beside it.
const MAX_TRUST: u64 = 2 << 20;

/// What is known of the peers' delegations.
pub(crate) const PEERS: &str = "roster/peers";
/// 65,536 members would have as much; a consortium has a few.
const MAX_PEERS: u64 = 64 << 20;

/// What of a node can be read, even while another process owns its home.
#[derive(Clone)]
pub struct NodeFiles {
    disk: Disk,
    config: Config,
    clock: Clock,
}

/// A node whose home this process owns. Clones share the home and what is open of it.
#[derive(Clone)]
pub struct Node {
    files: NodeFiles,
    opened: Arc<Opened>,
}

impl NodeFiles {
    /// The files of the node in the directory `home`.
    ///
    /// # Errors
    ///
    /// [`Error::Home`], [`Error::Unfinished`], [`Error::Config`].
    pub fn read(home: &Path) -> Result<Self, Error> {
        Self::of(Home::read_only(home)?)
    }

    pub(crate) fn of(disk: Disk) -> Result<Self, Error> {
        let text = match disk.read(config::FILE, config::MAX_CONFIG) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Unfinished(disk.root().to_owned()));
            }
            text => text.map_err(HomeError::Disk)?,
        };
        let config = Config::read(&disk.root().join(config::FILE), &text)?;
        Ok(Self::with(disk, config))
    }

    fn with(disk: Disk, config: Config) -> Self {
        Self {
            disk,
            config,
            clock: Arc::new(clock::now),
        }
    }

    /// The time, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// What gives the time: the system's clock, unless this node was given another.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The files below the home.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// What is configured.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What the node knows of its consortium.
    ///
    /// # Errors
    ///
    /// [`Error::Trust`] where it is damaged.
    pub fn trust(&self) -> Result<Trust, Error> {
        match self.disk.read(TRUST, MAX_TRUST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Trust::default()),
            bytes => Trust::decode(&bytes.map_err(HomeError::Disk)?)
                .map_err(|_| Error::Trust(self.disk.root().join(TRUST))),
        }
    }

    /// What is known of the peers' delegations.
    ///
    /// # Errors
    ///
    /// [`Error::Peers`] where it is damaged.
    pub fn peers(&self) -> Result<Delegations, Error> {
        match self.disk.read(PEERS, MAX_PEERS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Delegations::default()),
            bytes => Delegations::decode(&bytes.map_err(HomeError::Disk)?)
                .map_err(|_| Error::Peers(self.disk.root().join(PEERS))),
        }
    }

    /// The roster in force.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`].
    pub fn roster(&self) -> Result<Roster, Error> {
        let trust = self.trust()?;
        let roster = trust.roster_at(self.now()).map_err(Error::NoRoster)?;
        Ok(roster.clone())
    }
}

impl Node {
    /// Opens the node in the directory `home`.
    ///
    /// # Errors
    ///
    /// [`Error::Home`], [`Error::Unfinished`], [`Error::Config`].
    pub fn open(home: &Path) -> Result<Self, Error> {
        Self::on(Disk::new(home))
    }

    /// Opens the node with these files.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn on(disk: Disk) -> Result<Self, Error> {
        let home = Home::open(disk, clock::now())?;
        let files = NodeFiles::of(home.disk().clone())?;
        let opened = Arc::new(Opened::new(home));
        Ok(Self { files, opened })
    }

    /// The same node by the configuration that its file has now.
    ///
    /// # Errors
    ///
    /// [`Error::Config`].
    pub fn read_again(&self) -> Result<Self, Error> {
        let files = NodeFiles::of(self.disk().clone())?;
        let opened = Arc::clone(&self.opened);
        Ok(Self { files, opened }.with_clock(Arc::clone(self.clock())))
    }

    /// The same node by another clock. What is open of it keeps the clock that it was opened with.
    #[must_use]
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.files.clock = clock;
        self
    }

    pub(crate) fn new(home: Home, config: Config) -> Self {
        let disk = home.disk().clone();
        let files = NodeFiles::with(disk, config);
        let opened = Arc::new(Opened::new(home));
        Self { files, opened }
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> &Home {
        self.opened.home()
    }

    /// What is open of the home.
    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }

    pub(crate) fn keep_trust(&self, trust: &Trust) -> Result<(), Error> {
        self.publish(TRUST, &trust.encode())
    }

    /// Writes a file below the home, whole and durably.
    pub(crate) fn publish(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        publish(self.home(), path, content)
    }
}

pub(crate) fn publish(home: &Home, path: &str, content: &[u8]) -> Result<(), Error> {
    let published = home.disk().publish(path, |file| file.write_all(content));
    Ok(published.map_err(HomeError::Disk)?)
}

impl Deref for Node {
    type Target = NodeFiles;

    fn deref(&self) -> &NodeFiles {
        &self.files
    }
}

impl fmt::Debug for NodeFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeFiles")
            .field("disk", &self.disk)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.files).finish()
    }
}
