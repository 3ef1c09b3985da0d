//! Members that a roster removed, or gave another identity, until the views are rotated that they
//! could ask (`spec/43-home.md` §7).

use std::collections::BTreeSet;
use std::io;

use blindmatch_membership::Name;
use blindmatch_store::home::HomeError;

use crate::error::Error;
use crate::node::{Node, NodeFiles};

/// A name on each line, ascending.
const FILE: &str = "roster/gone";
/// As long as all names of many rosters.
const MAX: u64 = 4 << 20;

impl NodeFiles {
    /// Who is gone, and whose views are not rotated yet.
    ///
    /// # Errors
    ///
    /// [`Error::Home`], [`Error::Damaged`].
    pub fn gone(&self) -> Result<BTreeSet<Name>, Error> {
        let bytes = match self.disk().read(FILE, MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            bytes => bytes.map_err(HomeError::Disk)?,
        };
        let names = str::from_utf8(&bytes).ok();
        let names = names.and_then(|names| names.lines().map(|name| name.parse().ok()).collect());
        names.ok_or_else(|| Error::Damaged(self.disk().root().join(FILE)))
    }
}

impl Node {
    /// Notes that these are gone, besides those that were noted before.
    pub(super) fn note_gone<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Result<(), Error> {
        let before = self.gone()?;
        let mut gone = before.clone();
        gone.extend(names.cloned());
        if gone == before {
            return Ok(());
        }
        self.keep_gone(&gone)
    }

    /// The views of these are rotated.
    pub(crate) fn forget_gone(&self, rotated: &BTreeSet<Name>) -> Result<(), Error> {
        let _one = self.opened().taking_rosters();
        let mut gone = self.gone()?;
        gone.retain(|name| !rotated.contains(name));
        self.keep_gone(&gone)
    }

    fn keep_gone(&self, gone: &BTreeSet<Name>) -> Result<(), Error> {
        let text: String = gone.iter().map(|name| format!("{name}\n")).collect();
        self.publish(FILE, text.as_bytes())
    }
}
