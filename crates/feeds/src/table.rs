//! CSV and TSV.
//!
//! Lines that begin with `#` are comments; the last one before the first row is its header if it
//! names as many columns (abuse.ch writes its headers so). A quoted cell may span lines. Rows with
//! too few cells, too many that are not empty, or bad quotes are faults of their own.

mod assemble;
mod header;
mod record;
mod sample;

use blindmatch_indicator::Canonicaliser;

use crate::columns::{self, Candidate, Chosen};
use crate::error::{ColumnInfo, FeedError, Reached};
use crate::lines::{LONGEST_LINE, Lines};
use crate::names::Names;
use crate::options::{Format, Options};
use crate::output::Output;
use crate::row::{Place, RowFault};
use crate::rows::{Cell, hand_out};
use crate::source::Source;

use assemble::{Event, Rows};
pub(crate) use header::Judge;
use record::Record;
pub(crate) use sample::Sample;

pub(crate) fn read(
    source: Source<'_>,
    format: Format,
    options: &Options,
    canonicaliser: &Canonicaliser,
    out: &mut Output<'_>,
) -> Result<(Reached, Vec<ColumnInfo>), FeedError> {
    let (head, whole) = (source.head(), source.head_is_whole());
    let judge = Judge {
        options,
        canonicaliser,
    };
    let delimiter = match format {
        Format::Tsv => '\t',
        _ => Sample::regular(head, whole, &[',', ';', '|'], judge)
            .map_or(',', |sample| sample.delimiter),
    };
    let mut sample = Sample::of(head, whole, delimiter, judge);
    sample.find_unusual_header(judge);
    let layout = match Layout::choose(&sample, options, canonicaliser) {
        Ok(layout) => layout,
        Err(error) => return Err(source.held_error().unwrap_or(error)),
    };
    let mut rows = Rows::new(delimiter);
    let reached = Lines::new(source, LONGEST_LINE).each(|line| {
        let mut visit = |event: Event<'_>| layout.hand_out(&event, options, out);
        match line.text {
            Ok(text) => rows.line(line.number, text, &mut visit),
            Err((fault, shown)) => {
                rows.finish(&mut visit);
                out.fault(Place::Line(line.number), fault, shown);
            }
        }
    })?;
    rows.finish(&mut |event| layout.hand_out(&event, options, out));
    let used = layout.chosen.used(&layout.columns);
    Ok((reached, used))
}

/// What the rows of a table mean.
struct Layout {
    columns: Vec<Candidate>,
    chosen: Chosen,
    /// Every column in use.
    in_use: Vec<usize>,
    /// How many cells a row has.
    width: usize,
    /// The line of the header.
    header: Option<u64>,
}

impl Layout {
    fn choose(
        sample: &Sample,
        options: &Options,
        canonicaliser: &Canonicaliser,
    ) -> Result<Self, FeedError> {
        let header = sample.header.as_ref();
        let width = sample.width();
        let names = Names {
            options,
            canonicaliser,
        };
        let mut columns: Vec<_> = (0..width)
            .map(|at| {
                let name = header.and_then(|header| header.cells.get(at)).cloned();
                Candidate {
                    is_shown: name.as_ref().is_some_and(|name| names.may_show(name)),
                    name,
                    sample: sample.column(at),
                }
            })
            .collect();
        let chosen = columns::choose(&mut columns, false, options, canonicaliser)?;
        Ok(Self {
            columns,
            in_use: chosen.all(),
            chosen,
            width,
            header: header.map(|header| header.line),
        })
    }

    fn hand_out(&self, event: &Event<'_>, options: &Options, out: &mut Output<'_>) {
        match *event {
            Event::Comment { .. } => {}
            Event::Fault { line, fault, text } => {
                out.fault(Place::Line(line), fault, text.as_bytes());
            }
            Event::Row { line, .. } if self.header == Some(line) => {}
            Event::Row { line, record, .. } if self.is_whole(record) => {
                let wanted = self.in_use.iter().filter_map(|&column| {
                    Some(Cell {
                        column,
                        place: Place::Cell {
                            line,
                            column: u32::try_from(column + 1).ok()?,
                        },
                        text: Ok(record.cell(column)?),
                    })
                });
                let cells: Vec<_> = wanted.collect();
                hand_out(&cells, &self.chosen, options, out);
            }
            Event::Row { line, text, .. } => {
                out.fault(Place::Line(line), RowFault::Ragged, text.as_bytes());
            }
        }
    }

    /// Whether a row has the table's cells, empty ones behind the last aside.
    fn is_whole(&self, record: &Record) -> bool {
        record.len() >= self.width && record.cells().skip(self.width).all(str::is_empty)
    }
}

#[cfg(test)]
mod tests;
