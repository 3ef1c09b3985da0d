//! Sealed files: a stream of bytes in blocks, each encrypted and bound to its file, its place and
//! the kind of the file (`spec/44-sealed.md` §1).
//!
//! A file ends with a block that says so; one that was cut, extended, rearranged or passed off as
//! another kind does not open. [`SealedWriter`] streams, [`SealedReader`] reads any block by
//! itself. Which key opens which file is the caller's.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use blindmatch_audit::codec::{Reader, Writer};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keys::{FileId, Key};

/// Plain bytes in each block but the last, which may hold fewer.
pub const BLOCK: usize = 64 << 10;
const TAG: usize = 16;
const ID: usize = 16;
const CONTEXT: &str = "blindmatch sealed file v1";
/// Context, kind, id.
const HEADER: usize = 1 + CONTEXT.len() + 1 + ID;

/// What a sealed file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// Sorted rows on their way into a source, under a key that is never stored.
    Run = 1,
    /// The rows of one source of a collection.
    Source = 2,
    /// What a collection consists of.
    Collection = 3,
    /// What a view of one epoch consists of.
    View = 4,
    /// A file of a view: one that was published, or what goes with it.
    ViewFile = 5,
    /// What waits while a view is published, under a key that is never stored.
    Scratch = 6,
    /// How a run ended.
    RunEnd = 7,
    /// What a run found.
    Results = 8,
    /// One side's half of a setup that no run has used up.
    Setup = 9,
    /// What was decided about a match, or is told about it.
    Entry = 10,
}

/// Why a sealed file cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum SealedError {
    /// The operating system's.
    Io(io::Error),
    /// It does not begin as a sealed file of this version does.
    NotSealed,
    /// It is of another kind than it is read as.
    OtherKind,
    /// A block that its key does not open: the file was changed or cut, or the key is not its own.
    Damaged {
        /// Counted from 0.
        block: u64,
    },
    /// In this file.
    In {
        /// Which.
        file: PathBuf,
        /// What.
        error: Box<Self>,
    },
}

impl SealedError {
    /// The same, with the name of the file.
    #[must_use]
    pub fn in_file(self, file: PathBuf) -> Self {
        match self {
            // The disk names its files itself.
            Self::Io(error) => Self::Io(error),
            error => Self::In {
                file,
                error: Box::new(error),
            },
        }
    }
}

/// The id that a file's header claims; nothing proves it before a block is open.
///
/// # Errors
///
/// A [`SealedError`], where it does not begin as a sealed file does.
pub fn claimed_id(source: &mut (impl Read + Seek)) -> Result<FileId, SealedError> {
    source.rewind()?;
    let header = read_header(source)?;
    let (_, id) = header
        .split_last_chunk::<ID>()
        .ok_or(SealedError::NotSealed)?;
    Ok(FileId(*id))
}

/// The key of one file among those that share `key`, which seals no block itself.
#[must_use]
pub fn file_key(key: &Key, id: FileId) -> Key {
    let mut derived = Key::default();
    // 32 bytes are one block of HKDF-SHA-256, which never refuses that.
    let expanded = Hkdf::<Sha256>::new(None, key.as_slice()).expand(
        &Writer::new("blindmatch key of a sealed file v1")
            .fixed(&id.0)
            .finish(),
        derived.as_mut_slice(),
    );
    debug_assert!(expanded.is_ok());
    derived
}

fn cipher(key: &Key) -> ChaCha20Poly1305 {
    let key: &[u8; 32] = key;
    ChaCha20Poly1305::new(key.into())
}

/// Seals what is written to it.
pub struct SealedWriter<W: Write> {
    sink: W,
    cipher: ChaCha20Poly1305,
    header: Vec<u8>,
    /// Plain bytes of the block that is being filled, wiped on drop.
    block: Zeroizing<Vec<u8>>,
    number: u64,
}

/// A sink that takes the hash and the number of the bytes that pass to another.
pub struct Hashing<W> {
    sink: W,
    hash: Sha256,
    length: u64,
}

impl From<io::Error> for SealedError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<SealedError> for io::Error {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Io(error) => error,
            damage => Self::new(io::ErrorKind::InvalidData, damage),
        }
    }
}

impl fmt::Display for SealedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotSealed => f.write_str("not a sealed file, or of a newer version"),
            Self::OtherKind => f.write_str("a sealed file of another kind"),
            Self::In { file, error } => write!(f, "{}: {error}", file.display()),
            Self::Damaged { block } => write!(
                f,
                "block {block} does not open: the file was changed or cut, or its key is another one"
            ),
        }
    }
}

impl std::error::Error for SealedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl<W: Write> SealedWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Those of `sink`, as everywhere here.
    pub fn new(sink: W, kind: Kind, id: FileId, key: &Key) -> io::Result<Self> {
        let mut header = Writer::new(CONTEXT);
        let header = header.u8(kind as u8).fixed(&id.0).finish();
        let mut writer = Self {
            sink,
            cipher: cipher(key),
            // Room for the tag, so that sealing moves nothing and leaves no plain copy behind.
            block: Zeroizing::new(Vec::with_capacity(BLOCK + TAG)),
            number: 0,
            header,
        };
        writer.sink.write_all(&writer.header)?;
        Ok(writer)
    }

    /// How many bytes still fit the block in which the next byte will stand: at least one.
    #[must_use]
    pub fn room(&self) -> usize {
        match BLOCK - self.block.len() {
            0 => BLOCK,
            room => room,
        }
    }

    /// Seals the last block, and gives the sink. The file is not durable yet.
    ///
    /// # Errors
    ///
    /// Those of the sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.sink)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let tag = self
            .cipher
            .encrypt_inout_detached(
                &nonce(self.number, is_last),
                &self.header,
                self.block.as_mut_slice().into(),
            )
            // Blocks are far shorter than the cipher's limit.
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        self.block.extend_from_slice(&tag);
        self.sink.write_all(&self.block)?;
        self.block.clear();
        self.number += 1;
        Ok(())
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.seal(false)?;
        }
        let (taken, _) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
        self.block.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Does nothing: a block is written when it is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Hashing<W> {
    /// Nothing has passed yet.
    pub fn new(sink: W) -> Self {
        Self {
            sink,
            hash: Sha256::new(),
            length: 0,
        }
    }

    /// The sink, with the SHA-256 of the bytes that passed and how many they were.
    pub fn finish(self) -> (W, [u8; 32], u64) {
        (self.sink, self.hash.finalize().into(), self.length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        let (passed, _) = bytes.split_at(written);
        self.hash.update(passed);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Opens a sealed file, block by block or as a stream.
pub struct SealedReader<R> {
    source: R,
    cipher: ChaCha20Poly1305,
    header: [u8; HEADER],
    /// How many blocks there are, and how many bytes the last one takes, tag included.
    blocks: u64,
    last_length: usize,
    /// Where the source stands.
    at: u64,
    /// The block that is open, wiped on drop.
    block: Zeroizing<Vec<u8>>,
    open: Option<u64>,
    /// The block that is being read as a stream, and how much of it was.
    streamed: u64,
    consumed: usize,
}

impl<R: Read + Seek> SealedReader<R> {
    /// Opens a file of this kind, its last block included: a file that was cut is found at once.
    ///
    /// # Errors
    ///
    /// A [`SealedError`].
    pub fn open(mut source: R, kind: Kind, key: &Key) -> Result<Self, SealedError> {
        let length = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let header = read_header(&mut source)?;
        let mut fields = Reader::new(CONTEXT, &header).map_err(|_| SealedError::NotSealed)?;
        if fields.u8() != Ok(kind as u8) {
            return Err(SealedError::OtherKind);
        }
        let sealed = (BLOCK + TAG) as u64;
        let body = length.saturating_sub(HEADER as u64);
        let blocks = body.div_ceil(sealed);
        let last_length = body.saturating_sub(blocks.saturating_sub(1) * sealed);
        let mut reader = Self {
            source,
            cipher: cipher(key),
            header,
            blocks,
            // At most one block.
            last_length: usize::try_from(last_length).unwrap_or(0),
            at: HEADER as u64,
            block: Zeroizing::new(Vec::with_capacity(BLOCK + TAG)),
            open: None,
            streamed: 0,
            consumed: 0,
        };
        reader.block(blocks.saturating_sub(1))?;
        Ok(reader)
    }

    /// The number of blocks: at least one.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The number of plain bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let last = self.last_length.saturating_sub(TAG) as u64;
        self.blocks.saturating_sub(1) * BLOCK as u64 + last
    }

    /// The plain bytes of a block.
    ///
    /// # Errors
    ///
    /// [`SealedError::Damaged`] also where there is no such block.
    pub fn block(&mut self, number: u64) -> Result<&[u8], SealedError> {
        if self.open != Some(number) {
            self.open = None;
            self.load(number)?;
            self.open = Some(number);
        }
        Ok(&self.block)
    }

    /// The block that was opened last; empty where that failed.
    #[must_use]
    pub fn opened(&self) -> &[u8] {
        self.open.map_or(&[], |_| &self.block)
    }

    /// What is left to read of the block that the stream has come to.
    fn rest_of_stream(&mut self) -> Result<&[u8], SealedError> {
        let consumed = self.consumed;
        let block = self.block(self.streamed)?;
        Ok(block.get(consumed..).unwrap_or_default())
    }

    fn load(&mut self, number: u64) -> Result<(), SealedError> {
        let damaged = SealedError::Damaged { block: number };
        if number >= self.blocks {
            return Err(damaged);
        }
        let is_last = number + 1 == self.blocks;
        let length = if is_last {
            self.last_length
        } else {
            BLOCK + TAG
        };
        let start = HEADER as u64 + number * (BLOCK + TAG) as u64;
        if self.at != start {
            self.source.seek(SeekFrom::Start(start))?;
        }
        self.at = u64::MAX;
        self.block.resize(length, 0);
        self.source
            .read_exact(&mut self.block)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => SealedError::Damaged { block: number },
                _ => SealedError::Io(error),
            })?;
        self.at = start + length as u64;
        let (text, tag) = self
            .block
            .split_last_chunk_mut::<TAG>()
            .ok_or(SealedError::Damaged { block: number })?;
        let opened = self.cipher.decrypt_inout_detached(
            &nonce(number, is_last),
            &self.header,
            text.into(),
            &Tag::from(*tag),
        );
        let plain = length.saturating_sub(TAG);
        self.block.truncate(plain);
        opened.map_err(|_| damaged)
    }
}

impl<R: Read + Seek> Read for SealedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest_of_stream()?.is_empty() && self.streamed + 1 < self.blocks {
            self.streamed += 1;
            self.consumed = 0;
        }
        let rest = self.rest_of_stream()?;
        let count = rest.len().min(buffer.len());
        let (taken, _) = rest.split_at(count);
        buffer
            .iter_mut()
            .zip(taken)
            .for_each(|(to, from)| *to = *from);
        self.consumed += count;
        Ok(count)
    }
}

/// The header of a sealed file of this version, of whatever kind.
fn read_header(source: &mut impl Read) -> Result<[u8; HEADER], SealedError> {
    let mut header = [0; HEADER];
    source
        .read_exact(&mut header)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SealedError::NotSealed,
            _ => SealedError::Io(error),
        })?;
    match Reader::new(CONTEXT, &header) {
        Ok(_) => Ok(header),
        Err(_) => Err(SealedError::NotSealed),
    }
}

/// What makes blocks of one key differ (`spec/44 §1`).
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; 12];
    let (flags, counter) = nonce.split_at_mut(4);
    flags.fill(u8::from(is_last));
    counter.copy_from_slice(&number.to_be_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests;
