//! `serve`.

use clap::Args;

use super::collections::TablesArguments;

pub(crate) const EXAMPLE: &str = "\
Example:
  blindmatch serve

Commands for the same home may be typed beside it: it runs them, on what it has open.

Signals: TERM and INT end it when what is under way has ended, or after drain_seconds of
blindmatch.toml; a second one ends it at once. HUP has it read blindmatch.toml, policy.toml, the
roster and the keys again.";

#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}
