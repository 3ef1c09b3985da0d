//! When each peer last answered, and when it last did not: for the operator. Nothing rests on it.

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_store::home::HomeError;
use serde::{Deserialize, Serialize};

use super::ask::Asker;
use super::daemon::{Daemon, lock};
use crate::demo::{Outcome, PairResult};
use crate::error::Error;

/// A line of JSON.
const FILE: &str = "roster/standing";
/// As much as a consortium of many has.
const MAX: u64 = 4 << 20;

/// How a peer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// When it last answered whatever it was asked, in seconds since 1970.
    pub answered: Option<u64>,
    /// When a batch last asked it and nothing failed.
    #[serde(default)]
    pub batch: Option<u64>,
    /// When it last did not.
    pub failed: Option<u64>,
    /// Why.
    pub why: Option<String>,
    /// What the last batch left known of collections of customers.
    #[serde(default)]
    pub coverage: Vec<Coverage>,
}

/// How much of a collection of customers a peer was asked for in the epoch of the last batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The collection.
    pub collection: String,
    /// The type of the view.
    pub indicator_type: String,
    /// The id of the purpose.
    pub purpose: String,
    /// Items of which it is known whether the peer holds them.
    pub known: u64,
    /// All that the collection has.
    pub items: u64,
    /// When that batch was, in seconds since 1970.
    pub at: u64,
}

impl Coverage {
    fn about(&self) -> (&str, &str, &str) {
        (&self.collection, &self.indicator_type, &self.purpose)
    }
}

impl Daemon {
    /// How the peers stand that were asked before. Reads the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Home`] of the disk. What does not read counts as nothing.
    pub fn standings(&self) -> Result<BTreeMap<String, Standing>, Error> {
        let disk = self.node().disk();
        if !disk.exists(FILE).map_err(HomeError::Disk)? {
            return Ok(BTreeMap::new());
        }
        let bytes = disk.read(FILE, MAX).map_err(HomeError::Disk)?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

impl Asker {
    /// Notes how a batch ended. Writes the disk.
    pub(super) fn note(&self, pairs: &[PairResult]) -> Result<(), Error> {
        let now = self.daemon.now();
        let _noting = lock(&self.noting);
        let mut standings = self.daemon.standings()?;
        let before = standings.clone();
        let mut failed = BTreeSet::new();
        for PairResult {
            responder,
            outcome,
            collection,
            indicator_type,
            purpose,
            covered,
            ..
        } in pairs
        {
            let standing = standings.entry(responder.to_string()).or_default();
            match outcome {
                Outcome::Unreachable(why) | Outcome::Failed(why) => {
                    standing.failed = Some(now);
                    standing.why = Some(why.clone());
                    failed.insert(responder);
                }
                Outcome::Preparing(_) => _ = failed.insert(responder),
                Outcome::Nothing => {
                    standing.answered = Some(now);
                    failed.insert(responder);
                }
                _ => standing.answered = Some(now),
            }
            if let Some(covered) = covered {
                let about = (collection.as_str(), indicator_type.name(), purpose.as_str());
                standing.coverage.retain(|one| one.about() != about);
                standing.coverage.push(Coverage {
                    collection: collection.to_string(),
                    indicator_type: indicator_type.name().to_owned(),
                    purpose: purpose.clone(),
                    known: covered.known,
                    items: covered.items,
                    at: now,
                });
            }
        }
        let peers = pairs.iter().map(|pair| &pair.responder);
        for peer in peers.filter(|peer| !failed.contains(peer)) {
            standings.entry(peer.to_string()).or_default().batch = Some(now);
        }
        if standings != before {
            // A map of plain texts and numbers is always written.
            let line = serde_json::to_vec(&standings).unwrap_or_default();
            self.daemon.node().publish(FILE, &line)?;
        }
        Ok(())
    }
}
