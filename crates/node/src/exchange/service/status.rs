//! Whether a node can serve, and its metrics.
//!
//! Labels name members, types, rules and views, and no value of anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;

use blindmatch_membership::Name;
use blindmatch_policy::{Direction, Protocol};
use blindmatch_store::home::HomeError;
use blindmatch_transport::admin::Status;

use crate::error::Error;
use crate::exchange::daemon::{Daemon, lock};
use crate::exchange::footing::Footing;
use crate::exchange::respond::Serving;
use crate::exchange::view::{served, with};
use crate::exchange::work::blocking;

/// Counts, by the name of the metric and by its labels as they are shown.
#[derive(Default)]
pub(in crate::exchange) struct Counters(Mutex<BTreeMap<(&'static str, String), u64>>);

/// What a metric is, for whoever reads its name.
const HELP: &[(&str, &str, &str)] = &[
    (
        "blindmatch_runs_total",
        "counter",
        "Runs that a peer asked for, by how they ended.",
    ),
    (
        "blindmatch_setup_checks_failed_total",
        "counter",
        "Setups of batch that failed a check of ours, by the peer: a fault of it, or a guess.",
    ),
    (
        "blindmatch_denials_total",
        "counter",
        "Runs that were refused, by the rule that refused.",
    ),
    (
        "blindmatch_calls_refused_total",
        "counter",
        "Calls of peers that were not answered, by the kind of problem.",
    ),
    (
        "blindmatch_oprf_evaluations_total",
        "counter",
        "Evaluations that were charged.",
    ),
    (
        "blindmatch_bytes_total",
        "counter",
        "Bytes of publications and of frames of runs that peers asked for, both ways.",
    ),
    (
        "blindmatch_last_failure_seconds",
        "gauge",
        "Seconds since a peer last was not reached, or broke off.",
    ),
    (
        "blindmatch_connections_refused_total",
        "counter",
        "Connections that were not served.",
    ),
    (
        "blindmatch_calls_shed_total",
        "counter",
        "Calls that were not taken: there were too many.",
    ),
    (
        "blindmatch_budget_evaluations",
        "gauge",
        "Evaluations that a peer may have of a view, in a day and in an epoch.",
    ),
    (
        "blindmatch_budget_left_evaluations",
        "gauge",
        "What is left of them.",
    ),
    (
        "blindmatch_ttl_deletions_total",
        "counter",
        "Values and runs destroyed since they had expired.",
    ),
    (
        "blindmatch_ledger_records",
        "gauge",
        "Records in the ledger.",
    ),
    (
        "blindmatch_ledger_cosigned_records",
        "gauge",
        "Records that enough witnesses cosigned.",
    ),
    (
        "blindmatch_ready",
        "gauge",
        "Whether peers are answered: 1 or 0.",
    ),
    (
        "blindmatch_expiry_seconds",
        "gauge",
        "Seconds until something expires.",
    ),
    (
        "blindmatch_last_success_seconds",
        "gauge",
        "Seconds since a batch last asked a peer and nothing failed.",
    ),
    (
        "blindmatch_never_succeeded",
        "gauge",
        "Whether no batch has ever asked a peer without a failure: 1 or 0.",
    ),
    (
        "blindmatch_views_published",
        "gauge",
        "Views that peers can ask.",
    ),
    (
        "blindmatch_runs_unfinished",
        "gauge",
        "Runs that have not ended.",
    ),
    (
        "blindmatch_store_free_bytes",
        "gauge",
        "Free space where the home is.",
    ),
    (
        "blindmatch_last_record_seconds",
        "gauge",
        "Seconds since the last record.",
    ),
];

impl Counters {
    /// Adds to a count. Labels are pairs of a name and what it is.
    pub(in crate::exchange) fn add(&self, name: &'static str, labels: &[(&str, &str)], count: u64) {
        let mut counts = lock(&self.0);
        let slot = counts.entry((name, shown(labels))).or_default();
        *slot = slot.saturating_add(count);
    }
}

impl Status for Serving {
    async fn ready(&self) -> Result<(), String> {
        let footing = self.footing();
        if footing != Footing::Firm {
            return Err(footing.to_string());
        }
        let daemon = self.daemon();
        let ready = blocking(move || readiness(&daemon)).await;
        ready.unwrap_or_else(|_| Err("it could not be seen".to_owned()))
    }

    async fn metrics(&self) -> String {
        let (serving, ready) = (self.clone(), self.ready().await.is_ok());
        let metrics = blocking(move || metrics(&serving, ready)).await;
        metrics.unwrap_or_default()
    }
}

/// What keeps a node from answering peers.
fn readiness(daemon: &Daemon) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let now = daemon.now();
    let roster = daemon.node().roster().map_err(told)?;
    let delegation = daemon.node().delegation().map_err(told)?;
    delegation
        .check(&roster, now)
        .map_err(|error| told(Error::NotListed(error)))?;
    if daemon.ledger().log().time() > now {
        return Err("the clock shows an earlier time than the last record".to_owned());
    }
    daemon.facts(|facts| facts.least_number()).map_err(told)?;
    Ok(())
}

fn metrics(serving: &Serving, ready: bool) -> String {
    let daemon = serving.daemon();
    let mut all: BTreeMap<(&str, String), u64> = lock(&serving.counters().0).clone();
    let mut gauge = |name, labels: &[(&str, &str)], value| all.insert((name, shown(labels)), value);
    let (log, now) = (daemon.ledger().log(), daemon.now());
    gauge("blindmatch_ledger_records", &[], log.size());
    if let Ok(Some(cosigned)) = log.cosigned() {
        let records = cosigned.unverified().size;
        gauge("blindmatch_ledger_cosigned_records", &[], records);
    }
    let ago = now.saturating_sub(log.time());
    gauge("blindmatch_last_record_seconds", &[], ago);
    gauge("blindmatch_ready", &[], u64::from(ready));
    let standings = daemon.standings().unwrap_or_default();
    for peer in daemon.peers(&BTreeSet::new()).unwrap_or_default() {
        let peer = peer.as_str();
        // One that is asked nothing any more is not missed.
        let asked = !with(daemon.policy(), peer, Direction::Ask).is_empty();
        let standing = standings.get(peer).filter(|_| asked);
        let ago = |at: Option<u64>| at.map(|at| now.saturating_sub(at));
        if let Some(ago) = ago(standing.and_then(|standing| standing.batch)) {
            gauge("blindmatch_last_success_seconds", &[("peer", peer)], ago);
        }
        if asked {
            let never = standing.is_none_or(|standing| standing.batch.is_none());
            let peer = [("peer", peer)];
            gauge("blindmatch_never_succeeded", &peer, u64::from(never));
        }
        if let Some(ago) = ago(standing.and_then(|standing| standing.failed)) {
            gauge("blindmatch_last_failure_seconds", &[("peer", peer)], ago);
        }
    }
    for expiry in daemon.expiries() {
        let (what, left) = (expiry.what.to_string(), expiry.at.saturating_sub(now));
        gauge("blindmatch_expiry_seconds", &[("what", &what)], left);
    }
    for budget in budgets(&daemon).unwrap_or_default() {
        let (view, peer) = (budget.view.as_str(), budget.peer.as_str());
        for (span, all, charged) in budget.spans {
            let labels = [("view", view), ("peer", peer), ("span", span)];
            gauge("blindmatch_budget_evaluations", &labels, all);
            let left = all.saturating_sub(charged);
            gauge("blindmatch_budget_left_evaluations", &labels, left);
        }
    }
    if let Some(expires) = daemon.credentials().expires() {
        let left = expires.saturating_sub(now);
        let certificate = [("what", "certificate")];
        gauge("blindmatch_expiry_seconds", &certificate, left);
    }
    let count = |count| u64::try_from(count).unwrap_or(u64::MAX);
    let views = count(daemon.views().own().len());
    gauge("blindmatch_views_published", &[], views);
    let unfinished = count(daemon.runs().unfinished().len());
    gauge("blindmatch_runs_unfinished", &[], unfinished);
    if let Ok(free) = daemon.node().disk().free_space().map_err(HomeError::Disk) {
        gauge("blindmatch_store_free_bytes", &[], free);
    }
    written(&all)
}

/// What a peer may ask of a view.
struct Budgets {
    view: String,
    peer: String,
    /// By day and epoch: all, and what was charged of it.
    spans: [(&'static str, u64, u64); 2],
}

fn budgets(daemon: &Daemon) -> Result<Vec<Budgets>, Error> {
    let (policy, known) = (daemon.policy(), daemon.directory().known());
    let time = daemon.now().max(daemon.ledger().log().time());
    let mut budgets = Vec::new();
    for view in served(policy) {
        let Some(epoch) = daemon.own_epoch(&view) else {
            continue;
        };
        let (name, kind) = (view.to_string(), view.indicator_type);
        for peer in known.roster.members.keys().map(Name::as_str) {
            let rule = policy.rule_serving(peer, kind, &view.purpose, Protocol::Lookup);
            let Some(rule) = rule.filter(|_| peer != daemon.id().member().as_str()) else {
                continue;
            };
            let number = epoch.domain().epoch;
            let charged = daemon.facts(|facts| facts.charged(&name, peer, number, time))?;
            let all = policy.budget(rule, kind);
            budgets.push(Budgets {
                view: name.clone(),
                peer: peer.to_owned(),
                spans: [
                    ("day", all.day, charged.day),
                    ("epoch", all.epoch, charged.epoch),
                ],
            });
        }
    }
    Ok(budgets)
}

/// The text format of Prometheus.
fn written(all: &BTreeMap<(&str, String), u64>) -> String {
    let mut text = String::new();
    for (name, kind, help) in HELP {
        let mut values = all.iter().filter(|((of, _), _)| of == name).peekable();
        if values.peek().is_none() {
            continue;
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for ((_, labels), value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

/// Labels as Prometheus has them.
fn shown(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |value: &str| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        value.replace('\n', "\\n")
    };
    let pairs: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The words of a text that can be names of metrics.
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
    }

    #[test]
    fn alerts_are_about_metrics_that_there_are() {
        let file = "../../examples/prometheus/blindmatch.rules.yml";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let rules = fs::read_to_string(file).unwrap();
        let mut about = BTreeSet::new();
        for rule in rules.split("- alert: ").skip(1) {
            let name = rule.lines().next().unwrap_or_default();
            let of = |key: &str| {
                let mut lines = rule.lines().filter_map(|line| line.trim().split_once(": "));
                let found = lines.find(|(found, _)| *found == key);
                found.map_or_else(|| panic!("{name} has no {key}"), |(_, value)| value)
            };
            assert!(["warning", "critical"].contains(&of("severity")), "{name}");
            assert!(!of("summary").is_empty() && !of("description").is_empty());
            let metrics: Vec<_> = words(of("expr"))
                .filter(|word| word.starts_with("blindmatch_"))
                .collect();
            let is_known = |metric: &&str| HELP.iter().any(|(known, ..)| known == metric);
            assert!(metrics.iter().all(is_known), "{name}: {metrics:?}");
            let is_whether_it_runs = words(of("expr")).any(|word| word == "up");
            assert!(!metrics.is_empty() || is_whether_it_runs, "{name}");
            about.extend(metrics.into_iter().map(str::to_owned));
        }
        for metric in [
            "blindmatch_last_success_seconds",
            "blindmatch_never_succeeded",
            "blindmatch_budget_left_evaluations",
            "blindmatch_expiry_seconds",
            "blindmatch_ready",
        ] {
            assert!(about.contains(metric), "nothing tells of {metric}");
        }
    }

    #[test]
    fn every_count_is_shown_with_its_help() {
        let counters = Counters::default();
        counters.add("blindmatch_denials_total", &[("rule", "a\"b\\")], 2);
        counters.add("blindmatch_denials_total", &[("rule", "a\"b\\")], 1);
        let text = written(&lock(&counters.0));
        let shown: Vec<_> = text.lines().collect();
        assert_eq!(
            shown,
            [
                "# HELP blindmatch_denials_total Runs that were refused, by the rule that refused.",
                "# TYPE blindmatch_denials_total counter",
                r#"blindmatch_denials_total{rule="a\"b\\"} 3"#,
            ]
        );
    }
}
