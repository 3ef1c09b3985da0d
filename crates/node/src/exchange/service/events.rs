//! What an operator gets to know of connections.

use std::sync::Arc;

use blindmatch_transport::Events;
use blindmatch_transport::event::{End, Event};
use tracing::{debug, error, warn};

use crate::exchange::respond::Serving;
use crate::exchange::work::blocking;

/// Logs what happens to connections, and keeps the delegations that members introduce themselves
/// with.
pub(super) fn listen(serving: &Serving) -> Events {
    let serving = serving.clone();
    Arc::new(move |event| match event {
        Event::Refused {
            address,
            member,
            refusal,
        } => {
            serving
                .counters()
                .add("blindmatch_connections_refused_total", &[], 1);
            let member = member.map(|member| member.to_string());
            warn!(%address, member, %refusal, "connection refused");
        }
        Event::Opened { member, address } => debug!(%member, %address, "connection opened"),
        Event::Closed {
            member,
            end: End::NoMember,
        } => warn!(%member, "connection cut: no member any more, or its key no longer its own"),
        Event::Closed { member, end } => debug!(%member, ?end, "connection closed"),
        Event::Shed { member } => {
            let peer = [("peer", member.member().as_str())];
            serving
                .counters()
                .add("blindmatch_calls_shed_total", &peer, 1);
            warn!(%member, "call not taken: there are too many");
        }
        Event::Introduced { delegation } => {
            debug!(member = %delegation.member, number = delegation.number, "new delegation");
            let serving = serving.clone();
            tokio::spawn(blocking(move || {
                if let Err(error) = serving.daemon().keep_delegations() {
                    error!(%error, "cannot keep a delegation");
                }
            }));
        }
        Event::NotIntroduced { member, error } => warn!(%member, %error, "delegation refused"),
        _ => {}
    })
}
