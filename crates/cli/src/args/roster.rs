//! `roster`: the consortium's list of members, for administrators and for nodes.

use std::path::PathBuf;

use blindmatch_node::membership::{Name, WitnessQuorum};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{parse_name, parse_time};

#[derive(Subcommand, Debug)]
pub(crate) enum RosterCommand {
    /// Make an administrator's key, and print its public half.
    #[command(after_help = "Example:\n  blindmatch roster keygen --name ada ada.key > ada.pub")]
    Keygen(KeygenArguments),
    /// Begin a roster: the first of a consortium, or the one after another.
    #[command(after_help = NEW_EXAMPLES)]
    New(NewArguments),
    /// Add members to an unsigned roster, by their cards.
    #[command(after_help = "Example:\n  blindmatch roster add roster.txt acme.card bank.card")]
    Add(AddArguments),
    /// Remove members from an unsigned roster.
    #[command(after_help = "Example:\n  blindmatch roster remove roster-2.txt bank")]
    Remove(RemoveArguments),
    /// Sign a roster with an administrator's key.
    #[command(after_help = "Example:\n  blindmatch roster sign --key ada.key roster.txt")]
    Sign(SignArguments),
    /// Show a roster and its fingerprint in words.
    #[command(
        after_help = "Examples:\n  blindmatch roster show\n  blindmatch roster show roster.txt"
    )]
    Show(ShowArguments),
    /// Say whether this node would accept a roster, and what it would change.
    #[command(after_help = "Example:\n  blindmatch roster verify roster-2.txt")]
    Verify(RosterFile),
    /// Trust the first roster that has this fingerprint, which an administrator reads out.
    #[command(after_help = TRUST_EXAMPLE)]
    Trust(TrustArguments),
    /// Accept a roster: the first by the fingerprint that is trusted, later ones by their
    /// signatures.
    #[command(after_help = "Example:\n  blindmatch roster install roster.txt")]
    Install(RosterFile),
    /// Show what a third party verifies a member's ledger with: its keys, those of its witnesses,
    /// and how many of them have to cosign.
    #[command(after_help = WITNESSES_EXAMPLES)]
    Witnesses(WitnessesArguments),
    /// Print a member's newest delegation that is known here.
    #[command(after_help = DELEGATION_EXAMPLES)]
    Delegation(DelegationArguments),
    /// Have a member asked again that told this node two stories.
    #[command(after_help = READMIT_EXAMPLE)]
    Readmit(ReadmitArguments),
}

const READMIT_EXAMPLE: &str = "\
Example:
  blindmatch roster readmit bank

A member whose ledger or publication is another than it was before is not asked any more. Both proofs
are in the home, roster/equivocation-1-bank and -2-bank: compare them with what other members have, and
ask the member. The ledger records who has it asked again.";

const WITNESSES_EXAMPLES: &str = "\
Examples:
  blindmatch roster witnesses
  blindmatch roster witnesses bank

With these keys anybody verifies what the member exports:
  blindmatch ledger verify --key KEY --witness KEY --witness KEY --quorum NUMBER FILE
They are those of the delegations in force, which change within a month.";

#[derive(Args, Debug)]
pub(crate) struct WitnessesArguments {
    /// The member whose ledger it is; otherwise this node's own.
    #[arg(value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) member: Option<Name>,
}

const DELEGATION_EXAMPLES: &str = "\
Examples:
  blindmatch roster delegation bank > bank.delegation
  blindmatch roster delegation --number 2 bank > bank-2.delegation

A member that lost its home needs the delegations that its backup lacks:
  blindmatch restore --storage-key KEY --delegation FILE BACKUP
Which are known here: `blindmatch roster delegation bank --output json`.";

#[derive(Args, Debug)]
pub(crate) struct DelegationArguments {
    /// The member; otherwise this node's own.
    #[arg(value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) member: Option<Name>,
    /// An earlier one, by its number.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) number: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct ReadmitArguments {
    /// The member.
    #[arg(value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) member: Name,
}

#[derive(Args, Debug)]
pub(crate) struct KeygenArguments {
    /// The name that stands beside signatures: of the administrator, not of a member.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The file to write the secret key to; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

const NEW_EXAMPLES: &str = "\
Examples:
  blindmatch roster new --consortium cloudshield --key ada.pub --key bob.pub --threshold 2 \\
      --next-key eve.pub --next-threshold 1 roster.txt
  blindmatch roster new --after roster.txt roster-2.txt
  blindmatch roster new --after roster.txt --advance-keys --next-key joe.pub roster-2.txt";

#[derive(Args, Debug)]
pub(crate) struct NewArguments {
    /// The consortium's name.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    #[arg(required_unless_present = "after", conflicts_with = "after")]
    pub(crate) consortium: Option<Name>,
    /// The roster before: what the new one does not change stays as it is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) after: Option<PathBuf>,
    /// A public key that signs rosters, or a file with it; may be repeated.
    #[arg(long = "key", value_name = "KEY", conflicts_with = "after")]
    #[arg(required_unless_present = "after")]
    pub(crate) keys: Vec<String>,
    /// How many of them have to sign; otherwise all.
    #[arg(long, value_name = "K", conflicts_with = "after")]
    pub(crate) threshold: Option<usize>,
    /// A public key that can replace the others when they are lost, or a file with it; may be
    /// repeated.
    #[arg(
        long = "next-key",
        value_name = "KEY",
        required_unless_present = "after"
    )]
    pub(crate) next_keys: Vec<String>,
    /// How many of them have to sign then; otherwise all.
    #[arg(long, value_name = "K", requires = "next_keys")]
    pub(crate) next_threshold: Option<usize>,
    /// Let the next keys of the roster before take the place of its keys, with --next-key behind
    /// them.
    #[arg(long, requires = "after", requires = "next_keys")]
    pub(crate) advance_keys: bool,
    /// When the roster comes into force; otherwise now.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) not_before: Option<Timestamp>,
    /// When it is no longer in force, at most 366 days later; otherwise 180 days later.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) expires: Option<Timestamp>,
    /// How many witnesses cosign a ledger: a number, or `more than half` of those other than its
    /// owner.
    #[arg(long, value_name = "NUMBER", value_parser = parse_quorum, requires = "after")]
    pub(crate) witness_quorum: Option<WitnessQuorum>,
    /// Name none of the lists of exclusions that come with blindmatch (`exclusions list`).
    #[arg(long)]
    pub(crate) no_exclusions: bool,
    /// The folder with the public suffix list, otherwise found beside the program.
    #[arg(long, value_name = "DIR", env = "BLINDMATCH_TABLES")]
    pub(crate) tables: Option<PathBuf>,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct AddArguments {
    /// The roster, which nobody has signed yet.
    #[arg(value_name = "ROSTER")]
    pub(crate) roster: PathBuf,
    /// Cards of the members.
    #[arg(value_name = "CARD", required = true)]
    pub(crate) cards: Vec<PathBuf>,
    /// Replace members that are there already, with new keys or another address.
    #[arg(long)]
    pub(crate) replace: bool,
    /// How many witnesses cosign a ledger: a number, or `more than half` of those other than its
    /// owner.
    #[arg(long, value_name = "NUMBER", value_parser = parse_quorum)]
    pub(crate) witness_quorum: Option<WitnessQuorum>,
    /// These members do not cosign the ledgers of others; otherwise every provider does.
    #[arg(long)]
    pub(crate) no_witness: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArguments {
    /// The roster, which nobody has signed yet.
    #[arg(value_name = "ROSTER")]
    pub(crate) roster: PathBuf,
    /// The members.
    #[arg(value_name = "MEMBER", required = true, value_parser = parse_name)]
    pub(crate) members: Vec<Name>,
}

#[derive(Args, Debug)]
pub(crate) struct SignArguments {
    /// The administrator's secret key.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The roster before, whose keys may sign too.
    #[arg(long, value_name = "ROSTER")]
    pub(crate) after: Option<PathBuf>,
    /// The roster, to which the signature is added.
    #[arg(value_name = "ROSTER")]
    pub(crate) roster: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// A roster, instead of the one that this node has installed.
    #[arg(value_name = "ROSTER")]
    pub(crate) roster: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RosterFile {
    /// The roster.
    #[arg(value_name = "ROSTER")]
    pub(crate) roster: PathBuf,
}

const TRUST_EXAMPLE: &str = "\
Example:
  blindmatch roster trust witch collapse practice feed shame open despair creek road again ice least

Ask an administrator for the words by a way that an attacker of the network does not control, and
compare them with those of `blindmatch roster show ROSTER`.";

#[derive(Args, Debug)]
pub(crate) struct TrustArguments {
    /// The twelve words of the fingerprint.
    #[arg(value_name = "WORD", required = true)]
    pub(crate) words: Vec<String>,
}

fn parse_quorum(text: &str) -> Result<WitnessQuorum, String> {
    text.parse()
        .map_err(|_| "write a number from 1 on, or `more than half`".to_owned())
}
