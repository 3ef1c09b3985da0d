//! What a witness showed that this ledger does not go on from (`spec/42-ledger.md` §6): kept, so that
//! nothing is asked, answered or published by it after another start either.

use std::{fmt, io};

use blindmatch_audit::checkpoint::{Checkpoint, SignedCheckpoint};
use blindmatch_membership::Name;
use blindmatch_store::home::HomeError;
use blindmatch_store::ledger::cosigned::{MAX_COSIGNED, decode, encode};
use blindmatch_store::ledger::{Log, Standing};

use crate::error::Error;
use crate::node::{Node, NodeFiles};

/// The witness's name and a newline, then the checkpoint as `ledger/cosigned` has one.
const SHOWN: &str = "roster/shown";
/// As long as a name, at most.
const MAX_NAME: u64 = 256;

/// What a witness showed: a checkpoint that this node signed and that its ledger does not go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The witness.
    pub witness: Name,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How the ledger stands to it.
    pub standing: Standing,
    /// The records of the ledger.
    pub own: u64,
}

impl Shown {
    /// What to do about it.
    pub const NEXT: &str = "stop this node, and put the newest copy of its home back, or restore it \
                            from a backup: blindmatch restore --help";

    /// How `log` stands to a checkpoint of it that one of its keys signed, where it does not go on from
    /// that. What an earlier incarnation signed is named as lost instead.
    pub(crate) fn of(log: &Log, witness: &Name, checkpoint: &Checkpoint) -> Option<Self> {
        let standing = log.standing(checkpoint).ok()?;
        let holds = matches!(standing, Standing::Holds | Standing::Named);
        let earlier = checkpoint.origin.incarnation < log.incarnation();
        (!holds && !earlier).then(|| Self {
            witness: witness.clone(),
            checkpoint: checkpoint.clone(),
            standing,
            own: log.size(),
        })
    }
}

impl NodeFiles {
    /// What was shown, where `log`, the home's ledger, still does not go on from it. A file that does not
    /// read says nothing: the witness shows it again.
    ///
    /// # Errors
    ///
    /// [`Error::Home`] of the disk.
    pub fn shown(&self, log: &Log) -> Result<Option<Shown>, Error> {
        let bytes = match self.disk().read(SHOWN, MAX_NAME + MAX_COSIGNED) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(HomeError::Disk)?,
        };
        let read = || {
            let end = bytes.iter().position(|byte| *byte == b'\n')?;
            let (witness, note) = bytes.split_at_checked(end)?;
            let witness = str::from_utf8(witness).ok()?.parse().ok()?;
            let checkpoint = decode(note.get(1..)?).ok()?;
            Shown::of(log, &witness, checkpoint.unverified())
        };
        Ok(read())
    }

    /// Refuses to record by a ledger that is not the newest: it would have to be lost, or, where it was a
    /// key, be taken for another of its number.
    ///
    /// # Errors
    ///
    /// [`Error::NotNewest`], [`Error::Home`] of the disk.
    pub(crate) fn check_newest(&self, log: &Log) -> Result<(), Error> {
        match self.shown(log)? {
            Some(shown) => Err(Error::NotNewest(Box::new(shown))),
            None => Ok(()),
        }
    }
}

impl Node {
    /// Keeps what was shown, in place of what was before.
    pub(crate) fn keep_shown(
        &self,
        witness: &Name,
        signed: &SignedCheckpoint,
    ) -> Result<(), Error> {
        let kept = format!("{witness}\n{}", encode(signed));
        self.publish(SHOWN, kept.as_bytes())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            witness,
            checkpoint,
            standing,
            own,
        } = self;
        write!(
            f,
            "witness {witness} shows {} records of incarnation {} of this node's ledger, which this \
             node signed, and here are {own}: ",
            checkpoint.size, checkpoint.origin.incarnation
        )?;
        f.write_str(match standing {
            Standing::Superseded => "another home was restored in the place of this one",
            Standing::Forked if checkpoint.origin.incarnation > 1 => {
                "others than those; this home is an older copy that went on, or one backup was restored \
                 twice"
            }
            Standing::Forked => "others than those; this home is an older copy that went on",
            _ if checkpoint.origin.incarnation > 1 => {
                "this home is an older copy of itself, or one backup was restored twice"
            }
            _ => "this home is an older copy of itself",
        })
    }
}
