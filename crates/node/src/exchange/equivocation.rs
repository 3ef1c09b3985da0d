//! A peer that tells two stories: its ledger, or a publication, is another than what was accepted of it
//! before (`spec/42-ledger.md` §2, kind 23). It is not asked again until an operator says so.

use blindmatch_audit::record::{Event, Name as RecordName};
use blindmatch_membership::{Digest, Name};
use blindmatch_store::ledger::{Ledger, Log};

use super::daemon::Daemon;
use crate::error::Error;
use crate::node::Node;

impl Daemon {
    /// Keeps both proofs of an equivocation, then records it. Writes the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Home`], [`Error::Ledger`], those of the index.
    pub(super) fn convict(&self, peer: &Name, accepted: &[u8], shown: &[u8]) -> Result<(), Error> {
        if self.equivocation(peer)?.is_some() {
            return Ok(());
        }
        for (number, proof) in [(1, accepted), (2, shown)] {
            let path = format!("roster/equivocation-{number}-{peer}");
            self.node().publish(&path, proof)?;
        }
        self.ledger().append(vec![Event::Equivocation {
            peer: RecordName::new(peer.as_str()).map_err(Error::Record)?,
            accepted: Digest::of(accepted).0,
            shown: Digest::of(shown).0,
        }])?;
        Ok(())
    }

    /// The record by which a peer is not asked, where there is one.
    ///
    /// # Errors
    ///
    /// Those of the index.
    pub fn equivocation(&self, peer: &Name) -> Result<Option<u64>, Error> {
        self.facts(|facts| facts.equivocation(peer.as_str()))
    }
}

impl Node {
    /// Has a peer asked again that equivocated, on the word of `operator`.
    ///
    /// # Errors
    ///
    /// [`Error::NotEquivocated`], [`Error::Ledger`], those of the index.
    pub fn readmit(&self, ledger: &Ledger, peer: &Name, operator: &str) -> Result<(), Error> {
        if self.equivocation(&ledger.log(), peer)?.is_none() {
            return Err(Error::NotEquivocated(peer.clone()));
        }
        ledger.append(vec![Event::Readmitted {
            peer: RecordName::new(peer.as_str()).map_err(Error::Record)?,
            operator: RecordName::new(operator).map_err(Error::Record)?,
        }])?;
        Ok(())
    }

    /// The record by which a peer is not asked, where there is one.
    ///
    /// # Errors
    ///
    /// Those of the index.
    pub fn equivocation(&self, log: &Log, peer: &Name) -> Result<Option<u64>, Error> {
        let index = self.index(log)?;
        index.ask(self.home(), log, |facts| facts.equivocation(peer.as_str()))
    }
}
