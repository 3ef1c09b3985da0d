//! Having the own ledger cosigned, soon after something was recorded.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_audit::record::Event;
use blindmatch_store::ledger::Log;
use blindmatch_transport::Endpoint;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::{debug, error, info, warn};

use crate::error::Error;
use crate::exchange::footing::Footing;
use crate::exchange::respond::Serving;
use crate::exchange::work::blocking;

/// How often the ledger is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long is waited after a round in which too few cosigned: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// How long is waited before a round where none has shown yet that this ledger is the newest.
const AT_START: Duration = Duration::from_secs(5);

/// Asks the witnesses at the start, whenever there is something new to cosign, and again while too few
/// have. What waits for a first answer is said to have `changed` with that.
pub(super) async fn whenever_due(serving: Serving, endpoint: Endpoint, changed: Arc<Notify>) {
    // Of the records up to here it is known whether they want it.
    let mut looked = None;
    // The witnesses' keys by which what was cosigned still is.
    let mut vouching = None;
    let (mut wait, mut next) = (RETRY.0, Instant::now());
    loop {
        sleep(LOOK).await;
        let log = serving.daemon().ledger().log();
        let size = log.head().unverified().size;
        let is_open = serving.footing() == Footing::Open;
        let daemon = serving.daemon();
        let keys = daemon.witnesses().keys;
        let are_others = vouching.as_ref() != Some(&keys);
        let is_due = blocking(move || {
            let due = is_open || is_due(&log, looked)?;
            Ok::<_, Error>(due || (are_others && !daemon.is_vouched_for()?))
        });
        match is_due.await {
            Ok(Ok(false)) => {
                looked = Some(size);
                vouching = Some(keys);
                continue;
            }
            Ok(Ok(true)) if next > Instant::now() => continue,
            Ok(Ok(true)) => {}
            Ok(Err(error)) => {
                error!(%error, next = error.hints().join("; "), "cannot read the ledger");
                sleep(RETRY.1).await;
                continue;
            }
            Err(_) => continue,
        }
        let gathered = serving.gather(&endpoint).await;
        if is_open && serving.footing() == Footing::Firm {
            changed.notify_one();
        }
        match gathered {
            Ok(true) => {
                debug!(records = size, "cosigned");
                looked = Some(size);
                wait = RETRY.0;
                continue;
            }
            Ok(false) if serving.footing() == Footing::Open => {
                warn!("not serving yet: no witness has answered since the start; asking again");
                next = Instant::now() + AT_START;
                continue;
            }
            Ok(false) if wait == RETRY.0 => info!("too few witnesses cosigned; asking again"),
            Ok(false) => warn!(
                retry_seconds = wait.as_secs(),
                "too few witnesses cosigned: peers accept no new publication before enough do"
            ),
            Err(error) => {
                let next = error.hints().join("; ");
                error!(%error, next, "cannot have the ledger cosigned");
            }
        }
        next = Instant::now() + wait;
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Whether a record behind `looked`, or else behind the newest checkpoint that was cosigned, is to be
/// cosigned. That this node cosigned for others waits for the next other record: two nodes would
/// else keep each other at work for ever.
fn is_due(log: &Log, looked: Option<u64>) -> Result<bool, Error> {
    let from = match looked {
        Some(looked) => looked,
        None => log
            .cosigned()?
            .filter(|cosigned| cosigned.unverified().origin == log.origin())
            .map_or(0, |cosigned| cosigned.unverified().size),
    };
    for record in log.records(from..log.head().unverified().size) {
        if !matches!(record?.1.event, Event::Witnessed { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}
