//! Why something about a run failed.

use std::{fmt, io, path::PathBuf};

use crate::{keys::KeyError, ledger::LedgerError, sealed::SealedError};

/// Why something about a run failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such run, or it has not ended, or it is over: whichever was asked for.
    Missing,
    /// There is such a run already.
    Exists,
    /// The head is none that reads back: a text that is too long, a view that is no name, a
    /// direction that the agreement has not.
    Head,
    /// Items for the side that serves, results of the side that finds nothing, or none of the one
    /// that does.
    Side,
    /// A half of a setup that is none, that is kept already, or that is not the run's.
    Setup,
    /// The run has not the receipt that ends it so.
    Receipt,
    /// A debit of a number of elements that is no class.
    Class,
    /// More matches than leaves.
    Leaves,
    /// The run is over.
    Ended,
    /// The time of the results is over: they are destroyed.
    Expired,
    /// An append failed and may have left something: the home is to be opened again.
    Stopped,
    /// A log that does not begin as one does.
    NotALog {
        /// The file.
        file: PathBuf,
    },
    /// A frame of a log that was changed or cut, or whose key is another one.
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where the frame begins.
        at: u64,
    },
    /// Neither what resumes the run nor how it ended is there, and something else of it is, or the ledger
    /// says that it was agreed on.
    Lost {
        /// Its directory.
        directory: PathBuf,
    },
    /// Results that are others than the ledger says.
    OtherResults {
        /// The file.
        file: PathBuf,
    },
    /// The key of a file is not there or does not open.
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with its key.
        error: KeyError,
    },
    /// A sealed file is damaged.
    File(SealedError),
    /// The ledger.
    Ledger(LedgerError),
    /// The disk failed.
    Disk(io::Error),
}

impl RunError {
    /// Whether a file or key is not what was written, or gone: no disk that may work again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::NotALog { .. }
            | Self::Damaged { .. }
            | Self::Lost { .. }
            | Self::OtherResults { .. }
            | Self::File(_) => true,
            Self::Key { error, .. } => !matches!(error, KeyError::Disk(_)),
            Self::Disk(error) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether a file's key is not there.
    pub(super) const fn is_missing_key(&self) -> bool {
        matches!(
            self,
            Self::Key {
                error: KeyError::Missing,
                ..
            }
        )
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such run"),
            Self::Exists => f.write_str("there is such a run already"),
            Self::Head => f.write_str("a run about something that cannot be stored"),
            Self::Side => f.write_str("that belongs to the other side of a run"),
            Self::Receipt => f.write_str("the run has not the receipt that this takes"),
            Self::Class => f.write_str("a charge that is no class"),
            Self::Setup => f.write_str("that is no setup of batch, or not the one of this run"),
            Self::Leaves => f.write_str("more matches than the commitment has leaves"),
            Self::Ended => f.write_str("the run is over"),
            Self::Expired => f.write_str("the results of the run have expired and are destroyed"),
            Self::Stopped => {
                f.write_str("an append to the run failed; open the home again to go on with it")
            }
            Self::NotALog { file } => {
                write!(f, "{}: not the log of a run", file.display())
            }
            Self::Damaged { file, at } => write!(
                f,
                "{}: the frame at byte {at} does not open: the file was changed or cut, or its key is another one",
                file.display()
            ),
            Self::Lost { directory } => write!(
                f,
                "{}: neither what resumes the run nor how it ended is there",
                directory.display()
            ),
            Self::OtherResults { file } => write!(
                f,
                "{}: the results are others than the ledger says",
                file.display()
            ),
            Self::Key { file, error } => {
                write!(f, "the key of {} cannot be used: {error}", file.display())
            }
            Self::File(error) => error.fmt(f),
            Self::Ledger(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Key { error, .. } => Some(error),
            Self::File(error) => Some(error),
            Self::Ledger(error) => Some(error),
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<LedgerError> for RunError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}
