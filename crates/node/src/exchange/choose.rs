//! By which protocol a collection asks a view: the one that is estimated to take less, where both
//! would find the same.
//!
//! Lookup pays group operations for every item that no output is kept of, and fetches the publication
//! once; batch pays little for every item of both sets, again each time, and keeps nothing.

use std::sync::Arc;
use std::time::Duration;

use blindmatch_membership::Name;
use blindmatch_policy::{Protocol, Request};
use blindmatch_psi::batch::class_holding;
use blindmatch_psi::publication::{Manifest, QueryClass};
use blindmatch_store::collection::CollectionKind;
use blindmatch_store::views::{Accepted, PeerEpoch};
use blindmatch_transport::Channel;
use blindmatch_transport::message::ManifestRequest;
use bytes::Bytes;

use super::ask::{AskError, Asker, Asking, Subject, allow, blocking, open, payment_key, request};
use super::daemon::Daemon;
use super::peers::patiently;
use super::view::View;

/// What an item of lookup costs both sides: a blind, an evaluation, its part of a proof, an output.
const LOOKUP_ITEM: Duration = Duration::from_micros(120);
/// What an item of either set costs in batch, most of it in reading, sealing and storing.
const BATCH_ITEM: Duration = Duration::from_micros(8);
/// What a setup and the rest of a run cost, however small the sets are.
const BATCH_RUN: Duration = Duration::from_millis(800);

/// On the wire, of an item that is looked up: its blinded and its evaluated element.
const LOOKUP_BYTES: u64 = 64;
/// Of the querier's items in batch: 16 bytes for each of 1.3 columns.
const MASKED_BYTES: u64 = 21;
/// Of the responder's: what of its tag is sent, and its sealed label.
const ANSWER_BYTES: u64 = 46;
/// Of a setup.
const SETUP_BYTES: u64 = 1 << 20;

/// Bytes a second between two nodes, of whom nothing else is known.
const LINK: u64 = 12_500_000;

/// Fewer items than this are looked up.
const LEAST: u64 = 1_024;

/// What a run would cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Of both sides and the way between them.
    pub time: Duration,
    /// On the wire, both ways.
    pub bytes: u64,
    /// What the peer's budget would be charged.
    pub charge: u64,
}

/// What a collection would ask a view for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// All items that it has for the view.
    pub(super) all: u64,
    /// Those that lookup would ask for: they are not known of this epoch.
    pub(super) ask: u64,
    /// Items of customers that did not change and that lookup would not ask for.
    pub(super) left_out: u64,
    /// The bytes of the publication to fetch; none where the newest is here.
    pub(super) fetch: u64,
    /// The entries of the view, as far as they are known.
    pub(super) set: Option<u64>,
}

impl Outlook {
    /// What lookup would cost.
    pub(super) fn lookup(&self) -> Estimate {
        let class = QueryClass::holding(self.ask.max(1)).map_or(self.ask, QueryClass::items);
        let bytes = class
            .saturating_mul(LOOKUP_BYTES)
            .saturating_add(self.fetch);
        Estimate {
            time: times(LOOKUP_ITEM, class) + on_the_way(bytes),
            bytes,
            charge: Protocol::Lookup.charge(class),
        }
    }

    /// What batch would cost; nothing for sets that it does not take. A set of which nothing is known
    /// counts as large as our own.
    pub(super) fn batch(&self) -> Option<Estimate> {
        let own = u64::from(class_holding(self.all)?);
        let theirs = u64::from(class_holding(self.set.unwrap_or(self.all))?);
        let bytes = own * MASKED_BYTES + theirs * ANSWER_BYTES + SETUP_BYTES;
        Some(Estimate {
            time: times(BATCH_ITEM, own + theirs) + BATCH_RUN + on_the_way(bytes),
            bytes,
            charge: Protocol::Batch.charge(own),
        })
    }

    /// The protocol that takes less. Where lookup would leave out what batch asks for, batch.
    pub(super) fn choice(&self) -> Protocol {
        let batch = self.batch().filter(|_| self.all >= LEAST);
        match batch {
            Some(batch) if self.left_out > 0 || batch.time < self.lookup().time => Protocol::Batch,
            _ => Protocol::Lookup,
        }
    }
}

impl Asker {
    /// By which protocol a collection asks a view.
    ///
    /// # Errors
    ///
    /// Those of the own home.
    pub(super) async fn choose(
        &self,
        channel: &Channel,
        view: &View,
        asking: &Asking,
    ) -> Result<Protocol, AskError> {
        let peer = channel.peer().member().clone();
        let outlook = blocking({
            let (daemon, view, asking) = (Arc::clone(&self.daemon), view.clone(), asking.clone());
            move || {
                if daemon.may_ask_whole(&peer, &view, &asking) {
                    daemon.outlook(&peer, &view, &asking).map(Some)
                } else {
                    Ok(None)
                }
            }
        });
        let Some(mut outlook) = outlook.await?.filter(|outlook| outlook.all >= LEAST) else {
            return Ok(Protocol::Lookup);
        };
        // Of a view that nothing is known of, how large it is. This decides nothing but the way, so
        // nobody has to prove it.
        if outlook.set.is_none() {
            let request = ManifestRequest {
                view: view.to_string(),
                checkpoint: Bytes::new(),
            };
            if let Ok(answer) = patiently(|| channel.manifest(request.clone())).await
                && let Ok(manifest) = Manifest::decode(&answer.manifest)
            {
                outlook.set = Some(manifest.edition.class().entries());
                outlook.fetch = manifest.edition.file_length();
            }
        }
        Ok(outlook.choice())
    }
}

impl Daemon {
    /// Whether our own policy allows to ask a view for all of a collection by batch, today and the
    /// nights behind: of customers that were asked for before, or will be again, that is a sweep.
    pub(super) fn may_ask_whole(&self, peer: &Name, view: &View, asking: &Asking) -> bool {
        let payment_key = payment_key(self, view.indicator_type);
        let known = self.directory().known();
        let request = Request {
            protocol: Protocol::Batch,
            query_class: LEAST,
            sweep: asking.contents.kind == CollectionKind::Customers,
            ..request(peer.as_str(), view, &payment_key, known.roster.number)
        };
        allow(self, &known.roster, &request).is_ok()
    }

    /// What a collection would ask a view for. Reads the disk, and contacts nobody.
    pub(super) fn outlook(
        &self,
        peer: &Name,
        view: &View,
        asking: &Asking,
    ) -> Result<Outlook, AskError> {
        let kind = view.indicator_type;
        let subject = Subject::Collection(asking.clone());
        let count = |items: usize| u64::try_from(items).unwrap_or(u64::MAX);
        let accepted = self.accepted(peer, view);
        let all = count(subject.items(self, kind)?.len());
        let (ask, left_out) = match &accepted {
            Some((epoch, _)) => {
                let open = open(self, epoch, kind, &subject, &mut |_| {})?;
                (count(open.left.len()), open.left_out)
            }
            None => {
                let changed = subject.changed(self, kind)?;
                let ask = changed.map_or(all, |changed| count(changed.len()));
                (ask, all.saturating_sub(ask))
            }
        };
        let set = accepted.map(|(_, newest)| newest.manifest.edition.class().entries());
        Ok(Outlook {
            all,
            ask,
            left_out,
            fetch: 0,
            set,
        })
    }

    /// The epoch of a peer's view that was accepted last, with its newest publication, where that is
    /// in force.
    pub(super) fn accepted(&self, peer: &Name, view: &View) -> Option<(Arc<PeerEpoch>, Accepted)> {
        let known = self.directory().known();
        let responder = known.roster.member_id(peer)?.to_string();
        let in_force = |epoch: &PeerEpoch| {
            let newest = epoch.publications().into_iter().next();
            newest.filter(|newest| {
                let manifest = &newest.manifest;
                manifest.domain.responder == responder.as_bytes()
                    && manifest.domain.view == view.to_string().as_bytes()
                    && self.now() < manifest.expires
            })
        };
        let epochs = self.views().peers().into_iter();
        let accepted = epochs.filter_map(|epoch| in_force(&epoch).map(|newest| (epoch, newest)));
        accepted.max_by_key(|(epoch, _)| epoch.domain().epoch)
    }
}

fn times(one: Duration, count: u64) -> Duration {
    let nanos = one.as_nanos().saturating_mul(count.into());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn on_the_way(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(8) / (LINK * 8 / 1_000_000))
}

#[cfg(test)]
mod tests;
