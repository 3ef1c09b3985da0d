//! Reaching a member, and what both say in greeting.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_membership::Name;
use blindmatch_transport::message::RosterRequest;
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Channel, Endpoint};
use tokio::time::sleep;
use tracing::{info, warn};

use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::versions::Versions;

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
    let answer = match channel.hello(own.clone()).await {
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
    let daemon = Arc::clone(daemon);
    blocking(move || Ok(daemon.keep_delegations()?)).await?;
    Ok(answer.roster)
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
        its = channel.hello(greeting).await?.roster;
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
