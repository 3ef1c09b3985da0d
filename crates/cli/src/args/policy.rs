//! `policy`: what this member asks and serves.

use std::path::PathBuf;

use blindmatch_indicator::IndicatorType;
use blindmatch_node::membership::Name;
use blindmatch_node::rules::{Direction, Protocol};
use clap::{Args, Subcommand, ValueEnum};

use super::parse_name;

#[derive(Subcommand, Debug)]
pub(crate) enum PolicyCommand {
    /// Read the policy and say what is wrong with it, and what its author may not have meant.
    #[command(
        after_help = "Examples:\n  blindmatch policy check\n  blindmatch policy check examples/policy.toml"
    )]
    Check(PolicyCheckArguments),
    /// Say what would be decided about a run with a peer, why, and what to do about it.
    #[command(after_help = EXPLAIN_EXAMPLE)]
    Explain(ExplainArguments),
    /// Vouch for a peer that was stopped, slowed or suspended; the ledger records who, why and until when.
    #[command(after_help = OVERRIDE_EXAMPLE)]
    Override(OverrideArguments),
}

#[derive(Args, Debug)]
pub(crate) struct PolicyCheckArguments {
    /// A policy to check, instead of policy.toml in the home.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

const EXPLAIN_EXAMPLE: &str = "\
Example:
  blindmatch policy explain --peer bank --type email --purpose abuse-prevention

Exits with 3 where nothing of what was asked is allowed, with 4 where only the budget is in the way.";

#[derive(Args, Debug)]
pub(crate) struct ExplainArguments {
    /// The other member.
    #[arg(long, value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) peer: Name,
    /// The type of the indicators.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) indicator_type: IndicatorType,
    /// The purpose, by its id in the policy.
    #[arg(long, value_name = "PURPOSE")]
    pub(crate) purpose: String,
    /// Whether this node would ask or serve; otherwise both.
    #[arg(long, value_enum)]
    pub(crate) direction: Option<DirectionName>,
    /// The protocol; otherwise both.
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<ProtocolName>,
    /// How many items the responder's set has; otherwise it counts as large enough.
    #[arg(long, value_name = "ITEMS")]
    pub(crate) set_size: Option<u64>,
}

const OVERRIDE_EXAMPLE: &str = "\
Example:
  blindmatch policy override --peer bank --days 7 --why ticket-4711

Until then nothing that bank asks slows or stops it, nor what is asked of it, and runs that it broke off are
forgotten; budgets, and the runs of a day, hold as before. What looks like probing is still recorded.";

#[derive(Args, Debug)]
pub(crate) struct OverrideArguments {
    /// The other member.
    #[arg(long, value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) peer: Name,
    /// For so many days, 366 at most.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=366))]
    pub(crate) days: u64,
    /// Why: a ticket or a case. It stands in the ledger in clear, so no indicator may be in it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
}

impl From<DirectionName> for Direction {
    fn from(name: DirectionName) -> Self {
        match name {
            DirectionName::Ask => Self::Ask,
            DirectionName::Serve => Self::Serve,
        }
    }
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Lookup => Self::Lookup,
            ProtocolName::Batch => Self::Batch,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DirectionName {
    /// This node asks and learns the matches.
    Ask,
    /// This node serves its set.
    Serve,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProtocolName {
    /// OPRF against a published view.
    Lookup,
    /// VOLE-based set intersection of two large sets.
    Batch,
}
