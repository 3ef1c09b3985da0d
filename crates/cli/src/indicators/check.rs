//! `blindmatch indicators check`: read feeds, keep nothing, report.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use blindmatch_feeds::{ColumnInfo, Intake, Options, Refused, Row, Summary};
use blindmatch_indicator::{Canonicaliser, IndicatorType, PaymentKey};
use serde::Serialize;

use super::report::RefusalReport;
use crate::args::indicators::{CheckArguments, Reading};
use crate::args::{Global, Output};
use crate::command_line::CommandLine;
use crate::error::{Error, Exit};
use crate::feed_hints::{self, Asked};
use crate::input::Source;
use crate::output::{self, Fact, Report, Table, grouped};
use crate::tables;

/// The result, as scripts read it.
#[derive(Serialize)]
struct Checked {
    files: Vec<FileReport>,
    read: u64,
    accepted: BTreeMap<&'static str, u64>,
    duplicates: u64,
    refused: BTreeMap<&'static str, u64>,
    not_matchable: BTreeMap<String, u64>,
    derived: BTreeMap<&'static str, u64>,
    refanged: u64,
}

#[derive(Serialize)]
struct FileReport {
    file: String,
    format: &'static str,
    rows: u64,
    columns: Vec<ColumnReport>,
}

#[derive(Serialize)]
struct ColumnReport {
    number: usize,
    name: Option<String>,
    #[serde(rename = "type")]
    indicator_type: Option<&'static str>,
}

pub(crate) fn run(arguments: &CheckArguments, global: &Global) -> Result<Exit, Error> {
    let canonicaliser = canonicaliser(&arguments.reading)?;
    let options = options(&arguments.reading);
    let mut intake = Intake::new(&canonicaliser, rand::random());
    let refused = arguments.refused.as_deref();
    let mut refusals = refused
        .map(|path| RefusalReport::create(path, &arguments.files))
        .transpose()?;
    let line = CommandLine::typed(&arguments.files);
    let asked = Asked {
        line: &line,
        reading: &arguments.reading,
    };
    let mut files = Vec::new();
    for path in &arguments.files {
        let source = Source::open(path)?;
        let file = source.name();
        let mut report = |refused: &Refused<'_>| {
            if let Some(refusals) = &mut refusals {
                refusals.write(&file, refused);
            }
        };
        let mut sink = |row: &Row<'_>| intake.take(row, &mut report);
        let summary = source
            .read(&options, &canonicaliser, global.quiet, &mut sink)
            .map_err(|error| feed_hints::explain(&asked, &file, &error))?;
        files.push(FileReport::new(file, &summary, global.verbose));
    }
    let looks_like = intake.looks_like();
    let tally = intake.tally();
    if let (0, Some(wanted), Some(found)) = (
        tally.accepted_total(),
        arguments.reading.indicator_type,
        looks_like,
    ) {
        return Err(wrong_type(&line, &arguments.files, wanted, found));
    }
    if let Some(refusals) = refusals {
        refusals.publish()?;
    }
    let by_name = |counts: BTreeMap<IndicatorType, u64>| {
        counts
            .into_iter()
            .map(|(kind, count)| (kind.name(), count))
            .collect()
    };
    let refused = tally.refused_total();
    let report = Checked {
        files,
        read: tally.read,
        accepted: by_name(tally.accepted),
        duplicates: tally.duplicates,
        refused: tally.refused,
        not_matchable: tally.not_matchable,
        derived: by_name(tally.derived),
        refanged: tally.refanged,
    };
    output::show("indicators_check", &report, global.output)?;
    if refused > 0 && arguments.refused.is_none() && !global.quiet && global.output == Output::Table
    {
        eprintln!("hint: --refused FILE lists each refused value's place, reason and shape");
    }
    Ok(if arguments.strict && refused > 0 {
        Exit::Partly
    } else {
        Exit::Done
    })
}

fn canonicaliser(reading: &Reading) -> Result<Canonicaliser, Error> {
    // PANs are only counted here, so any key does.
    let key = PaymentKey::new(&rand::random());
    let suffixes = tables::public_suffixes(reading.tables.as_deref())?;
    let mut canonicaliser = Canonicaliser::new(suffixes).with_payment_key(key);
    if let Some(region) = reading.default_region {
        canonicaliser = canonicaliser.with_default_region(region);
    }
    if let Some(platform) = reading.default_platform.clone() {
        canonicaliser = canonicaliser.with_default_platform(platform);
    }
    Ok(canonicaliser)
}

fn options(reading: &Reading) -> Options {
    Options {
        format: reading.format,
        indicator_type: reading.indicator_type,
        column: reading.column.clone(),
        maps: reading.maps.clone(),
        reference: reading.reference.clone(),
        seen: reading.seen.clone(),
        time_zone: reading.timezone.clone(),
        now: Some(jiff::Timestamp::now()),
    }
}

/// Nothing was of the type that was named, and the values look like another one.
fn wrong_type(
    line: &CommandLine,
    files: &[PathBuf],
    wanted: IndicatorType,
    found: IndicatorType,
) -> Error {
    let file = files
        .first()
        .map(|file| file.display().to_string())
        .unwrap_or_default();
    let type_found = format!("--type {found}");
    Error::new(format!(
        "no value is of the type {wanted}; they look like {found}"
    ))
    .hint(line.retyped(&["--type"], &type_found, &file))
    .hint("without --type, each value shows its own type by its form")
}

impl FileReport {
    fn new(file: String, summary: &Summary, verbose: bool) -> Self {
        if verbose {
            eprintln!("{file}: {}, {}", summary.format, summary.reached);
        }
        let column = |column: &ColumnInfo| ColumnReport {
            number: column.number,
            name: column.name.clone(),
            indicator_type: column.indicator_type.map(IndicatorType::name),
        };
        Self {
            file,
            format: summary.format.name(),
            rows: summary.reached.rows,
            columns: summary.columns.iter().map(column).collect(),
        }
    }
}

impl fmt::Display for ColumnReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "column {name}"),
            None => write!(f, "column {}", self.number),
        }
    }
}

impl Report for Checked {
    fn table(&self) -> String {
        let mut files = Table::of_counts();
        for file in &self.files {
            let columns: String = file
                .columns
                .iter()
                .map(|column| format!(", {column}"))
                .collect();
            let note = format!("rows ({}{columns})", file.format);
            files.count(&file.file, file.rows, &note);
        }
        let mut counts = Table::of_counts();
        counts.count("read", self.read, "source values");
        counts.count(
            "accepted",
            self.accepted.values().sum(),
            &by_name(&self.accepted),
        );
        counts.count("duplicates", self.duplicates, "");
        counts.count(
            "refused",
            self.refused.values().sum(),
            &by_name(&self.refused),
        );
        let not_matchable = by_name(&self.not_matchable);
        counts.count(
            "not matchable",
            self.not_matchable.values().sum(),
            &not_matchable,
        );
        counts.count(
            "derived",
            self.derived.values().sum(),
            &by_name(&self.derived),
        );
        if self.refanged > 0 {
            counts.count("refanged", self.refanged, "were written defanged");
        }
        format!("{}\n{}", files.render(), counts.render())
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut rows = vec![Fact::new("read", "", self.read)];
        rows.extend(facts("accepted", &self.accepted));
        rows.push(Fact::new("duplicates", "", self.duplicates));
        rows.extend(facts("refused", &self.refused));
        rows.extend(facts("not_matchable", &self.not_matchable));
        rows.extend(facts("derived", &self.derived));
        rows.push(Fact::new("refanged", "", self.refanged));
        rows
    }
}

fn facts(fact: &'static str, counts: &BTreeMap<impl AsRef<str>, u64>) -> Vec<Fact> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| Fact::new(fact, name.as_ref(), count))
        .collect()
}

/// `ip 120,430, domain 12`
fn by_name(counts: &BTreeMap<impl AsRef<str>, u64>) -> String {
    let parts: Vec<_> = counts
        .iter()
        .map(|(name, &count)| format!("{} {}", name.as_ref(), grouped(count)))
        .collect();
    parts.join(", ")
}
