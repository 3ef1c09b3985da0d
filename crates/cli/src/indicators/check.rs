//! `blindmatch indicators check`: read feeds, keep nothing, report.

use blindmatch_feeds::{Intake, Refused, Row};
use blindmatch_indicator::PaymentKey;
use serde::Serialize;

use crate::args::indicators::CheckArguments;
use crate::args::{Global, Output};
use crate::command_line::CommandLine;
use crate::error::{Error, Exit};
use crate::feed_hints::{self, Asked};
use crate::feed_report::{Counts, FileReport};
use crate::input::Source;
use crate::output::{self, Report, Table};
use crate::reading;
use crate::refusals::RefusalReport;

/// The result, as scripts read it.
#[derive(Serialize)]
struct Checked {
    files: Vec<FileReport>,
    #[serde(flatten)]
    counts: Counts,
}

pub(crate) fn run(arguments: &CheckArguments, global: &Global) -> Result<Exit, Error> {
    // PANs are only counted here, so any key does.
    let key = PaymentKey::new(&rand::random());
    let canonicaliser = reading::canonicaliser(&arguments.reading)?.with_payment_key(key);
    let options = reading::options(&arguments.reading);
    let mut intake = Intake::new(&canonicaliser, rand::random());
    let refused = arguments.refused.as_deref();
    let mut refusals = refused
        .map(|path| RefusalReport::create(path, &arguments.files))
        .transpose()?;
    let line = CommandLine::typed(&arguments.files, &global.session);
    let asked = Asked {
        line: &line,
        reading: &arguments.reading,
    };
    let mut files = Vec::new();
    for path in &arguments.files {
        let source = Source::open(path, global)?;
        let file = source.name();
        let mut report = |refused: &Refused<'_>| {
            if let Some(refusals) = &mut refusals {
                refusals.write(&file, refused);
            }
        };
        let mut sink = |row: &Row<'_>| intake.take(row, &mut report);
        let summary = source
            .read(&options, &canonicaliser, &mut sink)
            .map_err(|error| feed_hints::explain(&asked, &file, &error))?;
        files.push(FileReport::new(file, &summary, global));
    }
    let looks_like = intake.looks_like();
    let tally = intake.tally();
    if let (0, Some(wanted), Some(found)) = (
        tally.accepted_total(),
        arguments.reading.indicator_type,
        looks_like,
    ) {
        return Err(reading::wrong_type(&line, &arguments.files, wanted, found));
    }
    if let Some(refusals) = refusals {
        refusals.publish()?;
    }
    let report = Checked {
        files,
        counts: tally.into(),
    };
    output::show("indicators_check", &report, global)?;
    let refused = report.counts.refused_total();
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

impl Report for Checked {
    fn table(&self) -> String {
        let mut files = Table::of_counts();
        self.files.iter().for_each(|file| file.add_to(&mut files));
        let mut counts = Table::of_counts();
        self.counts.add_to(&mut counts);
        format!("{}\n{}", files.render(), counts.render())
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.counts.facts()
    }
}
