//! Why an answer is what it is, or may be: as far as whoever asks can know (`spec/50-policy.md` §3).

use blindmatch_indicator::{Indicator, IndicatorType};
use blindmatch_node::exchange::query::PeerAnswer;
use blindmatch_node::matches::needs_another;
use blindmatch_node::rules::{Direction, Policy};

use crate::output::{grouped, time};

/// What is to be said of an answer about an indicator; `of` is the peer's, where it is named.
pub(super) fn explain(
    answer: &str,
    indicator: &Indicator,
    of: Option<&PeerAnswer>,
    policy: &Policy,
) -> Vec<String> {
    let mut said = Vec::new();
    match answer {
        "held" => {
            said.push("it is in the publication of the peer that this node looked it up in".to_owned());
            if needs_another(indicator.indicator_type()) {
                said.push(
                    "its type is weak: `matches list` shows it only beside a match of another type under \
                     the same reference"
                        .to_owned(),
                );
            }
        }
        "not_held" => not_held(&mut said, indicator, of),
        "excluded" => said.push(
            "nobody was asked: it is on a list of values that say nothing of anybody (`blindmatch \
             exclusions list`)"
                .to_owned(),
        ),
        "not_served" => said.push(
            "the view is not agreed: the peer's policy has no rule for us, this type and this purpose, or \
             the peer has published nothing of it; which of these a peer does not say"
                .to_owned(),
        ),
        "not_allowed" => said.push(
            "a rule refuses, ours or the peer's: no rule, an expired legal basis, a set that is too small, \
             a size that is no class, a peer that is suspended or looks like probing; the words above name \
             which"
                .to_owned(),
        ),
        "budget_spent" => said.push(
            "it was not asked: the peer's budget for us leaves less than the class that a query is padded \
             to; ours are in `blindmatch status`"
                .to_owned(),
        ),
        "preparing" => said.push("it was not asked: the peer's publication is not here yet".to_owned()),
        "unreachable" | "failed" => {
            said.push("it was not asked, or nothing of the answer was used".to_owned());
        }
        _ => {}
    }
    said.extend(of.and_then(|of| rule(of, policy)));
    said
}

/// The rule of ours by which it was asked.
fn rule(of: &PeerAnswer, policy: &Policy) -> Option<String> {
    let rule = policy.rules().iter().find(|rule| {
        rule.peers.include(of.peer.as_str())
            && rule.directions.contains(&Direction::Ask)
            && rule.types.contains(&of.indicator_type)
            && rule.purposes.contains(&of.purpose)
    });
    Some(match rule {
        Some(rule) => format!(
            "by rule {} of policy.toml (line {})",
            rule.number, rule.line
        ),
        None => "no rule of our own policy.toml lets it be asked".to_owned(),
    })
}

fn not_held(said: &mut Vec<String>, indicator: &Indicator, of: Option<&PeerAnswer>) {
    said.push(match of.and_then(|of| of.published) {
        Some(published) => format!(
            "it is not in the peer's publication of {}, of at most {} entries",
            time(published.since),
            grouped(published.class)
        ),
        None => "it is in no publication that this node looked it up in".to_owned(),
    });
    said.push(
        "a peer may hold it all the same and not serve it: with fewer reports or no reason, where its \
         policy asks for these ([evidence]); because a list of its own excludes it; because it came behind \
         that publication, is over its time, or was withdrawn"
            .to_owned(),
    );
    let other = match indicator.indicator_type() {
        IndicatorType::Email => Some(
            "another spelling of the address counts as another value: ask for email_folded too",
        ),
        IndicatorType::Domain | IndicatorType::Url | IndicatorType::UrlHost => {
            Some("only this name was asked for: its registrable domain is another value")
        }
        IndicatorType::Ip => {
            Some("networks that hold it are asked for in a view of their own, where a rule has it")
        }
        _ => None,
    };
    said.extend(other.map(str::to_owned));
}
