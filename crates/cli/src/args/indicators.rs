//! `indicators`, and how any command reads feeds.

use std::path::PathBuf;

use blindmatch_feeds::{Column, Format};
use blindmatch_indicator::{IndicatorType, Platform, Region};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

#[derive(Subcommand, Debug)]
pub(crate) enum IndicatorsCommand {
    /// Read feeds, keep nothing, report what an import would take and what it would refuse.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  blindmatch indicators check feed.txt
  blindmatch indicators check --type ip --refused refused.ndjson feed.txt.gz
  blindmatch indicators check --map email=mail --map phone=tel --ref id customers.csv
  zcat misp.json.gz | blindmatch indicators check --format misp --output json -";

#[derive(Args, Debug)]
pub(crate) struct CheckArguments {
    /// Feeds to read: files (also .gz and .zst), MISP feed folders, or `-` for stdin.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Write every refused value's place, reason and redacted shape to this file, one JSON object
    /// a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) refused: Option<PathBuf>,
    /// Exit with 6 where a value was refused.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// How feeds are read.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reading")]
pub(crate) struct Reading {
    /// The type of the values; otherwise each value shows its own by its form.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) indicator_type: Option<IndicatorType>,
    /// The format: plain, csv, tsv, jsonl, stix or misp; otherwise the content shows it.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// The column with the values, by header name or by number from 1 (csv, tsv, jsonl).
    #[arg(long, value_name = "COLUMN", conflicts_with = "maps")]
    pub(crate) column: Option<Column>,
    /// A column with values of this type; may be repeated (csv, tsv, jsonl).
    #[arg(long = "map", value_name = "TYPE=COLUMN", value_parser = parse_map)]
    #[arg(conflicts_with = "indicator_type")]
    pub(crate) maps: Vec<(IndicatorType, Column)>,
    /// The column with your own id for the row (csv, tsv, jsonl).
    #[arg(long = "ref", value_name = "COLUMN")]
    pub(crate) reference: Option<Column>,
    /// The column with the time at which the row was seen, RFC 3339 (csv, tsv, jsonl).
    #[arg(long, value_name = "COLUMN")]
    pub(crate) seen: Option<Column>,
    /// The time zone of times that name none, e.g. Europe/Paris; otherwise these are refused.
    #[arg(long, value_name = "ZONE", value_parser = parse_time_zone)]
    pub(crate) timezone: Option<TimeZone>,
    /// The country of phone numbers that have no +, e.g. US; otherwise these are refused.
    #[arg(long, value_name = "REGION")]
    pub(crate) default_region: Option<Region>,
    /// The platform of account names that are not written PLATFORM:NAME.
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) default_platform: Option<Platform>,
    /// The folder with the public suffix list, otherwise found beside the program.
    #[arg(long, value_name = "DIR", env = "BLINDMATCH_TABLES")]
    pub(crate) tables: Option<PathBuf>,
}

impl Reading {
    /// Its options as they are typed; each has a value.
    pub(crate) const OPTIONS: [&str; 10] = [
        "--type",
        "--format",
        "--column",
        "--map",
        "--ref",
        "--seen",
        "--timezone",
        "--default-region",
        "--default-platform",
        "--tables",
    ];
}

fn parse_map(text: &str) -> Result<(IndicatorType, Column), String> {
    let (kind, column) = text
        .split_once('=')
        .ok_or("write it as TYPE=COLUMN, e.g. email=mail")?;
    let kind = kind.parse().map_err(|error| format!("`{kind}`: {error}"))?;
    let column = column
        .parse()
        .map_err(|error| format!("`{column}`: {error}"))?;
    Ok((kind, column))
}

fn parse_time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| "no such time zone; write it like Europe/Paris or UTC".to_owned())
}
