//! Publishing what the policy serves (`spec/32-publication.md`).

mod changes;
mod offer;
mod seal;

use std::io;
use std::sync::Arc;

use blindmatch_audit::record::{Class, Event, Name};
use blindmatch_psi::publication::{Manifest, PublishError};
use blindmatch_store::views::{OwnEpoch, OwnPublication, ViewError};

pub(super) use self::offer::Offered;
use super::daemon::{Daemon, lock};
use super::view::{View, served};
use crate::error::Error;

/// How long the key of a view is used (`spec/32 §6.4`).
pub const EPOCH: u64 = 28 * 86_400;

/// A day: a view has one publication on each, the next epoch begins in the last of one, and for so
/// long the key before serves runs that were agreed on.
pub(super) const DAY: u64 = 86_400;

/// How a view of our own stands, by what is stored and what the ledger says.
enum Standing {
    /// Stored and recorded, and today's.
    Published,
    /// Stored, and not yet recorded: with the epoch, where that is not either.
    Unrecorded {
        epoch: Arc<OwnEpoch>,
        publication: Box<OwnPublication>,
        opened: bool,
    },
    /// The epoch goes on with today's publication.
    Daily(Arc<OwnEpoch>),
    /// To be published in a new epoch; the one before may go on for today.
    Due(Option<Arc<OwnEpoch>>),
}

/// Ends a walk through rows.
enum Walk {
    Found,
    Failed(Error),
}

impl Daemon {
    /// Publishes every view that the policy serves and that has something in it, once a day and
    /// whether or not anything changed; gives those of which something was recorded. Blocks, and
    /// uses all cores.
    ///
    /// # Errors
    ///
    /// [`Error::View`], [`Error::Ledger`], and those of collections and index. What was published
    /// before stays so.
    pub fn publish(&self) -> Result<Vec<View>, Error> {
        let mut recorded = Vec::new();
        for view in served(self.policy()) {
            if self.publish_view(&view)? {
                recorded.push(view);
            }
        }
        Ok(recorded)
    }

    /// The epoch of a view of our own that is published: the newest.
    #[must_use]
    pub fn own_epoch(&self, view: &View) -> Option<Arc<OwnEpoch>> {
        self.own_epochs(view).pop()
    }

    /// All epochs of a view of our own whose keys are there, the newest last.
    pub(super) fn own_epochs(&self, view: &View) -> Vec<Arc<OwnEpoch>> {
        let name = view.to_string();
        let mut own = self.views().own();
        own.retain(|own| own.domain().view == name.as_bytes());
        own.sort_by_key(|own| own.domain().epoch);
        own
    }

    /// Begins a new epoch of a view, where there is anything to serve.
    pub(super) fn begin_epoch(&self, view: &View) -> Result<bool, Error> {
        let _one = lock(self.publishing());
        let anything = self.serves_anything(view)?;
        if anything {
            if let Some(before) = self.own_epoch(view) {
                self.tell_gone(view, &before)?;
            }
            self.first_publication(view)?;
        }
        Ok(anything)
    }

    pub(super) fn publish_view(&self, view: &View) -> Result<bool, Error> {
        let _one = lock(self.publishing());
        let mut recorded = false;
        loop {
            match self.standing(view)? {
                Standing::Published => return Ok(recorded),
                Standing::Unrecorded {
                    epoch,
                    publication,
                    opened,
                } => {
                    self.record_publication(view, &epoch, &publication.manifest, opened)?;
                    recorded = true;
                }
                Standing::Daily(epoch) => match self.next_publication(view, &epoch) {
                    // It has had all its numbers.
                    Err(Error::View(ViewError::Publish(PublishError::EpochFull))) => {
                        self.tell_gone(view, &epoch)?;
                        self.first_publication(view)?;
                    }
                    // Two items have one tag under its key.
                    Err(Error::View(ViewError::Publish(PublishError::SameTag))) => {
                        self.first_publication(view)?;
                    }
                    published => published?,
                },
                Standing::Due(before) => {
                    if self.serves_anything(view)? {
                        if let Some(before) = self.own_epoch(view) {
                            self.tell_gone(view, &before)?;
                        }
                        self.first_publication(view)?;
                    } else if let Some(before) = before.filter(|before| self.is_due_today(before)) {
                        self.next_publication(view, &before)?;
                    } else {
                        return Ok(recorded);
                    }
                }
            }
        }
    }

    /// Holds what is stored against what the ledger says: a state that was put back must not seal a
    /// number twice, so a new epoch begins then (`spec/46 §7`).
    fn standing(&self, view: &View) -> Result<Standing, Error> {
        let name = view.to_string();
        let (last, record) =
            self.facts(|facts| Ok((facts.last_epoch(&name)?, facts.publication(&name)?)))?;
        let Some(epoch) = self.own_epoch(view) else {
            return Ok(Standing::Due(None));
        };
        let Some(newest) = epoch.publications().first().cloned() else {
            return Ok(Standing::Due(None));
        };
        let (number, manifest) = (epoch.domain().epoch, &newest.manifest);
        let opened = last.is_some_and(|(last, _)| last == number);
        if last.is_some_and(|(last, open)| last > number || (opened && !open)) {
            return Ok(Standing::Due(None));
        }
        let recorded = match record {
            Some(record) => self.recorded(record)?,
            None => None,
        };
        let sequence = manifest.edition.sequence();
        match recorded {
            Some((known, digest)) if known == sequence && digest == manifest.digest() => {}
            Some((known, _)) if known >= sequence => return Ok(Standing::Due(None)),
            _ => {
                return Ok(Standing::Unrecorded {
                    publication: Box::new(newest),
                    opened,
                    epoch,
                });
            }
        }
        let now = self.now();
        if now >= manifest.expires {
            return Ok(Standing::Due(None));
        }
        if now >= manifest.expires.saturating_sub(DAY) {
            return Ok(Standing::Due(Some(epoch)));
        }
        Ok(if self.is_due_today(&epoch) {
            Standing::Daily(epoch)
        } else {
            Standing::Published
        })
    }

    /// Whether the newest publication of an epoch is of a day before today.
    fn is_due_today(&self, epoch: &OwnEpoch) -> bool {
        let publications = epoch.publications();
        let newest = publications.first();
        newest.is_some_and(|newest| newest.manifest.valid_from / DAY < self.now() / DAY)
    }

    /// Sequence number and manifest's digest of a publication that was recorded.
    pub(super) fn recorded(&self, record: u64) -> Result<Option<(u64, [u8; 32])>, Error> {
        Ok(match self.ledger().log().record(record)?.event {
            Event::Publication {
                sequence, manifest, ..
            } => Some((sequence, manifest)),
            _ => None,
        })
    }

    /// The numbers that a new epoch of a view and its first publication have at least.
    fn numbers(&self, view: &View) -> Result<(u64, u64), Error> {
        let name = view.to_string();
        let (last, record, least) = self.facts(|facts| {
            let record = facts.publication(&name)?;
            Ok((facts.last_epoch(&name)?, record, facts.least_number()?))
        })?;
        let recorded = match record {
            Some(record) => self.recorded(record)?,
            None => None,
        };
        let (mut number, mut next) = (
            last.map_or(0, |(last, _)| last).saturating_add(1),
            recorded.map_or(0, |(sequence, _)| sequence.saturating_add(1)),
        );
        for own in self.own_epochs(view) {
            number = number.max(own.domain().epoch.saturating_add(1));
            next = next.max(own.next_number());
        }
        Ok((least.max(number), least.max(next)))
    }

    fn serves_anything(&self, view: &View) -> Result<bool, Error> {
        let evidence = self.policy().evidence(view.indicator_type);
        let walked = self
            .reading()?
            .serve(view.indicator_type, evidence, |_, _| Err(Walk::Found));
        match walked {
            Ok(()) => Ok(false),
            Err(Walk::Found) => Ok(true),
            Err(Walk::Failed(error)) => Err(error),
        }
    }

    fn record_publication(
        &self,
        view: &View,
        epoch: &OwnEpoch,
        manifest: &Manifest,
        opened: bool,
    ) -> Result<(), Error> {
        let name = Name::new(&view.to_string()).map_err(Error::Record)?;
        let class = Class::exactly(manifest.edition.class().entries());
        let mut events = Vec::new();
        if !opened {
            events.push(Event::EpochOpened {
                view: name.clone(),
                epoch: epoch.domain().epoch,
                key: manifest.public_key,
            });
        }
        events.push(Event::Publication {
            view: name,
            sequence: manifest.edition.sequence(),
            manifest: manifest.digest(),
            root: manifest.root,
            // Every class of a set is one of three significant bits.
            class: class.ok_or_else(|| publishing(PublishError::SetTooLarge))?,
        });
        self.ledger().append(events)?;
        Ok(())
    }
}

fn publishing(error: PublishError) -> Error {
    Error::View(error.into())
}

fn disk(error: io::Error) -> Error {
    Error::View(error.into())
}

impl From<Error> for Walk {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests;
