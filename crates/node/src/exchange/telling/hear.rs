//! What peers tell this node about matches.

use std::collections::BTreeSet;

use blindmatch_audit::codec::Writer;
use blindmatch_matches::message::{Handle, Message, Says};
use blindmatch_membership::Name;
use blindmatch_policy::Direction;
use blindmatch_store::runs::{EntryId, RunError, Shelf};
use blindmatch_transport::problem::Kind;
use blindmatch_wire::{Malformed, Problem};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{OLDEST, Unrecorded};
use crate::error::Error;
use crate::exchange::daemon::Daemon;
use crate::exchange::publish::DAY;
use crate::exchange::view::{View, with};

/// The most messages that are taken of one peer on one day.
const MOST_A_DAY: u32 = 256;

/// Something that a peer told, and when it came.
pub struct Heard {
    /// When it came, in seconds since 1970.
    pub came: u64,
    /// What was told.
    pub message: Message,
    id: EntryId,
}

/// A match that its contributor withdrew.
pub(crate) struct Recalled {
    pub(crate) came: u64,
    pub(crate) handle: Handle,
    pub(crate) from: String,
    pub(crate) message: [u8; 32],
    id: EntryId,
}

/// How many messages were taken of a peer on a day, by days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct Taken {
    day: u64,
    count: u32,
}

/// Why a message is not kept.
pub(in crate::exchange) enum NotKept {
    /// The peer is told this.
    Refused(Problem),
    /// A fault of this node's own.
    Failed(Error),
}

impl Daemon {
    /// Keeps what a peer tells, and records it, once whatever comes again. `taken` is how many were taken
    /// of this peer on which day, where it was counted before.
    pub(in crate::exchange) fn hear(
        &self,
        peer: &Name,
        told: &[u8],
        taken: &mut Option<Taken>,
    ) -> Result<(), NotKept> {
        let message = Message::decode(told).map_err(|_| Malformed::Number)?;
        let own = self.id().member();
        if message.from != peer.as_str() || message.to != own.as_str() {
            return Err(Malformed::Name.into());
        }
        let view: View = message.view.parse().map_err(|_| Malformed::Name)?;
        let now = self.now();
        let is_of_today = message.time <= now.saturating_add(DAY);
        if !is_of_today || message.time.saturating_add(OLDEST) < now {
            return Err(refused("message_time"));
        }
        if !self.peers(&BTreeSet::new())?.contains(peer) {
            return Err(refused("message_peer"));
        }
        let serves = || with(self.policy(), peer.as_str(), Direction::Serve).contains(&view);
        if matches!(message.says, Says::Feedback(..)) && !serves() {
            return Err(refused("feedback"));
        }
        let mut writer = Writer::new("blindmatch heard v1");
        writer.bytes(peer.as_str().as_bytes()).fixed(&message.id);
        let id = EntryId(Sha256::digest(writer.finish()).into());
        let shelf = Shelf::Heard;
        if self.entries().is_recorded(shelf, &id)? {
            return Ok(());
        }
        if !self.entries().has(shelf, &id)? {
            let today = self.taken(peer, *taken)?;
            *taken = Some(today);
            if today.count >= MOST_A_DAY {
                return Err(NotKept::Refused(Kind::Busy.into()));
            }
        }
        let content = Zeroizing::new([&now.to_be_bytes(), told].concat());
        let is_new = self
            .entries()
            .keep(shelf, &id, &content, &mut rand::rng())?;
        if let Some(taken) = taken.as_mut().filter(|_| is_new) {
            taken.count += 1;
        }
        Ok(self.record_entries(vec![Unrecorded { shelf, id, content }])?)
    }

    /// How many messages were taken of a peer today: as counted before, else by what is kept of it.
    fn taken(&self, peer: &Name, before: Option<Taken>) -> Result<Taken, Error> {
        let day = self.now() / DAY;
        if let Some(before) = before.filter(|before| before.day == day) {
            return Ok(before);
        }
        let heard = self.heard()?;
        let of_today = heard
            .iter()
            .filter(|heard| heard.message.from == peer.as_str() && heard.came / DAY == day);
        let count = u32::try_from(of_today.count()).unwrap_or(u32::MAX);
        Ok(Taken { day, count })
    }

    /// What peers told.
    ///
    /// # Errors
    ///
    /// [`Error::Run`].
    pub fn heard(&self) -> Result<Vec<Heard>, Error> {
        let entries = self.entries().all(Shelf::Heard)?.into_iter();
        let heard = entries.filter_map(|entry| {
            let (came, message) = entry.content.split_first_chunk()?;
            Some(Heard {
                came: u64::from_be_bytes(*came),
                message: Message::decode(message).ok()?,
                id: entry.id,
            })
        });
        Ok(heard.collect())
    }

    /// The matches that are known to be withdrawn, also where the notice is gone.
    pub(crate) fn recalled(&self) -> Result<Vec<Recalled>, Error> {
        let entries = self.entries().all(Shelf::Recalled)?.into_iter();
        let recalled = entries.filter_map(|entry| {
            let (came, rest) = entry.content.split_first_chunk()?;
            let (handle, rest) = rest.split_first_chunk()?;
            let (from, message) = rest.split_last_chunk()?;
            Some(Recalled {
                came: u64::from_be_bytes(*came),
                handle: *handle,
                from: str::from_utf8(from).ok()?.to_owned(),
                message: *message,
                id: entry.id,
            })
        });
        Ok(recalled.collect())
    }

    /// Keeps which of this node's matches, by contributor and handle, were withdrawn; then destroys what
    /// has been kept for long enough. Gives how many entries it destroyed.
    pub(crate) fn tidy_entries(
        &self,
        now: u64,
        matched: &BTreeSet<(String, Handle)>,
        decided: &BTreeSet<[u8; 8]>,
    ) -> Result<u64, Error> {
        let (entries, mut destroyed) = (self.entries(), 0);
        let mut destroy = |shelf, id: &EntryId| {
            destroyed += 1;
            entries.destroy(shelf, id)
        };
        for heard in self.heard()? {
            let Message {
                from,
                id,
                time,
                says,
                ..
            } = &heard.message;
            let keep = match says {
                Says::Withdrawn(handles) => {
                    for handle in handles {
                        if matched.contains(&(from.clone(), *handle)) {
                            self.recall(heard.came, handle, from, id)?;
                        }
                    }
                    OLDEST + DAY
                }
                Says::Feedback(..) => 730 * DAY,
            };
            if time.max(&heard.came).saturating_add(keep) < now {
                destroy(Shelf::Heard, &heard.id)?;
            }
        }
        // A backup has what was decided, and not what was found, which has to be found again first.
        let restored = self.facts(|facts| facts.restored())?;
        if restored.is_some_and(|restored| now < restored.time.saturating_add(OLDEST)) {
            return Ok(destroyed);
        }
        for recalled in self.recalled()? {
            if !matched.contains(&(recalled.from, recalled.handle)) {
                destroy(Shelf::Recalled, &recalled.id)?;
            }
        }
        for entry in entries.all(Shelf::Decided)? {
            let decision = blindmatch_matches::decision::Decision::decode(&entry.content).ok();
            if decision.is_some_and(|decision| !decided.contains(&decision.about)) {
                destroy(Shelf::Decided, &entry.id)?;
            }
        }
        for entry in entries.all(Shelf::Told)? {
            let message = Message::decode(&entry.content).ok();
            let is_gone = message.is_some_and(|message| match message.says {
                Says::Feedback(handle, _) => !matched.contains(&(message.to, handle)),
                Says::Withdrawn(_) => true,
            });
            if is_gone {
                destroy(Shelf::Told, &entry.id)?;
            }
        }
        Ok(destroyed)
    }

    fn recall(
        &self,
        came: u64,
        handle: &Handle,
        from: &str,
        message: &[u8; 32],
    ) -> Result<(), Error> {
        let mut writer = Writer::new("blindmatch recalled v1");
        writer.bytes(from.as_bytes()).fixed(handle);
        let id = EntryId(Sha256::digest(writer.finish()).into());
        let came = came.to_be_bytes();
        let content = [came.as_slice(), handle, from.as_bytes(), message];
        let content = Zeroizing::new(content.concat());
        self.entries()
            .keep(Shelf::Recalled, &id, &content, &mut rand::rng())?;
        Ok(())
    }
}

fn refused(rule: &str) -> NotKept {
    NotKept::Refused(Problem::new(Kind::NotAllowed).by_rule(rule))
}

impl From<Malformed> for NotKept {
    fn from(error: Malformed) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Error> for NotKept {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<RunError> for NotKept {
    fn from(error: RunError) -> Self {
        Self::Failed(error.into())
    }
}
