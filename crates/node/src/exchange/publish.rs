//! Publishing what the policy serves (`spec/32-publication.md`).

use std::io;
use std::sync::Arc;

use blindmatch_audit::record::{Class, Event, Name};
use blindmatch_indicator::Label;
use blindmatch_membership::Role;
use blindmatch_oprf::{SecretKey, voprf};
use blindmatch_psi::publication::{Domain, FirstPublication, Manifest, PublishError, Published};
use blindmatch_store::row::{Origin, References, Row};
use blindmatch_store::views::{OwnEpoch, OwnPublication, SealedScratch};
use zeroize::Zeroizing;

use super::daemon::Daemon;
use super::view::{View, served};
use crate::error::Error;

/// How long the key of a view is used (`spec/32 §2`).
pub const EPOCH: u64 = 28 * 86_400;

/// Sorting a view takes so much memory.
const WORKING_SET: usize = 64 << 20;

/// So many items are evaluated at a time, by all cores.
const CHUNK: usize = 1 << 14;

/// An item with its label.
type Labelled = (Zeroizing<Vec<u8>>, [u8; Label::LENGTH]);

/// How a view of our own stands, by what is stored and what the ledger says.
enum Standing {
    /// Stored and recorded.
    Published,
    /// Stored, and not yet recorded: with the epoch, where that is not either.
    Unrecorded {
        epoch: Arc<OwnEpoch>,
        publication: Box<OwnPublication>,
        opened: bool,
    },
    /// To be published in a new epoch of this number, by sequence numbers from `next` on.
    Due { number: u64, next: u64 },
}

/// Ends a walk through rows.
enum Walk {
    Found,
    Failed(Error),
}

impl Daemon {
    /// Publishes every view that the policy serves and that has something in it, unless it is
    /// published; gives those of which something was recorded. Blocks, and uses all cores.
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

    /// The epoch of a view of our own that is served: the newest.
    #[must_use]
    pub fn own_epoch(&self, view: &View) -> Option<Arc<OwnEpoch>> {
        let name = view.to_string();
        let own = self.views().own().into_iter();
        own.filter(|own| own.domain().view == name.as_bytes())
            .max_by_key(|own| own.domain().epoch)
    }

    fn publish_view(&self, view: &View) -> Result<bool, Error> {
        let (epoch, publication, opened) = match self.standing(view)? {
            Standing::Published => return Ok(false),
            Standing::Unrecorded {
                epoch,
                publication,
                opened,
            } => (epoch, *publication, opened),
            Standing::Due { number, next } => {
                if !self.serves_anything(view)? {
                    return Ok(false);
                }
                let epoch = self.first_publication(view, number, next)?;
                let newest = epoch.publications().first().cloned();
                let newest = newest.ok_or_else(|| publishing(PublishError::NotPublished))?;
                (epoch, newest, false)
            }
        };
        self.record_publication(view, &epoch, &publication.manifest, opened)?;
        Ok(true)
    }

    /// Holds what is stored against what the ledger says: a state that was put back must not seal a
    /// number twice, so a new epoch begins then (`spec/46 §7`).
    fn standing(&self, view: &View) -> Result<Standing, Error> {
        let name = view.to_string();
        let (last, record, least) = self.facts(|facts| {
            Ok((
                facts.last_epoch(&name)?,
                facts.publication(&name)?,
                facts.least_number()?,
            ))
        })?;
        let recorded = match record {
            Some(index) => match self.ledger().log().record(index)?.event {
                Event::Publication {
                    sequence, manifest, ..
                } => Some((sequence, manifest)),
                _ => None,
            },
            None => None,
        };
        let own = self.own_epoch(view);
        let stored = own.as_ref().map_or(0, |own| own.domain().epoch);
        let opened = last.is_some_and(|(number, _)| number == stored);
        let superseded = last.is_some_and(|(number, open)| number > stored || (opened && !open));
        if let Some(epoch) = own
            && let Some(newest) = epoch.publications().first()
            && !superseded
            && self.now() < newest.manifest.expires
        {
            let sequence = newest.manifest.edition.sequence();
            match recorded {
                Some((known, digest))
                    if known == sequence && digest == newest.manifest.digest() =>
                {
                    return Ok(Standing::Published);
                }
                Some((known, _)) if known >= sequence => {}
                _ => {
                    return Ok(Standing::Unrecorded {
                        publication: Box::new(newest.clone()),
                        opened,
                        epoch,
                    });
                }
            }
        }
        let epochs = last.map_or(0, |(number, _)| number).max(stored);
        let sequences = self.views().own().into_iter();
        let sequences = sequences
            .filter(|own| own.domain().view == name.as_bytes())
            .filter_map(|own| Some(own.publications().first()?.manifest.edition.sequence()));
        let sequences = sequences
            .chain(recorded.map(|(sequence, _)| sequence))
            .max();
        Ok(Standing::Due {
            number: least.max(epochs.saturating_add(1)),
            next: least.max(sequences.unwrap_or(0).saturating_add(1)),
        })
    }

    fn serves_anything(&self, view: &View) -> Result<bool, Error> {
        let evidence = self.policy().evidence();
        let walked = self
            .reading()?
            .serve(view.indicator_type, evidence, |_, _| Err(Walk::Found));
        match walked {
            Ok(()) => Ok(false),
            Err(Walk::Found) => Ok(true),
            Err(Walk::Failed(error)) => Err(error),
        }
    }

    fn first_publication(
        &self,
        view: &View,
        number: u64,
        next: u64,
    ) -> Result<Arc<OwnEpoch>, Error> {
        let rng = &mut rand::rng();
        let domain = Domain {
            consortium: self.id().consortium().as_str().into(),
            responder: self.id().to_string().into(),
            view: view.to_string().into(),
            indicator_type: view.indicator_type.name().into(),
            epoch: number,
        };
        let queries = self.queries(view);
        let epoch = self.views().begin(domain, queries, next, rng)?;
        let published = self.seal(view, &epoch, queries);
        if published.is_err() {
            // Of an epoch that never began nothing is kept; what stays is removed by the next.
            let _ = self.views().destroy(epoch.id());
        }
        published.map(|()| epoch)
    }

    fn seal(&self, view: &View, epoch: &OwnEpoch, queries: u64) -> Result<(), Error> {
        let rng = &mut rand::rng();
        let mut draft = epoch.draft(rng)?;
        let scratch = self.views().scratch(rng);
        let first = FirstPublication::new(&scratch, WORKING_SET).map_err(publishing)?;
        let mut evaluating = Evaluating {
            secret: epoch.secret(),
            first,
            chunk: Vec::with_capacity(CHUNK),
        };
        let evidence = self.policy().evidence();
        self.reading()?
            .serve(view.indicator_type, evidence, |key, label| {
                let row = Row {
                    key,
                    origin: Origin::default(),
                    fields: label.fields,
                    handle: Some(label.handle),
                    since: 0,
                    expires: None,
                    references: References::default(),
                };
                draft.row(&row).map_err(disk)?;
                evaluating.push(key, label)
            })?;
        let Published { edition, root, .. } = draft.first(evaluating.finish()?, rng)?;
        let now = self.now();
        let manifest = Manifest {
            domain: epoch.domain().clone(),
            canonicalisation: view.indicator_type.canonicalisation_version().into(),
            public_key: *epoch.secret().public_key().as_bytes(),
            queries,
            edition,
            root,
            valid_from: now,
            expires: now.saturating_add(EPOCH),
        };
        Ok(draft.publish(manifest, rng)?)
    }

    /// What all peers together may ask in an epoch.
    fn queries(&self, view: &View) -> u64 {
        let known = self.directory().known();
        let members = known.roster.members.values();
        let peers = members
            .filter(|member| member.role == Role::Provider && member.name != *self.id().member())
            .map(|member| member.name.as_str());
        self.policy()
            .epoch_total(view.indicator_type, &view.purpose, peers)
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

/// Items on their way into a publication.
struct Evaluating<'a> {
    secret: Arc<SecretKey>,
    first: FirstPublication<'a, SealedScratch>,
    chunk: Vec<Labelled>,
}

impl<'a> Evaluating<'a> {
    fn push(&mut self, key: &[u8], label: &Label) -> Result<(), Error> {
        self.chunk
            .push((Zeroizing::new(key.to_vec()), label.encode()));
        if self.chunk.len() == CHUNK {
            self.evaluate()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<FirstPublication<'a, SealedScratch>, Error> {
        self.evaluate()?;
        Ok(self.first)
    }

    fn evaluate(&mut self) -> Result<(), Error> {
        let items: Vec<&[u8]> = self.chunk.iter().map(|(item, _)| &***item).collect();
        // A row whose key cannot be hashed is damaged.
        let outputs = voprf::evaluate_batch(&self.secret, &items)
            .map_err(|_| disk(io::ErrorKind::InvalidData.into()))?;
        for ((_, label), output) in self.chunk.iter().zip(&outputs) {
            let pushed = self.first.push(output.as_bytes(), label);
            pushed.map_err(publishing)?;
        }
        self.chunk.clear();
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
