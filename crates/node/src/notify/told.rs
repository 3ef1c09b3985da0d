//! What each sink was told (`spec/62-notify.md` §2).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use blindmatch_audit::codec::{Reader, Writer};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::HomeError;

use super::{Event, Sink};
use crate::error::Error;
use crate::matches::{Match, MatchId};

/// The file, in the home.
pub(crate) const FILE: &str = "notified";
const CONTEXT: &str = "blindmatch notified v1";
const MAX_FILE: u64 = 256 << 20;
/// An entry: sink, event, match.
const WIDTH: usize = 1 + 1 + 8;

/// An event of a match.
pub(super) type Key = (u8, MatchId);

pub(super) fn key(event: Event, of: &Match) -> Key {
    (event as u8, of.id)
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told(BTreeMap<u8, BTreeSet<Key>>);

impl Told {
    /// Nothing where there is no file, or none that reads: then all is told again.
    pub(super) fn read(disk: &Disk) -> Result<Self, Error> {
        match disk.read(FILE, MAX_FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            bytes => Ok(Self::decode(&bytes.map_err(HomeError::Disk)?).unwrap_or_default()),
        }
    }

    pub(super) fn of(&self, sink: Sink) -> &BTreeSet<Key> {
        static NONE: BTreeSet<Key> = BTreeSet::new();
        self.0.get(&code(sink)).unwrap_or(&NONE)
    }

    pub(super) fn add(&mut self, sink: Sink, keys: &[Key]) {
        self.0.entry(code(sink)).or_default().extend(keys);
    }

    /// Forgets what is no match any more; says whether there was anything of that.
    pub(super) fn forget(&mut self, matches: &[Match]) -> bool {
        let known: BTreeSet<_> = matches.iter().map(|found| found.id).collect();
        let gone = |(_, id): &Key| !known.contains(id);
        let forgets = self.0.values().flatten().any(gone);
        for keys in self.0.values_mut() {
            keys.retain(|key| !gone(key));
        }
        forgets
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        for (sink, keys) in &self.0 {
            for (event, id) in keys {
                entries.extend([*sink, *event]);
                entries.extend(id.as_bytes());
            }
        }
        Writer::new(CONTEXT).bytes(&entries).finish()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(CONTEXT, bytes).ok()?;
        let limit = usize::try_from(MAX_FILE).ok()?;
        let entries = reader.bytes(limit).ok()?;
        reader.finish().ok()?;
        let (entries, rest) = entries.as_chunks::<WIDTH>();
        let mut told = Self::default();
        for [sink, event, id @ ..] in entries {
            let id = MatchId::from_bytes(*id);
            told.0.entry(*sink).or_default().insert((*event, id));
        }
        rest.is_empty().then_some(told)
    }
}

const fn code(sink: Sink) -> u8 {
    match sink {
        Sink::Webhook => 1,
        Sink::Spool => 2,
        Sink::Syslog => 3,
    }
}
