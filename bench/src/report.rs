//! What a benchmark found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::machine::Machine;

/// Figures of one run, and the ratios between them that claims are made of.
#[derive(Serialize)]
pub(crate) struct Report {
    bench: &'static str,
    figures: BTreeMap<String, f64>,
    /// `null` where a peer is not there; `notes` says why.
    ratios: BTreeMap<&'static str, Option<f64>>,
    notes: Vec<String>,
    machine: Machine,
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Self {
        Self {
            bench,
            figures: BTreeMap::new(),
            ratios: BTreeMap::new(),
            notes: Vec::new(),
            machine: Machine::here(),
        }
    }

    /// Adds a figure; its name ends in its unit.
    pub(crate) fn figure(&mut self, name: impl ToString, value: f64) {
        self.figures.insert(name.to_string(), value);
    }

    pub(crate) fn ratio(&mut self, name: &'static str, value: Option<f64>) {
        self.ratios.insert(name, value);
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.bench, self.machine)?;
        for (name, value) in &self.figures {
            writeln!(f, "  {name:28} {value:16.3}")?;
        }
        for (name, value) in &self.ratios {
            match value {
                Some(value) => writeln!(f, "  {name:28} {value:16.3}  (ratio)")?,
                None => writeln!(f, "  {name:28} {:>16}  (ratio)", "not measured")?,
            }
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}
