//! What goes when its time is over: keys of epochs, what was kept of peers' epochs, runs that nobody
//! ends any more, results (`spec/32 §6.4`, `spec/46 §5`, §6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blindmatch_audit::receipt::Side;
use blindmatch_audit::record::{Event, Name as RecordName};
use blindmatch_membership::Name;
use blindmatch_policy::Direction;
use blindmatch_psi::publication::Domain;
use blindmatch_store::runs::Run;
use blindmatch_store::views::{OwnEpoch, PeerEpoch};
use tracing::warn;

use super::ask;
use super::daemon::{Daemon, lock};
use super::publish::{DAY, EPOCH};
use super::view::{View, served, with};
use crate::error::Error;

/// What a tidying ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Epochs of our own views that were closed, their keys destroyed.
    pub closed: u64,
    /// Epochs of peers' views of which all that was kept is destroyed.
    pub forgotten: u64,
    /// Runs that were ended, because they cannot go on.
    pub runs: u64,
    /// Runs whose results were destroyed.
    pub results: u64,
    /// What was said of matches that are gone.
    pub said: u64,
}

/// What was rotated because members are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The members.
    pub gone: BTreeSet<Name>,
    /// The views that they could ask.
    pub views: BTreeSet<View>,
}

impl Daemon {
    /// Begins a new epoch of a view; gives its number, or nothing where there is nothing to serve.
    /// Runs that were agreed on go on for a day under the key before. Blocks, and uses all cores.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); [`Error::NotNewest`].
    pub fn rotate(&self, view: &View) -> Result<Option<u64>, Error> {
        self.check_newest()?;
        if !served(self.policy()).contains(view) || !self.begin_epoch(view)? {
            return Ok(None);
        }
        self.publish_view(view)?;
        Ok(self.own_epoch(view).map(|epoch| epoch.domain().epoch))
    }

    /// Rotates every view that one of these could ask, who are members no more: the keys are
    /// destroyed at once, and so is what was kept of the views of those members. Gives the views.
    /// Blocks, and uses all cores.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish). The keys are destroyed first, of all views that could be.
    pub fn remove_members(&self, gone: &BTreeSet<Name>) -> Result<BTreeSet<View>, Error> {
        let could = |name: &Name| with(self.policy(), name.as_str(), Direction::Serve);
        let mut views: BTreeSet<View> = gone.iter().flat_map(could).collect();
        views.extend(self.asked(gone)?);
        views.retain(|view| !self.own_epochs(view).is_empty());
        let mut failed = None;
        for view in &views {
            let _one = lock(self.publishing());
            let epochs = self.own_epochs(view);
            if let Some(newest) = epochs
                .last()
                .filter(|_| served(self.policy()).contains(view))
                && let Err(error) = self.tell_gone(view, newest)
            {
                // Who was removed keeps no key for what cannot be told now.
                warn!(%view, %error, "peers are not told what is served no longer");
            }
            for epoch in epochs {
                if let Err(error) = self.close(&epoch) {
                    failed.get_or_insert(error);
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        for view in views.intersection(&served(self.policy())) {
            self.publish_view(view)?;
        }
        self.tidy(self.now())?;
        Ok(views)
    }

    /// The views of which a key is here that one of these was charged for: the policy may have left it
    /// out before the roster did.
    fn asked(&self, members: &BTreeSet<Name>) -> Result<BTreeSet<View>, Error> {
        let (mut asked, now) = (BTreeSet::new(), self.now());
        for own in self.views().own() {
            let Domain { view, epoch, .. } = own.domain();
            let Ok(name) = str::from_utf8(view) else {
                continue;
            };
            for member in members {
                let charged =
                    self.facts(|facts| facts.charged(name, member.as_str(), *epoch, now))?;
                if charged.epoch > 0 {
                    asked.extend(name.parse::<View>());
                }
            }
        }
        Ok(asked)
    }

    /// Rotates what is due since rosters removed members, or gave them another identity
    /// ([`remove_members`](Self::remove_members)). Nothing where there is nothing due. Blocks.
    ///
    /// # Errors
    ///
    /// As [`remove_members`](Self::remove_members): then it stays due.
    pub fn rotate_for_gone(&self) -> Result<Option<Rotated>, Error> {
        let gone = self.node().gone()?;
        if gone.is_empty() {
            return Ok(None);
        }
        let views = self.remove_members(&gone)?;
        self.node().forget_gone(&gone)?;
        Ok(Some(Rotated { gone, views }))
    }

    /// Ends what is over at `now`, in seconds since 1970. Blocks.
    ///
    /// # Errors
    ///
    /// The first [`Error`], behind all that could be ended.
    pub fn tidy(&self, now: u64) -> Result<Tidied, Error> {
        let mut tidied = Tidied::default();
        let mut failed = None;
        let mut count = |ended: Result<bool, Error>| match ended {
            Ok(ended) => u64::from(ended),
            Err(error) => {
                failed.get_or_insert(error);
                0
            }
        };
        {
            let _one = lock(self.publishing());
            match self.closable(now) {
                Ok(closable) => {
                    for epoch in closable {
                        tidied.closed += count(self.close(&epoch).map(|()| true));
                    }
                }
                Err(error) => {
                    count(Err(error));
                }
            }
            count(self.say_closed().map(|()| false));
        }
        // Behind the keys of our own, and before what was kept of peers' views: results may still be
        // opened.
        for id in self.runs().unfinished() {
            // One that does not read is damage, which stays to be looked at.
            if let Ok(run) = self.runs().run(&id) {
                tidied.runs += count(self.end_run(&run, now));
            }
        }
        for epoch in self.forgettable(now) {
            let destroyed = self.views().destroy(epoch.id());
            tidied.forgotten += count(destroyed.map(|()| true).map_err(Error::View));
        }
        count(self.destroy_old_setups(now).map(|_| false));
        match self.runs().expire(now) {
            Ok(expired) => tidied.results = expired,
            Err(error) => {
                count(Err(error.into()));
            }
        }
        match self.tidy_said(now) {
            Ok(destroyed) => tidied.said = destroyed,
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(tidied), Err)
    }

    /// Destroys an epoch of our own, then says so.
    fn close(&self, epoch: &OwnEpoch) -> Result<(), Error> {
        let Domain {
            view,
            epoch: number,
            ..
        } = epoch.domain();
        self.views().destroy(epoch.id()).map_err(Error::View)?;
        match str::from_utf8(view) {
            Ok(view) => self.record_closed(view, *number),
            // None of ours.
            Err(_) => Ok(()),
        }
    }

    /// Records that an epoch is closed, where it was opened and nothing says so yet.
    fn record_closed(&self, view: &str, epoch: u64) -> Result<(), Error> {
        if self.facts(|facts| facts.is_unclosed(view, epoch))? {
            let view = RecordName::new(view).map_err(Error::Record)?;
            self.ledger()
                .append(vec![Event::EpochClosed { view, epoch }])?;
        }
        Ok(())
    }

    /// Says of epochs whose keys are gone that they are closed, where a crash came between.
    fn say_closed(&self) -> Result<(), Error> {
        // Keys of what does not read may be there.
        if !self.damaged().is_empty() {
            return Ok(());
        }
        for view in served(self.policy()) {
            let name = view.to_string();
            let Some((last, _)) = self.facts(|facts| facts.last_epoch(&name))? else {
                continue;
            };
            let here: BTreeSet<u64> = self
                .own_epochs(&view)
                .iter()
                .map(|own| own.domain().epoch)
                .collect();
            for number in [last.saturating_sub(1), last] {
                if !here.contains(&number) {
                    self.record_closed(&name, number)?;
                }
            }
        }
        Ok(())
    }

    /// The epochs of our own that are over: expired, or a day after the next is offered.
    fn closable(&self, now: u64) -> Result<Vec<Arc<OwnEpoch>>, Error> {
        let mut by_view: BTreeMap<Vec<u8>, Vec<Arc<OwnEpoch>>> = BTreeMap::new();
        for own in self.views().own() {
            let of_view = by_view.entry(own.domain().view.clone()).or_default();
            of_view.push(own);
        }
        let mut closable = Vec::new();
        for (view, mut epochs) in by_view {
            epochs.sort_by_key(|own| own.domain().epoch);
            let view = str::from_utf8(&view).ok();
            let view: Option<View> = view.and_then(|view| view.parse().ok());
            let offered = match &view {
                Some(view) => self.offered(view)?,
                None => None,
            };
            let newest = epochs.last().map_or(0, |own| own.domain().epoch);
            let over = |own: &Arc<OwnEpoch>| {
                let number = own.domain().epoch;
                let publications = own.publications();
                let Some(publication) = publications.first() else {
                    // A crash ended its beginning.
                    return number < newest;
                };
                let succeeded = offered.as_ref().is_some_and(|offered| {
                    let began = offered.publication.manifest.expires.saturating_sub(EPOCH);
                    offered.epoch.domain().epoch > number && began.saturating_add(DAY) <= now
                });
                publication.manifest.expires <= now || succeeded
            };
            closable.extend(epochs.into_iter().filter(over));
        }
        Ok(closable)
    }

    /// The peers' epochs that are over: expired, a day after the next was accepted, or of who is no
    /// member any more.
    fn forgettable(&self, now: u64) -> Vec<Arc<PeerEpoch>> {
        let peers = self.views().peers();
        let known = self.directory().known();
        let members: BTreeSet<Vec<u8>> = known
            .roster
            .members
            .keys()
            .map(|name| format!("blindmatch://{}/{name}", known.roster.consortium).into_bytes())
            .collect();
        let over = |epoch: &&Arc<PeerEpoch>| {
            let domain = epoch.domain();
            let succeeds = |other: &Arc<PeerEpoch>| {
                let later = other.domain();
                let same = Domain {
                    epoch: domain.epoch,
                    ..later.clone()
                } == *domain;
                let began = |manifest: &blindmatch_psi::publication::Manifest| {
                    manifest.expires.saturating_sub(EPOCH).saturating_add(DAY)
                };
                let newest = other.publications().into_iter().next();
                same && later.epoch > domain.epoch
                    && newest.is_some_and(|newest| began(&newest.manifest) <= now)
            };
            let newest = epoch.publications().into_iter().next();
            newest.is_none_or(|newest| newest.manifest.expires <= now)
                || peers.iter().any(succeeds)
                || !members.contains(&domain.responder)
        };
        peers.iter().filter(over).cloned().collect()
    }

    /// Ends a run that cannot go on; says whether it did.
    fn end_run(&self, run: &Arc<Run>, now: u64) -> Result<bool, Error> {
        let head = run.head();
        let known = self.directory().known();
        let peer = head.peer.as_str().parse::<Name>().ok();
        let member = peer.is_some_and(|peer| known.roster.members.contains_key(&peer));
        let goes_on = member && now <= head.until;
        match head.side {
            Side::Querier if goes_on && ask::is_held(self, run) => Ok(false),
            Side::Querier => ask::end_without_peer(self, run),
            Side::Responder if goes_on && self.has_key_of(run) => Ok(false),
            Side::Responder => {
                let receipt = run.receipt()?;
                let rng = &mut rand::rng();
                if receipt.is_some_and(|signed| signed.responder.is_some()) {
                    // The peer has it, and did not say so.
                    run.conclude(None, rng)?;
                } else {
                    run.give_up(rng)?;
                }
                Ok(true)
            }
        }
    }

    /// Whether the key is there that a run is served with.
    fn has_key_of(&self, run: &Run) -> bool {
        let head = run.head();
        let view = head.view();
        let own = self.views().own().into_iter();
        let mut own = own.map(|own| own.domain().clone());
        view.is_some_and(|view| {
            own.any(|own| own.epoch == head.epoch && own.view == view.as_str().as_bytes())
        })
    }
}
