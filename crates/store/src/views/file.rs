//! Sealed files that are read at any place: publications, and what waits while one is made.

use std::{
    collections::VecDeque,
    io::{self, Read, Seek, Write},
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use blindmatch_psi::publication::{Scratch, Stored};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    disk::{Aside, Disk, DiskFile},
    keys::{FileId, FileKeys, Key},
    sealed::{BLOCK, Kind, SealedReader, SealedWriter, file_key},
};

/// So many open blocks are remembered: a lookup goes to and fro between index, tags and labels.
const BLOCKS: usize = 8;

/// A sealed file, read at any place. Every block is checked when it is read; damage is an error
/// that names file and block.
pub struct ViewFile<R> {
    path: PathBuf,
    inner: Mutex<Inner<R>>,
    length: u64,
}

struct Inner<R> {
    sealed: SealedReader<R>,
    /// Newest first.
    blocks: VecDeque<(u64, Zeroizing<Vec<u8>>)>,
}

impl<R: Read + Seek> ViewFile<R> {
    pub(super) fn new(sealed: SealedReader<R>, path: PathBuf) -> Self {
        let length = sealed.length();
        let inner = Mutex::new(Inner {
            sealed,
            blocks: VecDeque::with_capacity(BLOCKS),
        });
        Self {
            path,
            inner,
            length,
        }
    }

    fn copy(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = &mut *self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let number = at / BLOCK as u64;
        let known = inner.blocks.iter().position(|(known, _)| *known == number);
        let block = match known.and_then(|at| inner.blocks.remove(at)) {
            Some(block) => block,
            None => {
                let opened = inner.sealed.block(number);
                let opened = opened.map_err(|error| error.in_file(self.path.clone()))?;
                let oldest = if inner.blocks.len() == BLOCKS {
                    inner.blocks.pop_back()
                } else {
                    None
                };
                let room = || Zeroizing::new(Vec::with_capacity(BLOCK));
                let mut block = oldest.map_or_else(room, |(_, block)| block);
                block.clear();
                block.extend_from_slice(opened);
                (number, block)
            }
        };
        inner.blocks.push_front(block);
        let (_, block) = inner.blocks.front().ok_or(io::ErrorKind::UnexpectedEof)?;
        let within = usize::try_from(at % BLOCK as u64).unwrap_or(usize::MAX);
        let rest = block.get(within..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (to, _) = buffer.split_at_mut(count);
        to.copy_from_slice(rest.split_at(count).0);
        Ok(count)
    }
}

impl<R: Read + Seek> Stored for ViewFile<R> {
    fn length(&self) -> io::Result<u64> {
        Ok(self.length)
    }

    fn read_at(&self, mut at: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        let end = at.saturating_add(buffer.len() as u64);
        if end > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !buffer.is_empty() {
            let count = self.copy(at, buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += count as u64;
            buffer = buffer.split_at_mut(count).1;
        }
        Ok(())
    }
}

/// Runs on disk while a view is published: sealed under a key that is never stored, removed when
/// they are dropped.
pub struct SealedScratch {
    disk: Disk,
    key: Key,
    /// Ids of runs count up from a random one.
    first: u128,
    next: AtomicU64,
}

/// A run being written.
pub struct ScratchWriter {
    sealed: SealedWriter<Aside>,
    id: FileId,
}

/// A finished run.
pub struct ScratchRun {
    file: Aside,
    id: FileId,
}

impl SealedScratch {
    pub(super) fn new(disk: Disk, rng: &mut dyn CryptoRng) -> Self {
        let (id, key) = FileKeys::draw(rng);
        Self {
            disk,
            key,
            first: u128::from_be_bytes(id.0),
            next: AtomicU64::new(0),
        }
    }
}

impl Scratch for SealedScratch {
    type Writer = ScratchWriter;
    type Run = ScratchRun;
    type Reader = SealedReader<DiskFile>;

    fn create(&self) -> io::Result<ScratchWriter> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = FileId(self.first.wrapping_add(number.into()).to_be_bytes());
        let key = file_key(&self.key, id);
        let sealed = SealedWriter::new(self.disk.aside()?, Kind::Scratch, id, &key)?;
        Ok(ScratchWriter { sealed, id })
    }

    fn finish(&self, writer: ScratchWriter) -> io::Result<ScratchRun> {
        let (file, id) = (writer.sealed.finish()?, writer.id);
        Ok(ScratchRun { file, id })
    }

    fn open(&self, run: &ScratchRun) -> io::Result<Self::Reader> {
        let key = file_key(&self.key, run.id);
        Ok(SealedReader::open(run.file.reopen()?, Kind::Scratch, &key)?)
    }
}

impl Write for ScratchWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealed.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
