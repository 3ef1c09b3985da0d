//! Who cosigned a checkpoint. What only the node itself signed, no witness vouches for: so each
//! checkpoint that is shown says which it is.

use std::fmt;

use blindmatch_audit::checkpoint::{SignedCheckpoint, witness_name};
use blindmatch_audit::cosignature::{Quorum, WitnessKey};
use blindmatch_audit::note::SignatureLine;
use blindmatch_membership::Witnesses;
use blindmatch_store::ledger::Log;

use crate::error::Error;
use crate::node::NodeFiles;

/// The witnesses under a checkpoint, as far as their keys are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cosigners {
    /// The names of those whose cosignatures hold.
    pub names: Vec<String>,
    /// How many have to cosign.
    pub needed: usize,
    /// Of how many.
    pub witnesses: usize,
    /// Cosignatures that were not verified, as their keys are not known, or that do not hold.
    pub unverified: usize,
}

impl Cosigners {
    /// Those of a quorum. What of theirs does not hold counts as not verified.
    pub(super) fn of(quorum: &Quorum, checkpoint: &SignedCheckpoint) -> Self {
        let cosigners = quorum.cosigners(checkpoint).unwrap_or_default();
        let names = cosigners.iter().map(|one| one.name.as_str().to_owned());
        let mut found = Self {
            names: names.collect(),
            needed: quorum.needed(),
            witnesses: quorum.witnesses().len(),
            unverified: 0,
        };
        found.unverified = found.strangers(checkpoint);
        found
    }

    /// Whether nobody but the node signed, as far as that can be told.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.names.is_empty() && self.unverified == 0
    }

    /// Whether as many cosigned as have to.
    #[must_use]
    pub const fn is_quorum(&self) -> bool {
        self.needed > 0 && self.names.len() >= self.needed
    }

    /// The cosignatures under names of which none holds.
    fn strangers(&self, checkpoint: &SignedCheckpoint) -> usize {
        let known =
            |line: &&SignatureLine| self.names.iter().any(|name| name == line.name.as_str());
        cosignatures(checkpoint).filter(|line| !known(line)).count()
    }
}

impl NodeFiles {
    /// Who of the witnesses that the roster names cosigned a checkpoint of this node's ledger, by the
    /// delegations that were in force when they did.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn cosigners(&self, checkpoint: &SignedCheckpoint) -> Result<Cosigners, Error> {
        let (trust, delegations) = (self.trust()?, self.peers()?);
        let mut found = Cosigners::default();
        if let Some(held) = trust.held() {
            let own = &self.config().node.member;
            let at = |time| Witnesses::of(held.roster(), &delegations, own, time);
            let all = at(0);
            (found.needed, found.witnesses) = (all.needed, all.keys.len());
            for line in cosignatures(checkpoint) {
                let witnesses = at(time(line));
                for (member, keys) in witnesses.keys {
                    let name = witness_name(witnesses.consortium.as_str(), member.as_str());
                    let name = name.map_err(Error::Name)?;
                    if name != line.name || found.names.iter().any(|one| one == name.as_str()) {
                        continue;
                    }
                    let keys = keys.into_iter();
                    let keys = keys.map(|key| WitnessKey::new(name.clone(), key)).collect();
                    let verified = Quorum::new(keys, 1).map(|one| one.verify(checkpoint).is_ok());
                    if verified == Ok(true) {
                        found.names.push(name.as_str().to_owned());
                    }
                }
            }
        }
        found.unverified = found.strangers(checkpoint);
        Ok(found)
    }

    /// Whether the roster names witnesses of this node's ledger, and no checkpoint is kept as cosigned.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], [`Error::Damaged`].
    pub fn is_not_cosigned(&self, log: &Log) -> Result<bool, Error> {
        Ok(self.cosigners(log.head())?.needed > 0 && log.cosigned()?.is_none())
    }

    /// The newest checkpoint of this node's ledger that was kept with cosignatures, and whose those
    /// are.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], [`Error::Damaged`].
    pub fn cosigned(&self, log: &Log) -> Result<Option<(SignedCheckpoint, Cosigners)>, Error> {
        let Some(kept) = log.cosigned()? else {
            return Ok(None);
        };
        let cosigners = self.cosigners(&kept)?;
        Ok((!cosigners.is_none()).then_some((kept, cosigners)))
    }
}

/// Each checkpoint once, with the signatures that all copies of it have: every witness gives its own.
#[must_use]
pub fn joined(checkpoints: impl IntoIterator<Item = SignedCheckpoint>) -> Vec<SignedCheckpoint> {
    let mut joined: Vec<SignedCheckpoint> = Vec::new();
    for checkpoint in checkpoints {
        let mut known = joined.iter_mut();
        match known.find(|known| known.unverified() == checkpoint.unverified()) {
            Some(known) => {
                for line in checkpoint.signatures() {
                    // One too many is none of the first hundred.
                    let _ = known.add(line);
                }
            }
            None => joined.push(checkpoint),
        }
    }
    joined
}

/// The signatures that are not the ledger's own.
fn cosignatures(checkpoint: &SignedCheckpoint) -> impl Iterator<Item = &SignatureLine> {
    let own = checkpoint.unverified().origin.to_string();
    let lines = checkpoint.signatures().iter();
    lines.filter(move |line| line.name.as_str() != own)
}

/// The time that a cosignature names.
fn time(line: &SignatureLine) -> u64 {
    let time = line.signature.first_chunk();
    time.map_or(0, |time| u64::from_be_bytes(*time))
}

impl fmt::Display for Cosigners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            names,
            needed,
            witnesses,
            unverified,
        } = self;
        match (names.as_slice(), unverified) {
            ([], 0) => return f.write_str("signed by the node only, no witness"),
            ([], _) => f.write_str("signed by the node")?,
            (names, _) => write!(f, "cosigned by {}", names.join(", "))?,
        }
        match (needed, self.is_quorum()) {
            (0, _) => {}
            (_, true) => write!(f, " (quorum {needed} of {witnesses})")?,
            (_, false) => write!(f, " (no quorum: {needed} of {witnesses} have to)")?,
        }
        if *unverified > 0 {
            write!(f, "; cosignatures not verified: {unverified}")?;
        }
        Ok(())
    }
}
