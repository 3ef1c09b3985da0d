//! Who is at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use blindmatch_membership::{Delegation, Digest, MemberId, Name};
use tokio::sync::watch;

use crate::directory::Known;
use crate::io::Exporter;
use crate::tls::Identified;

/// A member at the other end of one connection. Clones are of the same connection.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

struct Inner {
    identified: Identified,
    address: SocketAddr,
    exporter: Exporter,
    closing: watch::Receiver<bool>,
}

impl Peer {
    pub(crate) fn new(
        identified: Identified,
        address: SocketAddr,
        exporter: Exporter,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Inner {
            identified,
            address,
            exporter,
            closing,
        }))
    }

    /// The member.
    #[must_use]
    pub fn id(&self) -> &MemberId {
        &self.0.identified.member
    }

    /// The member's name in the roster.
    #[must_use]
    pub fn member(&self) -> &Name {
        self.id().member()
    }

    /// Whether the connection was made with the key of this delegation of the member.
    #[must_use]
    pub fn is_by(&self, delegation: &Delegation) -> bool {
        delegation.keys.tls == Digest::of(&self.0.identified.shown.spki)
    }

    /// Where the connection comes from or goes to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// What binds a run to this connection (`spec/30-session.md` §3), or `None` once it is closed.
    #[must_use]
    pub fn exporter(&self, run: &[u8; 32]) -> Option<[u8; 32]> {
        self.0.exporter.export(run)
    }

    /// Completes when the connection is about to end: whoever works on a stream of it should stop
    /// at the next step that is durable.
    pub async fn closing(&self) {
        let mut closing = self.0.closing.clone();
        // Once the sender is gone the connection is, too.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Whether the connection is about to end, or has ended.
    pub(crate) fn is_closing(&self) -> bool {
        *self.0.closing.borrow() || self.0.closing.has_changed().is_err()
    }

    /// Whether this is still the member that it was.
    pub(crate) fn is_member(&self, known: &Known, now: u64) -> bool {
        let Identified { member, shown, .. } = &self.0.identified;
        let uris: Vec<&str> = shown.uris.iter().map(String::as_str).collect();
        known.identify(&uris, &shown.spki, now).as_ref() == Ok(member)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("member", &self.member().as_str())
            .field("address", &self.0.address)
            .finish()
    }
}
