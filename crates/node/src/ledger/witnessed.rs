//! What this node cosigned last of another member's ledger, as that member signed it. The record in
//! the ledger has the origin, the size and the root; a member that lost its home needs the signatures
//! too, since a restore believes no checkpoint that its own key did not sign (`spec/43-home.md` §1).

use std::collections::BTreeMap;
use std::io;

use blindmatch_audit::checkpoint::{Checkpoint, Origin, SignedCheckpoint, ledger_name};
use blindmatch_audit::note::{KeyName, NoteKey};
use blindmatch_audit::record::Event;
use blindmatch_membership::Name;
use blindmatch_store::home::HomeError;
use blindmatch_store::ledger::Log;
use blindmatch_store::ledger::cosigned::{MAX_COSIGNED, decode, encode};

use crate::error::Error;
use crate::node::{Node, NodeFiles, PEERS};
use crate::recorded::newest_first;

/// Before the member's name.
const WITNESSED: &str = "witnessed-";

/// A checkpoint of another's ledger, with the signatures of its owner and of this node.
#[derive(Clone, Debug)]
pub struct Witnessed {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// The number of the owner's delegation whose key signed it, where that is known here.
    pub delegation: Option<u64>,
}

impl NodeFiles {
    /// What this node cosigned last of a member's ledger.
    ///
    /// # Errors
    ///
    /// [`Error::NotWitnessed`] where it cosigned none, or the one that it cosigned last was not kept;
    /// [`Error::Witnessed`] where what was kept is damaged.
    pub fn witnessed(&self, member: &Name) -> Result<Witnessed, Error> {
        let ledger = self.ledger_of(member)?;
        let (log, _) = self.log()?;
        let mut last = None;
        for record in newest_first(&log) {
            if let Event::Witnessed { origin, size, root } = record?.event
                && let Some(origin) = Origin::parse(origin.as_str())
                && origin.ledger == ledger
            {
                last = Some(Checkpoint { origin, size, root });
                break;
            }
        }
        let size = last.as_ref().map(|last| last.size);
        let kept = self.kept_witnessed(member)?;
        // A crash between the record and the file leaves the one before.
        let kept = kept.filter(|kept| last.as_ref() == Some(kept.unverified()));
        let checkpoint = kept.ok_or_else(|| Error::NotWitnessed(member.clone(), size))?;
        let delegations = match self.delegations_of(member) {
            Err(Error::NoDelegation(..) | Error::NoMember(_)) => Vec::new(),
            delegations => delegations?,
        };
        let signed = delegations.iter().find(|one| {
            let key = NoteKey::new(ledger.clone(), one.keys.checkpoints);
            checkpoint.verify(&key).is_ok()
        });
        Ok(Witnessed {
            delegation: signed.map(|one| one.number),
            checkpoint,
        })
    }

    /// Reads all that was kept; says of how many members, and of which what they had cosigned last is
    /// not there: a crash leaves the one before, and whoever has it cosigned again finds it kept.
    pub(crate) fn check_witnessed(&self, log: &Log) -> Result<(usize, Vec<Error>), Error> {
        let members = self.witnessed_members()?;
        for member in &members {
            self.kept_witnessed(member)?;
        }
        let mut last = BTreeMap::new();
        for record in newest_first(log) {
            if let Event::Witnessed { origin, size, root } = record?.event
                && let Some(origin) = Origin::parse(origin.as_str())
            {
                let newest = last.entry(origin.ledger.as_str().to_owned());
                newest.or_insert(Checkpoint { origin, size, root });
            }
        }
        let trust = self.trust()?;
        let listed = trust.held().into_iter();
        let mut lost = Vec::new();
        for member in listed.flat_map(|held| held.roster().members.keys()) {
            let kept = self.kept_witnessed(member)?;
            let last = last.get(self.ledger_of(member)?.as_str());
            if last.is_some() && last != kept.as_ref().map(SignedCheckpoint::unverified) {
                lost.push(Error::WitnessedLost(self.disk().root().join(path(member))));
            }
        }
        Ok((members.len(), lost))
    }

    /// Refuses a home that cosigned, or was cosigned, and in which the file of the delegations is gone by
    /// which that was decided.
    pub(crate) fn check_peers_kept(&self, log: &Log) -> Result<(), Error> {
        if self.disk().exists(PEERS).map_err(HomeError::Disk)? {
            return Ok(());
        }
        let mut has_met = log.cosigned()?.is_some();
        for record in newest_first(log) {
            if has_met {
                return Err(Error::PeersLost(self.disk().root().join(PEERS)));
            }
            has_met = matches!(record?.event, Event::Witnessed { .. });
        }
        Ok(())
    }

    fn ledger_of(&self, member: &Name) -> Result<KeyName, Error> {
        let consortium = &self.config().node.consortium;
        ledger_name(consortium.as_str(), member.as_str()).map_err(Error::Name)
    }

    fn witnessed_members(&self) -> Result<Vec<Name>, Error> {
        let names = self.disk().list("roster").map_err(HomeError::Disk)?;
        let members = names.iter().filter_map(|name| name.strip_prefix(WITNESSED));
        Ok(members.filter_map(|name| name.parse().ok()).collect())
    }

    /// What was kept of a member's ledger, which after a crash may be one behind what was recorded.
    pub(crate) fn kept_witnessed(&self, member: &Name) -> Result<Option<SignedCheckpoint>, Error> {
        let path = path(member);
        let bytes = match self.disk().read(&path, MAX_COSIGNED) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(HomeError::Disk)?,
        };
        let damaged = || Error::Witnessed(self.disk().root().join(&path));
        let kept = decode(&bytes).map_err(|_| damaged())?;
        if kept.unverified().origin.ledger != self.ledger_of(member)? {
            return Err(damaged());
        }
        Ok(Some(kept))
    }
}

impl Node {
    /// Keeps what is cosigned of a member's ledger in place of the one before.
    pub(crate) fn keep_witnessed(
        &self,
        member: &Name,
        cosigned: &SignedCheckpoint,
    ) -> Result<(), Error> {
        // One that is damaged is written anew.
        let kept = self.kept_witnessed(member).ok().flatten();
        if kept.is_some_and(|kept| kept.unverified() == cosigned.unverified()) {
            return Ok(());
        }
        self.publish(&path(member), encode(cosigned).as_bytes())
    }

    /// Destroys what is damaged of what was kept: each is kept again when that member next asks. Gives
    /// what was wrong.
    pub(crate) fn discard_witnessed(&self) -> Result<Vec<Error>, Error> {
        let mut discarded = Vec::new();
        for member in self.witnessed_members()? {
            if let Err(error @ Error::Witnessed(_)) = self.kept_witnessed(&member) {
                self.disk()
                    .remove(&path(&member))
                    .map_err(HomeError::Disk)?;
                discarded.push(error);
            }
        }
        Ok(discarded)
    }
}

fn path(member: &Name) -> String {
    format!("roster/{WITNESSED}{member}")
}
