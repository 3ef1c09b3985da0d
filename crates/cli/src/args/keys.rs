//! `keys`: identity, delegation, storage key, payment key.

use std::path::PathBuf;

use blindmatch_node::membership::Name;
use clap::{Args, Subcommand, ValueEnum};

use super::parse_name;

#[derive(Subcommand, Debug)]
pub(crate) enum KeysCommand {
    /// Make new node keys and delegate to them, for 30 days.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArguments),
    /// Destroy the node keys in use, e.g. because somebody may have copied them, and delegate to
    /// new ones that replace them for good.
    #[command(after_help = "Example:\n  blindmatch keys revoke --yes")]
    Revoke(RevokeArguments),
    /// Sign the request for a delegation, where the identity key is kept; this needs no node.
    #[command(after_help = SIGN_EXAMPLE)]
    Sign(SignDelegationArguments),
    /// Write a key that must outlive this machine to a file or, as words, to the terminal.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// Put the storage key back into a home whose own is missing or damaged.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportKeyArguments),
    /// The key that card numbers are hashed under, in the members that match them.
    #[command(subcommand)]
    Payment(PaymentCommand),
}

const ROTATE_EXAMPLES: &str = "\
Examples:
  blindmatch keys rotate
  blindmatch keys rotate --identity /media/usb/acme.identity

Or with the identity key on a machine of its own:
  blindmatch keys rotate --request acme.request
  blindmatch keys sign --identity acme.identity acme.request acme.delegation
  blindmatch keys rotate --delegation acme.delegation";

#[derive(Args, Debug)]
pub(crate) struct RotateArguments {
    /// The exported identity key, where it is no longer in the home.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Write the request for the delegation to this new file, to be signed where the identity key
    /// is kept: `keys sign`.
    #[arg(long, value_name = "FILE", conflicts_with = "identity")]
    pub(crate) request: Option<PathBuf>,
    /// Adopt the delegation in this file, which was signed elsewhere.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["identity", "request", "days"])]
    pub(crate) delegation: Option<PathBuf>,
    /// Days that the delegation holds, at most 30.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=30))]
    pub(crate) days: u8,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArguments {
    #[command(flatten)]
    pub(crate) rotate: RotateArguments,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

const SIGN_EXAMPLE: &str = "\
Example:
  blindmatch keys sign --identity acme.identity acme.request acme.delegation";

#[derive(Args, Debug)]
pub(crate) struct SignDelegationArguments {
    /// The exported identity key.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// What `keys rotate --request` wrote.
    #[arg(value_name = "REQUEST")]
    pub(crate) request: PathBuf,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "DELEGATION")]
    pub(crate) delegation: PathBuf,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  blindmatch keys export storage --to /media/usb/acme.storage
  blindmatch keys export storage            24 words, to be written down
  blindmatch keys export identity --to /media/usb/acme.identity --remove";

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// Which key.
    #[arg(value_enum)]
    pub(crate) key: ExportedKey,
    /// The file to write, which only its owner can read; otherwise the key is shown as words.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Take the key out of the home once it is in the file (identity only).
    #[arg(long, requires = "to")]
    pub(crate) remove: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportedKey {
    /// Everything in the home is sealed under it; a backup cannot be read without it.
    Storage,
    /// Signs the card and each delegation; belongs offline.
    Identity,
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  blindmatch keys import storage --from /media/usb/acme.storage
  blindmatch keys import storage --from -    the 24 words, typed

The key has to be that of this home. Where the home has it already, nothing changes. An exported
identity key needs no import: name its file with --identity.";

#[derive(Args, Debug)]
pub(crate) struct ImportKeyArguments {
    /// Which key.
    #[arg(value_enum)]
    pub(crate) key: ImportedKey,
    /// What `keys export` wrote, or `-` for stdin; the 24 words alone do as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportedKey {
    /// Everything in the home is sealed under it.
    Storage,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PaymentCommand {
    /// Make the consortium's payment key: in one member, once.
    #[command(after_help = NEW_PAYMENT_EXAMPLE)]
    New(NewPaymentArguments),
    /// Wrap the payment key for one member, so that nobody else can open it.
    #[command(after_help = "Example:\n  blindmatch keys payment wrap --to bank bank.payment-key")]
    Wrap(WrapArguments),
    /// Take the payment key that another member wrapped for this one.
    #[command(
        after_help = "Example:\n  blindmatch keys payment install --from acme bank.payment-key"
    )]
    Install(InstallPaymentArguments),
}

const NEW_PAYMENT_EXAMPLE: &str = "\
Example:
  blindmatch keys payment new

Where this node has a payment key already, made here or installed, that stays and the command ends
well: it is never replaced without --replace.";

#[derive(Args, Debug)]
pub(crate) struct NewPaymentArguments {
    /// Replace the key that is there. Card numbers imported under it match nothing any more and
    /// have to be imported again.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WrapArguments {
    /// The member, as the installed roster names it.
    #[arg(long, value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) to: Name,
    /// This member's identity key, where it is no longer in the home.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct InstallPaymentArguments {
    /// The member that wrapped it: the custodian whom this one trusts with the key.
    #[arg(long, value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) from: Name,
    /// Replace the key that is there, as after a leak. Card numbers imported under the old one
    /// have to be imported again.
    #[arg(long)]
    pub(crate) replace: bool,
    /// The wrapped key.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
