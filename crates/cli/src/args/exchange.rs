//! `batch`, `query`: asking the peers.

use std::path::PathBuf;

use blindmatch_node::membership::Name;
use blindmatch_node::store::collection::CollectionName;
use blindmatch_node::store::runs::MAX_TEXT;
use clap::Args;

use super::collections::TablesArguments;
use super::indicators::Reading;
use super::parse_name;

pub(crate) const BATCH_EXAMPLES: &str = "\
Examples:
  blindmatch batch --dry-run                        what it would ask, cost and reveal
  blindmatch batch
  blindmatch batch --peer bolt --collection accounts --output json

Every collection asks every peer for every type and purpose that a rule of policy.toml with the
direction `ask` names. Within an epoch nothing is asked for twice. Of a collection of customers only
what came since the last run is asked for; `--sweep` asks for all of it, and needs `sweep = true` in
the rule. What a peer fails at leaves the others as they are, and is gone on with the next time.

Exits with 0 where every peer answered, with 6 where some did.";

#[derive(Args, Debug)]
pub(crate) struct BatchArguments {
    /// Ask only this peer; may be repeated.
    #[arg(long = "peer", value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) peers: Vec<Name>,
    /// Ask only with this collection; may be repeated.
    #[arg(long = "collection", value_name = "NAME")]
    pub(crate) collections: Vec<CollectionName>,
    /// Say what would be asked, charged and revealed, and contact nobody.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Ask also for customers that did not change since they were asked for.
    #[arg(long)]
    pub(crate) sweep: bool,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

pub(crate) const QUERY_EXAMPLES: &str = "\
Examples:
  blindmatch query --purpose abuse-prevention --case T-4711 -
  blindmatch query --purpose abuse-prevention --peer bolt --type account suspects.txt
  blindmatch query --value 203.0.113.7

A value on the command line stays in the history of the shell and shows in `ps`: rather type it on
standard input (`-`), and end it with Ctrl-D. Purpose, case and who asked are recorded with the run
and stay in this node.

The answers of a peer: held · not_held · not_served (it serves us nothing of this type and purpose) ·
not_allowed (a policy, its own or ours) · budget_spent · unreachable · preparing (its publication
is not here yet) · failed. excluded: a list of exclusions has it, and nobody is asked.

Exits with 0 where every peer answered, else with 3, 4 or 5 where none did for the same reason, with 6
where some did; with 10 where something is held, under --fail-on-match.";

#[derive(Args, Debug)]
pub(crate) struct QueryArguments {
    /// A value to ask about; may be repeated. Other users of this machine can see it.
    #[arg(long = "value", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) values: Vec<String>,
    /// Ask only this peer; may be repeated.
    #[arg(long = "peer", value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) peers: Vec<Name>,
    /// The id of the purpose, as policy.toml names it; needless where its rules name one only.
    #[arg(long, value_name = "ID")]
    pub(crate) purpose: Option<String>,
    /// Your own id of the case; recorded with the run.
    #[arg(long, value_name = "ID", value_parser = parse_case)]
    pub(crate) case: Option<String>,
    /// How many seconds to wait for a publication that is not here yet.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) wait: u64,
    /// Exit with 10 where something is held.
    #[arg(long)]
    pub(crate) fail_on_match: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The values: a file as `import` reads it, or `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present = "values")]
    pub(crate) file: Option<PathBuf>,
}

fn parse_case(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(format!(
            "write it in at most {MAX_TEXT} bytes, without controls"
        ));
    }
    Ok(text.to_owned())
}
