//! Where readers put their rows.

use blindmatch_indicator::{IndicatorType, LabelFields};

use crate::row::{Claim, Place, Row, RowFault, Value};

/// The sink, with a count of what went into it.
pub(crate) struct Output<'s> {
    sink: &'s mut dyn FnMut(&Row<'_>),
    /// The one type to take, where a feed that types its own values is read for one.
    only: Option<IndicatorType>,
    rows: u64,
    without_value: u64,
}

impl<'s> Output<'s> {
    pub(crate) fn new(sink: &'s mut dyn FnMut(&Row<'_>)) -> Self {
        Self {
            sink,
            only: None,
            rows: 0,
            without_value: 0,
        }
    }

    /// Takes values of this type alone: those of another are passed over under its name.
    pub(crate) fn take_only(&mut self, only: Option<IndicatorType>) {
        self.only = only;
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
            match self.only {
                None => (self.sink)(row),
                Some(only) => {
                    let values: Vec<_> = row
                        .values
                        .iter()
                        .map(|value| narrowed(value, only))
                        .collect();
                    (self.sink)(&Row {
                        values: &values,
                        ..*row
                    });
                }
            }
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

/// A value of a feed that is read for the type `only`.
fn narrowed<'a>(value: &Value<'a>, only: IndicatorType) -> Value<'a> {
    let claim = match value.claim {
        Claim::Untyped => Claim::Typed(only),
        Claim::Typed(other) if other != only => Claim::NotMatchable(other.name()),
        claim => claim,
    };
    Value { claim, ..*value }
}
