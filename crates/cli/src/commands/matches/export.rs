//! `blindmatch matches export`, `matches opinions`: out to where people work, and back.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use blindmatch_feeds::{Opinion, Publisher, Written, is_exportable};
use blindmatch_node::leads::{self, Heard, Leads};
use blindmatch_node::matches::{Match, Verdict};
use blindmatch_node::{Error as NodeError, files};
use serde::Serialize;

use super::{Flat, Line, cannot_encode, chosen, may_leave};
use crate::args::Global;
use crate::args::exchange::{ExportArguments, ExportFormat, OpinionsArguments, Use};
use crate::commands::at_work::AtWork;
use crate::error::{Error, Exit, printable};
use crate::output::{self, Report, Side, Table, grouped, time};

/// What is printed comes in parts of about so many bytes.
const PART: usize = 64 << 10;

pub(super) fn export(arguments: &ExportArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.which.tables.tables.as_deref(), global)?;
    let mut chosen = chosen(&work.daemon, &arguments.which, global)?;
    let mut stay = BTreeMap::new();
    if arguments.purpose == Use::Enforcement {
        chosen.matches.retain(|found| match may_leave(&found.life) {
            Ok(()) => true,
            Err(why) => {
                *stay.entry(why).or_insert(0_u64) += 1;
                false
            }
        });
    }
    let export = Export {
        matches: &chosen.matches,
        work: &work,
        publisher: leads::publisher(work.daemon.node(), arguments.tlp),
        format: arguments.format,
    };
    let written = match &arguments.out {
        None => {
            let mut to = Printed {
                global,
                part: Vec::new(),
                error: None,
            };
            let written = export.write(&mut to);
            let flushed = to.flush();
            match to.error {
                Some(error) => return Err(error),
                None => flushed.and(written).map_err(cannot_encode)?,
            }
        }
        Some(out) => to_file(&export, out)?,
    };
    let count = |number: u64, one: &str, more: &str| {
        let what = if number == 1 { one } else { more };
        format!("{} {what}", grouped(number))
    };
    for (why, number) in stay {
        global.tell(format_args!(
            "{} stay here: {why}",
            count(number, "match", "matches")
        ));
    }
    if written.withheld > 0 {
        global.tell(format_args!(
            "{} not written in clear: card numbers leave no node",
            count(written.withheld, "value is", "values are")
        ));
    }
    if let Some(out) = &arguments.out {
        let found = count(written.findings, "match is", "matches are");
        output::next(global, &format!("{found} in {}", out.display()));
    }
    Ok(chosen.exit())
}

fn to_file(export: &Export<'_>, out: &Path) -> Result<Written, Error> {
    let mut written = Written::default();
    files::stream_private(out, |to| {
        let wrote = export.write(to);
        written = wrote.map_err(|error| NodeError::File(out.to_owned(), error))?;
        Ok(())
    })?;
    Ok(written)
}

/// What is to be written, one match after the other.
struct Export<'a> {
    matches: &'a [Match],
    work: &'a AtWork,
    publisher: Publisher,
    format: ExportFormat,
}

impl Export<'_> {
    fn write(&self, to: &mut dyn Write) -> io::Result<Written> {
        let leads = || Leads::of(self.matches, self.work.daemon.canonicaliser());
        match self.format {
            ExportFormat::Stix => self.publisher.stix(leads().iter(), to),
            ExportFormat::Misp => self.publisher.misp(leads().iter(), to),
            ExportFormat::Csv => {
                let mut csv = csv::Writer::from_writer(to);
                let written = self.lines(|line| csv.serialize(Flat::of(line)).map_err(into_io))?;
                csv.flush()?;
                Ok(written)
            }
            ExportFormat::Ndjson => self.lines(|line| {
                serde_json::to_writer(&mut *to, line)?;
                to.write_all(b"\n")
            }),
        }
    }

    /// A line a match; the value of a card is not in it.
    fn lines(&self, mut write: impl FnMut(&Line) -> io::Result<()>) -> io::Result<Written> {
        let mut written = Written::default();
        for found in self.matches {
            let mut line = Line::of(&self.work.daemon, found);
            if !found.row.indicator_type().is_some_and(is_exportable) {
                line.indicator = None;
                written.withheld += 1;
            }
            write(&line)?;
            written.findings += 1;
        }
        Ok(written)
    }
}

fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// The standard output, in parts.
struct Printed<'a> {
    global: &'a Global,
    part: Vec<u8>,
    error: Option<Error>,
}

impl Write for Printed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        // Whole lines, so that no character is parted.
        if self.part.len() >= PART && bytes.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What others wrote cannot steer the terminal.
        let text = printable(&String::from_utf8_lossy(&self.part));
        self.part.clear();
        output::print_as_it_is(text.as_bytes(), self.global).map_err(|error| {
            self.error = Some(error);
            io::ErrorKind::WriteZero.into()
        })
    }
}

pub(super) fn opinions(arguments: &OpinionsArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let kept = super::kept(&work.daemon, global)?;
    let leads = Leads::of(&kept.matches, work.daemon.canonicaliser());
    let publisher = leads::publisher(work.daemon.node(), Default::default());
    let file = std::fs::File::open(&arguments.file)
        .map_err(|error| NodeError::File(arguments.file.clone(), error))?;
    let (heard, others) = leads.hear(&publisher, file).map_err(|error| {
        let file = global.session.typed(&arguments.file);
        Error::new(format!("{}: {error}", file.display()))
            .hint("give a STIX 2.1 bundle or a MISP event, as another program exports it")
    })?;
    let opinions = Opinions {
        opinions: heard
            .iter()
            .filter_map(|heard| OpinionLine::of(heard, &kept.matches))
            .collect(),
        others,
    };
    output::show("matches_opinions", &opinions, global)?;
    let against = |line: &&OpinionLine| {
        line.contradicts || (line.decided.is_none() && line.opinion != Opinion::Agree.name())
    };
    if let Some(line) = opinions.opinions.iter().find(against) {
        let id = &line.id;
        output::next(
            global,
            &format!(
                "to look at it: blindmatch matches show {id}; to decide by it: blindmatch matches dispute {id} \
                 --case CASE --reason WHY"
            ),
        );
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Opinions {
    opinions: Vec<OpinionLine>,
    /// How much is said there of what is no match of this node, or none any more.
    others: u64,
}

#[derive(Clone, Serialize)]
struct OpinionLine {
    id: String,
    peer: Option<String>,
    opinion: &'static str,
    /// How the match stands here.
    state: &'static str,
    /// What an operator decided last, by whom and when.
    decided: Option<&'static str>,
    decided_by: Option<String>,
    decided_at: Option<String>,
    /// Whether that is the contrary.
    contradicts: bool,
}

impl OpinionLine {
    fn of(heard: &Heard, matches: &[Match]) -> Option<Self> {
        let found = matches.iter().find(|found| found.id == heard.id)?;
        let decided = found.life.disposition();
        let verdict = decided.map(|decided| decided.verdict);
        let contradicts = match (heard.opinion, verdict) {
            (Opinion::Agree, verdict) => verdict == Some(Verdict::Disputed),
            (_, verdict) => verdict == Some(Verdict::Confirmed),
        };
        Some(Self {
            id: heard.id.to_string(),
            peer: super::named(found),
            opinion: heard.opinion.name(),
            state: found.state().name(),
            decided: verdict.map(Verdict::name),
            decided_by: decided.map(|decided| decided.by.clone()),
            decided_at: decided.map(|decided| time(decided.at)),
            contradicts,
        })
    }
}

impl Report for Opinions {
    fn table(&self) -> String {
        let mut text = if self.opinions.is_empty() {
            "nothing is said there of a match of this node\n".to_owned()
        } else {
            let columns = [
                ("id", Side::Left),
                ("peer", Side::Left),
                ("opinion", Side::Left),
                ("state", Side::Left),
                ("decided", Side::Left),
            ];
            let mut table = Table::headed(&columns);
            for line in &self.opinions {
                let opinion = line.opinion.replace('_', " ");
                let decided = line.decided.unwrap_or("by nobody");
                let decided = match (&line.decided_by, line.contradicts) {
                    (Some(by), true) => format!("{decided} by {by}: the contrary"),
                    (Some(by), false) => format!("{decided} by {by}"),
                    (None, _) => decided.to_owned(),
                };
                let peer = line.peer.as_deref().unwrap_or_default();
                table.row(&[&line.id, peer, &opinion, line.state, &decided]);
            }
            table.render()
        };
        if self.others > 0 {
            let others = grouped(self.others);
            text.push_str(&format!("left out: {others}, of what is no match here\n"));
        }
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.opinions.clone()
    }
}
