//! Where the records of a ledger lie.

use super::{
    LedgerError, Log,
    scan::{at, open_segment, path, segments},
};

impl Log {
    /// The files that hold the records of this log, ascending, and how many bytes of each: what is
    /// appended meanwhile stands behind them.
    ///
    /// # Errors
    ///
    /// [`LedgerError`], with what is damaged and where.
    pub(crate) fn extent(&self) -> Result<Vec<(String, u64)>, LedgerError> {
        let mut firsts = segments(&self.disk)?;
        firsts.retain(|first| *first < self.size());
        let last = firsts.pop();
        let mut extent = Vec::new();
        for first in firsts {
            extent.push((path(first), open_segment(&self.disk, first)?.1));
        }
        if let Some(first) = last {
            let mut segment = open_segment(&self.disk, first)?.0;
            for record in first..self.size() {
                let frame = segment.next_frame().map_err(|e| at(first, record, e))?;
                frame.ok_or_else(|| LedgerError::Missing {
                    from: record,
                    to: self.size(),
                })?;
            }
            extent.push((path(first), segment.offset()));
        }
        Ok(extent)
    }
}
