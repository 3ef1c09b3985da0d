//! What this node tells its peers about matches: what it withdrew, and what an operator thinks of what
//! matched (`spec/70-matches.md` §6 to §9).

mod hear;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blindmatch_audit::record::{Event, Name as RecordName, Salted};
use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{Handle, MOST, Message, Says, padded};
use blindmatch_membership::Name;
use blindmatch_policy::{Direction, Rule};
use blindmatch_store::runs::{EntryId, Shelf};
use blindmatch_transport::CallError;
use blindmatch_transport::message::Told;
use blindmatch_transport::problem::Kind;
use bytes::Bytes;
use rand::RngExt;
use zeroize::Zeroizing;

pub use self::hear::Heard;
pub(super) use self::hear::{NotKept, Taken};
use super::ask::{AskError, Asker, blocking};
use super::daemon::{Daemon, lock};
use super::publish::DAY;
use super::view::{View, with};
use crate::error::Error;

/// A message that nobody acknowledged for so long is given up, and one that is older is refused.
pub(super) const OLDEST: u64 = 60 * DAY;

/// What became of the messages that are due to one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// So many it has acknowledged.
    pub delivered: u64,
    /// So many wait.
    pub waiting: u64,
}

/// An entry, as it is to be recorded.
pub(super) struct Unrecorded {
    pub(super) shelf: Shelf,
    pub(super) id: EntryId,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl Daemon {
    /// Tells the peers of a view which of its entries `gone` gives, of those that they were published.
    pub(super) fn tell_withdrawn(
        &self,
        view: &View,
        gone: impl FnOnce(&mut dyn FnMut(Handle) -> Result<(), Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let peers = self.peers(&BTreeSet::new())?;
        let asks =
            |peer: &Name| with(self.policy(), peer.as_str(), Direction::Serve).contains(view);
        let peers: Vec<_> = peers.into_iter().filter(asks).collect();
        let mut handles = BTreeSet::new();
        gone(&mut |handle| {
            handles.insert(handle);
            if handles.len() == MOST {
                self.tell_all(view, &peers, std::mem::take(&mut handles))?;
            }
            Ok(())
        })?;
        self.tell_all(view, &peers, handles)
    }

    fn tell_all(
        &self,
        view: &View,
        peers: &[Name],
        handles: BTreeSet<Handle>,
    ) -> Result<(), Error> {
        if peers.is_empty() {
            return Ok(());
        }
        // No more than the most of one notice are handed in.
        let Some(notice) = padded(handles, || rand::rng().random()) else {
            return Ok(());
        };
        let messages = peers.iter().map(|peer| Message {
            says: Says::Withdrawn(notice.clone()),
            ..self.message(peer.as_str(), view)
        });
        self.keep_due(messages.collect())
    }

    /// Tells the contributor of a match what an operator thinks of it, and by that, that it matched.
    ///
    /// # Errors
    ///
    /// [`Error::FeedbackNotAllowed`] where no rule of the policy allows it, and those of the disk.
    pub fn tell_feedback(
        &self,
        peer: &str,
        view: &View,
        handle: Handle,
        feedback: blindmatch_matches::Feedback,
    ) -> Result<(), Error> {
        if !self.allows_feedback(peer, view) {
            return Err(Error::FeedbackNotAllowed(peer.to_owned(), view.to_string()));
        }
        self.keep_due(vec![Message {
            says: Says::Feedback(handle, feedback),
            ..self.message(peer, view)
        }])
    }

    /// Whether the first rule about this peer and view lets its contributors be told of matches.
    #[must_use]
    pub fn allows_feedback(&self, peer: &str, view: &View) -> bool {
        self.rule_about(peer, view)
            .is_some_and(|rule| rule.feedback)
    }

    /// Whether the first rule about this peer and view has it named as who holds a match.
    #[must_use]
    pub fn names_contributor(&self, peer: &str, view: &View) -> bool {
        self.rule_about(peer, view).is_none_or(|rule| rule.names)
    }

    fn rule_about(&self, peer: &str, view: &View) -> Option<&Rule> {
        self.policy().rules().iter().find(|rule| {
            rule.peers.include(peer)
                && rule.directions.contains(&Direction::Ask)
                && rule.types.contains(&view.indicator_type)
                && rule.purposes.contains(&view.purpose)
        })
    }

    /// A message that says nothing yet.
    fn message(&self, peer: &str, view: &View) -> Message {
        Message {
            id: rand::rng().random(),
            from: self.id().member().to_string(),
            to: peer.to_owned(),
            view: view.to_string(),
            time: self.now(),
            says: Says::Withdrawn(BTreeSet::new()),
        }
    }

    fn keep_due(&self, messages: Vec<Message>) -> Result<(), Error> {
        let mut kept = Vec::new();
        for message in messages {
            let (id, content) = (EntryId(message.id), Zeroizing::new(message.encode()));
            self.entries()
                .keep(Shelf::Due, &id, &content, &mut rand::rng())?;
            let shelf = Shelf::Due;
            kept.push(Unrecorded { shelf, id, content });
        }
        self.record_entries(kept)
    }

    /// Keeps what an operator decided, and records it.
    ///
    /// # Errors
    ///
    /// [`Error::DecisionText`] of a text that is too long or has control characters, and those of disk
    /// and ledger.
    pub fn decide(&self, decision: &Decision) -> Result<(), Error> {
        if !decision.is_readable() {
            return Err(Error::DecisionText);
        }
        let (id, shelf) = (EntryId(rand::rng().random()), Shelf::Decided);
        let content = Zeroizing::new(decision.encode());
        self.entries()
            .keep(shelf, &id, &content, &mut rand::rng())?;
        self.record_entries(vec![Unrecorded { shelf, id, content }])
    }

    /// Records entries that the ledger has not, as one group, and marks them.
    pub(super) fn record_entries(&self, entries: Vec<Unrecorded>) -> Result<(), Error> {
        let _one = lock(self.recording());
        let (mut events, mut marks) = (Vec::new(), Vec::new());
        for Unrecorded { shelf, id, content } in entries {
            let nonce = rand::rng().random();
            let recorded = self.entries().is_recorded(shelf, &id)?;
            if let Some(event) = event(shelf, &id, &content, &nonce).filter(|_| !recorded) {
                events.push((nonce, event));
                marks.push((shelf, id));
            }
        }
        // A group has at most 1,024 records (spec/43 §5.1).
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(256));
            self.ledger().append_drawn(events)?;
            events = rest;
        }
        for (shelf, id) in marks {
            self.entries().mark_recorded(shelf, &id)?;
        }
        Ok(())
    }

    /// Records what a crash left unrecorded.
    ///
    /// # Errors
    ///
    /// [`Error::Run`], [`Error::Ledger`].
    pub fn record_what_is_kept(&self) -> Result<(), Error> {
        let mut unrecorded = Vec::new();
        for shelf in [Shelf::Decided, Shelf::Due, Shelf::Heard] {
            let entries = self.entries().all(shelf)?.into_iter();
            let entries = entries.filter(|entry| !entry.recorded);
            unrecorded.extend(entries.map(|entry| Unrecorded {
                shelf,
                id: entry.id,
                content: entry.content,
            }));
        }
        self.record_entries(unrecorded)
    }

    /// What is due to each peer, the oldest first.
    fn due(&self) -> Result<BTreeMap<String, Vec<Message>>, Error> {
        self.record_what_is_kept()?;
        let mut due: BTreeMap<_, Vec<Message>> = BTreeMap::new();
        for entry in self.entries().all(Shelf::Due)? {
            let Ok(message) = Message::decode(&entry.content) else {
                continue;
            };
            if message.time.saturating_add(OLDEST) < self.now() {
                self.entries().destroy(Shelf::Due, &entry.id)?;
                continue;
            }
            due.entry(message.to.clone()).or_default().push(message);
        }
        for messages in due.values_mut() {
            messages.sort_by_key(|message| (message.time, message.id));
        }
        Ok(due)
    }

    /// Records that a peer acknowledged a message.
    fn delivered(&self, message: &Message) -> Result<(), Error> {
        let id = EntryId(message.id);
        if !self.entries().has(Shelf::Due, &id)? {
            // Another task told it too.
            return Ok(());
        }
        if matches!(message.says, Says::Feedback(..)) {
            let content = Zeroizing::new(message.encode());
            self.entries()
                .keep(Shelf::Told, &id, &content, &mut rand::rng())?;
        }
        self.ledger().append(vec![Event::MessageDelivered {
            message: message.id,
            peer: RecordName::new(&message.to).map_err(Error::Record)?,
        }])?;
        Ok(self.entries().destroy(Shelf::Due, &id)?)
    }
}

impl Asker {
    /// Tells the peers what is due to them; what one of them cannot be told leaves the others as they are.
    ///
    /// # Errors
    ///
    /// [`AskError`] of the own home.
    pub async fn tell_peers(&self) -> Result<BTreeMap<String, Delivered>, AskError> {
        let daemon = Arc::clone(&self.daemon);
        let due = blocking(move || Ok(daemon.due()?)).await?;
        let mut told = BTreeMap::new();
        for (peer, messages) in due {
            let mut outcome = Delivered {
                delivered: 0,
                waiting: u64::try_from(messages.len()).unwrap_or(u64::MAX),
            };
            let reached = match peer.parse::<Name>() {
                Ok(name) => self.reach(&name).await.ok(),
                Err(_) => None,
            };
            if let Some(channel) = reached {
                for message in messages {
                    let bytes = Told(Bytes::from(message.encode()));
                    match channel.tell(bytes).await {
                        Ok(()) => {}
                        // What it does not take keeps nothing else from it, and is given up in its time.
                        Err(CallError::Refused(problem)) if problem.kind == Kind::NotAllowed => {
                            continue;
                        }
                        Err(_) => break,
                    }
                    let daemon = Arc::clone(&self.daemon);
                    blocking(move || Ok(daemon.delivered(&message)?)).await?;
                    outcome.delivered += 1;
                    outcome.waiting -= 1;
                }
            }
            told.insert(peer, outcome);
        }
        Ok(told)
    }
}

/// What the ledger says of an entry; nothing of one that does not read, or that it is told nothing of.
fn event(shelf: Shelf, id: &EntryId, content: &[u8], nonce: &[u8; 32]) -> Option<Event> {
    let name = |name: &str| RecordName::new(name).ok();
    match shelf {
        Shelf::Decided => {
            let decision = Decision::decode(content).ok()?;
            Some(Event::Decision {
                decision: id.0,
                content: Salted::new(nonce, content),
                operator: name(&decision.disposition.by)?,
            })
        }
        Shelf::Due => {
            let message = Message::decode(content).ok()?;
            Some(Event::MessageDue {
                message: message.id,
                peer: name(&message.to)?,
                view: name(&message.view)?,
                content: Salted::new(nonce, content),
            })
        }
        Shelf::Heard => {
            let (_, bytes) = content.split_first_chunk::<8>()?;
            let message = Message::decode(bytes).ok()?;
            Some(Event::MessageReceived {
                message: message.id,
                peer: name(&message.from)?,
                content: Salted::new(nonce, bytes),
            })
        }
        Shelf::Told | Shelf::Recalled => None,
    }
}
