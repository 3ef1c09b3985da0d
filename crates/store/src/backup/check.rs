//! What must hold of the files in a backup beyond their own digests.

use std::io::{BufReader, Read};

use blindmatch_audit::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::MAX_NOTE,
    tree::{CompactRange, leaf_hash},
};
use sha2::{Digest, Sha256};

use super::{BackupError, Flaw, contents, secrets};
use crate::{
    keys::StorageKey,
    ledger::{
        HEAD,
        segment::{Segment, SegmentError},
    },
};

/// More bytes than any key by name has.
pub(super) const MAX_SECRET: u64 = 1 << 17;

/// Follows the members of a backup.
pub(super) struct Check<'a> {
    storage: Option<&'a StorageKey>,
    tree: CompactRange,
    head: Option<Checkpoint>,
}

impl<'a> Check<'a> {
    pub(super) fn new(storage: Option<&'a StorageKey>) -> Self {
        Self {
            storage,
            tree: CompactRange::default(),
            head: None,
        }
    }

    pub(super) fn member(
        &mut self,
        path: &str,
        length: u64,
        content: &mut dyn Read,
    ) -> Result<(), BackupError> {
        if let Some(first) = contents::segment(path) {
            self.segment(first, content)
        } else if path == HEAD {
            let bytes = small(length, content, MAX_NOTE as u64)?;
            let head = SignedCheckpoint::parse(&bytes);
            let head = head.map_err(|_| BackupError::Content(Flaw::Ledger))?;
            self.head = Some(head.unverified().clone());
            Ok(())
        } else if let Some(digest) = sealed_name(path) {
            let mut found = Sha256::new();
            each(content, |bytes| {
                found.update(bytes);
                Ok(())
            })?;
            if hex(&found.finalize()) == digest {
                Ok(())
            } else {
                Err(BackupError::Content(Flaw::Name))
            }
        } else if let (Some(storage), Some(_)) = (self.storage, secret(path)) {
            let sealed = small(length, content, MAX_SECRET)?;
            secrets::open(storage, path, &sealed).map(|_| ())
        } else {
            Ok(())
        }
    }

    /// The head of the ledger, if its records are those that it covers.
    pub(super) fn ledger(&self) -> Result<&Checkpoint, BackupError> {
        let found = (self.tree.size(), self.tree.root());
        let head = self.head.as_ref();
        head.filter(|head| (head.size, head.root) == found)
            .ok_or(BackupError::Content(Flaw::Ledger))
    }

    fn segment(&mut self, first: u64, content: &mut dyn Read) -> Result<(), BackupError> {
        let flawed = |error| match error {
            SegmentError::Disk(error) => BackupError::Disk(error),
            SegmentError::Damaged(..) => BackupError::Content(Flaw::Ledger),
        };
        let reader = BufReader::with_capacity(1 << 16, content);
        let (mut segment, found) = Segment::open(reader).map_err(flawed)?;
        if (found, first) != (self.tree.size(), self.tree.size()) {
            return Err(BackupError::Content(Flaw::Ledger));
        }
        while let Some(frame) = segment.next_frame().map_err(flawed)? {
            self.tree.append(leaf_hash(&frame.record));
        }
        Ok(())
    }
}

/// The name of the key by name that has this path.
pub(super) fn secret(path: &str) -> Option<&str> {
    let name = path.strip_prefix("keys/")?;
    (!name.starts_with("files/")).then_some(name)
}

/// All of a member that is never long.
pub(super) fn small(
    length: u64,
    content: &mut dyn Read,
    limit: u64,
) -> Result<Vec<u8>, BackupError> {
    if length > limit {
        return Err(BackupError::Content(Flaw::Length));
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads to the end in pieces.
pub(super) fn each(
    content: &mut dyn Read,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), BackupError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The digest by which a sealed file of a collection is named.
fn sealed_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix("collections/")?.rsplit_once('/')?.1;
    (name != "current").then_some(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
