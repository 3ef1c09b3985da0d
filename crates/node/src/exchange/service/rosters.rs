//! Newer rosters: fetched from whoever has one, and gone by at once.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_transport::Endpoint;
use tokio::sync::Notify;
use tokio::time::sleep;
use tracing::{debug, error, info};

use crate::exchange::peers;
use crate::exchange::respond::Serving;
use crate::exchange::work::blocking;

/// Between two fetches: whoever says that he has a newer one is called no more often.
const REST: Duration = Duration::from_secs(1);

/// Fetches a roster when a peer says that it has a newer one, and goes by each one that this node
/// holds, however it came by it; what became due by that is said to have `changed`.
pub(super) async fn watch(serving: Serving, endpoint: Endpoint, changed: Arc<Notify>) {
    let mut told = serving.newer_rosters();
    let directory = serving.daemon().directory().clone();
    let mut held = directory.known().roster.number;
    loop {
        tokio::select! {
            newer = directory.newer_than(held) => {
                held = newer;
                if serving.daemon().roster() >= newer {
                    // A command brought it, and it was read again behind that.
                    continue;
                }
                let reading = serving.clone();
                match blocking(move || reading.read_again()).await {
                    Ok(Ok(())) => info!(roster = newer, "a newer roster is in force"),
                    Ok(Err(error)) => error!(%error, roster = newer, "not read again"),
                    Err(_) => error!(roster = newer, "not read again"),
                }
                changed.notify_one();
            }
            Ok(()) = told.changed() => {
                let peer = told.borrow_and_update().clone();
                let Some(peer) = peer else { continue };
                if let Err(error) = peers::reach(&serving.daemon(), &endpoint, &peer).await {
                    debug!(%peer, %error, "cannot fetch the newer roster of a peer");
                }
                sleep(REST).await;
            }
        }
    }
}
