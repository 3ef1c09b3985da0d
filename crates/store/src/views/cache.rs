//! OPRF outputs that a querier has already, by item: what need not be asked again within an epoch
//! (`spec/46 §8`).

use std::{
    io::{Read, Seek, Write},
    ops::Range,
    path::PathBuf,
    sync::Arc,
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
    /// Those that are not on disk yet.
    ahead: Vec<Arc<Outputs>>,
}

/// Outputs, ascending by their items.
pub(super) type Outputs = Vec<(Zeroizing<Vec<u8>>, Zeroizing<[u8; OUTPUT]>)>;

/// One file of them.
struct CacheFile<R> {
    path: PathBuf,
    sealed: SealedReader<R>,
    block: u64,
    /// Where in the block the next entry stands.
    at: usize,
    /// Where in it the item stands to which it has come; its output stands behind it.
    item: Option<Range<usize>>,
    started: bool,
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
    pub(super) fn new(
        files: Vec<(PathBuf, SealedReader<DiskFile>)>,
        ahead: Vec<Arc<Outputs>>,
    ) -> Self {
        let files = files
            .into_iter()
            .map(|(path, sealed)| CacheFile::new(path, sealed));
        Self {
            files: files.collect(),
            ahead,
        }
    }

    /// The output of an item, which is above or that of the call before.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub fn find(&mut self, item: &[u8]) -> Result<Option<Zeroizing<[u8; OUTPUT]>>, ViewError> {
        let ahead = self.ahead.iter().find_map(|outputs| {
            let place = outputs.binary_search_by(|(other, _)| other.as_slice().cmp(item));
            outputs.get(place.ok()?)
        });
        if let Some((_, output)) = ahead {
            return Ok(Some(output.clone()));
        }
        for file in &mut self.files {
            file.advance_to(item)?;
            if file.item() == Some(item) {
                return Ok(file.output());
            }
        }
        Ok(None)
    }

    /// The next item of all files, and its output; what several files have comes once. Not to be mixed
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
            if file.item.is_none() {
                file.advance()?;
            }
        }
        let least = self.files.iter().filter(|file| file.item.is_some());
        let least = least.min_by(|a, b| a.item().cmp(&b.item()));
        let Some((item, output)) = least.and_then(|least| least.item().zip(least.output())) else {
            return Ok(None);
        };
        let item = Zeroizing::new(item.to_vec());
        for file in &mut self.files {
            if file.item() == Some(item.as_slice()) {
                file.item = None;
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
            item: None,
            started: false,
        }
    }

    /// The item to which it has come.
    fn item(&self) -> Option<&[u8]> {
        // Whoever opens another block leaves no item behind.
        self.sealed.opened().get(self.item.clone()?)
    }

    /// The output of that item.
    fn output(&self) -> Option<Zeroizing<[u8; OUTPUT]>> {
        let behind = self.sealed.opened().get(self.item.as_ref()?.end..)?;
        behind.first_chunk().copied().map(Zeroizing::new)
    }

    fn advance(&mut self) -> Result<(), ViewError> {
        self.item = None;
        while self.block < self.sealed.blocks() {
            let block = self.sealed.block(self.block);
            let block = block.map_err(|error| error.in_file(self.path.clone()))?;
            match item_at(block, self.at) {
                Ok(Some(item)) => {
                    self.at = item.end + OUTPUT;
                    self.item = Some(item);
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
        if !self.started {
            self.started = true;
            self.seek(item, self.sealed.blocks())?;
            self.advance()?;
        }
        let first = self.block;
        while self.item().is_some_and(|own| own < item) {
            let block = self.block;
            self.advance()?;
            // The next block is read in any case; what lies behind that one is skipped.
            if self.block > block && block > first && self.item().is_some_and(|own| own < item) {
                self.skip_to(item)?;
                self.advance()?;
            }
        }
        Ok(())
    }

    /// Skips to the last block that does not begin behind `item`, by ever longer steps and then by
    /// halves; the one that it has come to does not.
    fn skip_to(&mut self, item: &[u8]) -> Result<(), ViewError> {
        let blocks = self.sealed.blocks();
        let (mut low, mut step) = (self.block, 1);
        while low + step < blocks && self.begins_at_most(low + step, item)? {
            low += step;
            step *= 2;
        }
        self.begin_at(low);
        self.seek(item, (low + step).min(blocks))
    }

    /// Skips to the last block below `high` that does not begin behind `item`, where the one that it
    /// has come to does not either, or is the first.
    fn seek(&mut self, item: &[u8], mut high: u64) -> Result<(), ViewError> {
        let mut low = self.block;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.begins_at_most(middle, item)? {
                low = middle;
            } else {
                high = middle;
            }
        }
        self.begin_at(low);
        Ok(())
    }

    fn begin_at(&mut self, block: u64) {
        self.block = block;
        self.at = 0;
        self.item = None;
    }

    /// Whether the first item of a block is `item` or less.
    fn begins_at_most(&mut self, number: u64, item: &[u8]) -> Result<bool, ViewError> {
        self.item = None;
        let block = self.sealed.block(number);
        let block = block.map_err(|error| error.in_file(self.path.clone()))?;
        // One that does not read is found where it is come to.
        let first = item_at(block, 0).ok().flatten();
        Ok(first
            .and_then(|first| block.get(first))
            .is_some_and(|first| first <= item))
    }
}

/// Where the item stands whose entry begins at a place of a block; none behind the last.
fn item_at(block: &[u8], at: usize) -> Result<Option<Range<usize>>, DecodeError> {
    let rest = block.get(at..).unwrap_or_default();
    let Some((length, rest)) = rest.split_first_chunk::<2>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 {
        return Ok(None);
    }
    if rest.len() < length + OUTPUT {
        return Err(DecodeError::Truncated);
    }
    let start = at + 2;
    Ok(Some(start..start + length))
}

/// Reads a block of cached outputs; how many there are. For the fuzzer.
#[doc(hidden)]
#[must_use]
pub fn read_block(block: &[u8]) -> Option<u64> {
    let (mut at, mut count) = (0, 0);
    while let Some(item) = item_at(block, at).ok()? {
        at = item.end + OUTPUT;
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
