//! What the peers answer, indicator by indicator.

use std::collections::BTreeMap;
use std::path::Path;

use blindmatch_feeds::Exclusions;
use blindmatch_indicator::Indicator;
use blindmatch_node::demo::Outcome;
use blindmatch_node::exchange::query::PeerAnswer;
use serde::Serialize;

use crate::args::Global;
use crate::commands::label::Fields;
use crate::error::named;
use crate::output::{self, Report, Side, Table};

#[derive(Serialize)]
pub(super) struct Answers {
    purpose: Option<String>,
    case: Option<String>,
    indicators: usize,
    /// How many of them any peer holds.
    pub(super) held: usize,
    answers: Vec<Answer>,
}

/// What one peer answers about one indicator in one view.
#[derive(Serialize)]
struct Answer {
    indicator: String,
    r#type: &'static str,
    peer: String,
    /// The type of the view: an address is looked up among networks too.
    view: &'static str,
    purpose: String,
    answer: &'static str,
    /// Why there is no answer.
    why: Option<String>,
    reason: Option<&'static str>,
    severity: Option<u8>,
    role: Option<&'static str>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    age_days: Option<i64>,
    reports: Option<u16>,
    #[serde(skip)]
    words: String,
}

impl Answers {
    pub(super) fn new(
        indicators: &[Indicator],
        of_peers: &[PeerAnswer],
        exclusions: &Exclusions,
        purpose: Option<String>,
        case: Option<String>,
        now: u64,
    ) -> Self {
        let mut answers = Vec::new();
        let mut held = 0;
        for indicator in indicators {
            if let Some(excluded) = exclusions.reason_for(indicator) {
                let answer = Answer::new(indicator, None, "excluded");
                answers.push(answer.because(Some(excluded.to_string())));
                continue;
            }
            let of_it = of_peers.iter().filter(|answer| answer.is_about(indicator));
            let of_it: Vec<_> = of_it
                .flat_map(|of| Answer::of(indicator, of, now))
                .collect();
            held += usize::from(of_it.iter().any(|answer| answer.answer == HELD));
            answers.extend(of_it);
        }
        Self {
            purpose,
            case,
            indicators: indicators.len(),
            held,
            answers,
        }
    }

    /// The same, with the commands in it for this home.
    pub(super) fn for_home(mut self, home: Option<&Path>) -> Self {
        for answer in &mut self.answers {
            answer.why = answer.why.take().map(|why| named(&why, home));
        }
        self
    }

    /// What to do next about what was not answered.
    pub(super) fn advise(&self, global: &Global) {
        let first = |word| self.answers.iter().find(|answer| answer.answer == word);
        if let Some(refused) = first("not_allowed") {
            let purpose = match refused.purpose.as_str() {
                "" => "PURPOSE",
                purpose => purpose,
            };
            output::next(
                global,
                &format!(
                    "why it is not allowed: blindmatch policy explain --peer {} --type {} --purpose \
                     {purpose} --direction ask",
                    refused.peer, refused.view
                ),
            );
        }
        if let Some(preparing) = first("preparing") {
            output::next(
                global,
                &format!(
                    "to fetch what is not here yet: blindmatch batch --peer {}",
                    preparing.peer
                ),
            );
        }
    }
}

const HELD: &str = "held";
const NOT_HELD: &str = "not_held";

impl Answer {
    fn new(indicator: &Indicator, of: Option<&PeerAnswer>, answer: &'static str) -> Self {
        let kind = indicator.indicator_type();
        Self {
            indicator: indicator.to_text().to_string(),
            r#type: kind.name(),
            peer: of.map_or_else(String::new, |of| of.peer.to_string()),
            view: of.map_or(kind, |of| of.indicator_type).name(),
            purpose: of.map_or_else(String::new, |of| of.purpose.clone()),
            answer,
            why: None,
            reason: None,
            severity: None,
            role: None,
            first_seen: None,
            last_seen: None,
            age_days: None,
            reports: None,
            words: String::new(),
        }
    }

    fn because(self, why: Option<String>) -> Self {
        Self { why, ..self }
    }

    /// What a peer answers: of an address, every network of it that the peer holds.
    fn of(indicator: &Indicator, of: &PeerAnswer, now: u64) -> Vec<Self> {
        let word = match &of.outcome {
            Outcome::Done => NOT_HELD,
            Outcome::NotServed | Outcome::Nothing => "not_served",
            Outcome::Refused(_) => "not_allowed",
            Outcome::Budget(_) => "budget_spent",
            Outcome::Unreachable(_) => "unreachable",
            Outcome::Preparing(_) => "preparing",
            Outcome::Failed(_) => "failed",
        };
        let labels = of.of(indicator).filter_map(|found| found.label.as_ref());
        let held: Vec<_> = labels
            .map(|label| {
                let fields = Fields::of(label, now);
                Self {
                    words: fields.in_words(),
                    reason: Some(fields.reason),
                    severity: Some(fields.severity),
                    role: Some(fields.role),
                    first_seen: fields.first_seen,
                    last_seen: fields.last_seen,
                    age_days: fields.age_days,
                    reports: Some(fields.reports),
                    ..Self::new(indicator, Some(of), HELD)
                }
            })
            .collect();
        if !held.is_empty() {
            return held;
        }
        vec![Self::new(indicator, Some(of), word).because(of.outcome.reason())]
    }
}

impl Report for Answers {
    fn table(&self) -> String {
        let mut table = Table::headed(&[
            ("indicator", Side::Left),
            ("type", Side::Left),
            ("peer", Side::Left),
            ("answer", Side::Left),
            ("", Side::Left),
        ]);
        // An address has a line for networks where they say more than the one for addresses.
        let mut own = BTreeMap::new();
        for answer in &self.answers {
            if answer.view == answer.r#type {
                own.insert((&answer.indicator, &answer.peer), answer.answer);
            }
        }
        let is_plain = |answer: &Answer| {
            let own = own.get(&(&answer.indicator, &answer.peer));
            answer.view != answer.r#type
                && own.is_some_and(|own| {
                    *own == answer.answer || [NOT_HELD, "not_served"].contains(&answer.answer)
                })
                && answer.answer != HELD
        };
        for answer in self.answers.iter().filter(|answer| !is_plain(answer)) {
            let mut said = match &answer.why {
                Some(why) => why.clone(),
                None => answer.words.clone(),
            };
            if answer.answer == HELD && answer.view != answer.r#type {
                said = format!("in a network: {said}");
            }
            table.row(&[
                &answer.indicator,
                answer.r#type,
                &answer.peer,
                &answer.answer.replace('_', " "),
                &said,
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.answers.iter().collect()
    }
}
