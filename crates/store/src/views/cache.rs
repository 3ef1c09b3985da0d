//! OPRF outputs that a querier has already, by item: what need not be asked again within an epoch
//! (`spec/46 §8`).

use std::{
    io::{Read, Seek, Write},
    path::PathBuf,
};

use blindmatch_audit::codec::DecodeError;
use zeroize::Zeroizing;

use super::{error::ViewError, folder::Writing};
use crate::{
    disk::DiskFile,
    sealed::{BLOCK, SealedError, SealedReader},
};

/// The bytes of an output.
const OUTPUT: usize = 64;
/// Zeros for the rest of a block.
const ZEROS: [u8; 4096] = [0; 4096];

/// Takes outputs, ascending by their items.
pub struct CacheWriter {
    pub(super) writing: Writing,
    last: Zeroizing<Vec<u8>>,
    count: u64,
}

/// Cached outputs, ascending by their items.
pub struct Cached {
    files: Vec<CacheFile<DiskFile>>,
}

/// One file of them.
struct CacheFile<R> {
    path: PathBuf,
    sealed: SealedReader<R>,
    block: u64,
    at: usize,
    /// The entry to which it has come.
    entry: Option<Entry>,
}

struct Entry {
    item: Zeroizing<Vec<u8>>,
    output: Zeroizing<[u8; OUTPUT]>,
}

impl CacheWriter {
    pub(super) fn new(writing: Writing) -> Self {
        Self {
            writing,
            last: Zeroizing::default(),
            count: 0,
        }
    }

    /// Adds the output of an item, which is above the one before.
    ///
    /// # Errors
    ///
    /// [`ViewError::Order`], and the disk's.
    pub fn push(&mut self, item: &[u8], output: &[u8; OUTPUT]) -> Result<(), ViewError> {
        if item <= self.last.as_slice() {
            return Err(ViewError::Order);
        }
        let length = u16::try_from(item.len()).map_err(|_| ViewError::Order)?;
        let sealed = &mut self.writing.file;
        let room = sealed.room();
        let needed = 2 + item.len() + OUTPUT;
        if needed > BLOCK {
            return Err(ViewError::Order);
        }
        if room < needed {
            let mut rest = room;
            while rest > 0 {
                let (zeros, _) = ZEROS.split_at(rest.min(ZEROS.len()));
                sealed.write_all(zeros)?;
                rest -= zeros.len();
            }
        }
        sealed.write_all(&length.to_be_bytes())?;
        sealed.write_all(item)?;
        sealed.write_all(output)?;
        self.last.clear();
        self.last.extend_from_slice(item);
        self.count += 1;
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

impl Cached {
    pub(super) fn new(files: Vec<(PathBuf, SealedReader<DiskFile>)>) -> Self {
        let files = files
            .into_iter()
            .map(|(path, sealed)| CacheFile::new(path, sealed));
        Self {
            files: files.collect(),
        }
    }

    /// The output of an item, which is above or that of the call before.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn find(&mut self, item: &[u8]) -> Result<Option<Zeroizing<[u8; OUTPUT]>>, ViewError> {
        for file in &mut self.files {
            file.advance_to(item)?;
            if let Some(entry) = file
                .entry
                .as_ref()
                .filter(|entry| entry.item.as_slice() == item)
            {
                return Ok(Some(entry.output.clone()));
            }
        }
        Ok(None)
    }

    /// The next item of all, and its output; what several files have comes once. Not to be mixed
    /// with [`find`](Self::find).
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    #[expect(
        clippy::should_implement_trait,
        clippy::type_complexity,
        reason = "it fails"
    )]
    pub fn next(
        &mut self,
    ) -> Result<Option<(Zeroizing<Vec<u8>>, Zeroizing<[u8; OUTPUT]>)>, ViewError> {
        for file in &mut self.files {
            if file.entry.is_none() {
                file.advance()?;
            }
        }
        let entries = self.files.iter().filter_map(|file| file.entry.as_ref());
        let Some(least) = entries.min_by(|a, b| a.item.cmp(&b.item)) else {
            return Ok(None);
        };
        let (item, output) = (least.item.clone(), least.output.clone());
        for file in &mut self.files {
            if file.entry.as_ref().is_some_and(|entry| entry.item == item) {
                file.entry = None;
            }
        }
        Ok(Some((item, output)))
    }
}

impl<R: Read + Seek> CacheFile<R> {
    const fn new(path: PathBuf, sealed: SealedReader<R>) -> Self {
        Self {
            path,
            sealed,
            block: 0,
            at: 0,
            entry: None,
        }
    }

    fn advance(&mut self) -> Result<(), ViewError> {
        self.entry = None;
        while self.block < self.sealed.blocks() {
            let block = self.sealed.block(self.block);
            let block = block.map_err(|error| error.in_file(self.path.clone()))?;
            match read(block, self.at) {
                Ok(Some((entry, end))) => {
                    self.entry = Some(entry);
                    self.at = end;
                    return Ok(());
                }
                Ok(None) => {
                    self.block += 1;
                    self.at = 0;
                }
                Err(_) => {
                    let block = self.block;
                    let damaged = SealedError::Damaged { block };
                    return Err(damaged.in_file(self.path.clone()).into());
                }
            }
        }
        Ok(())
    }

    /// Goes forward to the first entry whose item is `item` or greater.
    fn advance_to(&mut self, item: &[u8]) -> Result<(), ViewError> {
        if self.entry.is_none() && self.at == 0 && self.block == 0 {
            self.seek(item)?;
            self.advance()?;
        }
        let mut block = self.block;
        while self
            .entry
            .as_ref()
            .is_some_and(|entry| entry.item.as_slice() < item)
        {
            self.advance()?;
            if self.block > block {
                self.seek(item)?;
                block = self.block;
                if self.at == 0 {
                    self.advance()?;
                }
            }
        }
        Ok(())
    }

    /// Skips to the last block that does not begin behind `item`.
    fn seek(&mut self, item: &[u8]) -> Result<(), ViewError> {
        let (mut low, mut high) = (self.block, self.sealed.blocks());
        // The block `low` begins at or before the item, or is where we are.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let block = self.sealed.block(middle);
            let block = block.map_err(|error| error.in_file(self.path.clone()))?;
            match read(block, 0) {
                Ok(Some((first, _))) if first.item.as_slice() <= item => low = middle,
                _ => high = middle,
            }
        }
        if low > self.block {
            self.block = low;
            self.at = 0;
            self.entry = None;
        }
        Ok(())
    }
}

/// The entry that stands at a place of a block, and where the next one begins; none behind the last.
fn read(block: &[u8], at: usize) -> Result<Option<(Entry, usize)>, DecodeError> {
    let rest = block.get(at..).unwrap_or_default();
    let Some((length, rest)) = rest.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 {
        return Ok(None);
    }
    let (item, rest) = rest
        .split_at_checked(length)
        .ok_or(DecodeError::Truncated)?;
    let output = rest.first_chunk::<OUTPUT>().ok_or(DecodeError::Truncated)?;
    let entry = Entry {
        item: Zeroizing::new(item.to_vec()),
        output: Zeroizing::new(*output),
    };
    Ok(Some((entry, at + 2 + length + OUTPUT)))
}

/// Reads a block of cached outputs; how many there are. For the fuzzer.
#[doc(hidden)]
#[must_use]
pub fn read_block(block: &[u8]) -> Option<u64> {
    let (mut at, mut count) = (0, 0);
    while let Some((_, end)) = read(block, at).ok()? {
        at = end;
        count += 1;
    }
    Some(count)
}

/// Adds everything of `cached`.
pub(super) fn copy(cached: &mut Cached, to: &mut CacheWriter) -> Result<(), ViewError> {
    while let Some((item, output)) = cached.next()? {
        to.push(&item, &output)?;
    }
    Ok(())
}
