use std::{
    fs::File,
    io::{self, BufWriter},
    os::unix::fs::FileExt,
};

use blindmatch_psi::publication::{Scratch, Stored};

/// Sorted runs in unnamed temporary files.
#[derive(Clone, Copy, Debug)]
pub struct TemporaryFiles;

/// Reads a file from a place of its own, since handles that were cloned share theirs.
#[derive(Debug)]
pub struct FromStart(File, u64);

/// A published file, or a roll, as it lies on disk.
#[derive(Debug)]
pub struct OnDisk(pub File);

impl Scratch for TemporaryFiles {
    type Writer = BufWriter<File>;
    type Run = File;
    type Reader = FromStart;

    fn create(&self) -> io::Result<Self::Writer> {
        tempfile::tempfile().map(BufWriter::new)
    }

    fn finish(&self, writer: Self::Writer) -> io::Result<File> {
        writer.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn open(&self, run: &File) -> io::Result<FromStart> {
        FromStart::of(run)
    }
}

impl FromStart {
    /// Another reader of `file`.
    ///
    /// # Errors
    ///
    /// Where the handle cannot be cloned.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self(file.try_clone()?, 0))
    }
}

impl io::Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(buffer, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

impl Stored for OnDisk {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, at)
    }
}
