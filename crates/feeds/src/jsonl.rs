//! JSON lines: one object a line.
//!
//! Fields are columns named by their path, `user.email` for `{"user": {"email": …}}`; the
//! elements of an array share one, and each is a value. A line that is not one object is a fault of
//! its own.

mod flatten;

use blindmatch_indicator::Canonicaliser;

use crate::columns::{self, Candidate, SAMPLE};
use crate::error::{ColumnInfo, FeedError, Reached};
use crate::lines::{LONGEST_JSON_LINE, Lines, each_line};
use crate::names::Names;
use crate::options::{Column, Options};
use crate::output::Output;
use crate::row::Place;
use crate::rows::{Cell, hand_out};
use crate::source::Source;

use flatten::flatten;

pub(crate) fn read(
    source: Source<'_>,
    options: &Options,
    canonicaliser: &Canonicaliser,
    out: &mut Output<'_>,
) -> Result<(Reached, Vec<ColumnInfo>), FeedError> {
    let names = Names {
        options,
        canonicaliser,
    };
    let mut columns = sample(source.head(), source.head_is_whole(), names);
    let shown = columns.len();
    let chosen = match columns::choose(&mut columns, true, options, canonicaliser) {
        Ok(chosen) => chosen,
        Err(error) => return Err(source.held_error().unwrap_or(error)),
    };
    let name = |column: usize| Some((column, columns.get(column)?.name.as_deref()?));
    let in_use: Vec<(usize, &str)> = chosen.all().into_iter().filter_map(name).collect();
    let mut awaited = in_use.clone();
    awaited.retain(|(column, _)| *column >= shown);
    let reached = Lines::new(source, LONGEST_JSON_LINE).each(|line| {
        let place = Place::Line(line.number);
        let text = match line.text {
            Ok(text) if text.trim_ascii().is_empty() => return,
            Ok(text) => text,
            Err((fault, shown)) => return out.fault(place, fault, shown),
        };
        let fields = match flatten(text, names) {
            Ok(fields) => fields,
            Err(fault) => return out.fault(place, fault, text.as_bytes()),
        };
        let cells: Vec<_> = fields
            .iter()
            .filter_map(|field| {
                let (column, _) = in_use.iter().find(|(_, name)| *name == field.path)?;
                Some(Cell {
                    column: *column,
                    place: Place::Field {
                        line: line.number,
                        pointer: &field.pointer,
                    },
                    text: field.text.as_deref().map_err(|fault| *fault),
                })
            })
            .collect();
        awaited.retain(|(column, _)| cells.iter().all(|cell| cell.column != *column));
        hand_out(&cells, &chosen, options, out);
    })?;
    // A name that only later lines might have had, and none has.
    if let Some((_, name)) = awaited.first() {
        let there = columns.iter().take(shown).enumerate();
        return Err(FeedError::NoSuchColumn {
            column: Column::Name((*name).to_owned()),
            columns: there
                .map(|(at, candidate)| ColumnInfo {
                    number: at + 1,
                    name: candidate.shown_name(),
                    indicator_type: None,
                    fits: false,
                })
                .collect(),
        });
    }
    let used = chosen.used(&columns);
    Ok((reached, used))
}

/// The columns of the first lines.
fn sample(head: &[u8], whole: bool, names: Names<'_>) -> Vec<Candidate> {
    let end = if whole {
        head.len()
    } else {
        memchr::memrchr(b'\n', head).map_or(0, |at| at + 1)
    };
    let mut columns: Vec<Candidate> = Vec::new();
    let mut rows = 0;
    each_line(
        head.get(..end).unwrap_or_default(),
        0,
        LONGEST_JSON_LINE,
        |line| {
            let Some(fields) = line.text.ok().and_then(|text| flatten(text, names).ok()) else {
                return;
            };
            rows += 1;
            if rows > SAMPLE {
                return;
            }
            for field in fields {
                let known = columns
                    .iter_mut()
                    .find(|c| c.name.as_ref() == Some(&field.path));
                let sample = field.text.ok().filter(|text| !text.trim_ascii().is_empty());
                match known {
                    Some(column) => {
                        column.is_shown &= field.is_shown;
                        column.sample.extend(sample);
                    }
                    None => columns.push(Candidate {
                        name: Some(field.path),
                        is_shown: field.is_shown,
                        sample: sample.into_iter().collect(),
                    }),
                }
            }
        },
    );
    columns
}

#[cfg(test)]
mod tests;
