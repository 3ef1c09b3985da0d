//! The ledger of a node: opened to write by whoever owns the home, to read by anybody; verified by
//! third parties from what was exported.

pub mod cosigners;
pub mod exported;
pub mod shown;
pub mod witnessed;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use blindmatch_audit::checkpoint::{Checkpoint, Continuation, SignedCheckpoint, ledger_name};
use blindmatch_audit::cosignature::Quorum;
use blindmatch_audit::note::{KeyName, MAX_NOTE, NoteKey};
use blindmatch_audit::proof::RecordProof;
use blindmatch_audit::record::{Event, Name, Record};
use blindmatch_membership::Delegation;
use blindmatch_store::keys::NamedKeys;
use blindmatch_store::ledger::{Ledger, LedgerError, Log, SEGMENT, Settings, Tail};
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::cosigners::Cosigners;
use self::exported::ExportedError;
use crate::error::Error;
use crate::files;
use crate::node::{Node, NodeFiles};

impl Node {
    /// Begins the ledger.
    pub(crate) fn begin_ledger(&self) -> Result<Ledger, Error> {
        let settings = settings(self, &self.home().named_keys())?;
        let (ledger, _) = Ledger::create(self.home().disk(), settings)?;
        let recorded = self.recorded(&ledger.log())?;
        self.complete(&ledger, recorded)?;
        Ok(ledger)
    }

    /// The ledger, to write it: opened, unless it is open. The tail is what a crash left behind the
    /// last checkpoint, acknowledged to nobody: what was torn has been cut. What a command that was
    /// cut short did not come to is recorded, and so is a policy that is another than the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], with what is damaged and where, or where the clock is behind the newest record;
    /// [`Error::LedgerOlder`]; nothing is changed then.
    pub fn ledger(&self) -> Result<(Arc<Ledger>, Tail), Error> {
        let check = |log: &Log| {
            check_clock(log, self.now())?;
            self.recorded(log)
        };
        let (mut cut, mut checked) = (Tail::default(), None);
        let ledger = self.opened().ledger.share(|| -> Result<_, Error> {
            let settings = settings(self, &self.home().named_keys())?;
            let opened = Ledger::open_checked(self.home().disk(), settings, check)?;
            let (ledger, tail, recorded) = opened;
            (cut, checked) = (tail, Some(recorded));
            Ok(ledger)
        })?;
        let recorded = match checked {
            Some(recorded) => recorded,
            None => check(&ledger.log())?,
        };
        self.complete(&ledger, recorded)?;
        Ok((ledger, cut))
    }
}

impl NodeFiles {
    /// The ledger as it is on disk, even while another process writes it. Nothing is repaired.
    /// Whatever speaks for the ledger reads it by this.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], with what is damaged and where; [`Error::LedgerOlder`],
    /// [`Error::DelegationMissing`].
    pub fn log(&self) -> Result<(Log, Tail), Error> {
        let (log, tail, _) = self.verify_ledger()?;
        Ok((log, tail))
    }

    /// The keys that sign or signed checkpoints of the ledger, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn ledger_keys(&self) -> Result<Vec<NoteKey>, Error> {
        let ledger = self.ledger_name()?;
        let delegations = self.delegations()?;
        let keys = delegations.iter().rev();
        Ok(keys
            .map(|delegation| NoteKey::new(ledger.clone(), delegation.keys.checkpoints))
            .collect())
    }

    /// The newest checkpoint, and the key that signed it, under the name that stands there.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], with what is damaged and where.
    pub fn checkpoint(&self) -> Result<(SignedCheckpoint, NoteKey), Error> {
        let (log, _) = self.log()?;
        let keys = self.ledger_keys()?;
        let signed = keys.into_iter().find(|key| log.head().verify(key).is_ok());
        let origin = &log.head().unverified().origin;
        let key = signed.and_then(|key| origin.signed_by(&key));
        Ok((log.head().clone(), key.ok_or(Error::NoLedgerKey)?))
    }

    /// Checks that the ledger goes on from checkpoints of it in files: that their records are here, or
    /// that it names them as lost.
    ///
    /// # Errors
    ///
    /// [`Error::Known`], [`Error::Checkpoint`], [`Error::File`].
    pub fn check_known(&self, log: &Log, known: &[impl AsRef<Path>]) -> Result<(), Error> {
        let keys = self.ledger_keys()?;
        for file in known {
            let checkpoint = known_checkpoint(file.as_ref(), &keys)?;
            // Without a proof it is the checkpoints themselves that tell why.
            let how = log.continuation(&checkpoint);
            let how = how.unwrap_or_else(|_| Continuation::Kept(Vec::new()));
            let head = log.head().unverified();
            let succeeds = head.verify_succession(&checkpoint, &how);
            succeeds.map_err(|error| Error::Known(file.as_ref().to_owned(), error))?;
        }
        Ok(())
    }

    /// Writes the proof of a record to a new file. It rests on the newest checkpoint that was
    /// cosigned and covers the record, else on the newest.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`] where there is no such record, [`Error::File`].
    pub fn prove(&self, record: u64, file: &Path) -> Result<Based, Error> {
        let (log, _) = self.log()?;
        let based = self.base(&log, |cosigned| record < cosigned.size)?;
        let proof = log.prove(record, &based.checkpoint)?;
        files::write_new(file, proof.to_string().as_bytes())?;
        Ok(based)
    }

    /// Writes the ledger to a new file, up to the newest checkpoint of this incarnation that was
    /// cosigned; where there is none, or all of it is wanted, up to the newest.
    ///
    /// # Errors
    ///
    /// [`Error::Ledger`], [`Error::Exported`], [`Error::File`].
    pub fn export_ledger(&self, file: &Path, all: bool) -> Result<Based, Error> {
        let (log, _) = self.log()?;
        // One of an incarnation that has ended would hide what came since.
        let origin = log.origin();
        let based = self.base(&log, |cosigned| !all && cosigned.origin == origin)?;
        let checkpoint = &based.checkpoint;
        files::stream_new(file, |to| {
            exported::write(&log, checkpoint, to)
                .map_err(|error| Error::Exported(file.to_owned(), error))
        })?;
        Ok(based)
    }

    /// The newest checkpoint that was cosigned, where it is `fit`, else the newest.
    fn base(&self, log: &Log, fit: impl FnOnce(&Checkpoint) -> bool) -> Result<Based, Error> {
        let cosigned = self.cosigned(log)?;
        let fit = cosigned.filter(|(cosigned, _)| fit(cosigned.unverified()));
        let (checkpoint, cosigners) = match fit {
            Some(cosigned) => cosigned,
            None => (log.head().clone(), self.cosigners(log.head())?),
        };
        Ok(Based {
            newest: checkpoint.unverified() == log.head().unverified(),
            checkpoint,
            cosigners,
            records: log.size(),
        })
    }

    fn ledger_name(&self) -> Result<KeyName, Error> {
        let own = &self.config().node;
        ledger_name(own.consortium.as_str(), own.member.as_str()).map_err(Error::Name)
    }
}

/// Holds the clock against the newest record, before anything is written that a record has to follow: a
/// ledger takes none that is older.
pub(crate) fn check_clock(log: &Log, now: u64) -> Result<(), Error> {
    let last = log.time();
    if now < last {
        return Err(LedgerError::Time { last, now }.into());
    }
    Ok(())
}

/// What the ledger of the node with these files and keys is written with.
pub(crate) fn settings(files: &NodeFiles, keys: &NamedKeys) -> Result<Settings, Error> {
    let (key, mut earlier) = (files.checkpoint_key(keys)?, files.ledger_keys()?);
    let clock = Arc::clone(files.clock());
    earlier.retain(|earlier| *earlier.key() != key.verifying_key());
    Ok(Settings {
        ledger: files.ledger_name()?,
        key,
        earlier,
        clock: Box::new(move || clock()),
        random: Box::new(StdRng::from_rng(&mut rand::rng())),
        segment: SEGMENT,
    })
}

/// The record that a delegation was accepted.
pub(crate) fn delegated(delegation: &Delegation) -> Result<Event, Error> {
    Ok(Event::Delegation {
        member: Name::new(delegation.member.as_str()).map_err(Error::Record)?,
        digest: delegation.digest().0,
    })
}

/// What a file for third parties rests on.
#[derive(Clone, Debug)]
pub struct Based {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Who cosigned it.
    pub cosigners: Cosigners,
    /// Whether it is the newest that there is, cosigned or not.
    pub newest: bool,
    /// The number of records of the ledger, which may have more than the checkpoint covers.
    pub records: u64,
}

/// What a file that was given to a third party proves.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The checkpoint, whose signature by the ledger's key holds.
    pub checkpoint: SignedCheckpoint,
    /// Who of the quorum cosigned it.
    pub cosigners: Cosigners,
    /// What stands under it.
    pub contents: Contents,
}

/// What was verified.
#[derive(Clone, Debug)]
pub enum Contents {
    /// All records.
    Ledger,
    /// One record, by its number.
    Record(u64, Record),
}

/// Verifies a proof or an exported ledger: that what it holds stands in the ledger of one of
/// `keys`, under a checkpoint that `quorum` cosigned, and that it goes on from the checkpoints in the
/// files `known`: an exported ledger has their records or names them as lost, and a proof is that of
/// the record that does.
///
/// # Errors
///
/// [`Error::File`], [`Error::Proof`], [`Error::Exported`], [`Error::NoLedgerKey`], [`Error::Checkpoint`],
/// [`Error::Known`].
pub fn verify_file(
    file: &Path,
    keys: &[NoteKey],
    quorum: &Quorum,
    known: &[impl AsRef<Path>],
) -> Result<Verified, Error> {
    if keys.is_empty() {
        return Err(Error::NoLedgerKey);
    }
    let known = known.iter().map(AsRef::as_ref);
    let known: Result<Vec<_>, Error> = known
        .map(|file| Ok((file, known_checkpoint(file, keys)?)))
        .collect();
    let known = known?;
    let failed = |error| Error::File(file.to_owned(), error);
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    if reader.fill_buf().map_err(failed)?.starts_with(b"{") {
        let expected = known.iter().map(|(_, known)| known.clone()).collect();
        let exported = exported::verify(&mut reader, keys, quorum, expected);
        let checkpoint = exported.map_err(|error| match error {
            ExportedError::Known(at, error) => {
                let known = known.get(at).map_or(file, |(known, _)| known);
                Error::Known(known.to_owned(), error)
            }
            error => Error::Exported(file.to_owned(), error),
        })?;
        return Ok(Verified {
            cosigners: Cosigners::of(quorum, &checkpoint),
            checkpoint,
            contents: Contents::Ledger,
        });
    }
    let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
    let bytes = files::read(file, limit)?;
    let failed = |error| Error::Proof(file.to_owned(), error);
    let proof = RecordProof::parse(&bytes).map_err(failed)?;
    let proven = proof.verify(keys, quorum).map_err(failed)?;
    for (file, known) in known {
        let how = Continuation::Lost {
            record: proof.record.clone(),
            index: proof.index,
            path: proof.path.clone(),
        };
        let named = proven.checkpoint.verify_succession(&known, &how);
        named.map_err(|error| Error::Known(file.to_owned(), error))?;
    }
    Ok(Verified {
        cosigners: Cosigners::of(quorum, &proof.checkpoint),
        checkpoint: proof.checkpoint,
        contents: Contents::Record(proven.index, proven.record),
    })
}

/// A checkpoint of the ledger that one of `keys` signed.
fn known_checkpoint(file: &Path, keys: &[NoteKey]) -> Result<Checkpoint, Error> {
    let signed = read_checkpoint(file)?;
    let verified = signed.verify_by(keys);
    let verified = verified.map_err(|error| Error::Checkpoint(file.to_owned(), error))?;
    Ok(verified.clone())
}

/// Reads a checkpoint, whose signatures are not verified by that.
///
/// # Errors
///
/// [`Error::File`], [`Error::Checkpoint`].
pub fn read_checkpoint(file: &Path) -> Result<SignedCheckpoint, Error> {
    let limit = u64::try_from(MAX_NOTE).unwrap_or(u64::MAX);
    let bytes = files::read(file, limit)?;
    SignedCheckpoint::parse(&bytes).map_err(|error| Error::Checkpoint(file.to_owned(), error))
}
