//! Where sorted runs wait, and where finished files are read: handed in, since this crate opens
//! no file.

use std::{
    io::{self, Cursor, Read, Write},
    sync::Arc,
};

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

/// Runs in memory, for sets that fit there.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Scratch for InMemory {
    type Writer = Vec<u8>;
    type Run = Arc<[u8]>;
    type Reader = Cursor<Arc<[u8]>>;

    fn create(&self) -> io::Result<Self::Writer> {
        Ok(Vec::new())
    }

    fn finish(&self, writer: Self::Writer) -> io::Result<Self::Run> {
        Ok(writer.into())
    }

    fn open(&self, run: &Self::Run) -> io::Result<Self::Reader> {
        Ok(Cursor::new(Arc::clone(run)))
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
