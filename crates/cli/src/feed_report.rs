//! How a feed was read and what became of its values: what `indicators check` and `import` share.

use std::collections::BTreeMap;
use std::fmt;

use blindmatch_feeds::{ColumnInfo, Summary, Tally};
use blindmatch_indicator::IndicatorType;
use serde::Serialize;

use crate::args::Global;
use crate::output::{Fact, Table, grouped};

/// One file, as it was read.
#[derive(Serialize)]
pub(crate) struct FileReport {
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

/// read = accepted + duplicates + refused + not_matchable; the others stand outside the sum.
#[derive(Serialize)]
pub(crate) struct Counts {
    read: u64,
    accepted: BTreeMap<&'static str, u64>,
    duplicates: u64,
    refused: BTreeMap<&'static str, u64>,
    not_matchable: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    excluded: BTreeMap<String, u64>,
    derived: BTreeMap<&'static str, u64>,
    refanged: u64,
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self {
            read: tally.read,
            accepted: by_type(&tally.accepted),
            duplicates: tally.duplicates,
            refused: tally.refused,
            not_matchable: tally.not_matchable,
            excluded: tally.excluded,
            derived: by_type(&tally.derived),
            refanged: tally.refanged,
        }
    }
}

impl Counts {
    pub(crate) fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Adds them to a [`Table::of_counts`].
    pub(crate) fn add_to(&self, table: &mut Table) {
        let total = |counts: &BTreeMap<&'static str, u64>| counts.values().sum();
        table
            .count("read", self.read, "source values")
            .count("accepted", total(&self.accepted), &in_words(&self.accepted))
            .count("duplicates", self.duplicates, "")
            .count("refused", total(&self.refused), &in_words(&self.refused))
            .count(
                "not matchable",
                self.not_matchable.values().sum(),
                &in_words(&self.not_matchable),
            )
            .count("derived", total(&self.derived), &in_words(&self.derived));
        if !self.excluded.is_empty() {
            let note = format!("of the accepted, not kept: {}", in_words(&self.excluded));
            table.count("excluded", self.excluded.values().sum(), &note);
        }
        if self.refanged > 0 {
            table.count("refanged", self.refanged, "were written defanged");
        }
    }

    pub(crate) fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![Fact::new("read", "", self.read)];
        facts.extend(facts_of("accepted", &self.accepted));
        facts.push(Fact::new("duplicates", "", self.duplicates));
        facts.extend(facts_of("refused", &self.refused));
        facts.extend(facts_of("not_matchable", &self.not_matchable));
        facts.extend(facts_of("excluded", &self.excluded));
        facts.extend(facts_of("derived", &self.derived));
        facts.push(Fact::new("refanged", "", self.refanged));
        facts
    }
}

impl FileReport {
    pub(crate) fn new(file: String, summary: &Summary, global: &Global) -> Self {
        if global.verbose {
            global.tell(format_args!(
                "{file}: {}, {}",
                summary.format, summary.reached
            ));
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

    /// Adds it to a [`Table::of_counts`].
    pub(crate) fn add_to(&self, table: &mut Table) {
        let columns = self.columns.iter().map(|column| format!(", {column}"));
        let columns: String = columns.collect();
        let note = format!("rows ({}{columns})", self.format);
        table.count(&self.file, self.rows, &note);
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

/// Counts with the names of their types.
pub(crate) fn by_type(counts: &BTreeMap<IndicatorType, u64>) -> BTreeMap<&'static str, u64> {
    let counts = counts.iter();
    counts.map(|(kind, &count)| (kind.name(), count)).collect()
}

/// `ip 120,430, domain 12`
pub(crate) fn in_words(counts: &BTreeMap<impl AsRef<str>, u64>) -> String {
    let parts: Vec<_> = counts
        .iter()
        .map(|(name, &count)| format!("{} {}", name.as_ref(), grouped(count)))
        .collect();
    parts.join(", ")
}

fn facts_of(fact: &'static str, counts: &BTreeMap<impl AsRef<str>, u64>) -> Vec<Fact> {
    let counts = counts.iter();
    counts
        .map(|(name, count)| Fact::new(fact, name.as_ref(), count))
        .collect()
}
