//! Sealing a publication under its key: every item is evaluated, by all cores.

use std::sync::Arc;

use blindmatch_indicator::Label;
use blindmatch_matches::message::Handle;
use blindmatch_membership::Role;
use blindmatch_oprf::{SecretKey, voprf};
use blindmatch_psi::publication::{
    Change, Changes, Domain, FirstPublication, Manifest, PublishError, Published,
};
use blindmatch_store::row::Row;
use blindmatch_store::views::OwnEpoch;
use zeroize::Zeroizing;

use super::changes::{LeftOut, Longest, Orders, Place, changed, served};
use super::{DAY, EPOCH, disk, publishing};
use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::view::View;

/// Sorting a view takes so much memory.
const WORKING_SET: usize = 64 << 20;

/// So many items are evaluated at a time.
const CHUNK: usize = 1 << 14;

impl Daemon {
    /// Begins an epoch of a view with the publication of all that is served.
    pub(super) fn first_publication(&self, view: &View) -> Result<(), Error> {
        let rng = &mut rand::rng();
        let (number, next) = self.numbers(view)?;
        let domain = Domain {
            consortium: self.id().consortium().as_str().into(),
            responder: self.id().to_string().into(),
            view: view.to_string().into(),
            indicator_type: view.indicator_type.name().into(),
            epoch: number,
        };
        let queries = self.queries(view);
        let epoch = self.views().begin(domain, queries, next, rng)?;
        let published = self.seal_all(view, &epoch, queries);
        if published.is_err() {
            // Of an epoch that never began nothing is kept; what stays is removed by the next.
            let _ = self.views().destroy(epoch.id());
        }
        published
    }

    pub(super) fn seal_all(
        &self,
        view: &View,
        epoch: &OwnEpoch,
        queries: u64,
    ) -> Result<(), Error> {
        let rng = &mut rand::rng();
        let mut draft = epoch.draft(rng)?;
        let scratch = self.views().scratch(rng);
        let mut first = FirstPublication::new(&scratch, WORKING_SET).map_err(publishing)?;
        let mut evaluating = Evaluating::new(epoch, |label: &[u8; Label::LENGTH], output| {
            first.push(output, label)
        });
        let evidence = self.policy().evidence(view.indicator_type);
        let day = self.day();
        self.reading()?
            .serve(view.indicator_type, evidence, |key, label| {
                let row = served(key, label, Place::Held, day);
                draft.row(&row).map_err(disk)?;
                evaluating.push(key, label.encode())
            })?;
        evaluating.finish()?;
        let Published { edition, root, .. } = draft.first(first, rng)?;
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

    /// Publishes what changed since the newest publication of an epoch, as far as there is room.
    pub(super) fn next_publication(&self, view: &View, epoch: &OwnEpoch) -> Result<(), Error> {
        // Of additions some more, as what left within the epoch does not come again.
        let spare = |churn: usize| churn + churn / 16 + 16;
        if !self.publish_changes(view, epoch, spare, true)? {
            self.publish_changes(view, epoch, |_| usize::MAX, false)?;
        }
        Ok(())
    }

    /// The same with as many additions as `spare` says of as many as there is room for; whether
    /// these were enough to fill it, as far as there are any: else nothing is published. Peers are told
    /// what is gone, unless they were.
    fn publish_changes(
        &self,
        view: &View,
        epoch: &OwnEpoch,
        spare: impl FnOnce(usize) -> usize,
        tells: bool,
    ) -> Result<bool, Error> {
        let rng = &mut rand::rng();
        let publications = epoch.publications();
        let before = publications.first();
        let before = before.ok_or_else(|| publishing(PublishError::NotPublished))?;
        let room = before.manifest.edition.class().churn();
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let mut draft = epoch.draft(rng)?;
        let scratch = self.views().scratch(rng);
        let mut changes = Changes::new(draft.state(), &scratch, WORKING_SET).map_err(publishing)?;
        let (mut removals, mut additions) = (Longest::new(room), Longest::new(spare(room)));
        let mut orders = Orders::default();
        let mut take = |tell: &mut dyn FnMut(Handle) -> Result<(), Error>| {
            self.changed_rows(view, epoch, &mut |row, is_gone| {
                row.handle.filter(|_| is_gone).map_or(Ok(()), &mut *tell)?;
                draft.row(row).map_err(disk)?;
                match orders.of(row) {
                    Some(Change::Removal(order)) => removals.push(order, row),
                    Some(Change::Addition(order)) => additions.push(order, row),
                    None => Ok(()),
                }
            })
        };
        if tells {
            self.tell_withdrawn(view, take)?;
        } else {
            take(&mut |_| Ok(()))?;
        }
        let mut left_out = LeftOut::of(removals.left(), additions.left());
        let (all, handed_in) = (additions.left() == u64::MAX, additions.len());
        hand_in(epoch, &mut changes, removals, additions)?;
        let published = draft.later(changes, rng, &mut |waiting| left_out.note(waiting))?;
        if !all && handed_in - left_out.impossible() < room {
            return Ok(false);
        }
        let mut orders = Orders::default();
        draft.settle(&mut |row| left_out.settle(row, orders.of(row)), rng)?;
        let manifest = Manifest {
            edition: published.edition,
            root: published.root,
            valid_from: self.now(),
            ..before.manifest.clone()
        };
        draft.publish(manifest, rng)?;
        Ok(true)
    }

    /// Tells the peers of a view what is served no longer of what an epoch has published, and was until
    /// its newest publication (`spec/70-matches.md` §6).
    pub(in crate::exchange) fn tell_gone(
        &self,
        view: &View,
        epoch: &OwnEpoch,
    ) -> Result<(), Error> {
        if epoch.publications().is_empty() {
            return Ok(());
        }
        self.tell_withdrawn(view, |tell| {
            self.changed_rows(view, epoch, &mut |row, is_gone| {
                row.handle.filter(|_| is_gone).map_or(Ok(()), &mut *tell)
            })
        })
    }

    /// Hands out what of an epoch's rows [changes](changed) today, each with whether it is gone since its
    /// newest publication.
    fn changed_rows(
        &self,
        view: &View,
        epoch: &OwnEpoch,
        visit: &mut dyn FnMut(&Row<'_>, bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = epoch.rows()?;
        let (kind, day) = (view.indicator_type, self.day());
        let (reading, evidence) = (self.reading()?, self.policy().evidence(kind));
        changed(&mut rows, &reading, kind, evidence, day, |row| {
            let is_gone = Place::of(row.origin) == Place::Leaving && row.since == day;
            visit(row, is_gone)
        })
    }

    /// Today, in days since 1970.
    fn day(&self) -> u32 {
        u32::try_from(self.now() / DAY).unwrap_or(u32::MAX)
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
}

/// Evaluates changes and hands them in.
fn hand_in<S: blindmatch_psi::publication::Scratch>(
    epoch: &OwnEpoch,
    changes: &mut Changes<'_, S>,
    removals: Longest,
    additions: Longest,
) -> Result<(), Error> {
    let mut evaluating = Evaluating::new(
        epoch,
        |(change, label): &(Change, [u8; Label::LENGTH]), output| match *change {
            Change::Removal(order) => changes.remove(order, output),
            Change::Addition(order) => changes.add(order, output, label),
        },
    );
    for kept in removals.into_kept() {
        evaluating.push(&kept.key, (Change::Removal(kept.order), kept.label))?;
    }
    for kept in additions.into_kept() {
        evaluating.push(&kept.key, (Change::Addition(kept.order), kept.label))?;
    }
    evaluating.finish()
}

/// Items on their way into a publication, each with something that goes with its output.
struct Evaluating<T, F> {
    secret: Arc<SecretKey>,
    chunk: Vec<(Zeroizing<Vec<u8>>, T)>,
    take: F,
}

impl<T, F: FnMut(&T, &[u8; 64]) -> Result<(), PublishError>> Evaluating<T, F> {
    fn new(epoch: &OwnEpoch, take: F) -> Self {
        Self {
            secret: epoch.secret(),
            chunk: Vec::with_capacity(CHUNK),
            take,
        }
    }

    fn push(&mut self, key: &[u8], with: T) -> Result<(), Error> {
        self.chunk.push((Zeroizing::new(key.to_vec()), with));
        if self.chunk.len() == CHUNK {
            self.evaluate()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Error> {
        self.evaluate()
    }

    fn evaluate(&mut self) -> Result<(), Error> {
        let items: Vec<&[u8]> = self.chunk.iter().map(|(item, _)| &***item).collect();
        // A row whose key cannot be hashed is damaged.
        let outputs = voprf::evaluate_batch(&self.secret, &items)
            .map_err(|_| disk(std::io::ErrorKind::InvalidData.into()))?;
        for ((_, with), output) in self.chunk.iter().zip(&outputs) {
            (self.take)(with, output.as_bytes()).map_err(publishing)?;
        }
        self.chunk.clear();
        Ok(())
    }
}
