//! The command line, as DESIGN's conventions have it: every option documented where it is read.

pub(crate) mod collections;
pub(crate) mod demo;
pub(crate) mod exchange;
pub(crate) mod indicators;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod manual;
pub(crate) mod node;
pub(crate) mod notify;
pub(crate) mod policy;
pub(crate) mod roster;
pub(crate) mod serve;

use std::any::TypeId;
use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use blindmatch_node::Node;
use blindmatch_node::membership::{Address, Name};
use clap::builder::styling::{AnsiColor, Styles};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::error::{Error, printable};
use crate::session::Session;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes: 0 done (refused rows are reported, not an error) · 1 error · 2 wrong usage · 3 refused \
by policy · 4 budget exhausted · 5 peer unreachable · 6 partly done, or refused rows under --strict · \
10 matches found under --fail-on-match";

/// Learn which abuse indicators you share with another provider, and nothing else.
#[derive(Parser, Debug)]
#[command(name = "blindmatch", version, styles = STYLES, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Those of a command that was typed in `directory`, which its paths are relative to.
    pub(crate) fn of(words: &[OsString], directory: &Path) -> Result<Self, clap::Error> {
        let command = resolving(Self::command(), directory);
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }
}

/// `command`, all of whose paths become absolute. What stands for the standard input stays.
fn resolving(command: clap::Command, directory: &Path) -> clap::Command {
    let command = command.mut_args(|argument| {
        if argument.get_value_parser().type_id() != TypeId::of::<PathBuf>() {
            return argument;
        }
        let directory = directory.to_owned();
        argument.value_parser(PathBufValueParser::new().map(move |path| {
            if path == Path::new("-") {
                path
            } else {
                directory.join(path)
            }
        }))
    });
    command.mut_subcommands(|inner| resolving(inner, directory))
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The node's home directory; otherwise .blindmatch in the user's own.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BLINDMATCH_HOME",
        help_heading = "Everywhere"
    )]
    pub(crate) home: Option<PathBuf>,
    /// How to print the result.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Everywhere"
    )]
    pub(crate) output: Output,
    /// Say nothing on stderr but errors.
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Everywhere"
    )]
    pub(crate) quiet: bool,
    /// Say more on stderr, e.g. how each file was read.
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) verbose: bool,
    /// Where the command runs.
    #[arg(skip)]
    pub(crate) session: Session,
}

impl Global {
    /// The node's home.
    pub(crate) fn home(&self) -> Result<PathBuf, Error> {
        if let Some(service) = self.session.service() {
            let daemon = service.serving().daemon();
            return Ok(daemon.node().disk().root().to_owned());
        }
        let own = || Some(env::home_dir()?.join(".blindmatch"));
        self.home.clone().or_else(own).ok_or_else(|| {
            Error::new("this user has no home directory").hint("name the node's with --home DIR")
        })
    }

    /// The home where the command itself names it, so that the next one has to as well.
    pub(crate) fn named_home(&self) -> Option<&Path> {
        let typed = |word: &OsString| {
            let word = word.to_string_lossy();
            word == "--home" || word.starts_with("--home=")
        };
        let home = self.home.as_deref();
        let home = home.filter(|_| self.session.words().iter().any(typed));
        home.map(|home| self.session.typed(home))
    }

    /// The node: opened, so that this process owns its home, or that which the command runs inside.
    pub(crate) fn node(&self) -> Result<Node, Error> {
        Ok(self.open(&self.home()?)?)
    }

    /// The same, whose home is this.
    pub(crate) fn open(&self, home: &Path) -> Result<Node, blindmatch_node::Error> {
        match self.session.service() {
            Some(service) => service.serving().daemon().node().read_again(),
            None => Node::open(home),
        }
    }

    /// Prints text and a line end on the standard error, where all goes that is not the result. Where
    /// that fails there is nobody to tell.
    ///
    /// What others wrote cannot steer the terminal.
    pub(crate) fn tell(&self, what: impl Display) {
        let text = printable(&what.to_string());
        let _ = self.session.tell(format!("{text}\n").as_bytes());
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON object with a `schema`.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Make a node in --home.
    #[command(after_help = node::INIT_EXAMPLE)]
    Init(node::InitArguments),
    /// Print this node's public card, with its fingerprint in words.
    #[command(after_help = node::CARD_EXAMPLES)]
    Card(node::CardArguments),
    /// Identity, delegation, storage key, payment key.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The consortium's signed list of members.
    #[command(subcommand)]
    Roster(roster::RosterCommand),
    /// Look at indicators before they are imported.
    #[command(subcommand)]
    Indicators(indicators::IndicatorsCommand),
    /// Take a feed into a collection of this node.
    #[command(after_help = collections::IMPORT_EXAMPLES)]
    Import(Box<collections::ImportArguments>),
    /// List the collections, or show one.
    #[command(
        after_help = "Examples:\n  blindmatch collections\n  blindmatch collections show fraud"
    )]
    Collections(collections::CollectionsArguments),
    /// Well-known shared or benign values, which imports leave out.
    #[command(subcommand)]
    Exclusions(collections::ExclusionsCommand),
    /// What the operator configures.
    #[command(subcommand)]
    Config(node::ConfigCommand),
    /// What this member asks of others and serves to them.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Ask the peers for what the collections hold: the nightly job.
    #[command(after_help = exchange::BATCH_EXAMPLES)]
    Batch(exchange::BatchArguments),
    /// Ask the peers about values at hand.
    #[command(after_help = exchange::QUERY_EXAMPLES)]
    Query(Box<exchange::QueryArguments>),
    /// What the peers hold too.
    #[command(subcommand)]
    Matches(exchange::MatchesCommand),
    /// Tell the operator's own programs of matches.
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// The views and the epochs of their keys.
    #[command(subcommand)]
    Epoch(exchange::EpochCommand),
    /// How this node stands, and what needs attention.
    #[command(after_help = exchange::STATUS_EXAMPLES)]
    Status(collections::TablesArguments),
    /// The node's record of what it did, which anybody can verify.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Write what an assessor asks for: roster, policies, counters, charges, the ledger's checkpoint.
    #[command(after_help = node::EVIDENCE_EXAMPLE)]
    Evidence(node::EvidenceArguments),
    /// Write everything that must not be lost to one file.
    #[command(after_help = node::BACKUP_EXAMPLE)]
    Backup(node::BackupArguments),
    /// Make a node in --home from a backup.
    #[command(after_help = node::RESTORE_EXAMPLE)]
    Restore(node::RestoreArguments),
    /// Look for what is wrong or soon will be, and say what to do.
    #[command(after_help = node::DOCTOR_EXAMPLE)]
    Doctor(node::DoctorArguments),
    /// Answer other members, publish what they may ask, and cosign their ledgers.
    #[command(after_help = serve::EXAMPLE)]
    Serve(serve::ServeArguments),
    /// Try everything on this machine: several nodes, real exchanges, results checked in the clear.
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArguments),
    /// Print what a shell completes commands by.
    #[command(after_help = manual::COMPLETIONS_EXAMPLES)]
    Completions(manual::CompletionsArguments),
    /// Write the manual: a page for every command.
    #[command(after_help = manual::MAN_EXAMPLES)]
    Man(manual::ManArguments),
}

impl Command {
    /// Whether it works on a node, so that one which serves has to run it. The others read and write
    /// files, or make a home.
    pub(crate) const fn opens_node(&self) -> bool {
        use self::{keys::KeysCommand, policy::PolicyCommand, roster::RosterCommand};
        match self {
            Self::Card(arguments) => arguments.file.is_none(),
            Self::Keys(command) => {
                !matches!(command, KeysCommand::Sign(_) | KeysCommand::Import(_))
            }
            Self::Roster(command) => {
                matches!(
                    command,
                    RosterCommand::Trust(_) | RosterCommand::Install(_) | RosterCommand::Readmit(_)
                )
            }
            Self::Policy(command) => {
                matches!(
                    command,
                    PolicyCommand::Explain(_) | PolicyCommand::Override(_)
                )
            }
            Self::Init(_)
            | Self::Restore(_)
            | Self::Indicators(_)
            | Self::Config(_)
            | Self::Ledger(_)
            | Self::Evidence(_)
            | Self::Serve(_)
            | Self::Demo(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
            _ => true,
        }
    }

    /// Whether it changes what a node that serves goes by: keys, roster, lists.
    pub(crate) const fn changes_node(&self) -> bool {
        matches!(
            self,
            Self::Card(_) | Self::Keys(_) | Self::Roster(_) | Self::Exclusions(_) | Self::Doctor(_)
        )
    }

    /// Whether it changes what there is to publish.
    pub(crate) const fn changes_rows(&self) -> bool {
        matches!(
            self,
            Self::Import(_) | Self::Matches(exchange::MatchesCommand::Withdraw(_))
        )
    }

    /// Its name, for logs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Card(_) => "card",
            Self::Keys(_) => "keys",
            Self::Roster(_) => "roster",
            Self::Indicators(_) => "indicators",
            Self::Import(_) => "import",
            Self::Collections(_) => "collections",
            Self::Exclusions(_) => "exclusions",
            Self::Config(_) => "config",
            Self::Policy(_) => "policy",
            Self::Ledger(_) => "ledger",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Doctor(_) => "doctor",
            Self::Serve(_) => "serve",
            Self::Batch(_) => "batch",
            Self::Query(_) => "query",
            Self::Matches(_) => "matches",
            Self::Notify(_) => "notify",
            Self::Evidence(_) => "evidence",
            Self::Epoch(_) => "epoch",
            Self::Status(_) => "status",
            Self::Demo(_) => "demo",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

fn parse_name(text: &str) -> Result<Name, String> {
    text.parse().map_err(|_| {
        "write it in lower-case letters, digits, inner hyphens and dots, e.g. acme-pay".to_owned()
    })
}

fn parse_address(text: &str) -> Result<Address, String> {
    text.parse()
        .map_err(|_| "write it as HOST:PORT in lower case, e.g. psi.acme.example:7443".to_owned())
}

/// A day, which begins in UTC, or a time with its offset.
fn parse_time(text: &str) -> Result<Timestamp, String> {
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    text.parse()
        .or_else(|_| text.parse::<Date>().and_then(midnight))
        .map_err(|_| "write it as 2027-06-30 or 2027-06-30T12:00:00Z".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
