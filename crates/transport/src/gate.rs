//! How many connections and calls there may be, of one peer and of all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use blindmatch_membership::Name;
use tokio::time::Instant;

use crate::limits::Limits;
use crate::refusal::Refusal;

/// Counts what is open. Its table has a row for each name that any roster had.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    load: Mutex<Load>,
}

#[derive(Debug, Default)]
struct Load {
    connections: usize,
    calls: usize,
    peers: HashMap<Name, PeerLoad>,
}

#[derive(Debug, Default)]
struct PeerLoad {
    connections: usize,
    calls: usize,
    /// When a bucket that leaks at the rate would be empty again.
    empty: Option<Instant>,
}

/// A place that is given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    member: Name,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Connection,
    Call,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            limits: limits.clone(),
            load: Mutex::default(),
        })
    }

    /// A place for one more connection of a member.
    pub(crate) fn connection(self: &Arc<Self>, member: &Name) -> Result<Place, Refusal> {
        let mut load = self.load();
        if load.connections >= self.limits.connections {
            return Err(Refusal::Crowded);
        }
        let peer = load.peers.entry(member.clone()).or_default();
        if peer.connections >= self.limits.connections_per_peer {
            return Err(Refusal::CrowdedPeer);
        }
        peer.connections += 1;
        load.connections += 1;
        Ok(self.place(member, Kind::Connection))
    }

    /// A place for one more call of a member, or `None` if there are too many.
    pub(crate) fn call(self: &Arc<Self>, member: &Name) -> Option<Place> {
        if !self.may_begin(member) {
            return None;
        }
        let mut load = self.load();
        if load.calls >= self.limits.calls {
            return None;
        }
        let peer = load.peers.entry(member.clone()).or_default();
        if peer.calls >= self.limits.calls_per_peer {
            return None;
        }
        peer.calls += 1;
        load.calls += 1;
        Some(self.place(member, Kind::Call))
    }

    /// Whether the member may begin anything now by its rate; if so, it has.
    pub(crate) fn may_begin(&self, member: &Name) -> bool {
        let each = Duration::from_secs(1) / self.limits.rate.max(1);
        let mut load = self.load();
        let peer = load.peers.entry(member.clone()).or_default();
        let now = Instant::now();
        let empty = peer.empty.map_or(now, |empty| empty.max(now));
        if empty.duration_since(now) > each * self.limits.burst.saturating_sub(1) {
            return false;
        }
        peer.empty = Some(empty + each);
        true
    }

    fn place(self: &Arc<Self>, member: &Name, kind: Kind) -> Place {
        Place {
            gate: Arc::clone(self),
            member: member.clone(),
            kind,
        }
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut load = self.gate.load();
        let load = &mut *load;
        let peer = load.peers.entry(self.member.clone()).or_default();
        let counts = match self.kind {
            Kind::Connection => [&mut load.connections, &mut peer.connections],
            Kind::Call => [&mut load.calls, &mut peer.calls],
        };
        for count in counts {
            *count = count.saturating_sub(1);
        }
    }
}
