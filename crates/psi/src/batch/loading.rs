//! A side's set on its way into memory: hashed batch by batch, then padded to its class.

use std::{collections::BTreeMap, sync::Arc};

use blindmatch_oprf::MAX_BATCH;
use blindmatch_vole::{Item as Hashed, ItemHasher};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Task, WINDOW};
use crate::{lookup::Item, stop::Fault};

/// What a completion was asked for.
#[derive(Clone, Copy)]
pub(super) enum Awaited {
    /// The hashes of a batch, from 0.
    Hashed(u64),
    Padded,
}

/// A set that is being hashed.
pub(super) struct Loading {
    hasher: Arc<ItemHasher>,
    count: u64,
    /// Items that were read.
    read: u64,
    under_way: usize,
    /// Batches that came back before those in front of them.
    early: BTreeMap<u64, Vec<Hashed>>,
    hashed: Vec<Hashed>,
    /// The next batch to append.
    next: u64,
    class: usize,
    padding: bool,
}

impl Loading {
    pub(super) fn new(hasher: ItemHasher, count: u64, class: usize) -> Self {
        Self {
            hasher: Arc::new(hasher),
            count,
            read: 0,
            under_way: 0,
            early: BTreeMap::new(),
            hashed: Vec::with_capacity(class),
            next: 0,
            class,
            padding: false,
        }
    }

    /// The next piece of work, if there is one to begin.
    pub(super) fn next_task(
        &mut self,
        rng: &mut dyn CryptoRng,
        mut read: impl FnMut(u64, usize) -> Option<Vec<Item>>,
    ) -> Result<Option<(Task, Awaited)>, Fault> {
        if self.read < self.count && self.under_way < WINDOW {
            let rest = usize::try_from(self.count - self.read).unwrap_or(usize::MAX);
            let size = rest.min(MAX_BATCH);
            let items = read(self.read, size).ok_or(Fault::Items)?;
            if items.len() != size {
                return Err(Fault::Items);
            }
            let batch = self.read / MAX_BATCH as u64;
            self.read += size as u64;
            self.under_way += 1;
            let hasher = Arc::clone(&self.hasher);
            return Ok(Some((Task::Hash { hasher, items }, Awaited::Hashed(batch))));
        }
        if self.padding || (self.hashed.len() as u64) < self.count {
            return Ok(None);
        }
        self.padding = true;
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let task = Task::Pad {
            items: std::mem::take(&mut self.hashed),
            class: self.class,
            seed,
        };
        Ok(Some((task, Awaited::Padded)))
    }

    /// Takes the hashes of a batch.
    pub(super) fn hashed(&mut self, batch: u64, items: Vec<Hashed>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.early.insert(batch, items);
        while let Some(mut items) = self.early.remove(&self.next) {
            self.hashed.append(&mut items);
            self.next += 1;
        }
    }
}
