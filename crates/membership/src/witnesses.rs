//! Who has to cosign a member's ledger (`spec/41-membership.md` §8).

use std::collections::BTreeMap;

use blindmatch_audit::{
    VerifyingKey,
    checkpoint::witness_name,
    cosignature::{Quorum, QuorumError, WitnessKey},
};

use crate::{
    delegations::Delegations,
    roster::{Roster, WitnessQuorum},
    values::Name,
};

/// The witnesses of one member's ledger at one time, and how many of them have to cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// The consortium, which their names under a checkpoint begin with.
    pub consortium: Name,
    /// How many have to: of all the witnesses that the roster names but the owner, whether or not
    /// their keys are known.
    pub needed: usize,
    /// The checkpoint keys of each witness by its delegations in force, the newest first: none
    /// where its delegation is not known or has expired. A witness counts once, whichever of its
    /// keys it used; no key stands with two witnesses.
    pub keys: BTreeMap<Name, Vec<VerifyingKey>>,
}

impl Witnesses {
    /// The witnesses of the ledger of `owner` at a time in seconds of Unix time.
    #[must_use]
    pub fn of(roster: &Roster, delegations: &Delegations, owner: &Name, at: u64) -> Self {
        let others = roster
            .members
            .values()
            .filter(|member| member.witness && member.name != *owner);
        let mut keys: BTreeMap<Name, Vec<VerifyingKey>> = BTreeMap::new();
        for witness in others {
            let mut own = Vec::new();
            for delegation in delegations.in_force(roster, &witness.name, at) {
                let key = delegation.keys.checkpoints;
                // Two members with one key are one witness.
                if !own.contains(&key) && !keys.values().flatten().any(|other| *other == key) {
                    own.push(key);
                }
            }
            keys.insert(witness.name.clone(), own);
        }
        let needed = match roster.witness_quorum {
            WitnessQuorum::MoreThanHalf => keys.len() / 2 + 1,
            WitnessQuorum::Exactly(needed) => needed,
        };
        Self {
            consortium: roster.consortium.clone(),
            needed,
            keys,
        }
    }

    /// The same in the form that verifies checkpoints.
    ///
    /// # Errors
    ///
    /// [`QuorumError::Unreachable`] where the keys of too few witnesses are known.
    pub fn quorum(&self) -> Result<Quorum, QuorumError> {
        let mut known = Vec::new();
        for (member, keys) in &self.keys {
            // A name of a member is always fit for the name of a key.
            if let Ok(name) = witness_name(self.consortium.as_str(), member.as_str()) {
                let named = keys.iter().map(|key| WitnessKey::new(name.clone(), *key));
                known.extend(named);
            }
        }
        Quorum::new(known, self.needed)
    }
}
