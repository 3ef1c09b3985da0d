//! What this node asked before, by the runs that ended.

use std::collections::BTreeMap;

use blindmatch_audit::receipt::Side;
use blindmatch_membership::Name;
use blindmatch_psi::agreement::RunId;
use blindmatch_store::collection::CollectionName;
use blindmatch_store::runs::{Outcome, Runs};

use super::view::View;
use crate::error::Error;

/// The runs of collections that ended well, the newest of each peer, view and collection.
pub(super) struct History(BTreeMap<(String, String, String), Last>);

/// The newest run of a collection at a view.
#[derive(Clone, Copy)]
pub(super) struct Last {
    /// Which it is.
    pub(super) run: RunId,
    ended: u64,
    /// All rows that the collection's first so many imports brought were asked for by then.
    pub(super) imports: u32,
}

impl History {
    /// Reads the ends of all runs. One that does not read counts as one that was not: more is asked
    /// for then, and never less.
    pub(super) fn read(runs: &Runs) -> Result<Self, Error> {
        let mut newest: BTreeMap<_, Last> = BTreeMap::new();
        for run in runs.ended()? {
            let Ok(end) = runs.end(&run) else {
                continue;
            };
            let head = &end.head;
            let Some(view) = head.view() else {
                continue;
            };
            let is_of_one = head.side == Side::Querier
                && end.outcome != Outcome::GivenUp
                && !head.collection.is_empty();
            if !is_of_one {
                continue;
            }
            let of = (
                head.peer.as_str().to_owned(),
                view.as_str().to_owned(),
                head.collection.clone(),
            );
            let this = Last {
                run,
                ended: end.ended,
                imports: head.imports,
            };
            let last = newest.entry(of).or_insert(this);
            let imports = last.imports.max(this.imports);
            if (last.ended, last.imports) < (this.ended, this.imports) {
                *last = this;
            }
            last.imports = imports;
        }
        Ok(Self(newest))
    }

    /// The newest run of a collection at a view of a peer.
    pub(super) fn last(
        &self,
        peer: &Name,
        view: &View,
        collection: &CollectionName,
    ) -> Option<Last> {
        let of = (
            peer.as_str().to_owned(),
            view.to_string(),
            collection.to_string(),
        );
        self.0.get(&of).copied()
    }
}
