//! What a demonstration came to.

use std::path::Path;

use blindmatch_node::demo::{Difference, Exchanged, PairResult, Step};
use serde::Serialize;

use crate::output::{Report, Side, Table, grouped};

#[derive(Serialize)]
pub(super) struct Demonstrated {
    /// Where everything was kept.
    folder: Option<String>,
    pairs: Vec<Pair>,
    steps: Vec<ShownStep>,
    differences: Vec<ShownDifference>,
    /// Whether what was found is the intersection in the clear.
    verified: bool,
    /// Whether all is as it has to be.
    ok: bool,
}

#[derive(Serialize)]
struct Pair {
    querier: String,
    responder: String,
    collection: String,
    r#type: &'static str,
    purpose: String,
    protocol: &'static str,
    status: &'static str,
    reason: Option<String>,
    items: u64,
    matches: usize,
    seconds: f64,
    bytes: u64,
}

#[derive(Serialize)]
struct ShownStep {
    step: &'static str,
    ok: bool,
    said: String,
}

#[derive(Serialize)]
struct ShownDifference {
    querier: String,
    responder: String,
    r#type: &'static str,
    expected: usize,
    missing: usize,
    surplus: usize,
}

impl Demonstrated {
    pub(super) fn of(
        exchanged: &Exchanged,
        differences: &[Difference],
        kept: Option<&Path>,
    ) -> Self {
        let Exchanged { pairs, steps } = exchanged;
        let mut shown: Vec<_> = pairs.iter().map(Pair::of).collect();
        let order = |pair: &Pair| (pair.querier.clone(), pair.responder.clone());
        // Types stay in the order in which they were exchanged.
        shown.sort_by_cached_key(order);
        let failed = |pair: &PairResult| pair.outcome.is_failure();
        let verified = differences.is_empty();
        Self {
            folder: kept.map(|folder| folder.display().to_string()),
            pairs: shown,
            steps: steps.iter().map(ShownStep::of).collect(),
            differences: differences.iter().map(ShownDifference::of).collect(),
            verified,
            ok: verified && steps.iter().all(|step| step.ok) && !pairs.iter().any(failed),
        }
    }

    pub(super) const fn is_ok(&self) -> bool {
        self.ok
    }
}

impl Pair {
    fn of(pair: &PairResult) -> Self {
        Self {
            querier: pair.querier.to_string(),
            responder: pair.responder.to_string(),
            collection: pair.collection.to_string(),
            r#type: pair.indicator_type.name(),
            purpose: pair.purpose.clone(),
            protocol: pair.protocol.name(),
            status: pair.outcome.name(),
            reason: pair.outcome.reason(),
            items: pair.items,
            matches: pair.found.len(),
            seconds: pair.took.as_secs_f64(),
            bytes: pair.bytes,
        }
    }

    /// Whether there is nothing to say about it.
    fn is_plain(&self) -> bool {
        self.matches == 0 && self.reason.is_none()
    }
}

impl ShownStep {
    fn of(step: &Step) -> Self {
        Self {
            step: step.name,
            ok: step.ok,
            said: step.said.clone(),
        }
    }
}

impl ShownDifference {
    fn of(difference: &Difference) -> Self {
        Self {
            querier: difference.querier.to_string(),
            responder: difference.responder.to_string(),
            r#type: difference.indicator_type.name(),
            expected: difference.expected,
            missing: difference.missing,
            surplus: difference.surplus,
        }
    }
}

impl Report for Demonstrated {
    fn table(&self) -> String {
        let mut pairs = Table::headed(&[
            ("querier", Side::Left),
            ("responder", Side::Left),
            ("type", Side::Left),
            ("asked", Side::Right),
            ("matches", Side::Right),
            ("seconds", Side::Right),
            ("bytes", Side::Right),
            ("", Side::Left),
        ]);
        for pair in self.pairs.iter().filter(|pair| !pair.is_plain()) {
            let reason = pair.reason.as_deref().unwrap_or_default();
            let note = match pair.status {
                "done" => String::new(),
                status => format!("{status}: {reason}"),
            };
            pairs.row(&[
                &pair.querier,
                &pair.responder,
                pair.r#type,
                &grouped(pair.items),
                &grouped(u64::try_from(pair.matches).unwrap_or(u64::MAX)),
                &format!("{:.2}", pair.seconds),
                &grouped(pair.bytes),
                &note,
            ]);
        }
        let plain = self.pairs.iter().filter(|pair| pair.is_plain()).count();
        let mut text = pairs.render();
        if plain > 0 {
            text.push_str(&format!("and {plain} runs that found nothing\n"));
        }
        let mut steps = Table::of_texts(3);
        let said = match self.differences.len() {
            0 => format!(
                "{} runs, equal to the intersection in the clear",
                self.pairs.len()
            ),
            wrong => format!("{wrong} of {} runs differ from it", self.pairs.len()),
        };
        steps.row(&["intersection", ok(self.verified), &said]);
        for step in &self.steps {
            steps.row(&[step.step, ok(step.ok), &step.said]);
        }
        format!("{text}\n{}", steps.render())
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.pairs.iter().collect()
    }
}

const fn ok(ok: bool) -> &'static str {
    if ok { "ok" } else { "WRONG" }
}
