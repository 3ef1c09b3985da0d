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
    /// Those that other incarnations passed by at their size: lost, and to be named.
    passed: Vec<Checkpoint>,
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
    /// does not go on from what stands before it, or the loss recorded there is not of an earlier
    /// one.
    Incarnation(u64),
    /// This state of the ledger is not here, and no record names it as lost.
    Unnamed {
        /// Its incarnation.
        incarnation: u64,
        /// Its size.
        size: u64,
    },
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
            passed: Vec::new(),
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
    /// [`ReplayError::Missing`] where a checkpoint is of more records, [`ReplayError::Unnamed`]
    /// where it is one of an incarnation that has ended, and no record names it.
    pub fn finish(mut self) -> Result<CompactRange, ReplayError> {
        self.check_reached()?;
        let ahead = |c: &&Checkpoint| c.origin.incarnation >= self.incarnation;
        if let Some(checkpoint) = self.expected.iter().rfind(ahead) {
            return Err(ReplayError::Missing {
                from: self.tree.size(),
                to: checkpoint.size,
            });
        }
        match self.passed.first().or_else(|| self.expected.back()) {
            Some(checkpoint) => Err(ReplayError::Unnamed {
                incarnation: checkpoint.origin.incarnation,
                size: checkpoint.size,
            }),
            None => Ok(self.tree),
        }
    }

    /// Compares the tree with the checkpoints of its size.
    fn check_reached(&mut self) -> Result<(), ReplayError> {
        let size = self.tree.size();
        while let Some(checkpoint) = self.expected.pop_front_if(|c| c.size == size) {
            if size > 0 && checkpoint.origin.incarnation != self.incarnation {
                self.passed.push(checkpoint);
                continue;
            }
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

    /// The first record is an incarnation, and each goes on from what stands before it. What is lost
    /// is of an earlier one.
    fn check_incarnation(&mut self, event: &Event) -> Result<(), ReplayError> {
        let index = self.tree.size();
        let holds = match event {
            Event::Incarnation { number, size, root } => {
                let rises = *number > self.incarnation;
                self.incarnation = *number;
                rises && *size == index && *root == self.tree.root()
            }
            Event::Lost { incarnation, .. } => index > 0 && *incarnation < self.incarnation,
            _ => index > 0,
        };
        if holds {
            self.strike_out(event);
            Ok(())
        } else {
            Err(ReplayError::Incarnation(index))
        }
    }

    /// A checkpoint that is named as lost is accounted for.
    fn strike_out(&mut self, event: &Event) {
        let Event::Lost {
            incarnation,
            size,
            root,
        } = event
        else {
            return;
        };
        let other =
            |c: &Checkpoint| (c.origin.incarnation, c.size, c.root) != (*incarnation, *size, *root);
        self.passed.retain(other);
        self.expected.retain(other);
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
            Self::Unnamed { incarnation, size } => write!(
                f,
                "the {size} records of incarnation {incarnation} are not here, and no record says that they are lost"
            ),
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
