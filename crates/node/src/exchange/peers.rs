//! Reaching a member.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_membership::Name;
use blindmatch_transport::{Channel, Endpoint};

use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::respond::VERSION;

/// How often it is tried again when a connection breaks, or is not there.
pub(super) const RECONNECTS: u32 = 5;
/// The first pause; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// How long to wait behind so many attempts and the first.
pub(super) fn pause(earlier: u32) -> Duration {
    PAUSE * 2_u32.saturating_pow(earlier)
}

/// Connects to a member, and takes its delegations.
///
/// # Errors
///
/// [`AskError::Unreachable`], [`AskError::Call`], [`AskError::Version`].
pub(super) async fn reach(
    daemon: &Arc<Daemon>,
    endpoint: &Endpoint,
    member: &Name,
) -> Result<Channel, AskError> {
    let channel = endpoint.dial(member).await?;
    let own = {
        let daemon = Arc::clone(daemon);
        blocking(move || Ok(daemon.greeting()?)).await?
    };
    let answer = channel.hello(own.clone()).await?;
    if !answer.versions.contains(&VERSION) {
        return Err(AskError::Version);
    }
    let directory = daemon.directory();
    // This node is a witness of its peers too.
    for delegation in own.delegations.iter().chain(&answer.delegations) {
        // One that is refused is as if it had not come: who has none in force is asked nothing.
        let _ = directory.adopt(delegation, daemon.now());
    }
    let daemon = Arc::clone(daemon);
    blocking(move || Ok(daemon.keep_delegations()?)).await?;
    Ok(channel)
}
