//! Backups: one file with what of a home can be put back (`spec/45-index-backup.md` §2).
//!
//! Roster, ledger, configuration, policy and collections are in it, with the wrapped keys of the
//! collections' files, and keys by name, sealed. The storage key is not, nor anything that must
//! never be there twice: keys and outputs of epochs, VOLEs, the state of runs. A restored home
//! begins a new incarnation of its ledger, and whatever a lost ledger could have known counts
//! as spent ([`Facts::charged`](crate::index::Facts::charged)).

use std::{
    fmt,
    io::{self, BufReader, BufWriter, Read, Seek},
    path::{Path, PathBuf},
};

use rand_core::CryptoRng;

use crate::{
    collection::{self, CollectionError, Collections},
    home::{Home, HomeError},
    keys::{KeyError, StorageKey},
    ledger::{Ledger, LedgerError},
};

mod check;
mod container;
mod contents;
mod restore;
mod secrets;

pub use container::{Summary, Visitor, read};
pub use restore::{Continued, Restoring};

use self::{check::Check, container::Packer, contents::Chosen};

/// Why a backup is not made, read or restored.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackupError {
    /// The backup is damaged.
    Damaged {
        /// How many of its files are whole before.
        member: u64,
        /// Where in the backup the damaged part begins.
        offset: u64,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A file in it, or all of it together, is not what it should be.
    Content(Flaw),
    /// It was made under another storage key.
    OtherKey,
    /// It was changed while it was read.
    Changed,
    /// There is such a file already.
    Exists(PathBuf),
    /// The place for the backup is not the path of a file.
    Place(PathBuf),
    /// The place for the backup is in the home itself.
    Inside(PathBuf),
    /// A file of the home whose name cannot go into a backup.
    Stray(PathBuf),
    /// A checkpoint that a witness is said to have is not signed by this ledger's keys, as far as they
    /// are known.
    Witnessed,
    /// A witness cosigned other records than those in the backup, or than another witness.
    Forked {
        /// The size of what it cosigned.
        size: u64,
    },
    /// The ledger.
    Ledger(LedgerError),
    /// The home.
    Home(HomeError),
    /// A key by name of the home.
    Key {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A collection.
    Collection(CollectionError),
    /// The disk failed.
    Disk(io::Error),
}

/// What is wrong with a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It does not begin as a backup of this version does.
    Header,
    /// It ends too early.
    Truncated,
    /// Something goes on behind its end.
    Trailing,
    /// A byte that has no meaning where it stands, or a wrong number of files.
    Form,
    /// The path of a file is none that a backup has.
    Path,
    /// The files are not in their order, or one is there twice.
    Order,
    /// A file that is longer than it can be.
    Length,
    /// A file is not what went in.
    Digest,
    /// A sealed file is not the one that its name says.
    Name,
    /// A key does not open.
    Key,
    /// The records of the ledger are not those that its checkpoint covers.
    Ledger,
    /// The digest over everything does not hold.
    Total,
    /// It was not made with this storage key.
    Mac,
}

/// Writes a backup of `home` to the file `to`, which appears whole or not at all, and was read
/// again and found whole before. Appends and imports may go on meanwhile: what goes in is the state
/// at one moment.
///
/// `wanted` says which keys by name and which collections go in, each by its path below the home:
/// `keys/hpke`, `collections/fraud`. `now` is the time in seconds since 1970.
///
/// # Errors
///
/// [`BackupError`].
pub fn backup(
    home: &Home,
    ledger: &Ledger,
    collections: &Collections,
    wanted: &dyn Fn(&str) -> bool,
    to: &Path,
    now: u64,
    rng: &mut dyn CryptoRng,
) -> Result<Summary, BackupError> {
    let place = || BackupError::Place(to.to_owned());
    let name = to.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(place)?;
    let parent = to.parent().ok_or_else(place)?;
    let here = parent.as_os_str().is_empty();
    let parent = if here { Path::new(".") } else { parent };
    // What is not there is told of where the file is made.
    if let (Ok(root), Ok(parent)) = (home.disk().root().canonicalize(), parent.canonicalize())
        && parent.starts_with(root)
    {
        return Err(BackupError::Inside(to.to_owned()));
    }
    let disk = home.disk().foreign(parent);
    if disk.exists(name)? {
        return Err(BackupError::Exists(to.to_owned()));
    }

    let storage = home.storage_key();
    let (chosen, at) = Chosen::open(home, ledger, collections, wanted, rng)?;
    let part = BufWriter::with_capacity(1 << 20, disk.part(name)?);
    let mut packer = Packer::new(part, storage, now)?;
    for (path, mut member) in chosen.0 {
        packer.member(&path, member.length, &mut member.content)?;
    }
    let part = packer.finish(storage)?.into_inner();
    let mut part = part.map_err(io::IntoInnerError::into_error)?;

    let summary = {
        let mut check = Check::new(Some(storage));
        let summary = match inspect(&mut part, Some(storage), &mut check) {
            // A copy is no better than what was copied.
            Err(error @ BackupError::Damaged { .. }) => {
                return Err(damage_in(collections, wanted).err().unwrap_or(error));
            }
            summary => summary?,
        };
        let head = check.ledger()?;
        if (head.size, head.root) != (at.size, at.root) {
            return Err(BackupError::Content(Flaw::Ledger));
        }
        summary
    };
    part.publish(name)?;
    Ok(summary)
}

/// Checks all of a backup: that nothing in it changed, and with the storage key that it was made
/// with it.
///
/// # Errors
///
/// [`BackupError`].
pub fn verify(
    source: &mut (impl Read + Seek),
    storage: Option<&StorageKey>,
) -> Result<Summary, BackupError> {
    let mut check = Check::new(storage);
    let summary = inspect(source, storage, &mut check)?;
    check.ledger()?;
    Ok(summary)
}

/// Which file of a collection does not read.
fn damage_in(collections: &Collections, wanted: &dyn Fn(&str) -> bool) -> Result<(), BackupError> {
    for name in collections.names()? {
        if !wanted(&collection::directory(&name)) {
            continue;
        }
        collections.verify(&collections.contents(&name)?)?;
    }
    Ok(())
}

fn inspect(
    source: &mut (impl Read + Seek),
    storage: Option<&StorageKey>,
    check: &mut Check<'_>,
) -> Result<Summary, BackupError> {
    source.rewind()?;
    let source = BufReader::with_capacity(1 << 16, source);
    read(source, storage, &mut |path, length, content| {
        check.member(path, length, content)
    })
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "it does not begin as a backup of this version does",
            Self::Truncated => "it ends too early",
            Self::Trailing => "something goes on behind its end",
            Self::Form => "it has not the form of a backup here",
            Self::Path => "the path of the file is none that a backup has",
            Self::Order => "the file is out of order, or there twice",
            Self::Length => "the file is longer than it can be",
            Self::Digest => "the file is not what went in",
            Self::Name => "the sealed file is not the one that its name says",
            Self::Key => "the key does not open",
            Self::Ledger => "the ledger's records are not those that its checkpoint covers",
            Self::Total => "its digest does not hold",
            Self::Mac => "it was not made with this storage key",
        })
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged {
                member,
                offset,
                flaw,
            } => write!(
                f,
                "the backup is damaged from byte {offset} on, behind {member} whole files: {flaw}. Take another"
            ),
            Self::Content(flaw) => write!(f, "the backup cannot be used: {flaw}"),
            Self::OtherKey => f.write_str(
                "the backup was made under another storage key: give the one that was exported from that home",
            ),
            Self::Changed => f.write_str("the backup changed while it was read"),
            Self::Exists(path) => write!(f, "{} is there already", path.display()),
            Self::Inside(path) => write!(
                f,
                "{} is in the home that it is to be a backup of",
                path.display()
            ),
            Self::Place(path) => write!(f, "{} is not the path of a file", path.display()),
            Self::Stray(path) => write!(
                f,
                "{} has a name that no file of a home has: move it elsewhere",
                path.display()
            ),
            Self::Witnessed => f.write_str(
                "the checkpoint of a witness is signed by no key of this ledger that the backup knows: if the keys were rotated behind it, give that delegation too",
            ),
            Self::Forked { size } => write!(
                f,
                "a witness cosigned {size} records of this ledger that are others than those in the backup, or than another witness has: two nodes wrote it"
            ),
            Self::Ledger(error) => error.fmt(f),
            Self::Home(error) => error.fmt(f),
            Self::Key { name, error } => write!(f, "keys/{name}: {error}"),
            Self::Collection(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BackupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ledger(error) => Some(error),
            Self::Home(error) => Some(error),
            Self::Key { error, .. } => Some(error),
            Self::Collection(error) => Some(error),
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<LedgerError> for BackupError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<HomeError> for BackupError {
    fn from(error: HomeError) -> Self {
        Self::Home(error)
    }
}

impl From<CollectionError> for BackupError {
    fn from(error: CollectionError) -> Self {
        Self::Collection(error)
    }
}
