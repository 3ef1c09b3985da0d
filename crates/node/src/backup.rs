//! Backup and restore of a node.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use blindmatch_audit::checkpoint::SignedCheckpoint;
use blindmatch_audit::note::NoteKey;
use blindmatch_store::backup::{self, BackupError, Continued, Restoring, Summary};
use blindmatch_store::collection::{CollectionError, CollectionName, Collections};
use blindmatch_store::disk::Disk;
use blindmatch_store::home::HomeError;
use blindmatch_store::keys::StorageKey;
use blindmatch_store::ledger::{Ledger, Log};

use crate::clock;
use crate::error::Error;
use crate::exported::{Exported, Kind};
use crate::ledger::cosigners::joined;
use crate::ledger::{read_checkpoint, settings};
use crate::node::{Node, NodeFiles};

/// When the newest backup was begun: seconds since 1970 and a line end, for the operator alone.
const LAST: &str = "last-backup";
/// More than a number has.
const MAX_LAST: u64 = 64;

impl NodeFiles {
    /// When the newest backup was begun that this home made, in seconds since 1970. What does not
    /// read counts as none.
    ///
    /// # Errors
    ///
    /// [`Error::Home`] of the disk.
    pub fn last_backup(&self) -> Result<Option<u64>, Error> {
        if !self.disk().exists(LAST).map_err(HomeError::Disk)? {
            return Ok(None);
        }
        let bytes = self.disk().read(LAST, MAX_LAST).map_err(HomeError::Disk)?;
        let text = str::from_utf8(&bytes).ok();
        Ok(text.and_then(|text| text.trim_end().parse().ok()))
    }
}

impl Node {
    /// Writes what must not be lost to the new file `to`: roster, ledger, configuration, policy,
    /// exclusions, collections and keys, all of it sealed under the storage key or public.
    ///
    /// A collection that is damaged is an error, and so is what an operator decided or a member told, and so are files that are gone of which keys are here; or,
    /// where `without_damaged`, which is the operator's word, all of it is left out, and what is wrong with
    /// it is given. So is what is missing of what this node cosigned.
    ///
    /// # Errors
    ///
    /// [`Error::Backup`]; those of reading where something of the home is damaged or missing, with its
    /// name.
    pub fn backup(
        &self,
        ledger: &Ledger,
        to: &Path,
        without_damaged: bool,
    ) -> Result<(Summary, Vec<Error>), Error> {
        let lost = self.check_copied(&ledger.log(), without_damaged)?;
        let collections = self.collections()?;
        let damaged = if without_damaged {
            self.damaged_collections(&collections)?
        } else {
            BTreeMap::new()
        };
        let mut unread = self.entries()?.damaged()?;
        if !without_damaged && let Some((_, error)) = unread.pop() {
            return Err(error.into());
        }
        let wanted = |path: &str| match path.split_once('/') {
            Some(("collections", name)) => !damaged.keys().any(|damaged| damaged.as_str() == name),
            Some(("matches", _)) => unread.iter().all(|(unread, _)| unread != path),
            Some(("keys", name)) => outlives_the_machine(name),
            _ => false,
        };
        let written = backup::backup(
            self.home(),
            ledger,
            &collections,
            &wanted,
            to,
            self.now(),
            &mut rand::rng(),
        );
        // What is damaged in the home is not the backup's fault.
        let written = written.map_err(|error| match error {
            BackupError::Key { name, error } => Error::Key(name, error),
            BackupError::Ledger(error) => Error::Ledger(error),
            error => failed(to, error),
        });
        let written = written?;
        let noted = format!("{}\n", written.time);
        // The backup is there; that it is not noted has the operator make another.
        let _ = self.publish(LAST, noted.as_bytes());
        let damaged = damaged.into_iter();
        let left_out = damaged.map(|(name, error)| Error::Collection(name, error));
        let unread = unread.into_iter().map(|(_, error)| error.into());
        Ok((written, left_out.chain(unread).chain(lost).collect()))
    }

    /// Refuses a home of which something that goes into a backup is damaged or gone, by the checks with
    /// which `doctor` names it; gives what is gone and comes again, or may be gone. The ledger and the
    /// collections are read as they are copied.
    fn check_copied(&self, log: &Log, without_damaged: bool) -> Result<Vec<Error>, Error> {
        let (_, refused) = self.check_keys()?;
        let stays =
            |error: &Error| matches!(error, Error::Key(name, _) if !outlives_the_machine(name));
        let refused = refused.into_iter().find(|error| !stays(error));
        refused.map_or(Ok(()), Err)?;
        self.card()?;
        self.delegations()?;
        self.check_roster_kept(log)?;
        self.peers()?;
        self.check_peers_kept(log)?;
        let (_, mut lost) = self.check_witnessed(log)?;
        self.check_own_exclusions()?;
        match self.files_gone()? {
            0 => {}
            gone if without_damaged => lost.push(Error::FilesGone(gone)),
            gone => return Err(Error::FilesGone(gone)),
        }
        Ok(lost)
    }

    /// The collections of which something does not read, and why.
    fn damaged_collections(
        &self,
        collections: &Collections,
    ) -> Result<BTreeMap<CollectionName, CollectionError>, Error> {
        let mut damaged = BTreeMap::new();
        for name in collections.names()? {
            let contents = collections.contents(&name);
            match contents.and_then(|contents| collections.verify(&contents)) {
                Err(error) if error.is_damage() => _ = damaged.insert(name, error),
                verified => verified.map_err(|error| Error::Collection(name, error))?,
            }
        }
        Ok(damaged)
    }
}

/// Makes the node of a backup in the directory `home`, which is missing or empty. It begins a new
/// incarnation behind the last record of the backup.
///
/// `witnessed` are files with checkpoints of its ledger as its witnesses have them; what the backup
/// lacks of those is recorded as lost; only one that enough witnesses cosigned is kept as cosigned.
/// `delegations` are those of this member that were made after the
/// backup: keys of theirs may have signed the checkpoints.
///
/// # Errors
///
/// [`Error::Backup`], [`Error::NoSecret`] where `storage_key` holds no exported storage key,
/// [`Error::Checkpoint`], [`Error::Delegation`], [`Error::AnothersDelegation`].
pub fn restore(
    home: &Path,
    storage_key: &Path,
    from: &Path,
    witnessed: &[impl AsRef<Path>],
    delegations: &[impl AsRef<Path>],
) -> Result<(Node, Continued), Error> {
    let exported = Exported::read(Kind::Storage, storage_key)?;
    let checkpoints = witnessed.iter().map(AsRef::as_ref);
    let checkpoints: Result<Vec<(&Path, _)>, Error> = checkpoints
        .map(|file| Ok((file, read_checkpoint(file)?)))
        .collect();
    let checkpoints = checkpoints?;
    let failed = |error| match error {
        // What is wrong with the directory is not the backup's fault.
        BackupError::Home(error) => Error::Home(error),
        error => failed(from, error),
    };
    let mut file = File::open(from).map_err(|error| Error::File(from.to_owned(), error))?;
    if Disk::new(home).exists("version").map_err(HomeError::Disk)? {
        return Err(HomeError::Exists.into());
    }
    let storage = StorageKey::new(exported.key());
    let restoring = Restoring::begin(Disk::new(home), &storage, &mut file, clock::now());
    let restoring = restoring.map_err(failed)?;
    let files = NodeFiles::of(restoring.disk().clone())?;
    for file in delegations {
        files.keep_lost_delegation(file.as_ref())?;
    }
    let settings = settings(&files, &restoring.named_keys())?;
    let own = NoteKey::new(settings.ledger.clone(), settings.key.verifying_key());
    for (file, checkpoint) in &checkpoints {
        let mut keys = settings.earlier.iter().chain([&own]);
        if !keys.any(|key| checkpoint.verify(key).is_ok()) {
            return Err(self::failed(file, BackupError::Witnessed));
        }
    }
    let checkpoints = joined(checkpoints.into_iter().map(|(_, checkpoint)| checkpoint));
    // One that only the node signed was lost as well, but no witness vouches for it.
    let is_cosigned = |checkpoint: &SignedCheckpoint| {
        let cosigners = files.cosigners(checkpoint);
        cosigners.is_ok_and(|cosigners| cosigners.is_quorum())
    };
    let finished = restoring.finish(settings, &checkpoints, &is_cosigned);
    let (home, ledger, continued) = finished.map_err(failed)?;
    let node = Node::new(home, files.config().clone());
    // The backup may be older than a delegation, and than the policy in force.
    let recorded = node.recorded(&ledger.log())?;
    node.complete(&ledger, recorded)?;
    Ok((node, continued))
}

/// Whether the key of this name goes into a backup: those of the member and of its delegations, and
/// never one of an epoch or a run.
fn outlives_the_machine(name: &str) -> bool {
    let delegated = |name: &str| {
        let (kind, number) = name.rsplit_once('-')?;
        let kinds = ["tls", "receipts", "checkpoints", "node-hpke"];
        (kinds.contains(&kind) && number.parse::<u64>().is_ok()).then_some(())
    };
    ["identity", "hpke", "notify", "payment", "storage-exported"].contains(&name)
        || delegated(name).is_some()
}

fn failed(file: &Path, error: BackupError) -> Error {
    Error::Backup(file.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_epochs_and_runs_stay_behind() {
        for name in [
            "identity",
            "hpke",
            "notify",
            "payment",
            "storage-exported",
            "tls-1",
            "checkpoints-12",
        ] {
            assert!(outlives_the_machine(name), "{name}");
        }
        for name in [
            "storage",
            "epoch-5",
            "vole-1",
            "run-7",
            "tls",
            "tls-x",
            "epoch-tls-1",
        ] {
            assert!(!outlives_the_machine(name), "{name}");
        }
    }
}
