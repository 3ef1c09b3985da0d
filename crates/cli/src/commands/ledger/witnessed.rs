//! `blindmatch ledger witnessed`.

use blindmatch_node::NodeFiles;
use blindmatch_node::membership::Name;
use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::output::{self, Report, hex};

#[derive(Serialize)]
struct Witnessed {
    member: String,
    origin: String,
    size: u64,
    root: String,
    /// The number of the member's delegation whose key signed it, where that is known here.
    delegation: Option<u64>,
    checkpoint: String,
}

pub(super) fn run(member: &Name, global: &Global) -> Result<(), Error> {
    let witnessed = NodeFiles::read(&global.home()?)?.witnessed(member)?;
    let state = witnessed.checkpoint.unverified();
    let shown = Witnessed {
        member: member.to_string(),
        origin: state.origin.to_string(),
        size: state.size,
        root: hex(&state.root),
        delegation: witnessed.delegation,
        checkpoint: witnessed.checkpoint.to_string(),
    };
    output::show("ledger_witnessed", &shown, global)?;
    if let Some(number) = shown.delegation {
        let what = format!(
            "give it to {member}, and the delegation whose key signed it: blindmatch roster delegation \
             --number {number} {member} > FILE"
        );
        output::next(global, &what);
    }
    Ok(())
}

impl Report for Witnessed {
    /// The checkpoint alone, so that it can be written to a file.
    fn table(&self) -> String {
        self.checkpoint.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
