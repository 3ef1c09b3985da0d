//! Telling peers what is due to them, until they have it.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use crate::exchange::ask::Asker;
use crate::exchange::footing::Footing;
use crate::exchange::respond::Serving;
use crate::exchange::telling::Delivered;

/// Between two looks at what is due (`spec/70-matches.md` §8).
const EVERY: Duration = Duration::from_secs(600);

/// Tells what is due at once, and again and again.
pub(super) async fn whenever_due(serving: Serving, asker: Asker) {
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        // An older copy of this home may owe what its newer one has told.
        if serving.footing() != Footing::Firm {
            continue;
        }
        let asker = asker.clone().with_daemon(serving.daemon());
        match asker.tell_peers().await {
            Ok(told) => {
                for (peer, Delivered { delivered, waiting }) in told {
                    info!(%peer, delivered, waiting, "told of matches");
                }
            }
            Err(error) => error!(%error, "cannot tell peers what is due to them"),
        }
    }
}
