//! What changed in a view since its newest publication (`spec/46-runs-views.md` §7).

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::io;

use blindmatch_indicator::{IndicatorType, Label};
use blindmatch_policy::Evidence;
use blindmatch_psi::publication::{Change, Wait, Waiting};
use blindmatch_store::merge::Rows;
use blindmatch_store::row::{Origin, References, Row};
use blindmatch_store::views::{ViewError, no_row};
use zeroize::Zeroizing;

use super::disk;
use crate::error::Error;
use crate::exchange::rows::Reading;

/// How a row stands to the newest publication of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is in it.
    Held,
    /// It is in it, and to go.
    Leaving,
    /// It is not in it, and to come.
    Coming,
    /// It left within the epoch, and has to wait for the next.
    NextEpoch,
}

/// Numbers the changes that rows ask for: those of an earlier day come first, those of one day in
/// the order of their keys.
#[derive(Default)]
pub(super) struct Orders {
    handed_in: u64,
}

/// Those changes of one kind that wait longest, as many as a publication may need.
pub(super) struct Longest {
    room: usize,
    kept: BinaryHeap<Kept>,
    /// From this order on they were left.
    left: u64,
}

/// A change with what it is about; the one that came last is the greatest.
pub(super) struct Kept {
    pub(super) order: u64,
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) label: [u8; Label::LENGTH],
}

/// What a publication left out.
pub(super) struct LeftOut {
    /// From this order on there was no room.
    pub(super) removals: u64,
    pub(super) additions: u64,
    /// Additions of what left within the epoch: no more than went out in it.
    next_epoch: BTreeSet<u64>,
}

/// A day has fewer changes.
const CHANGES: u32 = 40;

impl Place {
    pub(super) const fn of(origin: Origin) -> Self {
        match (origin.given, origin.derived) {
            (true, false) => Self::Held,
            (true, true) => Self::Leaving,
            (false, false) => Self::Coming,
            (false, true) => Self::NextEpoch,
        }
    }

    pub(super) const fn origin(self) -> Origin {
        let (given, derived) = match self {
            Self::Held => (true, false),
            Self::Leaving => (true, true),
            Self::Coming => (false, false),
            Self::NextEpoch => (false, true),
        };
        Origin { given, derived }
    }
}

impl Orders {
    /// What a row asks for; nothing where it says that there is none.
    pub(super) fn of(&mut self, row: &Row<'_>) -> Option<Change> {
        row.handle?;
        let change = match Place::of(row.origin) {
            Place::Leaving => Change::Removal,
            Place::Coming => Change::Addition,
            Place::Held | Place::NextEpoch => return None,
        };
        let order = u64::from(row.since) << CHANGES | self.handed_in;
        self.handed_in += 1;
        Some(change(order))
    }
}

impl Longest {
    pub(super) const fn new(room: usize) -> Self {
        Self {
            room,
            kept: BinaryHeap::new(),
            left: u64::MAX,
        }
    }

    pub(super) fn push(&mut self, order: u64, row: &Row<'_>) -> Result<(), Error> {
        if self.kept.len() >= self.room {
            let last = self.kept.peek().map_or(0, |last| last.order);
            self.left = self.left.min(last.max(order));
            if order >= last {
                return Ok(());
            }
            self.kept.pop();
        }
        self.kept.push(Kept {
            order,
            key: Zeroizing::new(row.key.to_vec()),
            label: label_of(row)?.encode(),
        });
        Ok(())
    }

    /// The order from which on they were left; the greatest number where none was.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn into_kept(self) -> impl Iterator<Item = Kept> {
        self.kept.into_iter()
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Kept {}

impl LeftOut {
    /// Of those that were not handed in, from these orders on.
    pub(super) const fn of(removals: u64, additions: u64) -> Self {
        Self {
            removals,
            additions,
            next_epoch: BTreeSet::new(),
        }
    }

    /// How many additions cannot come within the epoch.
    pub(super) fn impossible(&self) -> usize {
        self.next_epoch.len()
    }

    pub(super) fn note(&mut self, waiting: Waiting) {
        match (waiting.change, waiting.wait) {
            (Change::Removal(order), Wait::NextPublication) => {
                self.removals = self.removals.min(order);
            }
            (Change::Addition(order), Wait::NextPublication) => {
                self.additions = self.additions.min(order);
            }
            (Change::Addition(order), _) => {
                self.next_epoch.insert(order);
            }
            (Change::Removal(_), _) => {}
        }
    }

    /// What a row is behind the publication, where it still is.
    pub(super) fn settle(&self, row: &Row<'_>, change: Option<Change>) -> Option<Origin> {
        let place = match change {
            Some(Change::Removal(order)) if order < self.removals => return None,
            Some(Change::Addition(order)) if self.next_epoch.contains(&order) => Place::NextEpoch,
            Some(Change::Addition(order)) if order < self.additions => Place::Held,
            _ => return Some(row.origin),
        };
        Some(place.origin())
    }
}

/// Hands out what changes, or has to wait for its change, before the next publication of this day:
/// ascending, each row once, as it stands then; [`no_row`] of what was to come and is no longer served.
/// Not handed out is what was published and is served still.
pub(super) fn changed(
    before: &mut impl Rows,
    reading: &Reading<'_>,
    kind: IndicatorType,
    evidence: Evidence,
    day: u32,
    mut visit: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |error| Error::View(ViewError::from(error));
    before.advance().map_err(damaged)?;
    reading.serve(kind, evidence, |key, label| {
        while let Some(row) = before.row().filter(|row| row.key < key) {
            visit(&gone(row, day))?;
            before.advance().map_err(damaged)?;
        }
        let Some(row) = before.row().filter(|row| row.key == key) else {
            return visit(&served(key, label, Place::Coming, day));
        };
        match Place::of(row.origin) {
            Place::Held => {}
            // A change of its label waits for the next epoch.
            Place::Leaving => visit(&Row {
                origin: Place::Held.origin(),
                ..row
            })?,
            place => visit(&served(key, label, place, row.since))?,
        }
        before.advance().map_err(damaged)?;
        Ok(())
    })?;
    while let Some(row) = before.row() {
        visit(&gone(row, day))?;
        before.advance().map_err(damaged)?;
    }
    Ok(())
}

/// A row that is served, as it is kept beside a publication.
pub(super) fn served<'r>(key: &'r [u8], label: &Label, place: Place, since: u32) -> Row<'r> {
    Row {
        key,
        origin: place.origin(),
        fields: label.fields,
        handle: Some(label.handle),
        since,
        expires: None,
        references: References::default(),
    }
}

/// The label of such a row.
fn label_of(row: &Row<'_>) -> Result<Label, Error> {
    let handle = row.handle.ok_or(io::ErrorKind::InvalidData);
    Ok(Label {
        handle: handle.map_err(|kind| disk(kind.into()))?,
        fields: row.fields,
    })
}

/// A row that is no longer served.
fn gone(row: Row<'_>, day: u32) -> Row<'_> {
    match Place::of(row.origin) {
        Place::Held => Row {
            origin: Place::Leaving.origin(),
            since: day,
            ..row
        },
        Place::Leaving => row,
        Place::Coming | Place::NextEpoch => no_row(row.key),
    }
}
