//! Files outside the home, where the operator wants them: cards, rosters, exported keys.
//!
//! What is written there appears whole, is durable, and never takes the place of a file that the
//! operator did not name to be changed.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::error::Error;

/// No file with a secret is longer.
const MAX_SECRET: usize = 1024;

/// Reads a file of at most `limit` bytes.
///
/// # Errors
///
/// [`Error::File`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        match u64::try_from(bytes.len()) {
            Ok(length) if length <= limit => Ok(bytes),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        }
    };
    read().map_err(|error| Error::File(path.to_owned(), error))
}

/// Writes a new file that anybody may read.
///
/// # Errors
///
/// [`Error::File`], of the kind `AlreadyExists` where there is one.
pub fn write_new(path: &Path, content: &[u8]) -> Result<(), Error> {
    stream(path, 0o644, |to| {
        to.write_all(content).map_err(failed(path))
    })
}

/// Writes a new file that anybody may read, by and by; where that fails, there is none.
///
/// # Errors
///
/// Those of `write`; [`Error::File`], of the kind `AlreadyExists` where there is one.
pub fn stream_new(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    stream(path, 0o644, write)
}

/// The same for what only its owner may read.
///
/// # Errors
///
/// As [`stream_new`].
pub fn stream_private(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    stream(path, 0o600, write)
}

/// Writes a secret to a new file that only its owner may read.
///
/// # Errors
///
/// [`Error::File`], of the kind `AlreadyExists` where there is one.
pub fn write_secret(path: &Path, secret: &str) -> Result<(), Error> {
    stream(path, 0o600, |to| {
        to.write_all(secret.as_bytes()).map_err(failed(path))
    })
}

/// Writes a file anew in place of the one that is there.
///
/// # Errors
///
/// [`Error::File`].
pub fn replace(path: &Path, content: &[u8]) -> Result<(), Error> {
    let replace = || {
        let mut file = NamedTempFile::new_in(folder(path))?;
        file.write_all(content)?;
        let permissions = path.metadata()?.permissions();
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder(path))?.sync_all()
    };
    replace().map_err(|error| Error::File(path.to_owned(), error))
}

/// Reads a short secret from a file that nobody but its owner may read.
///
/// # Errors
///
/// [`Error::File`], [`Error::SecretReadable`], [`Error::NoSecret`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, Error> {
    let failed = |error| Error::File(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(Error::SecretReadable(path.to_owned(), mode));
    }
    secret_of(file, path)
}

/// Reads a short secret to its end; `name` is where it comes from.
///
/// # Errors
///
/// [`Error::File`], [`Error::NoSecret`].
pub fn secret_of(source: impl Read, name: &Path) -> Result<Zeroizing<String>, Error> {
    // Roomy enough never to grow, which would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * MAX_SECRET));
    let most = u64::try_from(MAX_SECRET).unwrap_or(u64::MAX);
    match source.take(most + 1).read_to_string(&mut text) {
        Ok(length) if length <= MAX_SECRET => Ok(text),
        Err(error) if error.kind() != io::ErrorKind::InvalidData => {
            Err(Error::File(name.to_owned(), error))
        }
        _ => Err(Error::NoSecret(name.to_owned())),
    }
}

/// The file appears under its name whole, or not at all.
fn stream(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    // Before anything is written that would be thrown away.
    if path.symlink_metadata().is_ok() {
        return Err(failed(path)(io::ErrorKind::AlreadyExists.into()));
    }
    // A temporary file is for its owner alone.
    let file = NamedTempFile::new_in(folder(path)).map_err(failed(path))?;
    let mut buffered = BufWriter::new(file);
    write(&mut buffered)?;
    let publish = || {
        let file = buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let mode = Permissions::from_mode(mode);
        file.as_file().set_permissions(mode)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder(path))?.sync_all()
    };
    publish().map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::File(path.clone(), error)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_alone_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        write_secret(&path, "secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_secret(&path).unwrap().as_str(), "secret");
        let Error::File(_, again) = write_secret(&path, "other").unwrap_err() else {
            panic!("another error");
        };
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_secret(&path).unwrap().as_str(), "secret");
    }

    #[test]
    fn a_secret_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.key");
        write_secret(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let open = read_secret(&path).unwrap_err();
        assert!(matches!(open, Error::SecretReadable(_, 0o640)), "{open}");
    }

    #[test]
    fn what_is_no_text_or_too_long_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("binary", vec![0xff; 32]), ("long", vec![b'a'; 2_000])] {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert!(matches!(error, Error::NoSecret(_)), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_replaced_keeps_who_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.txt");
        write_new(&path, b"one").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        assert!(read(&path, 2).is_err());
    }
}
