//! How matches stand: what runs found, what was decided, what contributors withdrew
//! (`spec/70-matches.md` §2, §4).

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_matches::corroboration::Corroboration;
use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{Handle, Message, Says};
use blindmatch_matches::sharing::holders;
use blindmatch_matches::{Event, EventId, Feedback, Happening, Life, State};
use blindmatch_store::runs::Shelf;

use super::{Kept, Match};
use crate::error::Error;
use crate::exchange::Daemon;
use crate::exclusions::today::reason_for;

/// What was said of matches, by what it is about.
#[derive(Default)]
struct Said {
    decisions: BTreeMap<[u8; 8], Vec<Event>>,
    /// By contributor and handle.
    withdrawals: BTreeMap<(String, Handle), Vec<Event>>,
    feedback: BTreeMap<(String, Handle), Vec<Event>>,
}

impl Kept {
    /// The matches of a node, and how each stands now.
    ///
    /// # Errors
    ///
    /// [`Error::Run`] where the runs cannot be listed, or what was said of matches does not read.
    pub fn of(daemon: &Daemon) -> Result<Self, Error> {
        let storage = daemon.node().home().storage_key();
        let mut kept = Self::read(daemon.runs(), storage, daemon.now())?;
        let handles = kept.matches.iter().filter_map(Match::named).collect();
        let said = Said::read(daemon, &handles)?;
        for found in &mut kept.matches {
            found.life = Life::of(said.events(found));
            found.names = daemon.names_contributor(&found.peer, &found.view);
        }
        kept.compare();
        Ok(kept)
    }

    /// Without those that today's lists of exclusions have.
    #[must_use]
    pub fn without_excluded(mut self, daemon: &Daemon) -> Self {
        let (exclusions, canonicaliser) = (daemon.exclusions(), daemon.canonicaliser());
        self.matches
            .retain(|found| reason_for(exclusions, canonicaliser, found.row.as_bytes()).is_none());
        self
    }

    /// What of each match hangs on the others.
    fn compare(&mut self) {
        let mut beside = Corroboration::default();
        let mut held: BTreeMap<Vec<u8>, Vec<(String, State)>> = BTreeMap::new();
        for found in self.matches.iter().filter(|found| found.label.is_some()) {
            let stands = !matches!(found.state(), State::Withdrawn | State::Disputed);
            if let Some(kind) = found.indicator_type().filter(|_| stands) {
                beside.add(kind, found.references.iter().map(String::as_str));
            }
            let holder = (found.peer.clone(), found.state());
            held.entry(found.row.as_bytes().to_vec())
                .or_default()
                .push(holder);
        }
        let compared: Vec<_> = self
            .matches
            .iter()
            .map(|found| {
                let references = found.references.iter().map(String::as_str);
                let kind = found.indicator_type();
                let shows = kind.is_none_or(|kind| beside.shows(kind, references));
                let of = held.get(found.row.as_bytes()).into_iter().flatten();
                (
                    shows,
                    holders(of.map(|(peer, state)| (peer.as_str(), *state))),
                )
            })
            .collect();
        for (found, (shows, holders)) in self.matches.iter_mut().zip(compared) {
            found.shows = shows;
            found.holders = holders;
        }
    }
}

impl Match {
    /// What names it between this node and its contributor.
    fn named(&self) -> Option<(String, Handle)> {
        let label = self.label.as_ref()?;
        Some((self.peer.clone(), label.handle))
    }
}

impl Said {
    fn read(daemon: &Daemon, handles: &BTreeSet<(String, Handle)>) -> Result<Self, Error> {
        let mut said = Self::default();
        for entry in daemon.entries().all(Shelf::Decided)? {
            // One that does not read is of another version of this program.
            let Ok(Decision { about, disposition }) = Decision::decode(&entry.content) else {
                continue;
            };
            said.decisions.entry(about).or_default().push(Event {
                id: EventId(entry.id.0),
                time: disposition.at,
                what: Happening::Decided(disposition),
            });
        }
        for recalled in daemon.recalled()? {
            let key = (recalled.from, recalled.handle);
            said.withdraw(key, recalled.message, recalled.came);
        }
        for heard in daemon.heard()? {
            let Message { id, from, says, .. } = heard.message;
            let Says::Withdrawn(withdrawn) = says else {
                continue;
            };
            for handle in withdrawn {
                let key = (from.clone(), handle);
                if handles.contains(&key) {
                    said.withdraw(key, id, heard.came);
                }
            }
        }
        for shelf in [Shelf::Due, Shelf::Told] {
            for entry in daemon.entries().all(shelf)? {
                let Ok(message) = Message::decode(&entry.content) else {
                    continue;
                };
                if let Says::Feedback(handle, feedback) = message.says {
                    let event = given(message.id, message.time, feedback);
                    let of = said.feedback.entry((message.to, handle)).or_default();
                    of.push(event);
                }
            }
        }
        Ok(said)
    }

    fn withdraw(&mut self, of: (String, Handle), message: [u8; 32], time: u64) {
        self.withdrawals.entry(of).or_default().push(Event {
            id: EventId(message),
            time,
            what: Happening::Withdrawn,
        });
    }

    fn events(&self, found: &Match) -> Vec<Event> {
        let by_run = |&(run, time): &(_, u64), what| {
            let blindmatch_psi::agreement::RunId(id) = run;
            let id = EventId(id);
            Event { id, time, what }
        };
        let mut events: Vec<_> = found
            .found_by
            .iter()
            .map(|run| by_run(run, Happening::Found))
            .collect();
        events.extend(
            found
                .missed_by
                .iter()
                .map(|run| by_run(run, Happening::Missed)),
        );
        if found.is_apart() {
            // Behind the run of the same second that found it.
            events.push(Event {
                id: EventId([0xff; 32]),
                time: found.last_found,
                what: Happening::Apart,
            });
        }
        let decisions = self.decisions.get(found.id.as_bytes());
        let decisions = decisions.into_iter().flatten();
        // A restored home has what was decided and not yet the result that it was about: that had found it.
        let oldest = found.found_by.iter().map(|(_, time)| *time).min();
        let decided = decisions.clone().map(|event| event.time).min();
        if let Some(time) = decided.filter(|decided| oldest.is_none_or(|oldest| *decided < oldest))
        {
            events.push(Event {
                id: EventId([0; 32]),
                time,
                what: Happening::Found,
            });
        }
        events.extend(decisions.cloned());
        if let Some(named) = found.named() {
            for of in [&self.withdrawals, &self.feedback] {
                events.extend(of.get(&named).into_iter().flatten().cloned());
            }
        }
        events
    }
}

const fn given(id: [u8; 32], time: u64, feedback: Feedback) -> Event {
    Event {
        id: EventId(id),
        time,
        what: Happening::Feedback(feedback),
    }
}

impl Daemon {
    /// Keeps which matches contributors withdrew, and destroys what was said of matches that are gone.
    /// Gives how many entries were destroyed.
    pub(crate) fn tidy_said(&self, now: u64) -> Result<u64, Error> {
        self.record_what_is_kept()?;
        let storage = self.node().home().storage_key();
        let kept = Kept::read(self.runs(), storage, now)?;
        if !kept.damaged.is_empty() {
            // What they found is not known, and may be put back.
            return Ok(0);
        }
        let handles = kept.matches.iter().filter_map(Match::named).collect();
        let ids = kept.matches.iter().map(|found| *found.id.as_bytes());
        self.tidy_entries(now, &handles, &ids.collect())
    }
}
