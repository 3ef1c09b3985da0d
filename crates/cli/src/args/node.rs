//! `init`, `card`, `config`, `backup`, `restore`, `doctor`: a node as a whole.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{parse_address, parse_name};
use blindmatch_node::membership::{Address, Name, Role};

pub(crate) const INIT_EXAMPLE: &str = "\
Example:
  blindmatch init --member acme --role provider --consortium cloudshield \\
      --address psi.acme.example:7443";

#[derive(Args, Debug)]
pub(crate) struct InitArguments {
    /// The name under which the consortium's roster will list the owner of this node.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) member: Name,
    /// What the member is.
    #[arg(long, value_enum)]
    pub(crate) role: RoleName,
    /// The consortium's name.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) consortium: Name,
    /// Where other members will reach this node; it stands on the card.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    pub(crate) address: Address,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Asks other members and serves its own abuse collections.
    Provider,
    /// Reads what members release; asks nothing and contributes nothing.
    Liaison,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Provider => Self::Provider,
            RoleName::Liaison => Self::Liaison,
        }
    }
}

pub(crate) const CARD_EXAMPLES: &str = "\
Examples:
  blindmatch card > acme.card       this node's card, for the consortium's administrator
  blindmatch card other.card        check another member's card and show its fingerprint

A card that blindmatch.toml has left behind, or that is damaged or gone, is signed anew.";

#[derive(Args, Debug)]
pub(crate) struct CardArguments {
    /// A card to check and show, instead of this node's own.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Make a new key to which others seal what is for this member, in place of a damaged one, and
    /// sign the card with it. The payment key has to be wrapped again then.
    #[arg(long, conflicts_with = "file")]
    pub(crate) new_key: bool,
    /// The identity key, where it is kept offline and the card has to be signed anew.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) identity: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Read blindmatch.toml and say what is wrong, or what is in force.
    #[command(after_help = "Example:\n  blindmatch config check")]
    Check(ConfigArguments),
}

#[derive(Args, Debug)]
pub(crate) struct ConfigArguments {
    /// A configuration to check, instead of the one in the home.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

pub(crate) const DOCTOR_EXAMPLE: &str = "\
Examples:
  blindmatch doctor
  blindmatch doctor --repair
  blindmatch doctor --repair --discard-damaged

Every file of the home is read, from its first byte to its last, but for those of `index/`: they are
derived from the ledger, checked whenever they are used, and made again where there is any doubt.

`--repair` ends what an interrupted command left half done, and brings values of an older canonical form
to the one in force where they say how. What it cannot do is named, with the command that can.

`--discard-damaged` also destroys what is damaged of views, runs and the peers' delegations, and the keys
of what is gone: put back later, it does not open any more. A view of this node's begins a new epoch
then; what was asked of a peer's view is asked and charged again; what a run found is lost, and one that
was not over ends without a receipt.

Exits with 1 where something does not work; warnings alone are no error.";

#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// First repair what nobody has to be asked for.
    #[arg(long)]
    pub(crate) repair: bool,
    /// Destroy what is damaged and can be made again, or done without, and the keys of what is gone.
    #[arg(long, requires = "repair")]
    pub(crate) discard_damaged: bool,
    /// The folder with the public suffix list, otherwise found beside the program.
    #[arg(long, value_name = "DIR", env = "BLINDMATCH_TABLES")]
    pub(crate) tables: Option<PathBuf>,
}

pub(crate) const BACKUP_EXAMPLE: &str = "\
Example:
  blindmatch backup acme-2026-11-22.backup

Where something that goes in is damaged or gone, it is named and nothing is written.

What can be used only once is left out: epoch keys, VOLEs, the state of runs. So is the storage key,
without which a backup cannot be read: `blindmatch keys export storage`.";

#[derive(Args, Debug)]
pub(crate) struct BackupArguments {
    /// Leave damaged collections out, and files that are gone, instead of writing nothing: all that they
    /// hold will be missing from a node that is restored. It is said, and the exit code is 6.
    #[arg(long)]
    pub(crate) without_damaged: bool,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

pub(crate) const RESTORE_EXAMPLE: &str = "\
Example:
  blindmatch --home /srv/blindmatch restore --storage-key acme.storage acme-2026-11-22.backup
  blindmatch --home /srv/blindmatch restore --storage-key acme.storage \\
      --witnessed acme.bank --witnessed acme.shop acme-2026-11-22.backup

Restore a backup once, in the place of a node that is no more. Two nodes that are restored from one
backup open an incarnation of the same number: witnesses cosign the ledger of the one that asks first and
refuse that of the other, whose publications no peer accepts then. Where it happened, keep the first, or
stop both and restore once more with --witnessed from each witness: that takes the next number.

The restored node opens a new incarnation of its ledger: new epochs, and budgets that count as
spent. Witnesses cosign it once it has, or names as lost, what they cosigned last. Each of them
writes out both, with the name of this member in the place of MEMBER:
  blindmatch ledger witnessed MEMBER > FILE      for --witnessed
  blindmatch roster delegation MEMBER > FILE     for --delegation";

#[derive(Args, Debug)]
pub(crate) struct RestoreArguments {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The exported storage key.
    #[arg(long, value_name = "FILE")]
    pub(crate) storage_key: PathBuf,
    /// A checkpoint of this ledger as a witness has it and writes out with `ledger witnessed MEMBER`; records of it that the backup lacks are
    /// named as lost. May be repeated.
    #[arg(long = "witnessed", value_name = "FILE")]
    pub(crate) witnessed: Vec<PathBuf>,
    /// A delegation of this member that was made after the backup, whose key signed such a
    /// checkpoint; every member writes it out with `roster delegation MEMBER`. May be repeated.
    #[arg(long = "delegation", value_name = "FILE")]
    pub(crate) delegations: Vec<PathBuf>,
}

pub(crate) const EVIDENCE_EXAMPLE: &str = "\
Example:
  blindmatch evidence acme-2026-11.json

One JSON object, which is the same as long as the home and the roster are: the roster in force, the policy
and when which came into force, records by their kind, what peers were charged for, and the
ledger's checkpoint, after all of the ledger was read and verified. No value and no match is in it.";

#[derive(Args, Debug)]
pub(crate) struct EvidenceArguments {
    /// The file, which must not exist yet; otherwise standard output.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
