//! Rows by themselves, as a run keeps them (`spec/46 §2`).

use std::ops::Range;

use zeroize::Zeroizing;

use crate::row::{Attributes, Bytes, Row, head, write_attributes};

/// A row that owns its bytes, wiped when dropped.
pub(super) struct OwnedRow {
    bytes: Zeroizing<Vec<u8>>,
    key: Range<usize>,
    attributes: Attributes,
}

/// Appends a row: two bytes of length, the key, and what else it says.
pub(super) fn write(out: &mut Vec<u8>, row: &Row<'_>) -> Option<()> {
    let length = u16::try_from(row.key.len()).ok()?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(row.key);
    out.push(head(row));
    write_attributes(out, row, true);
    Some(())
}

/// Reads the row that `bytes` has at `at`; gives it and where it ends.
pub(super) fn read(bytes: &[u8], at: usize) -> Option<(OwnedRow, usize)> {
    let (length, rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let head = *rest.get(length)?;
    let mut behind = Bytes {
        block: bytes,
        at: at + 2 + length + 1,
        number: 0,
    };
    Attributes::read(head, &mut behind, (0, 0)).ok()?;
    let end = behind.at;
    // Once more within its own bytes, which its references are places in.
    let bytes = Zeroizing::new(bytes.get(at..end)?.to_vec());
    let mut own = Bytes {
        block: &bytes,
        at: 2 + length + 1,
        number: 0,
    };
    let attributes = Attributes::read(head, &mut own, (0, 0)).ok()?;
    let key = 2..2 + length;
    let kept = OwnedRow {
        bytes,
        key,
        attributes,
    };
    Some((kept, end))
}

impl OwnedRow {
    pub(super) fn row(&self) -> Row<'_> {
        let key = self.bytes.get(self.key.clone()).unwrap_or_default();
        self.attributes.row(key, &self.bytes)
    }
}
