//! The form of a backup: members one behind the other, each with its digest, then a digest and a
//! MAC over all of it (`spec/45-index-backup.md` §3). Read and written as a stream.

use std::io::{self, Read, Write};

use blindmatch_audit::codec::{Reader, Writer};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{BackupError, Flaw, contents::is_ours};
use crate::keys::StorageKey;

const CONTEXT: &str = "blindmatch backup v1";
const MEMBER: &str = "blindmatch backup member v1";
/// Context, mark of the storage key, time.
const HEADER: usize = 1 + CONTEXT.len() + 16 + 8;
const DIGEST: usize = 32;
/// The most bytes of a path.
const PATH: u16 = 512;

/// What a backup says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When it was begun, in seconds since 1970.
    pub time: u64,
    /// How many files are in it.
    pub members: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Writes a backup.
pub(super) struct Packer<W> {
    sink: W,
    total: Sha256,
    members: u64,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(sink: W, storage: &StorageKey, time: u64) -> io::Result<Self> {
        let header = Writer::new(CONTEXT)
            .fixed(&storage.mark())
            .u64(time)
            .finish();
        let mut packer = Self {
            sink,
            total: Sha256::new(),
            members: 0,
        };
        packer.write(&header)?;
        packer.write(&Sha256::digest(&header))?;
        Ok(packer)
    }

    /// Adds the file `path`, of `length` bytes of `content`. Paths ascend.
    pub(super) fn member(
        &mut self,
        path: &str,
        length: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let head = head(path, length);
        self.write(&[1])?;
        self.write(&head)?;
        let mut digest = member_digest(&head);
        let mut rest = content.take(length);
        let mut left = length;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let read = rest.read(&mut buffer)?;
            let read = buffer.get(..read).unwrap_or_default();
            if read.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= read.len() as u64;
            digest.update(read);
            self.write(read)?;
        }
        self.members += 1;
        self.write(&digest.finalize())
    }

    pub(super) fn finish(mut self, storage: &StorageKey) -> io::Result<W> {
        self.write(&[0])?;
        let members = self.members.to_be_bytes();
        self.write(&members)?;
        let total = self.total.finalize_reset();
        let mac = mac(storage, &total);
        self.sink.write_all(&total)?;
        self.sink.write_all(&mac)?;
        Ok(self.sink)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.total.update(bytes);
        self.sink.write_all(bytes)
    }
}

/// Takes the path and the length of a member, and reads its content. What it is given is proved
/// only at the end of the backup.
pub type Visitor<'a> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<(), BackupError> + 'a;

/// Reads a backup to its end and checks all of it; with the storage key also that nobody else made
/// it.
///
/// # Errors
///
/// [`BackupError::Damaged`] with the member and what is wrong, [`BackupError::OtherKey`], those of
/// `source` and of `visit`.
pub fn read(
    source: impl Read,
    storage: Option<&StorageKey>,
    visit: &mut Visitor<'_>,
) -> Result<Summary, BackupError> {
    let mut unpacker = Unpacker {
        source,
        total: Sha256::new(),
        offset: 0,
        begins: 0,
        members: 0,
    };
    let time = unpacker.header(storage)?;
    let mut last = String::new();
    loop {
        unpacker.begins = unpacker.offset;
        match unpacker.bytes::<1>()? {
            [0] => break,
            [1] => last = unpacker.member(&last, visit)?,
            _ => return Err(unpacker.damaged(Flaw::Form)),
        }
    }
    unpacker.end(storage)?;
    Ok(Summary {
        time,
        members: unpacker.members,
        bytes: unpacker.offset,
    })
}

struct Unpacker<R> {
    source: R,
    total: Sha256,
    offset: u64,
    /// Where the member that is being read begins.
    begins: u64,
    members: u64,
}

impl<R: Read> Unpacker<R> {
    /// Gives the time.
    fn header(&mut self, storage: Option<&StorageKey>) -> Result<u64, BackupError> {
        let header = self.bytes::<HEADER>()?;
        let digest = self.bytes::<DIGEST>()?;
        let read = || {
            let mut reader = Reader::new(CONTEXT, &header).ok()?;
            Some((reader.fixed::<16>().ok()?, reader.u64().ok()?))
        };
        let (mark, time) = read().ok_or_else(|| self.damaged(Flaw::Header))?;
        if Sha256::digest(header).as_slice() != digest {
            return Err(self.damaged(Flaw::Header));
        }
        match storage {
            Some(storage) if storage.mark() != mark => Err(BackupError::OtherKey),
            _ => Ok(time),
        }
    }

    /// Gives the path.
    fn member(&mut self, last: &str, visit: &mut Visitor<'_>) -> Result<String, BackupError> {
        let length = u16::from_be_bytes(self.bytes()?);
        if length > PATH {
            return Err(self.damaged(Flaw::Path));
        }
        let mut path = vec![0; length.into()];
        self.fill(&mut path)?;
        let path = String::from_utf8(path).ok().filter(|path| is_ours(path));
        let path = path.ok_or_else(|| self.damaged(Flaw::Path))?;
        if path.as_str() <= last {
            return Err(self.damaged(Flaw::Order));
        }
        let length = u64::from_be_bytes(self.bytes()?);
        let mut content = Content {
            digest: member_digest(&head(&path, length)),
            left: length,
            failed: None,
            unpacker: self,
        };
        let visited = visit(&path, length, &mut content);
        // Whatever the visitor made of it: damage comes before it.
        let drained = io::copy(&mut content, &mut io::sink());
        let (digest, failed) = (content.digest, content.failed);
        match failed {
            Some(error) => return Err(self.failed(error)),
            None => drained.map_err(BackupError::Disk)?,
        };
        if digest.finalize().as_slice() != self.bytes::<DIGEST>()? {
            return Err(self.damaged(Flaw::Digest));
        }
        visited.map_err(|error| match error {
            BackupError::Content(flaw) => self.damaged(flaw),
            error => error,
        })?;
        self.members += 1;
        Ok(path)
    }

    fn end(&mut self, storage: Option<&StorageKey>) -> Result<(), BackupError> {
        if u64::from_be_bytes(self.bytes()?) != self.members {
            return Err(self.damaged(Flaw::Form));
        }
        let total = self.total.finalize_reset();
        if total.as_slice() != self.bytes::<DIGEST>()? {
            return Err(self.damaged(Flaw::Total));
        }
        let found = self.bytes::<DIGEST>()?;
        if storage.is_some_and(|storage| mac(storage, &total) != found) {
            return Err(self.damaged(Flaw::Mac));
        }
        match self.source.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged(Flaw::Trailing)),
            Err(error) => Err(error.into()),
        }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        let filled = self.source.read_exact(bytes);
        filled.map_err(|error| self.failed(error))?;
        self.took(bytes);
        Ok(())
    }

    fn took(&mut self, bytes: &[u8]) {
        self.total.update(bytes);
        self.offset += bytes.len() as u64;
    }

    fn failed(&self, error: io::Error) -> BackupError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(Flaw::Truncated),
            _ => BackupError::Disk(error),
        }
    }

    const fn damaged(&self, flaw: Flaw) -> BackupError {
        BackupError::Damaged {
            member: self.members,
            offset: self.begins,
            flaw,
        }
    }
}

/// What is left of a member's content.
struct Content<'a, R> {
    unpacker: &'a mut Unpacker<R>,
    digest: Sha256,
    left: u64,
    /// What the source failed with, which a visitor may have passed over.
    failed: Option<io::Error>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let read = match self.unpacker.source.read(buffer) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            read => read,
        };
        match read {
            Ok(read) => {
                let bytes = buffer.get(..read).unwrap_or_default();
                self.left -= bytes.len() as u64;
                self.digest.update(bytes);
                self.unpacker.took(bytes);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

fn head(path: &str, length: u64) -> Vec<u8> {
    // Longer paths are refused where members are chosen.
    let size = u16::try_from(path.len()).unwrap_or(u16::MAX);
    [
        &size.to_be_bytes()[..],
        path.as_bytes(),
        &length.to_be_bytes(),
    ]
    .concat()
}

fn member_digest(head: &[u8]) -> Sha256 {
    let mut digest = Sha256::new();
    digest.update(Writer::new(MEMBER).finish());
    digest.update(head);
    digest
}

fn mac(storage: &StorageKey, total: &[u8]) -> [u8; DIGEST] {
    let key = storage.derive(CONTEXT);
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_slice()) else {
        // HMAC takes keys of every length.
        return [0; DIGEST];
    };
    mac.update(total);
    mac.finalize().into_bytes().into()
}
