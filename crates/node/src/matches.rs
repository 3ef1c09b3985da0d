//! The matches that this node keeps: what its runs found, each once (`spec/46-runs-views.md` §3), and
//! how each of them stands (`spec/70-matches.md`).

mod lives;
pub mod trace;
pub mod withdraw;

use std::collections::BTreeMap;
use std::fmt;

use blindmatch_audit::codec::Writer;
use blindmatch_audit::receipt::Side;
use blindmatch_indicator::{IndicatorType, Label};
pub use blindmatch_matches::corroboration::needs_another;
pub use blindmatch_matches::decision::Decision;
pub use blindmatch_matches::sharing;
use blindmatch_matches::windows::{Window, apart};
pub use blindmatch_matches::{Disposition, Feedback, Life, State, Stays, Verdict, may_leave};
#[cfg(test)]
pub(crate) use blindmatch_matches::{Event, EventId, Happening};
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
    /// Whether the row follows from a value of its source, and is none itself.
    pub derived: bool,
    /// From when to when this node saw it, where its source says so.
    pub own_window: Option<Window>,
    /// How it came to stand as it does.
    pub life: Life,
    /// Whether it is shown by itself: a weak type only beside another one of the same reference.
    pub shows: bool,
    /// How many different peers hold the row.
    pub holders: usize,
    /// Whether the policy has who holds it named, where it is shown.
    pub names: bool,
    /// The runs that found it, and when each ended.
    pub(crate) found_by: Vec<(RunId, u64)>,
    /// The last run of its collection at the view, where that did not find it.
    pub(crate) missed_by: Option<(RunId, u64)>,
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
    fn read(runs: &Runs, storage: &StorageKey, now: u64) -> Result<Self, Error> {
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
        let mut last: BTreeMap<_, (RunId, u64)> = BTreeMap::new();
        for ended in &ended {
            last.insert(ended.pair(), (ended.run, ended.end.ended));
        }
        let mut matches = BTreeMap::new();
        for ended in &ended {
            let last = last.get(&ended.pair()).copied();
            let last = last.filter(|(last, _)| *last != ended.run);
            if let Err(error) = ended.read(runs, &key, now, last, &mut matches) {
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
        missed_by: Option<(RunId, u64)>,
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
            let mut found = self.found(&found.as_match(), key, missed_by);
            if let Some(earlier) = matches.get_mut(&found.id) {
                let mut found_by = std::mem::take(&mut earlier.found_by);
                found_by.append(&mut found.found_by);
                found.found_by = found_by;
                found.first_found = earlier.first_found;
            }
            matches.insert(found.id, found);
        }
    }

    fn found(&self, found: &Found<'_>, key: &Key, missed_by: Option<(RunId, u64)>) -> Match {
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
            is_in_last_run: missed_by.is_none(),
            receipted: self.end.outcome == Outcome::Concluded,
            derived: !found.row.origin.given,
            own_window: Window::of(found.row.fields.first_seen, found.row.fields.last_seen),
            life: Life::default(),
            shows: true,
            holders: 0,
            names: true,
            found_by: vec![(self.run, self.end.ended)],
            missed_by,
        }
    }
}

impl Match {
    /// The type of the row.
    #[must_use]
    pub fn indicator_type(&self) -> Option<IndicatorType> {
        self.row.indicator_type()
    }

    /// How it stands. A run found it, so it always stands somehow.
    #[must_use]
    pub fn state(&self) -> State {
        self.life.state().unwrap_or(State::New)
    }

    /// From when to when the peer saw it, where it says so.
    #[must_use]
    pub fn their_window(&self) -> Option<Window> {
        let fields = self.label.as_ref()?.fields;
        Window::of(fields.first_seen, fields.last_seen)
    }

    /// Whether both sides saw it, at times too far apart.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        let kind = self.indicator_type();
        kind.is_some_and(|kind| apart(kind, self.own_window, self.their_window()))
    }
}

impl MatchId {
    /// The bytes of it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// Of eight bytes, as they are kept.
    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

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
