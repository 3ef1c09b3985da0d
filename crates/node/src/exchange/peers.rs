//! Reaching a member, and what both say in greeting.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_membership::Name;
use blindmatch_membership::delegations::MAX_DELEGATIONS;
use blindmatch_transport::message::RosterRequest;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Endpoint};
use bytes::Bytes;
use tokio::time::sleep;
use tracing::{info, warn};

use super::ask::{AskError, blocking};
use super::daemon::{Daemon, lock};
use super::versions::Versions;
use crate::error::Error;

/// How often it is tried again when a connection breaks, or is not there.
pub(super) const RECONNECTS: u32 = 5;
/// The first pause; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a peer that has an older roster is asked whether it has fetched ours.
const LOOKS: u32 = 8;

/// How long to wait behind so many attempts and the first.
pub(super) fn pause(earlier: u32) -> Duration {
    PAUSE * 2_u32.saturating_pow(earlier)
}

/// Calls, and again, later and later, while the peer has no room for a call of ours: it has begun nothing
/// then.
pub(super) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    for earlier in 0..RECONNECTS {
        match call().await {
            Err(CallError::Refused(problem)) if problem.kind == Kind::Busy => {
                sleep(pause(earlier)).await;
            }
            answer => return answer,
        }
    }
    call().await
}

/// Connects to a member, and takes its delegations, and its roster where that is newer. Gives also the
/// number of the roster that it had.
///
/// # Errors
///
/// [`AskError::Unreachable`], [`AskError::Call`], [`AskError::Version`].
pub(super) async fn reach(
    daemon: &Arc<Daemon>,
    endpoint: &Endpoint,
    member: &Name,
) -> Result<(Channel, u64), AskError> {
    let channel = endpoint.dial(member).await?;
    let its = greet(daemon, &channel).await?;
    Ok((channel, its))
}

/// Greets a member on a channel to it, as [`reach`] does.
///
/// # Errors
///
/// [`AskError::Call`], [`AskError::Version`].
pub(super) async fn greet(daemon: &Arc<Daemon>, channel: &Channel) -> Result<u64, AskError> {
    let own = {
        let daemon = Arc::clone(daemon);
        blocking(move || Ok(daemon.greeting()?)).await?
    };
    let ours = daemon.versions();
    let unlike = |theirs| AskError::Version {
        ours: ours.to_string(),
        theirs,
    };
    let answer = match patiently(|| channel.hello(own.clone())).await {
        Err(CallError::Refused(problem)) if problem.kind == Kind::Version => {
            return Err(unlike(problem.rule));
        }
        answer => answer?,
    };
    let theirs = Versions::of(&answer.versions);
    if ours.common(&theirs).is_none() {
        return Err(unlike(theirs.to_string()));
    }
    let directory = daemon.directory();
    // This node is a witness of its peers too.
    for delegation in own.delegations.iter().chain(&answer.delegations) {
        // One that is refused is as if it had not come: who has none in force is asked nothing.
        let _ = directory.adopt(delegation, daemon.now());
    }
    if answer.roster > own.roster {
        take_roster(daemon, channel).await?;
    }
    let (daemon, given) = (Arc::clone(daemon), answer.delegations);
    blocking(move || {
        daemon.keep_delegations()?;
        Ok(daemon.keep_given_back(&given)?)
    })
    .await?;
    Ok(answer.roster)
}

impl Daemon {
    /// The delegations of a member that are known here and that it did not name, the newest last: it may
    /// have lost them with a home (`spec/60 §4.1`). As many as there is room for in an answer beside one's
    /// own.
    pub(super) fn unnamed(&self, member: &Name, named: &[Bytes]) -> Vec<Bytes> {
        let known = self.directory().known();
        let known = known.delegations.known(member);
        let known = known.map(|one| Bytes::from(one.to_string()));
        let unnamed = known.filter(|one| !named.contains(one));
        let mut unnamed: Vec<_> = unnamed.take(MAX_DELEGATIONS - 1).collect();
        unnamed.reverse();
        unnamed
    }

    /// Keeps what a peer has of the delegations that this node lost with an earlier home. Writes the disk.
    fn keep_given_back(&self, given: &[Bytes]) -> Result<(), Error> {
        let _one = lock(self.naming());
        for delegation in given {
            if self.node().keep_given_back(self.ledger(), delegation)? {
                warn!(
                    next = "blindmatch keys rotate",
                    "a peer gave back a delegation that was lost with the home before this one: its keys \
                     are lost, and what they signed is known again"
                );
            }
        }
        Ok(())
    }
}

/// Waits a little for a peer that had the roster of number `its` to fetch ours, of which it knows by
/// our greeting: it agrees to nothing under another one.
///
/// # Errors
///
/// [`AskError::Call`].
pub(super) async fn until_it_has_ours(
    daemon: &Arc<Daemon>,
    channel: &Channel,
    mut its: u64,
) -> Result<(), AskError> {
    for _ in 0..LOOKS {
        if its >= daemon.directory().known().roster.number {
            break;
        }
        sleep(PAUSE).await;
        let daemon = Arc::clone(daemon);
        let greeting = blocking(move || Ok(daemon.greeting()?)).await?;
        its = patiently(|| channel.hello(greeting.clone())).await?.roster;
    }
    Ok(())
}

/// Takes the newest roster of a peer. One that is refused is as if it had not come.
async fn take_roster(daemon: &Arc<Daemon>, channel: &Channel) -> Result<(), AskError> {
    let given = channel.roster(RosterRequest { number: 0 }).await?;
    let taking = Arc::clone(daemon);
    let taken = blocking(move || Ok(taking.take_roster(&given))).await?;
    let peer = channel.peer().member();
    match taken {
        Ok(true) => {
            let number = daemon.directory().known().roster.number;
            info!(%peer, number, "took a newer roster from a peer");
        }
        Ok(false) => {}
        Err(error) => warn!(%peer, %error, "the roster of a peer is not taken"),
    }
    Ok(())
}
