//! What a node does every day.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use blindmatch_store::collection::CollectionError;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use super::Counters;
use crate::error::Error;
use crate::exchange::daemon::{Daemon, lock};
use crate::exchange::footing::Footing;
use crate::exchange::respond::Serving;
use crate::exchange::tidy::{Rotated, Tidied};
use crate::exchange::work::blocking;
use crate::expiry::{Told, days_left};

/// How long a day is.
const DAY: Duration = Duration::from_secs(86_400);

/// How long is waited where views could not be rotated that a removed member could ask.
const ROTATE_AGAIN: Duration = Duration::from_secs(60);

/// Does the chores at once, every day, and whenever something `changed`.
pub(super) async fn every_day(serving: Serving, changed: Arc<Notify>) {
    let mut day = interval(DAY);
    day.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rotated = true;
    let told = Arc::new(Mutex::new(Told::default()));
    loop {
        let a_day_is_over = tokio::select! {
            _ = day.tick() => true,
            () = changed.notified() => false,
            () = sleep(ROTATE_AGAIN), if !rotated => false,
        };
        let daemon = serving.daemon();
        let (serving, told) = (serving.clone(), Arc::clone(&told));
        let done = blocking(move || {
            // An older copy of this home would seal again what was sealed before.
            let firm = serving.footing() == Footing::Firm;
            let rotated = !firm || rotate(&daemon);
            if firm {
                publish(&daemon);
            }
            if believes_its_clock(&serving) {
                tidy(&daemon, serving.counters());
            }
            if a_day_is_over {
                expire(&daemon, serving.counters());
                tell_expiries(&daemon, &mut lock(&told));
            }
            rotated
        });
        match done.await {
            Ok(done) => rotated = done,
            Err(_) => error!("a chore of the day ended in a panic"),
        }
    }
}

/// Rotates the views that removed members could ask; says whether none is left.
fn rotate(daemon: &Daemon) -> bool {
    match daemon.rotate_for_gone() {
        Ok(None) => true,
        Ok(Some(Rotated { gone, views })) => {
            for member in gone {
                info!(%member, "a member is gone, or has another identity");
            }
            for view in views {
                info!(%view, "rotated: its key is destroyed");
            }
            true
        }
        Err(error) => {
            error!(%error, "cannot rotate all views that a removed member could ask");
            false
        }
    }
}

fn publish(daemon: &Daemon) {
    match daemon.publish() {
        Ok(views) => views.iter().for_each(|view| info!(%view, "published")),
        Err(error) => failed(&error, "cannot publish"),
    }
}

/// Whether what is over may be ended by the clock alone.
fn believes_its_clock(serving: &Serving) -> bool {
    match serving.believes_its_clock() {
        Ok(true) => true,
        Ok(false) => {
            warn!(
                next = "is it right? see: date",
                "nothing is ended before a witness has answered: the clock shows a time long after the \
                 newest record"
            );
            false
        }
        Err(error) => {
            failed(&error, "cannot hold the clock against the ledger");
            false
        }
    }
}

/// Ends what is over: epochs and their keys, runs that cannot go on, matches.
fn tidy(daemon: &Daemon, counters: &Counters) {
    match daemon.tidy(daemon.now()) {
        Ok(tidied) if tidied == Tidied::default() => {}
        Ok(Tidied {
            closed,
            forgotten,
            runs,
            results,
            said,
        }) => {
            counters.add(
                "blindmatch_ttl_deletions_total",
                &[("what", "runs")],
                results,
            );
            info!(
                closed,
                forgotten, runs, results, said, "epochs, runs and matches ended whose time is over"
            );
        }
        Err(error) => failed(&error, "cannot end all whose time is over"),
    }
}

/// Destroys values of collections that have expired.
fn expire(daemon: &Daemon, counters: &Counters) {
    let destroyed = |what, count| {
        counters.add("blindmatch_ttl_deletions_total", &[("what", what)], count);
    };
    let now = daemon.now();
    let (collections, canonicaliser) = (daemon.collections(), daemon.canonicaliser());
    let exclusions = daemon.exclusions();
    let node = daemon.node();
    match node.expire(collections, canonicaliser, exclusions, now, false) {
        Ok(expired) => {
            if expired.values > 0 {
                destroyed("values", expired.values);
                info!(values = expired.values, "values destroyed that had expired");
            }
            for error in expired.left {
                failed(&error, "not all that has expired could be destroyed");
            }
        }
        // An import destroys what has expired too.
        Err(Error::Collection(_, CollectionError::Busy)) => {}
        Err(error) => failed(&error, "cannot destroy values that have expired"),
    }
}

fn failed(error: &Error, what: &'static str) {
    error!(%error, next = error.hints().join("; "), "{what}");
}

/// Tells of the roster, the delegation and the legal bases that will soon be over.
fn tell_expiries(daemon: &Daemon, told: &mut Told) {
    let now = daemon.now();
    for expiry in told.newly_due(daemon.expiries(), now) {
        let what = &expiry.what;
        match days_left(expiry.at, now) {
            Some(days_left) => warn!(%what, days_left, "expires soon: blindmatch status"),
            None => error!(%what, "has expired: blindmatch status"),
        }
    }
}
