//! `ledger`: the node's record of what it did.

use std::path::PathBuf;

use blindmatch_node::audit::cosignature::WitnessKey;
use blindmatch_node::audit::note::NoteKey;
use blindmatch_node::membership::Name;
use clap::{Args, Subcommand};

use super::parse_name;

#[derive(Subcommand, Debug)]
pub(crate) enum LedgerCommand {
    /// Check every record against the checkpoints; repairs nothing, and works beside a running
    /// node. Of a file: an exported ledger, or the proof of a record.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArguments),
    /// Write the proof that a record is in the ledger, for anybody to verify offline.
    #[command(after_help = "Example:\n  blindmatch ledger proof 17 17.proof")]
    Proof(ProofArguments),
    /// Print the newest checkpoint.
    #[command(after_help = "Example:\n  blindmatch ledger checkpoint")]
    Checkpoint,
    /// Write the ledger and a checkpoint to one file, for anybody to verify offline: up to the newest
    /// that enough witnesses cosigned, where there is one.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(LedgerExportArguments),
    /// Print what this node cosigned last of another member's ledger.
    #[command(after_help = WITNESSED_EXAMPLE)]
    Witnessed(WitnessedArguments),
}

const WITNESSED_EXAMPLE: &str = "\
Example:
  blindmatch ledger witnessed acme > acme.bank

A member that lost its home has this of each of its witnesses, and goes on from it:
  blindmatch restore --storage-key KEY --witnessed FILE BACKUP";

#[derive(Args, Debug)]
pub(crate) struct WitnessedArguments {
    /// The member whose ledger it is.
    #[arg(value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) member: Name,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  blindmatch ledger export acme.ledger
  blindmatch ledger export --all acme-all.ledger";

const VERIFY_EXAMPLES: &str = "\
Examples:
  blindmatch ledger verify
  blindmatch ledger verify --key blindmatch/cloudshield/acme/ledger/1+93a9a1a0+AYz... acme.ledger
  blindmatch ledger verify --key KEY --witness KEY --witness KEY --quorum 2 17.proof

The keys of a member's ledger and of its witnesses, and the quorum, are what every member shows with
`blindmatch roster witnesses MEMBER`. Without --witness no cosignature is verified.";

#[derive(Args, Debug)]
pub(crate) struct VerifyArguments {
    /// An exported ledger or a proof, instead of the ledger in the home.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A key that may have signed the checkpoint; otherwise those of the node in the home. May be
    /// repeated.
    #[arg(long = "key", value_name = "KEY", requires = "file", value_parser = parse_key)]
    pub(crate) keys: Vec<NoteKey>,
    /// A checkpoint that you have of this ledger: it must go on from it, or name it as lost by a
    /// restore. May be repeated.
    #[arg(long = "known", value_name = "FILE")]
    pub(crate) known: Vec<PathBuf>,
    /// A key of a witness, as `roster witnesses` shows it; may be repeated.
    #[arg(long = "witness", value_name = "KEY", requires = "file", value_parser = parse_witness)]
    pub(crate) witnesses: Vec<WitnessKey>,
    /// How many of the witnesses must have cosigned; otherwise more than half.
    #[arg(long, value_name = "NUMBER", requires = "witnesses")]
    pub(crate) quorum: Option<usize>,
}

#[derive(Args, Debug)]
pub(crate) struct ProofArguments {
    /// The record's number, from 0.
    #[arg(value_name = "NUMBER")]
    pub(crate) record: u64,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct LedgerExportArguments {
    /// All records, under the newest checkpoint: the node signed that, and it may be that no witness
    /// has yet.
    #[arg(long)]
    pub(crate) all: bool,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

fn parse_key(text: &str) -> Result<NoteKey, String> {
    NoteKey::parse(text).map_err(|error| error.to_string())
}

fn parse_witness(text: &str) -> Result<WitnessKey, String> {
    WitnessKey::parse(text).map_err(|error| error.to_string())
}
