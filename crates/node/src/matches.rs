//! The matches that this node keeps: what its runs found, each once (`spec/46-runs-views.md` §3).

use std::collections::BTreeMap;
use std::fmt;

use blindmatch_audit::codec::Writer;
use blindmatch_audit::receipt::Side;
use blindmatch_indicator::Label;
use blindmatch_psi::agreement::RunId;
use blindmatch_store::keys::{Key, StorageKey};
use blindmatch_store::runs::{End, Match as Found, Outcome, RunError, Runs};
use sha2::{Digest, Sha256};

use crate::demo::RowKey;
use crate::error::Error;
use crate::exchange::view::View;

const ID: &str = "blindmatch match id v1";

/// Something that a peer holds too, by all runs that found it and whose results are kept.
pub struct Match {
    /// Names it, in this node.
    pub id: MatchId,
    /// Who holds it.
    pub peer: String,
    /// The view in which it was found.
    pub view: View,
    /// The collection that asked; empty where somebody asked.
    pub collection: String,
    /// The case of the newest run that found it; may be empty.
    pub case: String,
    /// Who asked then; may be empty.
    pub operator: String,
    /// The row.
    pub row: RowKey,
    /// The owner's own ids of the row.
    pub references: Vec<String>,
    /// How many there are, those that are not kept included.
    pub references_total: u32,
    /// What the peer says of it; nothing where that does not open, which is no match.
    pub label: Option<Label>,
    /// When it was first found, in seconds since 1970.
    pub first_found: u64,
    /// When it was last found.
    pub last_found: u64,
    /// The newest run that found it.
    pub run: RunId,
    /// Whether that is the last run of its collection at this view: one that is not was withdrawn,
    /// or was not asked for again.
    pub is_in_last_run: bool,
    /// Whether the peer signed for that run.
    pub receipted: bool,
}

/// Names a match in one node: the same each night. Whoever does not have the node's storage key
/// learns nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchId([u8; 8]);

/// All matches, and what is wrong with results that do not read.
pub struct Kept {
    /// The matches, by peer, type and id.
    pub matches: Vec<Match>,
    /// Results that are there and do not read.
    pub damaged: Vec<RunError>,
}

/// A run that found something, or nothing.
struct Ended {
    run: RunId,
    end: End,
    view: View,
}

impl Kept {
    /// Reads what all runs found that is not over its time, which `now` is, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] where the runs cannot be listed.
    pub fn read(runs: &Runs, storage: &StorageKey, now: u64) -> Result<Self, Error> {
        let key = storage.derive("blindmatch matches v1");
        let mut damaged = Vec::new();
        let mut ended = Vec::new();
        for run in runs.ended()? {
            match runs.end(&run) {
                Ok(end) => ended.extend(Ended::of(run, end)),
                Err(error) => damaged.push(error),
            }
        }
        // Oldest first, so that what a later one says of a match replaces what an earlier did. Of two
        // that ended in one second the later is the one whose collection had seen more imports.
        ended.sort_by_key(|ended| (ended.end.ended, ended.end.head.imports, ended.run.0));
        let mut last: BTreeMap<_, RunId> = BTreeMap::new();
        for ended in &ended {
            last.insert(ended.pair(), ended.run);
        }
        let mut matches = BTreeMap::new();
        for ended in &ended {
            let is_last = last.get(&ended.pair()) == Some(&ended.run);
            if let Err(error) = ended.read(runs, &key, now, is_last, &mut matches) {
                damaged.push(error);
            }
        }
        let mut matches: Vec<_> = matches.into_values().collect();
        matches.sort_by(|a, b| {
            let place = |of: &Match| (of.peer.clone(), of.view.clone(), of.id);
            place(a).cmp(&place(b))
        });
        Ok(Self { matches, damaged })
    }
}

impl Ended {
    /// A run of this node's own asking that has results.
    fn of(run: RunId, end: End) -> Option<Self> {
        let is_own = end.head.side == Side::Querier && end.results.is_some();
        let view = end.head.view().filter(|_| is_own)?;
        let view = view.as_str().parse().ok()?;
        Some(Self { run, end, view })
    }

    /// What a later run replaces; each query is one by itself.
    fn pair(&self) -> (&str, &View, &str, Option<RunId>) {
        let head = &self.end.head;
        let alone = head.collection.is_empty().then_some(self.run);
        (head.peer.as_str(), &self.view, &head.collection, alone)
    }

    fn read(
        &self,
        runs: &Runs,
        key: &Key,
        now: u64,
        is_last: bool,
        matches: &mut BTreeMap<MatchId, Match>,
    ) -> Result<(), RunError> {
        let mut found = match runs.matches(&self.run, now) {
            Err(RunError::Expired | RunError::Missing) => return Ok(()),
            found => found?,
        };
        loop {
            let found = match found.next() {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(()),
                // Names the file.
                Err(_) => {
                    let damage = runs.verify(&self.run, now);
                    return damage.and(Err(RunError::Missing));
                }
            };
            let found = self.found(&found.as_match(), key, is_last);
            let first = matches.get(&found.id).map(|earlier| earlier.first_found);
            let first_found = first.unwrap_or(found.first_found);
            matches.insert(
                found.id,
                Match {
                    first_found,
                    ..found
                },
            );
        }
    }

    fn found(&self, found: &Found<'_>, key: &Key, is_last: bool) -> Match {
        let head = &self.end.head;
        let label = found.label.and_then(|label| Label::decode(label).ok());
        let handle = label.as_ref().map_or([0; 16], |label| label.handle);
        let mut writer = Writer::new(ID);
        writer
            .fixed(&**key)
            .bytes(head.peer.as_str().as_bytes())
            .bytes(self.view.to_string().as_bytes())
            .bytes(head.collection.as_bytes())
            .bytes(found.row.key)
            .fixed(&handle);
        let digest = Sha256::digest(zeroize::Zeroizing::new(writer.finish()).as_slice());
        let mut id = [0; 8];
        for (to, from) in id.iter_mut().zip(digest) {
            *to = from;
        }
        let references = found.row.references;
        Match {
            id: MatchId(id),
            peer: head.peer.as_str().to_owned(),
            view: self.view.clone(),
            collection: head.collection.clone(),
            case: head.case.clone(),
            operator: head.operator.clone(),
            row: RowKey::from(found.row.key),
            references: references.iter().map(str::to_owned).collect(),
            references_total: references.total(),
            label,
            first_found: self.end.ended,
            last_found: self.end.ended,
            run: self.run,
            is_in_last_run: is_last,
            receipted: self.end.outcome == Outcome::Concluded,
        }
    }
}

impl MatchId {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text, 16).ok();
        let number = number.filter(|_| text.len() == 16 && !text.starts_with('+'))?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for MatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}
