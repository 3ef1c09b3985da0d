//! Every member's ledger, verified as a third party would.

use std::path::Path;

use blindmatch_audit::checkpoint::ledger_name;
use blindmatch_audit::note::NoteKey;
use blindmatch_membership::{Name, Witnesses};

use super::consortium::directory;
use super::{Consortium, Step};
use crate::clock;
use crate::error::Error;
use crate::ledger::exported::ExportedError;
use crate::ledger::verify_file;
use crate::node::NodeFiles;

impl Consortium {
    /// Exports the ledger of every member and verifies it with what the others know of the member
    /// and its witnesses. May be called once, also while the nodes run.
    ///
    /// # Errors
    ///
    /// Those of reading and writing. That a ledger does not hold is no error but a step that is not
    /// as it has to be.
    pub fn verify_ledgers(&self) -> Result<Step, Error> {
        let folder = self.folder().join("ledgers");
        directory(&folder)?;
        let mut records = 0;
        let mut refused = None;
        for name in self.roster.members.keys() {
            let home = self.home(name);
            let file = folder.join(format!("{name}.ledger"));
            NodeFiles::read(&home)?.export_ledger(&file, false)?;
            let at = clock::now();
            let quorum = Witnesses::of(&self.roster, &self.delegations, name, at).quorum();
            let verified = match quorum {
                Ok(quorum) => {
                    verify_file(&file, &self.ledger_keys(name)?, &quorum, &[] as &[&Path])
                }
                Err(error) => Err(Error::Exported(file.clone(), ExportedError::Quorum(error))),
            };
            match verified {
                Ok(verified) => records += verified.checkpoint.unverified().size,
                Err(error @ Error::File(..)) => return Err(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let members = self.roster.members.len();
        Ok(Step {
            name: "ledgers",
            ok: refused.is_none(),
            said: refused.map_or_else(
                || format!("{records} records of {members} members, cosigned and whole"),
                |error| error.to_string(),
            ),
        })
    }

    /// The keys that a member's ledger may be signed with, as others know them.
    fn ledger_keys(&self, member: &Name) -> Result<Vec<NoteKey>, Error> {
        let name = ledger_name(self.roster.consortium.as_str(), member.as_str());
        let name = name.map_err(Error::Name)?;
        let delegations = self
            .delegations
            .in_force(&self.roster, member, clock::now());
        let keys = delegations.map(|one| NoteKey::new(name.clone(), one.keys.checkpoints));
        Ok(keys.collect())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use blindmatch_audit::checkpoint::witness_name;
    use blindmatch_audit::cosignature::cosign;
    use blindmatch_membership::Digest;

    use super::*;

    #[test]
    fn a_ledger_holds_once_its_witnesses_have_cosigned() {
        let place = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"].map(|name| name.parse().unwrap());
        for (cosigned, ok) in [(1, false), (2, true)] {
            let folder = place.path().join(cosigned.to_string());
            let consortium = Consortium::found(&folder, &names, Digest([7; 32])).unwrap();
            for (own, member) in &consortium.members {
                let (ledger, _) = member.node.ledger().unwrap();
                let mut head = ledger.log().head().clone();
                let others = consortium.members.iter().filter(|(name, _)| *name != own);
                for (witness, other) in others.take(cosigned) {
                    let key = other.node.checkpoint_key(&other.node.home().named_keys());
                    let name = witness_name("demo", witness.as_str()).unwrap();
                    let line = cosign(head.unverified(), &name, &key.unwrap(), clock::now());
                    head.add(&line.unwrap()).unwrap();
                }
                ledger.keep_cosigned(&head).unwrap();
            }
            let step = consortium.verify_ledgers().unwrap();
            assert_eq!(step.ok, ok, "{}", step.said);
            let says = if ok {
                "15 records of 3 members"
            } else {
                "a.ledger"
            };
            assert!(step.said.contains(says), "{}", step.said);
        }
    }
}
