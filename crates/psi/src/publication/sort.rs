//! Sorts more records than memory holds: sorted runs, then a merge.

use std::io::{self, Read, Write};

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

/// Reads sorted records in order, which it lends out: nothing of them stays behind unwiped.
pub(super) struct Merge<R: Read, const N: usize> {
    runs: Vec<Ahead<R, N>>,
    /// The runs that have a record left but the current one, the smallest record's last.
    waiting: Vec<usize>,
    /// The run that the last record came from.
    current: Option<usize>,
}

/// A run that is read some records ahead.
struct Ahead<R: Read, const N: usize> {
    reader: R,
    records: Zeroizing<Vec<[u8; N]>>,
    most: usize,
    next: usize,
    /// Those that are not read yet.
    left: u64,
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

    pub(super) fn push(&mut self, record: &[u8; N]) -> Result<(), PublishError> {
        let most = self.working_set / N;
        if self.records.len() == most {
            self.spill()?;
        }
        if self.records.len() == self.records.capacity() {
            self.grow(most);
        }
        self.records.push(*record);
        Ok(())
    }

    /// Into another buffer, since growing would leave copies behind that are not wiped; eight times
    /// as large, so that both together are little more than the working set.
    fn grow(&mut self, most: usize) {
        let capacity = self.records.capacity().saturating_mul(8);
        let capacity = capacity.clamp(SMALLEST / N, most);
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&self.records);
        self.records = larger;
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
            let mut merge = self.open(&merged)?;
            while let Some(record) = merge.next()? {
                writer.write_all(record)?;
            }
            self.runs.push(Run {
                run: self.scratch.finish(writer)?,
                records: merged.iter().map(|run| run.records).sum(),
            });
        }
        self.open(&self.runs)
    }

    fn open(&self, runs: &[Run<S>]) -> Result<Merge<S::Reader, N>, PublishError> {
        let most = (self.working_set / N / runs.len().max(1)).max(1);
        let mut merge = Merge {
            runs: Vec::with_capacity(runs.len()),
            waiting: Vec::with_capacity(runs.len()),
            current: None,
        };
        for (number, Run { run, records }) in runs.iter().enumerate() {
            // No more than the run has, lest small sets take a whole working set.
            let most = usize::try_from(*records).map_or(most, |records| records.min(most));
            let mut ahead = Ahead {
                reader: self.scratch.open(run)?,
                records: Zeroizing::new(Vec::with_capacity(most)),
                most,
                next: 0,
                left: *records,
            };
            ahead.read()?;
            merge.runs.push(ahead);
            merge.wait(number);
        }
        Ok(merge)
    }
}

impl<R: Read, const N: usize> Merge<R, N> {
    /// The next record, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<&[u8; N]>, PublishError> {
        if let Some(run) = self.current.take() {
            if let Some(run) = self.runs.get_mut(run) {
                run.advance()?;
            }
            self.wait(run);
        }
        self.current = self.waiting.pop();
        Ok(self.current.and_then(|run| self.head(run)))
    }

    /// Puts a run among those that wait, unless it is at its end.
    fn wait(&mut self, run: usize) {
        if let Some(head) = self.head(run) {
            let larger = |other: &usize| self.head(*other) > Some(head);
            let at = self.waiting.partition_point(larger);
            self.waiting.insert(at, run);
        }
    }

    fn head(&self, run: usize) -> Option<&[u8; N]> {
        let run = self.runs.get(run)?;
        run.records.get(run.next)
    }
}

impl<R: Read, const N: usize> Ahead<R, N> {
    fn advance(&mut self) -> io::Result<()> {
        self.next += 1;
        if self.next == self.records.len() {
            self.read()?;
        }
        Ok(())
    }

    /// Reads as many records as there is room for; none at the end.
    fn read(&mut self) -> io::Result<()> {
        let count = usize::try_from(self.left).map_or(self.most, |left| left.min(self.most));
        self.next = 0;
        self.left -= count as u64;
        // Never more than there is capacity for: nothing is moved.
        self.records.resize(count, [0; N]);
        self.reader.read_exact(self.records.as_flattened_mut())
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
            sorter.push(&record).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut expected: Vec<_> = (0..200).map(|number| number * 7_919 % 101).collect();
        expected.sort_unstable();
        for _ in 0..2 {
            let mut merge = sorted.merge().unwrap();
            let mut read = Vec::new();
            while let Some(record) = merge.next().unwrap() {
                read.push(u64::from_be_bytes(*record.first_chunk().unwrap()));
            }
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn nothing_sorts_to_nothing() {
        let sorter = Sorter::<_, 8>::new(&InMemory, SMALLEST).unwrap();
        let mut merge = sorter.finish().unwrap().merge().unwrap();
        assert_eq!(merge.next(), Ok(None));
        let small = Sorter::<_, 8>::new(&InMemory, SMALLEST - 1);
        assert_eq!(small.err(), Some(PublishError::WorkingSet));
    }
}
