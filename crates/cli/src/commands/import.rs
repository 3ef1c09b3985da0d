//! `blindmatch import`.

use std::slice;

use blindmatch_feeds::{FeedError, Format, Reached, Refused, Sieve, Summary};
use blindmatch_indicator::Indicator;
use blindmatch_node::collections::Wanted;
use blindmatch_node::import::{ImportError, import};
use blindmatch_node::store::collection::{CollectionKind, Mode};
use serde::Serialize;

use super::collections::HeldBack;
use crate::args::collections::ImportArguments;
use crate::args::indicators::Reading;
use crate::args::{Global, Output};
use crate::command_line::CommandLine;
use crate::error::{Error, Exit};
use crate::feed_hints::{self, Asked};
use crate::feed_report::{Counts, FileReport};
use crate::input::Source;
use crate::output::{self, Fact, Report, Table, hex};
use crate::reading;
use crate::refusals::RefusalReport;

#[derive(Serialize)]
struct Imported {
    collection: String,
    kind: &'static str,
    source: String,
    mode: &'static str,
    files: Vec<FileReport>,
    #[serde(flatten)]
    counts: Counts,
    /// Indicators that the source has now and had not before.
    added: u64,
    /// Indicators that it had before and has no more.
    removed: u64,
    /// Damaged sources of which nothing could be read: what of them was replaced is lost.
    discarded: Vec<String>,
    /// Values of all collections that had expired and were destroyed before.
    expired: u64,
    /// Names the state of the collection.
    snapshot: String,
    /// What of the collection lacks the evidence that the policy wants, and is not served.
    held_back: Vec<HeldBack>,
}

pub(crate) fn run(arguments: &ImportArguments, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    let mode = match (arguments.append, arguments.remove) {
        (true, _) => Mode::Append,
        (_, true) => Mode::Remove,
        _ => Mode::Replace,
    };
    let plan = node.import_plan(Wanted {
        collection: arguments.collection.clone(),
        kind: arguments.kind.map(Into::into),
        source: arguments.source.clone(),
        mode,
        allow_shrink: arguments.allow_shrink,
        discard_damaged: arguments.discard_damaged,
    })?;
    let canonicaliser = node.with_payment_key(reading::canonicaliser(&arguments.reading)?)?;
    let exclusions = node.exclusions(&canonicaliser)?;
    let collections = node.collections()?;
    let expired = node.before_import(
        &collections,
        &canonicaliser,
        &exclusions,
        &plan,
        arguments.expire,
    )?;
    for left in &expired.left {
        global.tell(format_args!(
            "warning: {left}; what expired in it is not destroyed"
        ));
    }
    let files = slice::from_ref(&arguments.file);
    let line = CommandLine::typed(files, &global.session);
    let source = Source::open(&arguments.file, global)?;
    let file = source.name();
    let mut refusals = arguments
        .refused
        .as_deref()
        .map(|path| RefusalReport::create(path, files))
        .transpose()?;
    let mut refused = |refused: &Refused<'_>| {
        if let Some(refusals) = &mut refusals {
            refusals.write(&file, refused);
        }
    };
    let excluding = |indicator: &Indicator| {
        let excluded = exclusions.reason_for(indicator)?;
        Some(excluded.list.name.as_str())
    };
    let mut rng = rand::rng();
    let sieve = Sieve::new(&canonicaliser).excluding(&excluding, rand::random());
    let options = reading::options(&arguments.reading);
    let read = |sink: &mut dyn FnMut(&blindmatch_feeds::Row<'_>)| {
        match source.read(&options, &canonicaliser, sink) {
            // A feed of which nothing is left empties its source, on the same word as one that lost
            // much of it.
            Err(FeedError::Empty) if arguments.allow_shrink && mode == Mode::Replace => {
                Ok(Summary {
                    format: options.format.unwrap_or(Format::Plain),
                    compression: None,
                    reached: Reached::default(),
                    rows_without_value: 0,
                    columns: Vec::new(),
                })
            }
            read => read,
        }
    };
    let (report, summary) = import(
        &collections,
        plan,
        &canonicaliser,
        sieve,
        read,
        &mut refused,
        &mut rng,
    )
    .map_err(|error| explain(error, arguments, &line, &file))?;
    if let Some(refusals) = refusals {
        let published = refusals.publish();
        published.map_err(|error| error.hint("the import itself is done"))?;
    }
    let imported = Imported {
        collection: report.contents.name.to_string(),
        kind: report.contents.kind.name(),
        source: arguments.source.to_string(),
        mode: match mode {
            Mode::Replace => "replace",
            Mode::Append => "append",
            Mode::Remove => "remove",
        },
        files: vec![FileReport::new(file, &summary, global)],
        counts: report.tally.into(),
        added: report.added,
        removed: report.removed,
        discarded: report
            .discarded
            .iter()
            .map(|(source, _)| source.to_string())
            .collect(),
        expired: expired.values,
        snapshot: hex(&report.contents.digest()),
        held_back: match node.policy() {
            Ok(policy) => HeldBack::of(&node.held_back(&collections, &report.contents, &policy)?),
            // Without a policy nothing is served anyhow.
            Err(_) => Vec::new(),
        },
    };
    output::show("import", &imported, global)?;
    if !imported.held_back.is_empty() && !global.quiet && global.output == Output::Table {
        let held: Vec<_> = imported.held_back.iter().map(HeldBack::in_words).collect();
        global.tell(format_args!(
            "held back by [evidence] of policy.toml, and not served: {}",
            held.join(", ")
        ));
    }
    let refused = imported.counts.refused_total();
    if refused > 0 && arguments.refused.is_none() && !global.quiet && global.output == Output::Table
    {
        global.tell("hint: --refused FILE lists each refused value's place, reason and shape");
    }
    Ok(if arguments.strict && refused > 0 {
        Exit::Partly
    } else {
        Exit::Done
    })
}

fn explain(
    error: ImportError<FeedError>,
    arguments: &ImportArguments,
    line: &CommandLine,
    file: &str,
) -> Error {
    let asked = Asked {
        line,
        reading: &arguments.reading,
    };
    match error {
        ImportError::Feed(error) => feed_hints::explain(&asked, file, &error),
        ImportError::Collection(error) => {
            blindmatch_node::Error::Collection(arguments.collection.clone(), error).into()
        }
        ImportError::WrongType(found) => match arguments.reading.indicator_type {
            Some(wanted) => {
                reading::wrong_type(line, slice::from_ref(&arguments.file), wanted, found)
            }
            None => Error::new(ImportError::<FeedError>::WrongType(found)),
        },
        ImportError::PaymentKeyMissing => Error::new("the feed holds card numbers, and this node has no payment key")
            .hint("have it wrapped by a member that has it, then: blindmatch keys payment install --from MEMBER FILE")
            .hint("or, if no member has one yet, make it: blindmatch keys payment new")
            .hint("card numbers are never stored; without the key, leave their column out"),
        error @ ImportError::NothingLeft => Error::new(format!("{file}: {error}"))
            .hint("the source is as it was; --allow-shrink empties it only by a feed that is empty")
            .hint(see_why(line, file)),
        error @ ImportError::CardsBesideCards(_) => Error::new(error).hint(
            "hashes of whole card numbers do not stand beside parts of the same numbers (PCI DSS 3.5.1.1); keep them in a node of their own",
        ),
        error => Error::new(error),
    }
}

/// How the same feed, read likewise, is looked at without importing it.
fn see_why(line: &CommandLine, file: &str) -> String {
    let check = line.retyped_as("indicators check", &Reading::OPTIONS, file);
    if file == "-" {
        format!("see why, with the same feed by standard input: {check}")
    } else {
        format!("see why: {check}")
    }
}

impl Report for Imported {
    fn table(&self) -> String {
        let mut files = Table::of_counts();
        self.files.iter().for_each(|file| file.add_to(&mut files));
        let mut counts = Table::of_counts();
        self.counts.add_to(&mut counts);
        let place = format!("to {} of {} ({})", self.source, self.collection, self.kind);
        let from = format!("from {} of {}", self.source, self.collection);
        counts
            .count("added", self.added, &place)
            .count("removed", self.removed, &from);
        for source in &self.discarded {
            let what = if *source == self.source {
                let handles = if self.kind == CollectionKind::Abuse.name() {
                    ", and what no other source has got new handles"
                } else {
                    ""
                };
                format!(
                    "{source}: what it held is destroyed, all of the feed is new to it{handles}"
                )
            } else {
                format!("{source}: no handle was taken from it; replace it likewise")
            };
            counts.row(&["damaged", "", &what]);
        }
        if self.expired > 0 {
            counts.count("expired", self.expired, "of all collections, destroyed");
        }
        format!("{}\n{}", files.render(), counts.render())
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut facts = self.counts.facts();
        facts.push(Fact::new("added", "", self.added));
        facts.push(Fact::new("removed", "", self.removed));
        facts.push(Fact::new("expired", "", self.expired));
        facts
    }
}
