//! An index in memory, for a ledger that is only read, and for comparison in tests.

use std::{collections::BTreeMap, sync::RwLock};

use super::{Doubt, Index, Visitor};

/// An index that is gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryIndex(RwLock<Contents>);

#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    stamp: Option<Vec<u8>>,
}

impl Index for MemoryIndex {
    fn stamp(&self) -> Result<Option<Vec<u8>>, Doubt> {
        let contents = self.0.read().map_err(|_| Doubt::Unreadable)?;
        Ok(contents.stamp.clone())
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Doubt> {
        let contents = self.0.read().map_err(|_| Doubt::Unreadable)?;
        Ok(contents.entries.get(key).cloned())
    }

    fn visit(&self, visit: &mut Visitor<'_>) -> Result<(), Doubt> {
        let contents = self.0.read().map_err(|_| Doubt::Unreadable)?;
        contents
            .entries
            .iter()
            .try_for_each(|(key, value)| visit(key, value))
    }

    fn write(&self, values: &BTreeMap<Vec<u8>, Vec<u8>>, stamp: &[u8]) -> Result<(), Doubt> {
        let mut contents = self.0.write().map_err(|_| Doubt::Unreadable)?;
        contents.entries.extend(
            values
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        contents.stamp = Some(stamp.to_vec());
        Ok(())
    }
}
