//! Sorts more records than memory holds: sorted runs, then a merge.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::{self, BufReader, Read, Write},
};

use zeroize::Zeroizing;

use super::{error::PublishError, scratch::Scratch};

/// The smallest working set of a publication in bytes.
pub const SMALLEST_WORKING_SET: usize = 256 << 10;

/// The smallest one of a single sort.
const SMALLEST: usize = SMALLEST_WORKING_SET / 4;

/// A run that is merged has at least this much of the working set as its buffer.
const SMALLEST_BUFFER: usize = 4 << 10;

/// Takes records of N bytes in any order.
pub(super) struct Sorter<'a, S: Scratch, const N: usize> {
    scratch: &'a S,
    working_set: usize,
    records: Zeroizing<Vec<[u8; N]>>,
    runs: Vec<Run<S>>,
}

/// Records in sorted runs, which can be merged more than once.
pub(super) struct Sorted<'a, S: Scratch, const N: usize> {
    scratch: &'a S,
    working_set: usize,
    runs: Vec<Run<S>>,
}

/// Reads sorted records in order.
pub(super) struct Merge<R: Read, const N: usize> {
    runs: Vec<(BufReader<R>, u64)>,
    /// The next record of each run that has one, smallest first.
    heads: BinaryHeap<Reverse<([u8; N], usize)>>,
}

struct Run<S: Scratch> {
    run: S::Run,
    records: u64,
}

impl<'a, S: Scratch, const N: usize> Sorter<'a, S, N> {
    /// Sorts within a working set of so many bytes.
    pub(super) fn new(scratch: &'a S, working_set: usize) -> Result<Self, PublishError> {
        if working_set < SMALLEST {
            return Err(PublishError::WorkingSet);
        }
        Ok(Self {
            scratch,
            working_set,
            records: Zeroizing::new(Vec::new()),
            runs: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, record: [u8; N]) -> Result<(), PublishError> {
        let most = self.working_set / N;
        if self.records.len() == most {
            self.spill()?;
        }
        if self.records.capacity() == 0 {
            // At once, since growing would leave copies behind that are not wiped.
            self.records.reserve_exact(most);
        }
        self.records.push(record);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Sorted<'a, S, N>, PublishError> {
        self.spill()?;
        Ok(Sorted {
            scratch: self.scratch,
            working_set: self.working_set,
            runs: self.runs,
        })
    }

    fn spill(&mut self) -> Result<(), PublishError> {
        if self.records.is_empty() {
            return Ok(());
        }
        self.records.sort_unstable();
        let mut writer = self.scratch.create()?;
        writer.write_all(self.records.as_flattened())?;
        self.runs.push(Run {
            run: self.scratch.finish(writer)?,
            records: self.records.len() as u64,
        });
        self.records.clear();
        Ok(())
    }
}

impl<S: Scratch, const N: usize> Sorted<'_, S, N> {
    /// Takes over the records of another sort.
    pub(super) fn append(&mut self, other: Self) {
        self.runs.extend(other.runs);
    }

    /// Reads all records in order.
    pub(super) fn merge(&mut self) -> Result<Merge<S::Reader, N>, PublishError> {
        let most = self.working_set / SMALLEST_BUFFER.max(N);
        while self.runs.len() > most {
            let merged = self.runs.drain(..most).collect::<Vec<_>>();
            let mut writer = self.scratch.create()?;
            for record in self.open(&merged)? {
                writer.write_all(&record?)?;
            }
            self.runs.push(Run {
                run: self.scratch.finish(writer)?,
                records: merged.iter().map(|run| run.records).sum(),
            });
        }
        self.open(&self.runs)
    }

    fn open(&self, runs: &[Run<S>]) -> Result<Merge<S::Reader, N>, PublishError> {
        let buffer = self.working_set / runs.len().max(1);
        let mut merge = Merge {
            runs: Vec::with_capacity(runs.len()),
            heads: BinaryHeap::with_capacity(runs.len()),
        };
        for Run { run, records } in runs {
            // No more than the run has, lest small sets take a whole working set.
            let bytes = records.saturating_mul(N as u64);
            let buffer = usize::try_from(bytes).map_or(buffer, |bytes| bytes.min(buffer));
            let reader = BufReader::with_capacity(buffer, self.scratch.open(run)?);
            merge.runs.push((reader, *records));
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }
}

impl<R: Read, const N: usize> Merge<R, N> {
    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some((reader, left)) = self.runs.get_mut(run)
            && *left > 0
        {
            *left -= 1;
            let mut record = [0; N];
            reader.read_exact(&mut record)?;
            self.heads.push(Reverse((record, run)));
        }
        Ok(())
    }
}

impl<R: Read, const N: usize> Iterator for Merge<R, N> {
    type Item = io::Result<[u8; N]>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((record, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| record))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{super::scratch::InMemory, *};

    #[test]
    fn sorts_over_several_levels_and_reads_twice() {
        // 8 KiB records: 8 of them in memory, 8 runs in a merge, so 200 make three levels.
        let mut sorter = Sorter::<_, 8192>::new(&InMemory, SMALLEST).unwrap();
        for number in 0..200_u64 {
            let mut record = [0; 8192];
            record[..8].copy_from_slice(&(number * 7_919 % 101).to_be_bytes());
            sorter.push(record).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut expected: Vec<_> = (0..200).map(|number| number * 7_919 % 101).collect();
        expected.sort_unstable();
        for _ in 0..2 {
            let read: Vec<_> = sorted
                .merge()
                .unwrap()
                .map(|record| u64::from_be_bytes(*record.unwrap().first_chunk().unwrap()))
                .collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn nothing_sorts_to_nothing() {
        let sorter = Sorter::<_, 8>::new(&InMemory, SMALLEST).unwrap();
        assert!(sorter.finish().unwrap().merge().unwrap().next().is_none());
        let small = Sorter::<_, 8>::new(&InMemory, SMALLEST - 1);
        assert_eq!(small.err(), Some(PublishError::WorkingSet));
    }
}
