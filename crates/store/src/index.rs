//! What the ledger says, in a form that answers at once: derived from it, and never the truth
//! (`spec/45-index-backup.md` §1).
//!
//! An [`Index`] is a map of bytes; [`Facts`] fills it from the ledger's records and answers
//! questions from it. Every entry carries a keyed MAC, and the [`Stamp`] that is written together
//! with the entries says which ledger they were made from and sums all their MACs. Whatever does
//! not fit gives [`Doubt`]: the index is then moved aside and made again. Losing one costs
//! time at the start and nothing else.

use std::collections::BTreeMap;

use blindmatch_audit::{
    codec::{DecodeError, Reader, Writer},
    tree::Hash,
};

mod facts;
mod mac;
mod memory;
mod sled;

pub use facts::{
    Activity, Charged, Facts, FactsError, Opening, Restored, Revealed, RunState, Stopped, Witnessed,
};
pub use memory::MemoryIndex;

pub use self::sled::SledIndex;

/// The directory of the index below the home.
pub const INDEX: &str = "index";

/// Where an index goes that was not what it should be; the one before it is replaced.
pub const ASIDE: &str = "index.aside";

const STAMP: &str = "blindmatch index stamp v1";

/// Takes a key and what is under it.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Doubt> + 'a;

/// A map of bytes that is written in batches, each as a whole or not at all.
pub trait Index: Sized {
    /// The stamp of the last batch, if there is one.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    fn stamp(&self) -> Result<Option<Vec<u8>>, Doubt>;

    /// The value under `key`.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Doubt>;

    /// Visits every entry, in the order of keys.
    ///
    /// # Errors
    ///
    /// [`Doubt`], or that of `visit`.
    fn visit(&self, visit: &mut Visitor<'_>) -> Result<(), Doubt>;

    /// Writes values under keys, and the stamp, at once.
    ///
    /// # Errors
    ///
    /// [`Doubt`].
    fn write(&self, values: &BTreeMap<Vec<u8>, Vec<u8>>, stamp: &[u8]) -> Result<(), Doubt>;
}

/// An index of either kind.
pub enum AnyIndex {
    /// On disk.
    Sled(SledIndex),
    /// Gone when it is dropped.
    Memory(MemoryIndex),
}

impl Index for AnyIndex {
    fn stamp(&self) -> Result<Option<Vec<u8>>, Doubt> {
        match self {
            Self::Sled(index) => index.stamp(),
            Self::Memory(index) => index.stamp(),
        }
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Doubt> {
        match self {
            Self::Sled(index) => index.read(key),
            Self::Memory(index) => index.read(key),
        }
    }

    fn visit(&self, visit: &mut Visitor<'_>) -> Result<(), Doubt> {
        match self {
            Self::Sled(index) => index.visit(visit),
            Self::Memory(index) => index.visit(visit),
        }
    }

    fn write(&self, values: &BTreeMap<Vec<u8>, Vec<u8>>, stamp: &[u8]) -> Result<(), Doubt> {
        match self {
            Self::Sled(index) => index.write(values, stamp),
            Self::Memory(index) => index.write(values, stamp),
        }
    }
}

/// Why an index is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// There is none.
    Missing,
    /// It cannot be opened or read.
    Unreadable,
    /// It has entries and no stamp, or the stamp is not of this form or key.
    Unstamped,
    /// It was made from more records than the ledger has.
    Ahead,
    /// It was made from other records than the ledger's.
    OtherLedger,
    /// An entry is not what was written.
    Entry,
    /// Entries are missing, or are older than the stamp.
    Entries,
}

/// What an index was made from, and a sum over what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of records that were applied.
    pub applied: u64,
    /// The root of the ledger's tree over them.
    pub root: Hash,
    /// The number of entries.
    pub entries: u64,
    /// The MACs of all entries, added without carry.
    pub sum: [u8; 32],
}

impl Stamp {
    fn encode(&self, key: &mac::Key) -> Vec<u8> {
        let mut writer = Writer::new(STAMP);
        writer.u64(self.applied).fixed(&self.root);
        writer.u64(self.entries).fixed(&self.sum);
        let mut bytes = writer.finish();
        let mac = key.stamp(&bytes);
        bytes.extend_from_slice(&mac);
        bytes
    }

    fn decode(bytes: &[u8], key: &mac::Key) -> Result<Self, Doubt> {
        let (bytes, mac) = bytes.split_last_chunk::<32>().ok_or(Doubt::Unstamped)?;
        if key.stamp(bytes) != *mac {
            return Err(Doubt::Unstamped);
        }
        let read = || -> Result<Self, DecodeError> {
            let mut reader = Reader::new(STAMP, bytes)?;
            let stamp = Self {
                applied: reader.u64()?,
                root: reader.fixed()?,
                entries: reader.u64()?,
                sum: reader.fixed()?,
            };
            reader.finish()?;
            Ok(stamp)
        };
        read().map_err(|_| Doubt::Unstamped)
    }
}
