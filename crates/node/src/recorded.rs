//! What the ledger records of what lies beside it: the roster that is held, the delegation in force,
//! the policy. Told apart are a command that was cut short, which is completed, and a ledger that is
//! an older copy of itself, which is not opened (`spec/43 §7`).

use std::fmt;
use std::io;

use blindmatch_audit::record::{Event, Record, Salted};
use blindmatch_audit::tree::Hash;
use blindmatch_membership::{Delegation, RosterError, SignedRoster};
use blindmatch_policy::Policy;
use blindmatch_store::home::HomeError;
use blindmatch_store::ledger::{Ledger, LedgerError, Log, Tail};
use rand::RngExt;

use crate::error::Error;
use crate::ledger::delegated;
use crate::node::{Node, NodeFiles, TRUST};
use crate::node_keys::{checkpoint_key_name, unrecorded_name};
use crate::{config, policy};

/// So many records are read at a time, from the newest on.
const STEP: u64 = 256;

/// What a command that was cut short left half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfDone {
    /// The roster of this number is recorded, and the node does not hold it: it has to be installed
    /// again.
    Roster(u64),
    /// The same where the node holds no roster: its first install did not end, or what it held is lost.
    NoRoster(u64),
    /// The delegation of this number is in force, and not recorded: whoever next opens the ledger
    /// to write it records it.
    Delegation(u64),
}

/// What the node has and its ledger does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The roster of this number.
    Roster(u64),
    /// The delegation of this number.
    Delegation(u64),
}

/// The newest records about what lies beside the ledger.
pub(crate) struct Recorded {
    roster: Option<(u64, Hash)>,
    policy: Option<Record>,
    /// What is to be recorded because a command did not come to it.
    missing: Vec<Event>,
    half_done: Vec<HalfDone>,
}

/// What lies beside the ledger.
#[derive(PartialEq)]
struct Beside {
    held: Option<SignedRoster>,
    delegations: Vec<Delegation>,
    keys: Vec<String>,
}

/// What the operator wrote.
struct Texts {
    policy: Vec<u8>,
    config: Vec<u8>,
}

impl Texts {
    fn event(&self, nonce: &[u8; 32]) -> Event {
        Event::Policy {
            policy: Salted::new(nonce, &self.policy),
            config: Salted::new(nonce, &self.config),
        }
    }
}

impl NodeFiles {
    /// The ledger as it is on disk, held against what lies beside it: what commands left half done.
    /// Nothing is repaired.
    ///
    /// # Errors
    ///
    /// [`Error::LedgerOlder`], [`Error::Ledger`], [`Error::Damaged`].
    pub fn verify_ledger(&self) -> Result<(Log, Tail, Vec<HalfDone>), Error> {
        loop {
            let beside = self.beside()?;
            let opened = Log::open(self.disk(), &self.ledger_keys()?);
            let (log, tail) = opened.map_err(|error| self.unopened(error))?;
            // Another process may be at work between the two.
            if self.beside()? == beside {
                let recorded = self.compare(&log, &beside)?;
                return Ok((log, tail, recorded.half_done));
            }
        }
    }

    /// Holds the ledger against what lies beside it.
    pub(crate) fn recorded(&self, log: &Log) -> Result<Recorded, Error> {
        self.compare(log, &self.beside()?)
    }

    /// Refuses a home whose ledger recorded a roster, and in which the file of the one that is held, or
    /// of the fingerprint that is trusted, is gone. Where only an install did not end, it is there.
    pub(crate) fn check_roster_kept(&self, log: &Log) -> Result<(), Error> {
        let half_done = self.recorded(log)?.half_done;
        let lost = half_done.into_iter().find_map(|half_done| match half_done {
            HalfDone::NoRoster(number) => Some(number),
            HalfDone::Roster(_) | HalfDone::Delegation(_) => None,
        });
        let is_there = self.disk().exists(TRUST).map_err(HomeError::Disk)?;
        match lost.filter(|_| !is_there) {
            Some(number) => Err(Error::RosterLost(self.disk().root().join(TRUST), number)),
            None => Ok(()),
        }
    }

    /// Whether the newest record of policy and configuration, where there is one yet, is of those
    /// that are there. A policy that is none is in force for nobody, and not recorded.
    ///
    /// # Errors
    ///
    /// As [`verify_ledger`](Self::verify_ledger).
    pub fn is_policy_recorded(&self, log: &Log) -> Result<bool, Error> {
        let last = self.recorded(log)?.policy;
        Ok(last.is_none() || self.policy_to_record(last.as_ref())?.is_none())
    }

    /// The policy and the configuration, where `last`, the newest record of them, is of others.
    fn policy_to_record(&self, last: Option<&Record>) -> Result<Option<Texts>, Error> {
        let read = |file, limit| match self.disk().read(file, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some).map_err(HomeError::Disk),
        };
        let policy = read(policy::FILE, policy::MAX_POLICY)?;
        let policy = policy.filter(|policy| {
            let text = str::from_utf8(policy).ok();
            text.is_some_and(|text| Policy::parse(text).is_ok())
        });
        let config = read(config::FILE, config::MAX_CONFIG)?;
        let texts = policy.zip(config);
        let texts = texts.map(|(policy, config)| Texts { policy, config });
        Ok(texts.filter(|texts| last.is_none_or(|last| last.event != texts.event(&last.nonce))))
    }

    fn beside(&self) -> Result<Beside, Error> {
        Ok(Beside {
            held: self.trust()?.held().cloned(),
            delegations: self.delegations()?,
            keys: self.disk().list("keys").map_err(HomeError::Disk)?,
        })
    }

    fn compare(&self, log: &Log, beside: &Beside) -> Result<Recorded, Error> {
        let damaged = || Error::Damaged(self.disk().root().join("roster"));
        let held = beside.held.as_ref().map(SignedRoster::roster);
        let held = held.map(|roster| (roster.number, roster.digest().0));
        let newest = beside.delegations.last().ok_or_else(damaged)?;
        let own = delegated(newest)?;
        let mut found = Recorded {
            roster: None,
            policy: None,
            missing: Vec::new(),
            half_done: Vec::new(),
        };
        let place = |digest| {
            let mut delegations = beside.delegations.iter();
            delegations.position(|one| one.digest().0 == digest)
        };
        // Places in what is beside: of the one that was recorded last, and the highest of all recorded. One
        // that was lost with another home may be recorded behind newer ones.
        let (mut last, mut highest) = (None, None);
        let (mut has_held, mut has_newest) = (held.is_none(), false);
        for record in newest_first(log) {
            let record = record?;
            match &record.event {
                Event::Roster { number, digest } => {
                    found.roster.get_or_insert((*number, *digest));
                    has_held |= held == Some((*number, *digest));
                }
                Event::Delegation { member, digest }
                    if member.as_str() == newest.member.as_str() =>
                {
                    has_newest |= record.event == own;
                    let place = place(*digest);
                    last.get_or_insert(place);
                    highest = highest.max(place);
                }
                Event::Policy { .. } if found.policy.is_none() => found.policy = Some(record),
                _ => {}
            }
            if has_held && found.roster.is_some() && has_newest && found.policy.is_some() {
                break;
            }
        }

        // A ledger that has only begun knows of nothing yet.
        let begun = log.size() == 1;
        match (held, found.roster) {
            (Some((number, digest)), _) if !has_held && begun => {
                found.missing.push(Event::Roster { number, digest });
            }
            // A roster is recorded before it is held.
            (Some((number, _)), _) if !has_held => {
                return Err(Error::LedgerOlder(Unknown::Roster(number)));
            }
            (None, Some(recorded)) => found.half_done.push(HalfDone::NoRoster(recorded.0)),
            (held, Some(recorded)) if held != Some(recorded) => {
                found.half_done.push(HalfDone::Roster(recorded.0));
            }
            _ => {}
        }
        // None is removed.
        if last == Some(None) {
            return Err(damaged());
        }
        if has_newest {
            return Ok(found);
        }
        // A delegation is recorded before the keys of the one before it are destroyed, or the note that
        // stands in their place. Those between, that were lost with another home, have no keys here.
        let noted = beside.keys.contains(&unrecorded_name(newest.number));
        let cut_short = highest.and_then(|highest| {
            let (recorded, missing) = beside.delegations.split_at_checked(highest + 1)?;
            let key = checkpoint_key_name(recorded.last()?.number);
            let is_there = beside.keys.contains(&key) || (missing.len() == 1 && noted);
            is_there.then_some(missing)
        });
        match cut_short {
            Some(missing) => {
                let missing: Result<Vec<_>, _> = missing.iter().map(delegated).collect();
                found.missing.extend(missing?);
            }
            None if begun => found.missing.push(own),
            None => return Err(Error::LedgerOlder(Unknown::Delegation(newest.number))),
        }
        found.half_done.push(HalfDone::Delegation(newest.number));
        Ok(found)
    }
}

impl Node {
    /// Records what a command that was cut short did not come to, destroys the keys that it would
    /// have destroyed, and records the policy that is in force now.
    pub(crate) fn complete(&self, ledger: &Ledger, recorded: Recorded) -> Result<(), Error> {
        if !recorded.missing.is_empty() {
            ledger.append(recorded.missing)?;
        }
        self.destroy_stale_keys(&ledger.log())?;
        self.record_policy(ledger, recorded.policy.as_ref())
    }

    /// Records the policy and the configuration, where `last`, the newest record of them, is of
    /// others. A policy that is none is not in force.
    fn record_policy(&self, ledger: &Ledger, last: Option<&Record>) -> Result<(), Error> {
        if let Some(texts) = self.policy_to_record(last)? {
            let nonce = rand::rng().random();
            ledger.append_drawn(vec![(nonce, texts.event(&nonce))])?;
        }
        Ok(())
    }
}

impl Recorded {
    /// Whether this roster is recorded already: an install of it was cut short.
    ///
    /// # Errors
    ///
    /// [`RosterError::Older`], [`RosterError::Fork`], where the ledger has a newer one, or another
    /// of this number.
    pub(crate) fn knows(&self, number: u64, digest: Hash) -> Result<bool, RosterError> {
        match self.roster {
            Some((held, _)) if held > number => Err(RosterError::Older {
                held,
                given: number,
            }),
            Some((held, other)) if held == number && other != digest => {
                Err(RosterError::Fork { number })
            }
            recorded => Ok(recorded == Some((number, digest))),
        }
    }
}

/// All records, the newest first.
pub(crate) fn newest_first(log: &Log) -> impl Iterator<Item = Result<Record, LedgerError>> {
    let steps = (0..log.size().div_ceil(STEP)).rev();
    steps.flat_map(|step| {
        let first = step * STEP;
        let records = log.records(first..first.saturating_add(STEP));
        let mut records: Vec<_> = records.map(|record| Ok(record?.1)).collect();
        records.reverse();
        records
    })
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster(number) => write!(f, "roster number {number}"),
            Self::Delegation(number) => write!(f, "delegation number {number}"),
        }
    }
}

impl fmt::Display for HalfDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster(number) => write!(
                f,
                "roster number {number} is recorded, and its install did not end: this node does not \
                 hold it yet"
            ),
            Self::NoRoster(number) => write!(
                f,
                "roster number {number} is recorded, and this node holds none: its install did not end, \
                 or roster/trust is lost"
            ),
            Self::Delegation(number) => write!(
                f,
                "delegation number {number} is in force, and not recorded yet: its command did not end"
            ),
        }
    }
}

impl HalfDone {
    /// What ends it.
    #[must_use]
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Roster(_) => "blindmatch roster install FILE",
            // It is trusted anew by the words of its fingerprint.
            Self::NoRoster(_) => {
                "blindmatch roster trust WORDS, then: blindmatch roster install FILE"
            }
            Self::Delegation(_) => "blindmatch doctor --repair",
        }
    }
}

#[cfg(test)]
mod tests;
