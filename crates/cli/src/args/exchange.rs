//! `batch`, `query`, `matches`: asking the peers, and what they answered; `epoch`, `status`: how things
//! stand.

use std::path::PathBuf;

use blindmatch_feeds::Tlp;
use blindmatch_indicator::IndicatorType;
use blindmatch_node::exchange::view::View;
use blindmatch_node::matches::{MatchId, State};
use blindmatch_node::membership::Name;
use blindmatch_node::store::collection::CollectionName;
use blindmatch_node::store::runs::MAX_TEXT;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::collections::TablesArguments;
use super::indicators::Reading;
use super::policy::ProtocolName;
use super::{parse_name, parse_time};

pub(crate) const BATCH_EXAMPLES: &str = "\
Examples:
  blindmatch batch --dry-run                        what it would ask, cost and reveal
  blindmatch batch
  blindmatch batch --peer bolt --collection accounts --output json
  blindmatch batch --sweep --dry-run                how many nights all customers would take

Every collection asks every peer for every type and purpose that a rule of policy.toml with the
direction `ask` names. Within an epoch nothing is asked for twice. Of a collection of customers only
what came since the last run is asked for. What a peer fails at leaves the others as they are, and is
gone on with the next time.

`--sweep` asks for all customers, and needs `sweep = true` in the rule; without that it is refused, with
the number of nights that it would take. What a day's budget does not cover waits for the next night,
what is new comes first, and an eighth of the day is left to queries: say `--sweep` every night until
nothing waits. It begins anew with each epoch of a peer's view.

Where rules of both sides name the protocols `lookup` and `batch`, large lists go by batch, which asks
for all of them each time and keeps nothing, unless the epoch's answers are here already; of customers
only where the rule has `sweep = true`. What both would take shows under --dry-run.

Exits with 0 where every peer answered, with 6 where some did, or where none serves anything.";

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
    /// Ask by this protocol and no other; otherwise by the one that is estimated to take less.
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<ProtocolName>,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

pub(crate) const QUERY_EXAMPLES: &str = "\
Examples:
  blindmatch query --purpose abuse-prevention --case T-4711 -
  blindmatch query --purpose abuse-prevention --peer bolt --type account suspects.txt
  blindmatch query --value 203.0.113.7
  blindmatch query --explain --purpose abuse-prevention suspects.txt

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
    /// Say of each answer why it is so, or may be, as far as it can be known here.
    #[arg(long)]
    pub(crate) explain: bool,
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

#[derive(Subcommand, Debug)]
pub(crate) enum MatchesCommand {
    /// List the matches, without the values themselves unless these are asked for.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
    /// Show all that is known of one match.
    #[command(after_help = "Example:\n  blindmatch matches show 5f1c0a9be27d4433")]
    Show {
        /// The match, as the list names it.
        #[arg(value_name = "ID", value_parser = parse_match)]
        id: MatchId,
        #[command(flatten)]
        tables: TablesArguments,
    },
    /// Record that a match is what it seems: without that it is exported to nobody who acts on it.
    #[command(after_help = DECIDE_EXAMPLES)]
    Confirm(DecideArguments),
    /// Record that a match is not what it seems.
    #[command(after_help = DECIDE_EXAMPLES)]
    Dispute(DecideArguments),
    /// Tell the contributor of a match what you hold of it. That shows it that its entry matched here:
    /// the rule about it in policy.toml must have `feedback = true`.
    #[command(after_help = FEEDBACK_EXAMPLES)]
    Feedback {
        /// The match, as the list names it.
        #[arg(value_name = "ID", value_parser = parse_match)]
        id: MatchId,
        /// What you hold of it.
        #[arg(value_enum)]
        verdict: FeedbackWord,
        #[command(flatten)]
        tables: TablesArguments,
    },
    /// Take back entries of your own: they are served no longer, and peers that matched them are told.
    #[command(after_help = WITHDRAW_EXAMPLES)]
    Withdraw(WithdrawArguments),
    /// List what peers said of your own entries that matched there.
    #[command(after_help = "Example:\n  blindmatch matches heard")]
    Heard(TablesArguments),
    /// Name everybody who got something of a case, as far as this node knows.
    #[command(after_help = "Example:\n  blindmatch matches trace 2026-117")]
    Trace {
        /// The case, as it was given to `query`, `matches confirm` or `matches dispute`.
        #[arg(value_name = "CASE", value_parser = parse_case)]
        case: String,
        #[command(flatten)]
        tables: TablesArguments,
    },
    /// Write the matches, values and own references included, for other programs.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
    /// Read what people said of exported matches elsewhere: opinions and sightings of STIX, sightings of
    /// MISP.
    #[command(after_help = OPINIONS_EXAMPLES)]
    Opinions(OpinionsArguments),
}

const LIST_EXAMPLES: &str = "\
Examples:
  blindmatch matches list
  blindmatch matches list --peer bolt --since 2026-11-01 --values

A match is listed once, however many runs found it. `earlier`: the last run of its collection did not
find it again, because the peer withdrew it or because it was not asked for again. What a list of
exclusions has, whose label does not open, or what is weak (a domain, a host, an account name, a JA4, a
card without its number) and has no match of another type under the same reference, is left out unless
--all is said. Results are kept as long as an indicator of the type ([keep_days] in blindmatch.toml).";

const DECIDE_EXAMPLES: &str = "\
Examples:
  blindmatch matches confirm 5f1c0a9be27d4433 --case 2026-117 --reason same-device
  blindmatch matches dispute 5f1c0a9be27d4433 --case 2026-117 --reason a-shared-address

It is recorded who decided, when, for which case and why: in this home, sealed, until no result has the
match; in the ledger as a digest that says none of it. Who withdraws the entry later flags the match
again, and the decision stays beside it.";

const FEEDBACK_EXAMPLES: &str = "\
Example:
  blindmatch matches feedback 5f1c0a9be27d4433 false-positive

It is sent by the node that serves, or with the next `batch`, until the contributor has acknowledged it.";

const WITHDRAW_EXAMPLES: &str = "\
Examples:
  blindmatch matches heard
  blindmatch matches withdraw --collection fraud --ref F-2291

The entries go out of every source of the collection. They are served until the next publication, which is
that of the next day; with it every peer that may ask is told by names that mean something to those who matched
them alone, and their matches are flagged. A feed that still has them brings them back with its next
import: take them out there too, or exclude them (`blindmatch exclusions add FILE`).";

const EXPORT_EXAMPLES: &str = "\
Examples:
  blindmatch matches export --format csv --out matches-2026-11-22.csv
  blindmatch matches export --format ndjson --since 2026-11-21 | jq .references
  blindmatch matches export --format stix --out matches.stix.json
  blindmatch matches export --format misp --for enforcement --out confirmed.misp.json

A match is a lead: it says that another member lists the identifier too, and nothing else. STIX and MISP
have each indicator once, under an id that is the same each night and tells nobody without this node's key
what it stands for; of the members only this one is named, and references are not in them. What goes
to where it is acted upon is for `--for enforcement`: only matches that an operator has confirmed leave
then. Card numbers are written in no format.";

const OPINIONS_EXAMPLES: &str = "\
Example:
  blindmatch matches opinions from-misp.json

A sighting or `agree` says agree; `disagree` or a sighting that counts none, disagree; a label
`false-positive` or MISP's sighting of that kind, false positive; MISP's expiration, expired. What
`matches export` wrote itself says nothing. It is shown beside what was decided here, and changes nothing.";

/// Which matches.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// Only those that this peer holds.
    #[arg(long, value_name = "MEMBER", value_parser = parse_name)]
    pub(crate) peer: Option<Name>,
    /// Only those of this collection.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<CollectionName>,
    /// Only those of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) indicator_type: Option<IndicatorType>,
    /// Only those that were first found from this day or time on, e.g. 2026-11-22.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Timestamp>,
    /// Only those that stand so: new, seen, confirmed, disputed, withdrawn or stale.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    pub(crate) state: Option<State>,
    /// Also what is excluded, entries whose label does not open, and weak types by themselves.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Show the values too.
    #[arg(long)]
    pub(crate) values: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DecideArguments {
    /// The match, as the list names it.
    #[arg(value_name = "ID", value_parser = parse_match)]
    pub(crate) id: MatchId,
    /// The case that it was decided in.
    #[arg(long, value_name = "CASE", value_parser = parse_case)]
    pub(crate) case: String,
    /// Why, in a few words.
    #[arg(long, value_name = "TEXT", value_parser = parse_case)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

#[derive(Args, Debug)]
pub(crate) struct WithdrawArguments {
    /// The collection that has the entries.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: CollectionName,
    /// Your own reference of an entry, as its feed has it; may be repeated.
    #[arg(long = "ref", value_name = "REFERENCE", required = true)]
    pub(crate) references: Vec<String>,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

/// What a contributor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeedbackWord {
    /// You hold the same.
    Agree,
    /// You hold otherwise.
    Disagree,
    /// It is somebody else's, or nobody's.
    FalsePositive,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The form.
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// What becomes of it: looked at by people, or acted upon.
    #[arg(
        long = "for",
        value_enum,
        value_name = "USE",
        default_value = "analysis"
    )]
    pub(crate) purpose: Use,
    /// To whom STIX and MISP may go on, by the Traffic Light Protocol 2.0: red, amber+strict, amber, green
    /// or clear.
    #[arg(long, value_name = "LABEL", default_value_t = Tlp::default())]
    pub(crate) tlp: Tlp,
    /// The file, which must not exist yet and only you may read then; otherwise standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct OpinionsArguments {
    /// A STIX 2.1 bundle or a MISP event.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Use {
    /// People look at it; it says that it is a lead.
    Analysis,
    /// Somebody acts on it: only what an operator has confirmed.
    Enforcement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// STIX 2.1 bundle of indicators and sightings.
    Stix,
    /// MISP event of attributes and sightings.
    Misp,
    /// Comma-separated values with a header; several references in one field, `; ` between.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

#[derive(Subcommand, Debug)]
pub(crate) enum EpochCommand {
    /// List the views, one's own and those of peers, with the epochs of their keys.
    #[command(after_help = "Example:\n  blindmatch epoch list")]
    List(TablesArguments),
    /// Begin the next epoch of an own view, under another key. Peers get all of it anew, and runs that
    /// were agreed on go on for a day under the key before, which is destroyed then.
    #[command(after_help = "Example:\n  blindmatch epoch rotate abuse/ip/abuse-prevention")]
    Rotate(RotateEpochArguments),
}

#[derive(Args, Debug)]
pub(crate) struct RotateEpochArguments {
    /// The view, as `epoch list` names it: abuse/TYPE/PURPOSE
    #[arg(value_name = "VIEW")]
    pub(crate) view: View,
    #[command(flatten)]
    pub(crate) tables: TablesArguments,
}

pub(crate) const STATUS_EXAMPLES: &str = "\
Examples:
  blindmatch status
  blindmatch status --output json | jq '.warnings'";

fn parse_state(text: &str) -> Result<State, String> {
    State::named(text)
        .ok_or_else(|| "one of new, seen, confirmed, disputed, withdrawn, stale".to_owned())
}

fn parse_match(text: &str) -> Result<MatchId, String> {
    MatchId::parse(text).ok_or_else(|| "write it as `matches list` does: 16 digits".to_owned())
}
