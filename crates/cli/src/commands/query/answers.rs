//! What the peers answer, indicator by indicator.

use std::collections::BTreeMap;
use std::path::Path;

use blindmatch_feeds::Exclusions;
use blindmatch_indicator::Indicator;
use blindmatch_node::demo::Outcome;
use blindmatch_node::exchange::query::PeerAnswer;
use blindmatch_node::rules::Policy;
use serde::Serialize;

use crate::args::Global;
use crate::commands::label::Fields;
use crate::error::named;
use crate::output::{self, Report, Side, Table};

use super::explain::explain;

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
    /// Who answers; nothing where the policy says only how many hold something.
    peer: Option<String>,
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
    /// Why it is so, or may be, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explained: Vec<String>,
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
            let mut of_it: Vec<_> = of_it
                .flat_map(|of| Answer::of(indicator, of, now))
                .collect();
            // Who is not named is not told by its place either.
            of_it.sort_by_key(|answer| match answer.peer {
                Some(_) => (false, ""),
                None => (true, answer.answer),
            });
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

    /// The same, each with why it is so.
    pub(super) fn explained(
        mut self,
        indicators: &[Indicator],
        of_peers: &[PeerAnswer],
        policy: &Policy,
    ) -> Self {
        let texts: BTreeMap<_, _> = indicators
            .iter()
            .map(|indicator| (indicator.to_text().to_string(), indicator))
            .collect();
        for answer in &mut self.answers {
            let of = of_peers.iter().find(|of| {
                Some(of.peer.as_str()) == answer.peer.as_deref()
                    && of.indicator_type.name() == answer.view
                    && of.purpose == answer.purpose
            });
            if let Some(indicator) = texts.get(&answer.indicator) {
                answer.explained = explain(answer.answer, indicator, of, policy);
            }
        }
        self
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
                    refused.named(),
                    refused.view
                ),
            );
        }
        if let Some(preparing) = first("preparing") {
            output::next(
                global,
                &format!(
                    "to fetch what is not here yet: blindmatch batch --peer {}",
                    preparing.named()
                ),
            );
        }
    }
}

const HELD: &str = "held";
const NOT_HELD: &str = "not_held";

impl Answer {
    fn named(&self) -> &str {
        self.peer.as_deref().unwrap_or_default()
    }

    fn new(indicator: &Indicator, of: Option<&PeerAnswer>, answer: &'static str) -> Self {
        let kind = indicator.indicator_type();
        Self {
            indicator: indicator.to_text().to_string(),
            r#type: kind.name(),
            peer: of.map_or_else(|| Some(String::new()), |of| Some(of.peer.to_string())),
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
            explained: Vec::new(),
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
                    ..Self::new(indicator, Some(of), HELD).unnamed(of)
                }
            })
            .collect();
        if !held.is_empty() {
            return held;
        }
        let answer = Self::new(indicator, Some(of), word).because(of.outcome.reason());
        vec![if word == NOT_HELD {
            answer.unnamed(of)
        } else {
            answer
        }]
    }

    /// Without its peer, where the policy has that not named.
    fn unnamed(self, of: &PeerAnswer) -> Self {
        let peer = self.peer.filter(|_| of.names);
        Self { peer, ..self }
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
                own.insert((&answer.indicator, answer.peer.as_deref()), answer.answer);
            }
        }
        let is_plain = |answer: &Answer| {
            let own = own.get(&(&answer.indicator, answer.peer.as_deref()));
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
                answer.peer.as_deref().unwrap_or("one of the peers"),
                &answer.answer.replace('_', " "),
                &said,
            ]);
        }
        let mut text = table.render();
        for answer in self.answers.iter().filter(|answer| !is_plain(answer)) {
            for line in &answer.explained {
                let peer = match answer.peer.as_deref() {
                    None => " at one of the peers",
                    Some("") => "",
                    Some(peer) => &format!(" at {peer}"),
                };
                text.push_str(&format!("{}{peer}: {line}\n", answer.indicator));
            }
        }
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.answers.iter().collect()
    }
}
