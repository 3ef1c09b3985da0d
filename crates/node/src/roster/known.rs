//! What this node knows of a member and others ask for: the keys that vouch for its ledger, and its
//! delegations.

use blindmatch_audit::checkpoint::{ledger_name, witness_name};
use blindmatch_audit::cosignature::WitnessKey;
use blindmatch_audit::note::NoteKey;
use blindmatch_membership::{Delegation, Delegations, Name, Roster, Witnesses};

use crate::error::Error;
use crate::node::NodeFiles;

/// What a third party verifies a member's ledger with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerKeys {
    /// Those that may sign its checkpoints now, the newest first.
    pub keys: Vec<NoteKey>,
    /// Those of its witnesses, by the delegations in force: a witness has two while it changes them.
    pub witnesses: Vec<WitnessKey>,
    /// How many witnesses have to cosign.
    pub needed: usize,
    /// Of how many.
    pub of: usize,
    /// The witnesses of which no delegation in force is known here.
    pub unknown: Vec<Name>,
}

impl NodeFiles {
    /// The keys of a member's ledger and of its witnesses, by the roster that is held.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`], [`Error::NoMember`], [`Error::Peers`].
    pub fn ledger_keys_of(&self, member: &Name) -> Result<LedgerKeys, Error> {
        let (roster, delegations) = self.known_of(member)?;
        let now = self.now();
        let consortium = roster.consortium.as_str();
        let ledger = ledger_name(consortium, member.as_str()).map_err(Error::Name)?;
        let in_force = delegations.in_force(&roster, member, now);
        let keys = in_force.map(|one| NoteKey::new(ledger.clone(), one.keys.checkpoints));
        let mut known = LedgerKeys {
            keys: keys.collect(),
            witnesses: Vec::new(),
            needed: 0,
            of: 0,
            unknown: Vec::new(),
        };
        let witnesses = Witnesses::of(&roster, &delegations, member, now);
        (known.needed, known.of) = (witnesses.needed, witnesses.keys.len());
        for (witness, keys) in witnesses.keys {
            let name = witness_name(consortium, witness.as_str()).map_err(Error::Name)?;
            let named = keys.iter().map(|key| WitnessKey::new(name.clone(), *key));
            known.witnesses.extend(named);
            if keys.is_empty() {
                known.unknown.push(witness);
            }
        }
        Ok(known)
    }

    /// The delegations of a member that are known here and not revoked, the newest first; all of
    /// this node's own.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoster`], [`Error::NoMember`], [`Error::NoDelegation`] where there are none.
    pub fn delegations_of(&self, member: &Name) -> Result<Vec<Delegation>, Error> {
        let delegations = if *member == self.config().node.member {
            let mut own = self.delegations()?;
            own.reverse();
            own
        } else {
            let (_, delegations) = self.known_of(member)?;
            delegations.known(member).cloned().collect()
        };
        if delegations.is_empty() {
            return Err(Error::NoDelegation(member.clone(), None));
        }
        Ok(delegations)
    }

    /// The roster, which lists the member, and all delegations: this node's own too, which is a
    /// witness of others' ledgers like anybody.
    fn known_of(&self, member: &Name) -> Result<(Roster, Delegations), Error> {
        let roster = self.held_roster()?.roster().clone();
        if !roster.members.contains_key(member) {
            return Err(Error::NoMember(member.clone()));
        }
        let mut delegations = self.peers()?;
        for own in self.delegations()? {
            // One that is refused is in force for nobody.
            let _ = delegations.accept(&roster, own.to_string().as_bytes(), self.now());
        }
        Ok((roster, delegations))
    }
}
