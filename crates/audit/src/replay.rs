//! A whole ledger, record by record, held against checkpoints of it (`spec/42-ledger.md` §7).

use std::{collections::VecDeque, fmt};

use crate::{
    checkpoint::Checkpoint,
    codec::DecodeError,
    record::{Event, Record},
    tree::{CompactRange, leaf_hash},
};

/// Goes through a ledger from its first record on.
#[derive(Clone, Debug)]
pub struct Replay {
    tree: CompactRange,
    time: u64,
    incarnation: u64,
    /// Ascending by size.
    expected: VecDeque<Checkpoint>,
    /// The size of the last checkpoint that held.
    held: u64,
}

/// What is wrong with a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The records from the first index to before the second are not there.
    Missing {
        /// The first that is missing.
        from: u64,
        /// The first behind them, or the size that a checkpoint names.
        to: u64,
    },
    /// The record of this index was there before.
    Repeated(u64),
    /// The record of this index is malformed.
    Record(u64, DecodeError),
    /// The record of this index is older than the one before.
    Time(u64),
    /// The ledger does not begin with an incarnation, or the incarnation recorded at this index
    /// does not go on from what stands before it.
    Incarnation(u64),
    /// The checkpoint of size `to` is of other records: of those from `from` on, at least one was
    /// changed, or the ledger was forked there.
    Fork {
        /// Up to here a checkpoint held.
        from: u64,
        /// The size of the checkpoint that does not hold.
        to: u64,
    },
}

impl Replay {
    /// Begins with the first record. The ledger is to be what `expected` say, checkpoints of it
    /// whose signatures were verified, in any order.
    #[must_use]
    pub fn new(mut expected: Vec<Checkpoint>) -> Self {
        expected.sort_by_key(|checkpoint| checkpoint.size);
        Self {
            tree: CompactRange::default(),
            time: 0,
            incarnation: 0,
            expected: expected.into(),
            held: 0,
        }
    }

    /// Takes the record that stands at `index`.
    ///
    /// # Errors
    ///
    /// [`ReplayError`], with what does not hold. The replay then ends.
    pub fn record(&mut self, index: u64, bytes: &[u8]) -> Result<Record, ReplayError> {
        self.check_reached()?;
        let size = self.tree.size();
        if index > size {
            return Err(ReplayError::Missing {
                from: size,
                to: index,
            });
        }
        if index < size {
            return Err(ReplayError::Repeated(index));
        }
        let record = Record::decode(bytes).map_err(|error| ReplayError::Record(index, error))?;
        if record.time < self.time {
            return Err(ReplayError::Time(index));
        }
        self.check_incarnation(&record.event)?;
        self.time = record.time;
        self.tree.append(leaf_hash(bytes));
        self.check_reached()?;
        Ok(record)
    }

    /// Ends behind the last record, and gives the tree of all of them.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Missing`] where a checkpoint is of more records.
    pub fn finish(mut self) -> Result<CompactRange, ReplayError> {
        self.check_reached()?;
        match self.expected.back() {
            Some(checkpoint) => Err(ReplayError::Missing {
                from: self.tree.size(),
                to: checkpoint.size,
            }),
            None => Ok(self.tree),
        }
    }

    /// Compares the tree with the checkpoints of its size.
    fn check_reached(&mut self) -> Result<(), ReplayError> {
        let size = self.tree.size();
        while let Some(checkpoint) = self.expected.pop_front_if(|c| c.size == size) {
            if checkpoint.root != self.tree.root() {
                return Err(ReplayError::Fork {
                    from: self.held,
                    to: size,
                });
            }
            self.held = size;
        }
        Ok(())
    }

    /// The first record is an incarnation, and each goes on from what stands before it. Only where
    /// a restored node begins a ledger anew does that stand in another one.
    fn check_incarnation(&mut self, event: &Event) -> Result<(), ReplayError> {
        let index = self.tree.size();
        let holds = match event {
            Event::Incarnation { number, size, root } => {
                let rises = *number > self.incarnation;
                let goes_on = *size == index && *root == self.tree.root();
                self.incarnation = *number;
                rises && (goes_on || (index == 0 && *number > 1))
            }
            _ => index > 0,
        };
        if holds {
            Ok(())
        } else {
            Err(ReplayError::Incarnation(index))
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { from, to } => write!(f, "records {from} to before {to} are missing"),
            Self::Repeated(index) => write!(f, "record {index} is there twice"),
            Self::Record(index, error) => write!(f, "record {index} is malformed: {error}"),
            Self::Time(index) => write!(f, "record {index} is older than the one before it"),
            Self::Incarnation(index) => {
                write!(
                    f,
                    "record {index} does not go on from what stands before it"
                )
            }
            Self::Fork { from, to } => write!(
                f,
                "the checkpoint of {to} records is of other records than these, from {from} on"
            ),
        }
    }
}

impl std::error::Error for ReplayError {}

#[cfg(test)]
mod tests;
