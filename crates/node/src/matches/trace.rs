//! Who got something of a case, as far as this node knows: the appeal trace.

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_audit::receipt::Side;
use blindmatch_matches::Feedback;
use blindmatch_matches::decision::Decision;
use blindmatch_matches::message::{Handle, Message, Says};
use blindmatch_store::collection::{CollectionKind, CollectionName};
use blindmatch_store::merge::Rows;
use blindmatch_store::runs::Shelf;

use super::{Kept, MatchId};
use crate::error::Error;
use crate::exchange::Daemon;

/// All that this node knows about who got something of a case.
pub struct Trace {
    /// What somebody got, the oldest first.
    pub got: Vec<Recipient>,
}

/// Somebody who got something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// When, in seconds since 1970.
    pub when: u64,
    /// Who: a member, or an operator of this node.
    pub who: String,
    /// What.
    pub what: Got,
    /// The view that it is about; empty of what an operator decided.
    pub view: String,
    /// The match that it is about, where it is about one.
    pub about: Option<MatchId>,
}

/// What somebody got, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Got {
    /// A run asked it.
    Asked,
    /// It contributed what matched.
    Contributed,
    /// Feedback is due to it.
    FeedbackDue,
    /// It acknowledged feedback.
    FeedbackGiven,
    /// It withdrew what matched.
    Withdrew,
    /// It decided about a match.
    Decided,
}

/// Feedback of a peer about an entry of this node's own.
pub struct FeedbackHeard {
    /// Whose feedback.
    pub peer: String,
    /// When it came, in seconds since 1970.
    pub came: u64,
    /// What it says.
    pub feedback: Feedback,
    /// The view, by its name.
    pub view: String,
    /// The entry; nothing where no collection has it any more, or none ever had.
    pub entry: Option<OwnEntry>,
}

/// An entry of this node's own.
#[derive(Clone)]
pub struct OwnEntry {
    /// The collection.
    pub collection: CollectionName,
    /// One's own references of it.
    pub references: Vec<String>,
}

impl Trace {
    /// What is known of the case of this name. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Run`].
    pub fn of(daemon: &Daemon, case: &str) -> Result<Self, Error> {
        let mut got = BTreeSet::new();
        let recipient = |when, who: &str, what, view: String, about| Recipient {
            when,
            who: who.to_owned(),
            what,
            view,
            about,
        };
        for run in daemon.runs().ended()? {
            // One that is damaged is told of by whoever lists the matches.
            let Ok(end) = daemon.runs().end(&run) else {
                continue;
            };
            let head = &end.head;
            if head.side == Side::Querier && head.case == case {
                let view = head
                    .view()
                    .map_or_else(String::new, |view| view.to_string());
                got.insert(recipient(
                    end.ended,
                    head.peer.as_str(),
                    Got::Asked,
                    view,
                    None,
                ));
            }
        }
        let mut decided = BTreeSet::new();
        for entry in daemon.entries().all(Shelf::Decided)? {
            let Ok(Decision { about, disposition }) = Decision::decode(&entry.content) else {
                continue;
            };
            if disposition.case == case {
                decided.insert(about);
                let (who, about) = (&disposition.by, Some(MatchId(about)));
                got.insert(recipient(
                    disposition.at,
                    who,
                    Got::Decided,
                    String::new(),
                    about,
                ));
            }
        }
        let mut feedback: BTreeMap<(String, Handle), Vec<(u64, Got)>> = BTreeMap::new();
        for (shelf, what) in [
            (Shelf::Due, Got::FeedbackDue),
            (Shelf::Told, Got::FeedbackGiven),
        ] {
            for entry in daemon.entries().all(shelf)? {
                if let Ok(Message {
                    to,
                    time,
                    says: Says::Feedback(handle, _),
                    ..
                }) = Message::decode(&entry.content)
                {
                    feedback.entry((to, handle)).or_default().push((time, what));
                }
            }
        }
        for found in Kept::of(daemon)?.matches {
            let is_of_it = found.case == case || decided.contains(found.id.as_bytes());
            let Some(label) = found.label.as_ref().filter(|_| is_of_it) else {
                continue;
            };
            let mut add = |when, what| {
                let (view, about) = (found.view.to_string(), Some(found.id));
                got.insert(recipient(when, &found.peer, what, view, about));
            };
            add(found.first_found, Got::Contributed);
            if let Some(withdrawn) = found.life.withdrawn() {
                add(withdrawn, Got::Withdrew);
            }
            let told = feedback.get(&(found.peer.clone(), label.handle));
            for (when, what) in told.into_iter().flatten() {
                add(*when, *what);
            }
        }
        let got = got.into_iter().collect();
        Ok(Self { got })
    }
}

impl Daemon {
    /// What peers said about entries of this node's own, the oldest first. Reads the collections.
    ///
    /// # Errors
    ///
    /// [`Error::Run`], [`Error::Collection`].
    pub fn feedback_heard(&self) -> Result<Vec<FeedbackHeard>, Error> {
        let mut said = Vec::new();
        for heard in self.heard()? {
            if let Says::Feedback(handle, feedback) = heard.message.says {
                let one = FeedbackHeard {
                    peer: heard.message.from,
                    came: heard.came,
                    feedback,
                    view: heard.message.view,
                    entry: None,
                };
                said.push((handle, one));
            }
        }
        let mut entries: BTreeMap<Handle, Option<OwnEntry>> =
            said.iter().map(|(handle, _)| (*handle, None)).collect();
        if !entries.is_empty() {
            self.find_own(&mut entries)?;
        }
        let mut said: Vec<_> = said
            .into_iter()
            .map(|(handle, one)| FeedbackHeard {
                entry: entries.get(&handle).cloned().flatten(),
                ..one
            })
            .collect();
        said.sort_by_key(|one| one.came);
        Ok(said)
    }

    /// Finds the entries of abuse collections that have these handles.
    fn find_own(&self, entries: &mut BTreeMap<Handle, Option<OwnEntry>>) -> Result<(), Error> {
        let (collections, today) = (self.collections(), self.reading()?.today);
        for name in collections.names()? {
            let contents = crate::collections::contents(collections, name)?;
            if contents.kind != CollectionKind::Abuse {
                continue;
            }
            let damaged = |error| Error::Collection(contents.name.clone(), error);
            let mut rows = collections.rows(&contents, today).map_err(damaged)?;
            while rows.advance().map_err(|error| damaged(error.into()))? {
                let Some(row) = rows.row() else { break };
                if let Some(slot) = row.handle.and_then(|handle| entries.get_mut(&handle)) {
                    *slot = Some(OwnEntry {
                        collection: contents.name.clone(),
                        references: row.references.iter().map(str::to_owned).collect(),
                    });
                }
            }
        }
        Ok(())
    }
}
