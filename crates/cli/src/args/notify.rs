//! `notify`: telling the operator's own programs.

use clap::{Args, Subcommand};

use super::collections::TablesArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum NotifyCommand {
    /// Tell each program that blindmatch.toml names under `notify` of the matches that it was not told of.
    #[command(after_help = SEND_EXAMPLES)]
    Send(SendArguments),
    /// Show the secret that messages to the webhook are signed with; made where there is none.
    #[command(after_help = SECRET_EXAMPLES)]
    Secret(SecretArguments),
}

const SEND_EXAMPLES: &str = "\
Examples:
  blindmatch batch && blindmatch notify send
  blindmatch notify send --output json

A notice has the id of a match, its type and your own references; a match is a lead. Each is told at
least once: a receiver knows one that comes again by its `key`, and a message by its Idempotency-Key.
Values are told only where blindmatch.toml says `values = true`, and then only of matches that an
operator confirmed.

Exits with 0 where all took everything, with 5 where the webhook did not, with 6 where some did.";

const SECRET_EXAMPLES: &str = "\
Example:
  blindmatch notify secret

32 bytes in hexadecimal. The header Blindmatch-Signature of a message is `t=SECONDS,v1=HEX`, HEX being
HMAC-SHA-256 under these bytes of SECONDS, a full stop, and the body. A receiver refuses what is
older than a few minutes.";

#[derive(Args, Debug)]
pub(crate) struct SendArguments {
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

#[derive(Args, Debug)]
pub(crate) struct SecretArguments {
    /// Make another one, and forget the one before.
    #[arg(long)]
    pub(crate) new: bool,
}
