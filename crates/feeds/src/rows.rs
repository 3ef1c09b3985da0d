//! From the cells of a table to rows.

use std::borrow::Cow;

use blindmatch_indicator::LabelFields;

use crate::columns::Chosen;
use crate::options::Options;
use crate::output::Output;
use crate::refang::refang;
use crate::row::{Claim, Place, Row, RowFault, Value};
use crate::seen;

/// One cell of a row.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    /// Counted from 0.
    pub(crate) column: usize,
    pub(crate) place: Place<'a>,
    /// The text, or why there is none.
    pub(crate) text: Result<&'a str, RowFault>,
}

/// Hands out the row that `cells` are: one value per cell of a chosen column that is not empty.
///
/// A bad time is a fault of the row, and so of each of its values; its cell is what is shown.
pub(crate) fn hand_out(
    cells: &[Cell<'_>],
    chosen: &Chosen,
    options: &Options,
    out: &mut Output<'_>,
) {
    let filled = |column: Option<usize>| {
        let cell = cells.iter().find(|cell| Some(cell.column) == column)?;
        let text = cell.text.ok()?.trim_ascii();
        (!text.is_empty()).then_some((cell.place, text))
    };
    let time = filled(chosen.seen);
    let seen = time
        .map(|(_, text)| seen::day(text, options.time_zone.as_ref()))
        .transpose();
    let bad_time = time.zip(seen.err());
    let texts: Vec<_> = chosen
        .values
        .iter()
        .flat_map(|(column, claim)| {
            let cells = cells.iter().filter(move |cell| cell.column == *column);
            cells.map(move |cell| (cell, claim.map_or(Claim::Untyped, Claim::Typed)))
        })
        .filter_map(|(cell, claim)| {
            let (text, claim) = match cell.text {
                Ok(text) => (refang(text.trim_ascii()), claim),
                Err(fault) => (Cow::Borrowed(""), Claim::Fault(fault)),
            };
            let is_value = !text.is_empty() || cell.text.is_err();
            is_value.then_some(match bad_time {
                Some(((place, time), fault)) => (place, Cow::Borrowed(time), Claim::Fault(fault)),
                None => (cell.place, text, claim),
            })
        })
        .collect();
    let values: Vec<_> = texts
        .iter()
        .map(|(place, text, claim)| Value {
            place: *place,
            text,
            claim: *claim,
            refanged: matches!(text, Cow::Owned(_)),
        })
        .collect();
    let day = seen.ok().flatten();
    out.row(&Row {
        values: &values,
        reference: filled(chosen.reference).map(|(_, text)| text),
        label: LabelFields {
            first_seen: day,
            last_seen: day,
            ..LabelFields::default()
        },
    });
}
