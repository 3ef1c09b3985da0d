//! `blindmatch query`.

mod answers;
mod explain;

use std::collections::BTreeSet;
use std::slice;
use std::time::Duration;

use blindmatch_feeds::Sieve;
use blindmatch_indicator::{Canonicaliser, Indicator, Refusal};
use blindmatch_node::exchange::query::Query;
use blindmatch_node::rules::{Direction, Policy};

use self::answers::Answers;
use super::at_work::AtWork;
use crate::args::Global;
use crate::args::exchange::QueryArguments;
use crate::command_line::CommandLine;
use crate::error::{Error, Exit};
use crate::feed_hints::{self, Asked};
use crate::input::Source;
use crate::output;
use crate::reading;

pub(crate) fn run(arguments: &QueryArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.reading.tables.as_deref(), global)?;
    let daemon = &work.daemon;
    let canonicaliser = reading::canonicaliser(&arguments.reading)?;
    let canonicaliser = daemon.node().with_payment_key(canonicaliser)?;
    let indicators = indicators(arguments, global, &canonicaliser)?;
    let purpose = purpose(arguments, daemon.policy())?;

    let exclusions = daemon.exclusions();
    let asked = indicators.iter();
    let asked = asked.filter(|one| exclusions.reason_for(one).is_none());
    let query = Query {
        indicators: asked.cloned().collect(),
        peers: arguments.peers.iter().cloned().collect(),
        purpose: purpose.clone(),
        occasion: work.occasion(arguments.case.as_deref()),
    };
    let asker = work.asker();
    let asker = asker.with_patience(Duration::from_secs(arguments.wait));
    let of_peers = if query.indicators.is_empty() {
        Vec::new()
    } else {
        work.wait(asker.query(query))?
    };
    let answers = Answers::new(
        &indicators,
        &of_peers,
        exclusions,
        purpose,
        arguments.case.clone(),
        daemon.now(),
    );
    let answers = if arguments.explain {
        answers.explained(&indicators, &of_peers, daemon.policy())
    } else {
        answers
    };
    let answers = answers.for_home(global.named_home());
    let shown = output::show("query", &answers, global);
    // Whoever asked has the answer.
    work.wait(asker.settle());
    shown?;
    answers.advise(global);
    if arguments.fail_on_match && answers.held > 0 {
        return Ok(Exit::Found);
    }
    Ok(Exit::of(of_peers.iter().map(|answer| &answer.outcome)))
}

/// What is asked about, each once, in the order in which it was written.
fn indicators(
    arguments: &QueryArguments,
    global: &Global,
    canonicaliser: &Canonicaliser,
) -> Result<Vec<Indicator>, Error> {
    let mut seen = BTreeSet::new();
    let mut indicators = Vec::new();
    let mut take = |indicator: &Indicator| {
        if seen.insert(indicator.clone()) {
            indicators.push(indicator.clone());
        }
    };
    for value in &arguments.values {
        let parsed = match arguments.reading.indicator_type {
            Some(kind) => canonicaliser.parse(kind, value),
            None => canonicaliser.detect(value),
        };
        let refused = |refusal: Refusal| {
            let (why, code) = (refusal.explanation(), refusal.code());
            let error = Error::new(format!("a value is no indicator: {why} ({code})"));
            match refusal {
                Refusal::TypeUnknown | Refusal::TypeAmbiguous => {
                    error.hint("name its type with --type TYPE")
                }
                _ => error,
            }
        };
        take(&parsed.map_err(refused)?);
    }
    if let Some(path) = &arguments.file {
        let files = slice::from_ref(path);
        let line = CommandLine::typed(files, &global.session);
        let source = Source::open(path, global)?;
        let file = source.name();
        let options = reading::options(&arguments.reading);
        let mut sieve = Sieve::new(canonicaliser);
        let mut refused = Vec::new();
        let asked = Asked {
            line: &line,
            reading: &arguments.reading,
        };
        source
            .read(&options, canonicaliser, &mut |row| {
                sieve.take(row, &mut take, &mut |one| {
                    refused.push(format!(
                        "{}: {} ({})",
                        one.place, one.explanation, one.reason
                    ));
                });
            })
            .map_err(|error| feed_hints::explain(&asked, &file, &error))?;
        for refused in refused {
            global.tell(format_args!("warning: {file}: {refused}"));
        }
    }
    if indicators.is_empty() {
        return Err(Error::new("there is no indicator to ask about")
            .hint("name the type of the values with --type TYPE"));
    }
    Ok(indicators)
}

/// The purpose: the one that was named, or the only one for which the policy asks.
fn purpose(arguments: &QueryArguments, policy: &Policy) -> Result<Option<String>, Error> {
    if arguments.purpose.is_some() {
        return Ok(arguments.purpose.clone());
    }
    let rules = policy.rules().iter();
    let rules = rules.filter(|rule| rule.directions.contains(&Direction::Ask));
    let purposes: BTreeSet<_> = rules
        .flat_map(|rule| rule.purposes.iter().cloned())
        .collect();
    let named: Vec<_> = purposes.iter().map(String::as_str).collect();
    if let [_, _, ..] = named.as_slice() {
        let hint = format!("name it with --purpose, one of: {}", named.join(", "));
        return Err(Error::usage("the policy asks for several purposes").hint(hint));
    }
    Ok(purposes.into_iter().next())
}
