//! What each record changes in the index.

use std::collections::BTreeMap;

use blindmatch_audit::{
    checkpoint::Origin,
    receipt::Side,
    record::{Event, Level},
};

use super::{
    DAY, Facts, Restored, RunState, Stopped, Witnessed,
    keys::{self, Keyed},
};
use crate::index::{Doubt, Index};

/// Records on their way into the index.
pub(super) struct Batch<'f, I> {
    facts: &'f Facts<I>,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'f, I: Index> Batch<'f, I> {
    pub(super) const fn new(facts: &'f Facts<I>) -> Self {
        Self {
            facts,
            values: BTreeMap::new(),
        }
    }

    /// What is to be written.
    pub(super) fn into_values(self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.values
    }

    pub(super) fn apply(&mut self, number: u64, time: u64, event: &Event) -> Result<(), Doubt> {
        match event {
            Event::Incarnation {
                number: incarnation @ 2..,
                ..
            } => {
                let (record, incarnation) = (number, *incarnation);
                let restored = Restored {
                    record,
                    time,
                    incarnation,
                };
                self.put(keys::restored(), restored);
            }
            Event::Debit {
                peer,
                view,
                epoch,
                run,
                batch,
                digest,
                amount,
            } => {
                let (view, peer, amount) = (view.as_str(), peer.as_str(), amount.count());
                self.add(keys::day(view, peer, time / DAY), amount)?;
                self.add(keys::epoch(view, peer, *epoch), amount)?;
                self.add(keys::all(view, *epoch), amount)?;
                self.put(keys::debit(run, *batch, digest), number);
                if self.value::<u64>(&keys::charged(run))?.is_none() {
                    self.add(keys::runs(view, peer, time / DAY), 1)?;
                }
                self.put(keys::charged(run), number);
            }
            Event::RunAgreed { run, peer, .. } => {
                self.put(keys::run(run), (RunState::Agreed, number));
                self.put(keys::peer_of(run), peer.as_str().to_owned());
            }
            Event::RunConcluded { run, .. } => {
                self.put(keys::run(run), (RunState::Concluded, number));
                if let Some(peer) = self.value::<String>(&keys::peer_of(run))? {
                    self.put(keys::unreceipted(&peer), 0_u64);
                }
            }
            Event::RunUnreceipted { run } => {
                self.put(keys::run(run), (RunState::Unreceipted, number));
                // Of one that was given up before anything was evaluated nobody had anything.
                if self.value::<u64>(&keys::charged(run))?.is_some() {
                    self.count_unreceipted(run)?;
                }
            }
            Event::RunOpenedLate { run } => {
                self.put(keys::run(run), (RunState::OpenedLate, number));
                self.count_unreceipted(run)?;
            }
            Event::Publication { view, .. } => {
                let key = keys::publication(view.as_str());
                if let Some(before) = self.value::<u64>(&key)? {
                    self.put(keys::publication_before(view.as_str()), before);
                }
                self.put(key, number);
            }
            Event::EpochOpened { view, epoch, .. } => {
                self.put(keys::opened(view.as_str(), *epoch), number);
                self.put(keys::last_epoch(view.as_str()), (*epoch, true));
            }
            Event::EpochClosed { view, epoch } => {
                let key = keys::last_epoch(view.as_str());
                let last: Option<(u64, bool)> = self.value(&key)?;
                // The next one may be open before this one ends.
                if last.is_none_or(|(last, _)| last <= *epoch) {
                    self.put(key, (*epoch, false));
                }
                let key = keys::closed(view.as_str());
                let closed: u64 = self.value(&key)?.unwrap_or(0);
                self.put(key, closed.max(*epoch));
            }
            Event::Witnessed { origin, size, root } => {
                if let Some(origin) = Origin::parse(origin.as_str()) {
                    let witnessed = Witnessed {
                        incarnation: origin.incarnation,
                        size: *size,
                        root: *root,
                    };
                    self.put(keys::witnessed(origin.ledger.as_str()), witnessed);
                }
            }
            Event::Equivocation { peer, .. } => {
                self.put(keys::equivocation(peer.as_str()), (number, true));
            }
            Event::Readmitted { peer, .. } => {
                self.put(keys::equivocation(peer.as_str()), (number, false));
            }
            Event::Asked {
                peer,
                view,
                epoch,
                items,
                ..
            } => {
                let key = keys::asked(view.as_str(), peer.as_str(), *epoch);
                self.add(key, items.count())?;
            }
            Event::Probing {
                peer,
                view,
                side,
                level,
                signal,
                counted,
                limit,
            } => {
                let (view, peer) = (view.as_str(), peer.as_str());
                let key = keys::probing(*side, view, peer, time / DAY);
                let before: u64 = self.value(&key)?.unwrap_or(0);
                self.put(key, before.max(level.code().into()));
                if *level == Level::Stop && *side == Side::Responder {
                    let stopped = Stopped {
                        record: number,
                        signal: *signal,
                        counted: *counted,
                        limit: *limit,
                    };
                    self.put(keys::stopped(view, peer), stopped);
                }
            }
            Event::Vouched { peer, until, .. } => {
                self.put(keys::vouched(peer.as_str()), (*until, number));
                self.put(keys::unreceipted(peer.as_str()), 0_u64);
            }
            _ => {}
        }
        Ok(())
    }

    fn count_unreceipted(&mut self, run: &[u8; 32]) -> Result<(), Doubt> {
        match self.value::<String>(&keys::peer_of(run))? {
            Some(peer) => self.add(keys::unreceipted(&peer), 1),
            None => Ok(()),
        }
    }

    fn add(&mut self, key: Vec<u8>, amount: u64) -> Result<(), Doubt> {
        let before: u64 = self.value(&key)?.unwrap_or(0);
        self.put(key, before.saturating_add(amount));
        Ok(())
    }

    fn put(&mut self, key: Vec<u8>, value: impl Keyed) {
        self.values.insert(key, value.encode());
    }

    fn value<T: Keyed>(&self, key: &[u8]) -> Result<Option<T>, Doubt> {
        match self.values.get(key) {
            Some(value) => T::decode(value).map(Some).ok_or(Doubt::Entry),
            None => self.facts.value(key),
        }
    }
}
