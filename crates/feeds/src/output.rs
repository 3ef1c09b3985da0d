//! Where readers put their rows.

use blindmatch_indicator::LabelFields;

use crate::row::{Claim, Place, Row, RowFault, Value};

/// The sink, with a count of what went into it.
pub(crate) struct Output<'s> {
    sink: &'s mut dyn FnMut(&Row<'_>),
    rows: u64,
    without_value: u64,
}

impl<'s> Output<'s> {
    pub(crate) fn new(sink: &'s mut dyn FnMut(&Row<'_>)) -> Self {
        Self {
            sink,
            rows: 0,
            without_value: 0,
        }
    }

    /// Rows handed out.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that had no value and were not handed out.
    pub(crate) fn rows_without_value(&self) -> u64 {
        self.without_value
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) {
        if row.values.is_empty() {
            self.without_value += 1;
        } else {
            self.rows += 1;
            (self.sink)(row);
        }
    }

    /// A row that is nothing but its fault.
    pub(crate) fn fault(&mut self, place: Place<'_>, fault: RowFault, shown: &[u8]) {
        self.row(&Row {
            values: &[Value {
                place,
                text: &String::from_utf8_lossy(shown),
                claim: Claim::Fault(fault),
                refanged: false,
            }],
            reference: None,
            label: LabelFields::default(),
        });
    }
}
