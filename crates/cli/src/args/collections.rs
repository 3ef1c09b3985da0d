//! `import`, `collections`, `exclusions`: what a node holds.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use blindmatch_node::membership::Name;
use blindmatch_node::store::collection::{CollectionKind, CollectionName, SourceName};

use super::indicators::Reading;
use super::parse_name;

pub(crate) const IMPORT_EXAMPLES: &str = "\
Examples:
  blindmatch import --collection accounts --map email=mail --map phone=tel --ref id customers.csv
  blindmatch import --collection fraud --kind abuse --source honeypot --type ip feed.txt.gz
  zcat today.json.gz | blindmatch import --collection fraud --source misp --append -

Importing a source replaces what it held before, whole; the other sources of the collection stay as
they are. The report adds up: read = accepted + duplicates + refused + not matchable.";

#[derive(Args, Debug)]
pub(crate) struct ImportArguments {
    /// The collection; it is made where it does not exist.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: CollectionName,
    /// What a new collection holds; this never changes later. A new one holds customers unless
    /// this says otherwise.
    #[arg(long, value_enum)]
    pub(crate) kind: Option<KindName>,
    /// The source of the collection that the file is.
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) source: SourceName,
    /// Keep what the source held, and add.
    #[arg(long, conflicts_with = "remove")]
    pub(crate) append: bool,
    /// Take the values of the file out of the source.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Let the source shrink by more than 30 %, not counting what is excluded by now.
    #[arg(long)]
    pub(crate) allow_shrink: bool,
    /// Replace the source although it is damaged: what it held is destroyed, and of an abuse
    /// collection the values get new handles.
    #[arg(long, conflicts_with_all = ["append", "remove"])]
    pub(crate) discard_damaged: bool,
    /// Believe the clock although it went ahead by more than 30 days since the newest import, in
    /// which nothing was recorded: what has expired by it is destroyed.
    #[arg(long)]
    pub(crate) expire: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Write every refused value's place, reason and redacted shape to this file, one JSON object
    /// a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) refused: Option<PathBuf>,
    /// Exit with 6 where a value was refused.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The feed: a file (also .gz and .zst), a MISP feed folder, or `-` for stdin.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    /// Only ever used to ask; never served to anybody.
    Customers,
    /// Served to those peers that the policy allows.
    Abuse,
}

impl From<KindName> for CollectionKind {
    fn from(name: KindName) -> Self {
        match name {
            KindName::Customers => Self::Customers,
            KindName::Abuse => Self::Abuse,
        }
    }
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CollectionsArguments {
    #[command(subcommand)]
    pub(crate) command: Option<CollectionsCommand>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum CollectionsCommand {
    /// Show one collection: its sources, how many of which type, and what is excluded by lists that
    /// came after its imports.
    #[command(after_help = "Example:\n  blindmatch collections show fraud")]
    Show {
        /// The collection.
        #[arg(value_name = "NAME")]
        name: CollectionName,
        #[command(flatten)]
        tables: TablesArguments,
    },
    /// Destroy a collection, whether or not it reads: the keys of its files first. It does not come
    /// back but from a backup.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// The collection.
        #[arg(value_name = "NAME")]
        name: CollectionName,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

const REMOVE_EXAMPLES: &str = "\
Examples:
  blindmatch collections remove fraud
  blindmatch collections remove --yes fraud     where nobody can be asked

What was published of it is served until its views are published anew, what runs found in it stays,
and backups that hold it hold it still. Of a collection that is not there this is an error: a name
that was mistyped must not look destroyed.";

#[derive(Subcommand, Debug)]
pub(crate) enum ExclusionsCommand {
    /// List the lists of shared or benign values: which there are, and which imports apply.
    #[command(after_help = "Example:\n  blindmatch exclusions list")]
    List(TablesArguments),
    /// Apply a list from now on: one of your own, in the format of MISP warninglists, or one that
    /// comes with blindmatch.
    #[command(after_help = ADD_EXAMPLES)]
    Add(AddExclusionsArguments),
    /// Apply a list no longer, unless the roster names it. Where no such list was added, this says
    /// so and ends well: what was asked for is so.
    #[command(after_help = "Example:\n  blindmatch exclusions remove offices")]
    Remove {
        /// The list.
        #[arg(value_name = "NAME", value_parser = parse_name)]
        name: Name,
    },
}

const ADD_EXAMPLES: &str = "\
Examples:
  blindmatch exclusions add offices.json
  blindmatch exclusions add public-resolvers     one that comes with blindmatch";

#[derive(Args, Debug)]
pub(crate) struct TablesArguments {
    /// The folder with the public suffix list, otherwise found beside the program.
    #[arg(long, value_name = "DIR", env = "BLINDMATCH_TABLES")]
    pub(crate) tables: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct AddExclusionsArguments {
    /// What to call the list here; otherwise the name of the file without `.json`.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
    /// The list: a file, or the name of one that comes with blindmatch.
    #[arg(value_name = "FILE")]
    pub(crate) list: PathBuf,
}
