//! Reaching a member.

use std::sync::Arc;

use blindmatch_membership::Name;
use blindmatch_transport::{Channel, Endpoint};

use super::ask::{AskError, blocking};
use super::daemon::Daemon;
use super::respond::VERSION;

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
