//! Where sorted runs wait, and where finished files are read: handed in, since this crate opens
//! no file.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use zeroize::Zeroizing;

/// Makes temporary runs of bytes and opens them again.
///
/// What is written holds OPRF outputs and labels in the clear: who implements this on disk seals
/// it. A run may be deleted when it is dropped.
pub trait Scratch {
    /// Writes a run.
    type Writer: Write;
    /// A finished run.
    type Run;
    /// Reads a run from its beginning.
    type Reader: Read;

    /// Begins a run.
    ///
    /// # Errors
    ///
    /// As the medium has them, here and below.
    fn create(&self) -> io::Result<Self::Writer>;

    /// Ends a run.
    ///
    /// # Errors
    ///
    /// As the medium has them.
    fn finish(&self, writer: Self::Writer) -> io::Result<Self::Run>;

    /// Opens a run; several times, if need be.
    ///
    /// # Errors
    ///
    /// As the medium has them.
    fn open(&self, run: &Self::Run) -> io::Result<Self::Reader>;
}

/// A finished file, read at any place.
pub trait Stored {
    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// As the medium has them.
    fn length(&self) -> io::Result<u64>;

    /// Fills a buffer from the bytes that begin at a place.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] beyond the end, and as the medium has them.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Runs in memory, for sets that fit there; wiped when dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

/// A run in memory.
#[derive(Default)]
pub struct MemoryRun {
    bytes: Zeroizing<Vec<u8>>,
}

/// Reads a run in memory.
pub struct MemoryReader {
    run: Arc<MemoryRun>,
    at: usize,
}

impl Scratch for InMemory {
    type Writer = MemoryRun;
    type Run = Arc<MemoryRun>;
    type Reader = MemoryReader;

    fn create(&self) -> io::Result<Self::Writer> {
        Ok(MemoryRun::default())
    }

    fn finish(&self, writer: Self::Writer) -> io::Result<Self::Run> {
        Ok(Arc::new(writer))
    }

    fn open(&self, run: &Self::Run) -> io::Result<Self::Reader> {
        let run = Arc::clone(run);
        Ok(MemoryReader { run, at: 0 })
    }
}

impl Write for MemoryRun {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            // A vector that grows by itself leaves copies behind that are not wiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for MemoryReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.run.bytes.get(self.at..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl Stored for [u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..));
        match from.and_then(|from| from.get(..buffer.len())) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }
}

impl Stored for Vec<u8> {
    fn length(&self) -> io::Result<u64> {
        self.as_slice().length()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(at, buffer)
    }
}

impl<T: Stored + ?Sized> Stored for &T {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(at, buffer)
    }
}
