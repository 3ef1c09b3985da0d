//! A peer asked in one flight, as a query does: whatever is known of it is taken to hold still, and
//! beside the proposals it is asked whether it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blindmatch_membership::Name;
use blindmatch_psi::agreement::Agreement;
use blindmatch_transport::Channel;
use blindmatch_transport::message::Views;
use tokio::task::JoinHandle;

use super::plan::Plan;
use super::{Answered, AskError, Asker, Occasion, Subject, agree, blocking};
use crate::exchange::peers;
use crate::exchange::prepare::Prepared;
use crate::exchange::view::View;

/// What a peer answered in one flight.
pub(in crate::exchange) struct Flight {
    pub(in crate::exchange) channel: Channel,
    /// What it serves.
    pub(in crate::exchange) served: Views,
    /// What it answered to the proposals that it could answer.
    pub(in crate::exchange) proposed: BTreeMap<View, Proposed>,
}

/// A run that was proposed about the newest publication of a view, with the answer.
pub(in crate::exchange) struct Proposed {
    prepared: Prepared,
    subject: Arc<Subject>,
    plan: Plan,
    agreed: Result<Agreement, AskError>,
}

impl Asker {
    /// In one flight greets a peer to which a connection is open, asks for its views, and proposes runs about
    /// those of `views` of which a publication is here. Nothing where there is no such connection, and where
    /// one of the answers tells of what has to be seen to first: then all is to be asked one after the
    /// other. What was agreed on is left, with nothing charged.
    pub(in crate::exchange) async fn fly(
        &self,
        peer: &Name,
        views: &BTreeSet<View>,
        subject: Subject,
    ) -> Option<Flight> {
        let channel = self.connected(peer)?;
        let earlier = self.unfinished(peer);
        if earlier.iter().any(|run| !self.is_at(&run.id())) {
            return None;
        }
        let planned = blocking({
            let (daemon, id) = (Arc::clone(&self.daemon), channel.peer().id().clone());
            let (views, subject) = (views.clone(), Arc::new(subject));
            move || {
                if daemon.equivocation(id.member())?.is_some() {
                    return Ok(Vec::new());
                }
                let mut planned = Vec::new();
                for view in views {
                    let Some((epoch, accepted)) = daemon.accepted(id.member(), &view) else {
                        continue;
                    };
                    let plan = Plan::of(&daemon, &id, &view, &epoch, &accepted.manifest, &subject)?;
                    let prepared = Prepared {
                        epoch,
                        accepted,
                        bytes: 0,
                    };
                    planned.push((view, prepared, Arc::clone(&subject), plan));
                }
                Ok(planned)
            }
        });
        let planned = planned.await.ok().filter(|planned| !planned.is_empty())?;
        let number = self.daemon.directory().known().roster.number;
        let proposals = planned.iter().map(|(.., plan)| {
            let (channel, proposal) = (channel.clone(), plan.proposal.clone());
            tokio::spawn(async move { agree(&channel, &proposal).await })
        });
        let proposals: Vec<JoinHandle<_>> = proposals.collect();
        let (served, greeted) = tokio::join!(channel.views(), peers::greet(&self.daemon, &channel));
        let mut agreed = Vec::new();
        for proposal in proposals {
            agreed.push(proposal.await.unwrap_or(Err(AskError::Panicked)));
        }
        let (served, theirs) = (served.ok()?, greeted.ok()?);
        if !self.is_by_newest(&channel)
            || theirs != number
            || self.daemon.directory().known().roster.number != number
        {
            return None;
        }
        let answered = planned.into_iter().zip(agreed);
        let answered = answered.filter(|((view, prepared, ..), agreed)| {
            is_newest(&served, view, prepared)
                && matches!(agreed, Ok(_) | Err(AskError::Refused(..)))
        });
        let proposed = answered.map(|((view, prepared, subject, plan), agreed)| {
            let proposed = Proposed {
                prepared,
                subject,
                plan,
                agreed,
            };
            (view, proposed)
        });
        Some(Flight {
            proposed: proposed.collect(),
            channel,
            served,
        })
    }

    /// Goes on with a run that was proposed.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub(in crate::exchange) async fn ask_proposed(
        &self,
        channel: &Channel,
        view: &View,
        proposed: Proposed,
        occasion: &Occasion,
    ) -> Result<Answered, AskError> {
        let Proposed {
            prepared,
            subject,
            plan,
            agreed,
        } = proposed;
        self.go_on(channel, view, prepared, subject, occasion, plan, agreed)
            .await
    }
}

/// Whether what is prepared is what the peer offers.
fn is_newest(served: &Views, view: &View, prepared: &Prepared) -> bool {
    let (manifest, name) = (&prepared.accepted.manifest, view.to_string());
    served.0.iter().any(|served| {
        served.name == name
            && served.epoch == manifest.domain.epoch
            && served.sequence == manifest.edition.sequence()
    })
}
