//! A home from a backup.

use std::io::{BufReader, Read, Seek, Write};

use blindmatch_audit::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::NoteKey,
};

use super::{BackupError, Summary, check, check::Check, container::read, secrets};
use crate::{
    disk::{Disk, DiskFile},
    home::{self, Home, HomeError, RESTORING},
    keys::{NamedKeys, StorageKey},
    ledger::{Ledger, Log, Settings, Standing},
};

/// A home that is being restored: its files are there, and it is not a home yet. Dropped, it stays
/// as it is, and restoring into its directory begins anew.
#[derive(Debug)]
pub struct Restoring {
    disk: Disk,
    lock: DiskFile,
    storage: StorageKey,
    summary: Summary,
}

/// What a restored home goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continued {
    /// What the backup says of itself.
    pub backup: Summary,
    /// The number of records in it, and of the one with which the incarnation begins.
    pub size: u64,
    /// The size of the newest cosigned checkpoint whose records are all there.
    pub cosigned: Option<u64>,
    /// The number of the incarnation.
    pub incarnation: u64,
    /// The incarnation and the size of the newest state that a witness cosigned and that is lost.
    pub lost: Option<(u64, u64)>,
}

impl Restoring {
    /// Checks all of the backup `source`, then writes its files into a directory that is missing,
    /// empty, or has nothing but an unfinished restore in it.
    ///
    /// `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub fn begin(
        disk: Disk,
        storage: &StorageKey,
        source: &mut (impl Read + Seek),
        now: u64,
    ) -> Result<Self, BackupError> {
        source.rewind()?;
        let mut check = Check::new(Some(storage));
        let whole = read(
            BufReader::new(&mut *source),
            Some(storage),
            &mut |path, length, content| check.member(path, length, content),
        )?;
        check.ledger()?;

        let lock = clear(&disk, now)?;
        source.rewind()?;
        let summary = read(
            BufReader::new(source),
            Some(storage),
            &mut |path, length, content| put(&disk, storage, path, length, content),
        )?;
        if summary != whole {
            return Err(BackupError::Changed);
        }
        Ok(Self {
            disk,
            lock,
            storage: StorageKey::new(&storage.export()),
            summary,
        })
    }

    /// The files.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The keys by name, among them that of the ledger's checkpoints.
    #[must_use]
    pub fn named_keys(&self) -> NamedKeys {
        NamedKeys::new(self.disk.clone(), &self.storage)
    }

    /// Makes it a home: opens the ledger and begins a new incarnation behind its last record.
    ///
    /// `witnessed` are checkpoints of this ledger as its witnesses have them. Those whose records came
    /// behind the backup are lost with the old home: the incarnation names each of them, and no
    /// witness would cosign it otherwise. What was charged there counts as spent, as all that was
    /// charged before the restore does. Of those whose records are here, the newest that `is_cosigned`
    /// finds cosigned by enough is kept as that.
    ///
    /// # Errors
    ///
    /// [`BackupError::Witnessed`], [`BackupError::Forked`], and others; no home has appeared then.
    pub fn finish(
        self,
        settings: Settings,
        witnessed: &[SignedCheckpoint],
        is_cosigned: &dyn Fn(&SignedCheckpoint) -> bool,
    ) -> Result<(Home, Ledger, Continued), BackupError> {
        let mut own = vec![NoteKey::new(
            settings.ledger.clone(),
            settings.key.verifying_key(),
        )];
        own.extend(settings.earlier.clone());
        let (mut ledger, _) = Ledger::open(&self.disk, settings)?;
        let Held { held, lost } = hold(&ledger.log(), &own, witnessed)?;
        let newest = held.into_iter().filter(|held| is_cosigned(held));
        let newest = newest.max_by_key(|held| age(held.unverified()));
        let kept = ledger.log().cosigned()?;
        let mut cosigned = kept.map(|kept| kept.unverified().size);
        if let Some(newest) = newest
            && cosigned.is_none_or(|kept| kept < newest.unverified().size)
        {
            ledger.keep_cosigned(newest)?;
            cosigned = Some(newest.unverified().size);
        }
        let size = ledger.begin_incarnation(&lost)?.first;
        let incarnation = ledger.log().incarnation();
        // From here on it is a home.
        let home = Home::found(self.disk, self.lock, &self.storage)?;
        home.disk().remove(RESTORING)?;
        let continued = Continued {
            backup: self.summary,
            size,
            cosigned,
            incarnation,
            lost: lost.iter().map(age).max(),
        };
        Ok((home, ledger, continued))
    }
}

/// What witnesses have of a ledger.
struct Held<'a> {
    /// Those that the ledger goes on from.
    held: Vec<&'a SignedCheckpoint>,
    /// All that it does not go on from, each once.
    lost: Vec<Checkpoint>,
}

/// Holds the ledger against what its witnesses have.
fn hold<'a>(
    log: &Log,
    own: &[NoteKey],
    witnessed: &'a [SignedCheckpoint],
) -> Result<Held<'a>, BackupError> {
    let mut held = Vec::new();
    let mut lost: Vec<Checkpoint> = Vec::new();
    for checkpoint in witnessed {
        let verified = own.iter().find_map(|key| checkpoint.verify(key).ok());
        let verified = verified.ok_or(BackupError::Witnessed)?;
        let forked = || BackupError::Forked {
            size: verified.size,
        };
        match log.standing(verified)? {
            Standing::Holds => held.push(checkpoint),
            Standing::Named => {}
            Standing::Forked => return Err(forked()),
            Standing::Behind | Standing::Superseded => {
                match lost.iter().find(|lost| age(lost) == age(verified)) {
                    None => lost.push(verified.clone()),
                    Some(twin) if twin == verified => {}
                    Some(_) => return Err(forked()),
                }
            }
        }
    }
    Ok(Held { held, lost })
}

/// Of two states of a ledger the newer has the higher.
const fn age(checkpoint: &Checkpoint) -> (u64, u64) {
    (checkpoint.origin.incarnation, checkpoint.size)
}

/// Takes a directory for a restore: locks it, marks it, and removes what an unfinished one left.
fn clear(disk: &Disk, now: u64) -> Result<DiskFile, BackupError> {
    disk.create_directory("")?;
    let names = disk.list("")?;
    if names.iter().any(|name| name == home::MARKER) {
        return Err(HomeError::Exists.into());
    }
    let unfinished = names.iter().any(|name| name == RESTORING);
    let fine = |name: &str| unfinished || name == home::LOCK || name == crate::disk::ASIDE;
    if let Some(stray) = names.iter().find(|name| !fine(name)) {
        return Err(HomeError::Occupied(disk.root().join(stray)).into());
    }
    home::check_place(disk)?;
    let lock = home::lock(disk, now)?;
    disk.sweep()?;
    if !unfinished {
        disk.publish(RESTORING, |file| {
            file.write_all(b"A restore that has not ended: nothing here is used yet.\n")
        })?;
    }
    for name in names {
        if name != RESTORING && name != home::LOCK {
            remove(disk, &name)?;
        }
    }
    Ok(lock)
}

/// Removes the files of a path, keys for good, and leaves directories.
fn remove(disk: &Disk, path: &str) -> Result<(), BackupError> {
    if !disk.root().join(path).is_dir() {
        let removed = if path.starts_with("keys/") {
            disk.destroy(path)
        } else {
            disk.remove(path)
        };
        return Ok(removed?);
    }
    for name in disk.list(path)? {
        remove(disk, &format!("{path}/{name}"))?;
    }
    Ok(())
}

fn put(
    disk: &Disk,
    storage: &StorageKey,
    path: &str,
    length: u64,
    content: &mut dyn Read,
) -> Result<(), BackupError> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    disk.create_directory(directory)?;
    if let Some(name) = check::secret(path) {
        let sealed = check::small(length, content, check::MAX_SECRET)?;
        let secret = secrets::open(storage, path, &sealed)?;
        let kept = NamedKeys::new(disk.clone(), storage).store(name, &secret);
        let name = name.to_owned();
        return kept.map_err(|error| BackupError::Key { name, error });
    }
    disk.publish(path, |file| {
        check::each(content, |bytes| file.write_all(bytes))
    })
}
