//! Telling peers what is due to them, and own programs of matches, until they have it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::present;
use crate::error::Error;
use crate::exchange::ask::Asker;
use crate::exchange::daemon::Daemon;
use crate::exchange::footing::Footing;
use crate::exchange::respond::Serving;
use crate::exchange::telling::Delivered;
use crate::exchange::work::blocking;
use crate::matches::Kept;

/// Between two looks at what is due (`spec/70-matches.md` §8).
const EVERY: Duration = Duration::from_secs(600);

/// Before the next look where no witness has shown yet that this home is the newest.
const SOON: Duration = Duration::from_secs(5);

/// Tells what is due at once, and again and again.
pub(super) async fn whenever_due(serving: Serving, asker: Arc<Mutex<Asker>>) {
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        // An older copy of this home may owe what its newer one has told.
        if serving.footing() != Footing::Firm {
            look.reset_after(SOON);
            continue;
        }
        let daemon = serving.daemon();
        if let Err(error) = tell_programs(&daemon).await {
            let next = error.hints().join("; ");
            error!(%error, next, "cannot tell own programs of matches");
        }
        match present(&asker, &serving).tell_peers().await {
            Ok(told) => {
                for (peer, Delivered { delivered, waiting }) in told {
                    info!(%peer, delivered, waiting, "told of matches");
                }
            }
            Err(error) => error!(%error, "cannot tell peers what is due to them"),
        }
    }
}

/// Tells the operator's own programs (`spec/62-notify.md`).
async fn tell_programs(daemon: &Arc<Daemon>) -> Result<(), Error> {
    if daemon.node().config().notify.sinks().next().is_none() {
        return Ok(());
    }
    let reading = Arc::clone(daemon);
    let Ok(kept) =
        blocking(move || Ok::<_, Error>(Kept::of(&reading)?.without_excluded(&reading))).await
    else {
        error!("reading matches ended in a panic");
        return Ok(());
    };
    for done in daemon.node().notify(&kept?, daemon.canonicaliser()).await? {
        let (sink, told, waiting) = (done.sink.name(), done.told, done.waiting);
        match done.fault {
            Some(fault) => {
                warn!(sink, told, waiting, %fault, "does not take all notices; again soon")
            }
            None if told > 0 => info!(sink, told, "own programs told of matches"),
            None => {}
        }
    }
    Ok(())
}
