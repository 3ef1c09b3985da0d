//! Why something about a view failed.

use std::{fmt, io, path::PathBuf};

use blindmatch_psi::publication::{FileError, ManifestError, PublishError};

use crate::{keys::KeyError, sealed::SealedError};

/// Why something about a view failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ViewError {
    /// There is no such epoch of a view, or it was destroyed.
    Missing,
    /// There is this epoch of the view already.
    Exists,
    /// The files of an epoch are there, and what says which they are is not: they are kept.
    StateLost {
        /// Their directory.
        directory: PathBuf,
    },
    /// The manifest is not that of the publication that was made.
    OtherManifest,
    /// Outputs that are not in ascending order of their items, or an item that is too long.
    Order,
    /// The manifest does not go on from the newest that was accepted.
    Manifest(ManifestError),
    /// A file that a peer published.
    Publication(FileError),
    /// A publication of our own.
    Publish(PublishError),
    /// The key of a file is not there or does not open.
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with its key.
        error: KeyError,
    },
    /// A file is damaged.
    File(SealedError),
    /// The disk failed.
    Disk(io::Error),
}

impl ViewError {
    /// Whether a file or key is not what was written, or gone: no disk that may work again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::StateLost { .. } | Self::File(_) | Self::Publication(_) => true,
            Self::Key { error, .. } => !matches!(error, KeyError::Disk(_)),
            Self::Disk(error) => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such epoch of a view"),
            Self::Exists => f.write_str("there is this epoch of the view already"),
            Self::StateLost { directory } => write!(
                f,
                "{}: what says which files belong to the view is gone",
                directory.display()
            ),
            Self::OtherManifest => {
                f.write_str("the manifest is not that of the publication that was made")
            }
            Self::Order => f.write_str("outputs that are not in the order of their items"),
            Self::Manifest(error) => error.fmt(f),
            Self::Publication(error) => write!(f, "the published file: {error}"),
            Self::Publish(error) => error.fmt(f),
            Self::Key { file, error } => {
                write!(f, "the key of {} cannot be used: {error}", file.display())
            }
            Self::File(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ViewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Key { error, .. } => Some(error),
            Self::File(error) => Some(error),
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ViewError {
    fn from(error: io::Error) -> Self {
        // Damage that came through a stream.
        match error.downcast::<SealedError>() {
            Ok(SealedError::Io(error)) | Err(error) => Self::Disk(error),
            Ok(damage) => Self::File(damage),
        }
    }
}

impl From<SealedError> for ViewError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Io(error) => Self::Disk(error),
            error => Self::File(error),
        }
    }
}

impl From<PublishError> for ViewError {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl From<ManifestError> for ViewError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}

impl From<FileError> for ViewError {
    fn from(error: FileError) -> Self {
        Self::Publication(error)
    }
}
