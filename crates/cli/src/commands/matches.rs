//! `blindmatch matches`.

mod decide;
mod export;
mod trace;
mod withdraw;

use std::collections::BTreeMap;
use std::path::Path;

use blindmatch_indicator::{Day, IndicatorType};
use blindmatch_node::demo::RowKey;
use blindmatch_node::exchange::Daemon;
use blindmatch_node::matches::{Kept, Match, MatchId, Verdict, may_leave, sharing};
use serde::Serialize;

use super::at_work::AtWork;
use super::label::Fields;
use crate::args::Global;
use crate::args::exchange::{ListArguments, MatchesCommand, Which};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Side, Table, grouped, hex, time};

pub(crate) fn run(command: &MatchesCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        MatchesCommand::List(arguments) => list(arguments, global),
        MatchesCommand::Show { id, tables } => show(*id, tables.tables.as_deref(), global),
        MatchesCommand::Confirm(arguments) => decide::decide(arguments, Verdict::Confirmed, global),
        MatchesCommand::Dispute(arguments) => decide::decide(arguments, Verdict::Disputed, global),
        MatchesCommand::Feedback {
            id,
            verdict,
            tables,
        } => decide::feedback(*id, *verdict, tables.tables.as_deref(), global),
        MatchesCommand::Withdraw(arguments) => withdraw::withdraw(arguments, global),
        MatchesCommand::Heard(tables) => trace::heard(tables.tables.as_deref(), global),
        MatchesCommand::Trace { case, tables } => {
            trace::trace(case, tables.tables.as_deref(), global)
        }
        MatchesCommand::Export(arguments) => export::export(arguments, global),
        MatchesCommand::Opinions(arguments) => export::opinions(arguments, global),
    }
}

fn list(arguments: &ListArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.which.tables.tables.as_deref(), global)?;
    let mut list = List::of(&work.daemon, &arguments.which, global)?;
    list.values = arguments.values;
    if !arguments.values {
        list.matches.iter_mut().for_each(|one| one.indicator = None);
    }
    output::show("matches", &list, global)?;
    Ok(list.exit())
}

fn show(id: MatchId, tables: Option<&Path>, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(tables, global)?;
    let found = one(&work.daemon, id, global)?;
    let shown = Shown(Line::of(&work.daemon, &found));
    output::show("matches_show", &shown, global)?;
    Ok(Exit::Done)
}

/// One match.
fn one(daemon: &Daemon, id: MatchId, global: &Global) -> Result<Match, Error> {
    let kept = kept(daemon, global)?;
    let found = kept.matches.into_iter().find(|one| one.id == id);
    found.ok_or_else(|| {
        Error::new(format!("there is no match {id}"))
            .hint("see which there are: blindmatch matches list --all")
    })
}

fn kept(daemon: &Daemon, global: &Global) -> Result<Kept, Error> {
    let kept = Kept::of(daemon)?;
    for damage in &kept.damaged {
        global.tell(format_args!(
            "warning: {damage}; what was found there is not shown"
        ));
    }
    Ok(kept)
}

/// The matches that were asked for, and what is left out of them.
struct Chosen {
    matches: Vec<Match>,
    /// How many are left out because a list of exclusions has them, by reason.
    excluded: BTreeMap<String, u64>,
    unreadable: u64,
    weak: u64,
    damaged: usize,
}

fn chosen(daemon: &Daemon, which: &Which, global: &Global) -> Result<Chosen, Error> {
    let kept = kept(daemon, global)?;
    let mut chosen = Chosen {
        matches: Vec::new(),
        excluded: BTreeMap::new(),
        unreadable: 0,
        weak: 0,
        damaged: kept.damaged.len(),
    };
    for found in kept.matches.into_iter().filter(|found| which.has(found)) {
        let excluded = || {
            let indicator = daemon.canonicaliser().decode(found.row.as_bytes())?;
            let excluded = daemon.exclusions().reason_for(&indicator)?;
            Some(excluded.to_string())
        };
        if which.all {
            chosen.matches.push(found);
        } else if let Some(reason) = excluded() {
            *chosen.excluded.entry(reason).or_default() += 1;
        } else if found.label.is_none() {
            chosen.unreadable += 1;
        } else if !found.shows {
            chosen.weak += 1;
        } else {
            chosen.matches.push(found);
        }
    }
    Ok(chosen)
}

impl Chosen {
    const fn exit(&self) -> Exit {
        if self.damaged > 0 {
            Exit::Partly
        } else {
            Exit::Done
        }
    }
}

#[derive(Serialize)]
struct List {
    matches: Vec<Line>,
    /// How many are left out because a list of exclusions has them, by reason.
    excluded: BTreeMap<String, u64>,
    /// Entries that are left out because their label does not open.
    unreadable: u64,
    /// Matches that are left out because they are weak, and no other one has their reference.
    weak: u64,
    /// Results that are damaged.
    damaged: usize,
    #[serde(skip)]
    values: bool,
}

/// A match, for people and programs.
#[derive(Serialize)]
struct Line {
    id: String,
    /// Who holds it; nothing where the policy says only how many do.
    peer: Option<String>,
    /// Empty where somebody asked.
    collection: String,
    r#type: &'static str,
    /// The type of the view: an address is found in networks too.
    view: &'static str,
    purpose: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    indicator: Option<String>,
    references: Vec<String>,
    /// With those that are not kept.
    references_total: u32,
    /// What the peer says.
    reason: Option<&'static str>,
    severity: Option<u8>,
    role: Option<&'static str>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    age_days: Option<i64>,
    reports: Option<u16>,
    first_found: String,
    last_found: String,
    /// How it stands.
    state: &'static str,
    /// Since when.
    state_since: String,
    /// Why it may not go to who acts on it; nothing where it may.
    stays: Option<&'static str>,
    /// What an operator decided last.
    decided: Option<Decided>,
    /// When its contributor withdrew it.
    withdrawn: Option<String>,
    /// What its contributor was told.
    feedback: Option<&'static str>,
    /// When this node saw it, first and last.
    own_first_seen: Option<String>,
    own_last_seen: Option<String>,
    /// Whether both sides saw it more than 30 days apart.
    apart: bool,
    /// Whether more of our own rows stand behind it than say anything of any.
    shared: bool,
    /// How many peers hold it.
    peers: usize,
    /// Whether it follows from a value of its source: `strict`, or `derived`.
    form: &'static str,
    /// The length of the network that was asked for, of an address or a network.
    prefix: Option<u8>,
    /// Whether the last run of its collection found it.
    in_last_run: bool,
    case: String,
    operator: String,
    run: String,
    /// Whether the peer signed for that run.
    receipted: bool,
    /// Why it is excluded.
    excluded: Option<String>,
    #[serde(skip)]
    words: Option<String>,
}

/// What an operator decided.
#[derive(Serialize)]
struct Decided {
    verdict: &'static str,
    by: String,
    at: String,
    case: String,
    reason: String,
}

/// The same of plain fields.
#[derive(Serialize)]
struct Flat<'a> {
    id: &'a str,
    peer: Option<&'a str>,
    collection: &'a str,
    r#type: &'a str,
    view: &'a str,
    purpose: &'a str,
    indicator: Option<&'a str>,
    references: String,
    reason: Option<&'a str>,
    severity: Option<u8>,
    role: Option<&'a str>,
    first_seen: Option<&'a str>,
    last_seen: Option<&'a str>,
    age_days: Option<i64>,
    reports: Option<u16>,
    first_found: &'a str,
    last_found: &'a str,
    state: &'a str,
    stays: Option<&'a str>,
    in_last_run: bool,
    case: &'a str,
    operator: &'a str,
    run: &'a str,
    receipted: bool,
    excluded: Option<&'a str>,
}

impl List {
    fn of(daemon: &Daemon, which: &Which, global: &Global) -> Result<Self, Error> {
        let chosen = chosen(daemon, which, global)?;
        let lines = chosen.matches.iter().map(|found| Line::of(daemon, found));
        Ok(Self {
            matches: lines.collect(),
            excluded: chosen.excluded,
            unreadable: chosen.unreadable,
            weak: chosen.weak,
            damaged: chosen.damaged,
            values: false,
        })
    }

    const fn exit(&self) -> Exit {
        if self.damaged > 0 {
            Exit::Partly
        } else {
            Exit::Done
        }
    }
}

impl Which {
    fn has(&self, found: &Match) -> bool {
        let kind = found.row.indicator_type();
        let since = self.since.map(jiff::Timestamp::as_second);
        let since = since.map(|since| u64::try_from(since).unwrap_or(0));
        let peer = self.peer.as_ref();
        let collection = self.collection.as_ref();
        peer.is_none_or(|peer| found.names && peer.as_str() == found.peer)
            && self.state.is_none_or(|state| state == found.state())
            && collection.is_none_or(|collection| collection.as_str() == found.collection)
            && self
                .indicator_type
                .is_none_or(|wanted| kind == Some(wanted))
            && since.is_none_or(|since| since <= found.first_found)
    }
}

impl Line {
    fn of(daemon: &Daemon, found: &Match) -> Self {
        let indicator = daemon.canonicaliser().decode(found.row.as_bytes());
        let excluded = indicator
            .as_ref()
            .and_then(|indicator| daemon.exclusions().reason_for(indicator));
        let fields = found.label.as_ref();
        let fields = fields.map(|label| Fields::of(label, daemon.now()));
        let kind = found.row.indicator_type();
        Self {
            id: found.id.to_string(),
            peer: named(found),
            collection: found.collection.clone(),
            r#type: kind.map_or("unknown", IndicatorType::name),
            view: found.view.indicator_type.name(),
            purpose: found.view.purpose.clone(),
            excluded: excluded.map(|excluded| excluded.to_string()),
            indicator: indicator.map(|indicator| indicator.to_text().to_string()),
            references: found.references.clone(),
            references_total: found.references_total,
            words: fields.as_ref().map(Fields::in_words),
            reason: fields.as_ref().map(|fields| fields.reason),
            severity: fields.as_ref().map(|fields| fields.severity),
            role: fields.as_ref().map(|fields| fields.role),
            age_days: fields.as_ref().and_then(|fields| fields.age_days),
            reports: fields.as_ref().map(|fields| fields.reports),
            first_seen: fields.as_ref().and_then(|fields| fields.first_seen.clone()),
            last_seen: fields.and_then(|fields| fields.last_seen),
            first_found: time(found.first_found),
            last_found: time(found.last_found),
            state: found.state().name(),
            state_since: time(found.life.since()),
            stays: may_leave(&found.life).err().map(|stays| stays.name()),
            decided: found.life.disposition().map(|decided| Decided {
                verdict: decided.verdict.name(),
                by: decided.by.clone(),
                at: time(decided.at),
                case: decided.case.clone(),
                reason: decided.reason.clone(),
            }),
            withdrawn: found.life.withdrawn().map(time),
            feedback: found.life.feedback().map(|feedback| feedback.name()),
            own_first_seen: found.own_window.map(|window| seen(window.first)),
            own_last_seen: found.own_window.map(|window| seen(window.last)),
            apart: found.is_apart(),
            shared: kind.is_some_and(|kind| {
                let above = daemon.node().config().matches.shared_above;
                sharing::is_shared(kind, found.references_total, above)
            }),
            peers: found.holders,
            form: if found.derived { "derived" } else { "strict" },
            prefix: prefix_of(&found.row),
            in_last_run: found.is_in_last_run,
            case: found.case.clone(),
            operator: found.operator.clone(),
            run: hex(&found.run.0),
            receipted: found.receipted,
        }
    }

    /// Who holds it, or how many.
    fn held_by(&self) -> String {
        let peer = self.peer.clone();
        peer.unwrap_or_else(|| format!("one of {}", self.peers))
    }

    /// What it was found for.
    fn origin(&self) -> &str {
        match (self.collection.as_str(), self.case.as_str()) {
            ("", "") => "query",
            ("", case) => case,
            (collection, _) => collection,
        }
    }

    /// What the peer says of it, and what is to be known besides.
    fn said(&self) -> String {
        let mut said = vec![match &self.words {
            Some(words) => words.clone(),
            None => "its label does not open".to_owned(),
        }];
        if !self.in_last_run {
            said.push("earlier".to_owned());
        }
        if self.apart {
            said.push("seen at other times".to_owned());
        }
        if self.shared {
            said.push("shared".to_owned());
        }
        if let Some(excluded) = &self.excluded {
            said.push(format!("excluded: {excluded}"));
        }
        said.retain(|part| !part.is_empty());
        said.join("; ")
    }

    /// In which form it was asked for.
    fn asked_for_as(&self) -> String {
        let mut form = match self.form {
            "derived" => format!("{}, which follows from a value of the source", self.r#type),
            _ => format!("{}, as the source has it", self.r#type),
        };
        if let Some(prefix) = self.prefix {
            form.push_str(&format!(", /{prefix}"));
        }
        form
    }

    fn references(&self) -> String {
        let kept = u32::try_from(self.references.len()).unwrap_or(u32::MAX);
        let mut references = self.references.join("; ");
        if self.references_total > kept {
            let more = grouped((self.references_total - kept).into());
            references.push_str(&format!("; and {more} more"));
        }
        references
    }
}

impl<'a> Flat<'a> {
    fn of(line: &'a Line) -> Self {
        Self {
            id: &line.id,
            peer: line.peer.as_deref(),
            collection: &line.collection,
            r#type: line.r#type,
            view: line.view,
            purpose: &line.purpose,
            indicator: line.indicator.as_deref(),
            references: line.references.join("; "),
            reason: line.reason,
            severity: line.severity,
            role: line.role,
            first_seen: line.first_seen.as_deref(),
            last_seen: line.last_seen.as_deref(),
            age_days: line.age_days,
            reports: line.reports,
            first_found: &line.first_found,
            last_found: &line.last_found,
            state: line.state,
            stays: line.stays,
            in_last_run: line.in_last_run,
            case: &line.case,
            operator: &line.operator,
            run: &line.run,
            receipted: line.receipted,
            excluded: line.excluded.as_deref(),
        }
    }
}

impl Report for List {
    fn table(&self) -> String {
        let mut columns = vec![
            ("id", Side::Left),
            ("peer", Side::Left),
            ("of", Side::Left),
            ("type", Side::Left),
            ("references", Side::Left),
            ("first found", Side::Left),
            ("last found", Side::Left),
            ("state", Side::Left),
            ("the peer says", Side::Left),
        ];
        if self.values {
            columns.insert(4, ("indicator", Side::Left));
        }
        let mut table = Table::headed(&columns);
        for line in &self.matches {
            let references = line.references();
            let (said, held_by) = (line.said(), line.held_by());
            let mut cells = vec![
                line.id.as_str(),
                &held_by,
                line.origin(),
                line.r#type,
                &references,
                day(&line.first_found),
                day(&line.last_found),
                line.state,
                &said,
            ];
            if self.values {
                cells.insert(4, line.indicator.as_deref().unwrap_or("not readable"));
            }
            table.row(&cells);
        }
        let mut text = match self.matches.len() {
            0 => "there is no match\n".to_owned(),
            _ => table.render(),
        };
        for (reason, count) in &self.excluded {
            text.push_str(&format!("left out: {}, {reason}\n", grouped(*count)));
        }
        if self.unreadable > 0 {
            let count = grouped(self.unreadable);
            text.push_str(&format!("left out: {count}, whose label does not open\n"));
        }
        if self.weak > 0 {
            let count = grouped(self.weak);
            text.push_str(&format!(
                "left out: {count}, weak by themselves: no match of another type has their reference\n"
            ));
        }
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.matches.iter().map(Flat::of).collect()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(Line);

impl Report for Shown {
    fn table(&self) -> String {
        let line = &self.0;
        let mut table = Table::of_fields();
        let last_run = if line.in_last_run {
            "found it"
        } else {
            "did not find it"
        };
        let state = format!("{} since {}", line.state, line.state_since);
        let leaves = match line.stays {
            None => "yes: somebody confirmed it".to_owned(),
            Some(why) => format!("no: {why}"),
        };
        let receipt = if line.receipted {
            "signed by both"
        } else {
            "not signed by the peer"
        };
        let (references, words) = (line.references(), line.words.as_deref());
        table
            .row(&["match", &line.id])
            .row(&["peer", &line.held_by()])
            .row(&["type", line.r#type])
            .row(&[
                "indicator",
                line.indicator.as_deref().unwrap_or("not readable"),
            ])
            .row(&["references", &references])
            .row(&[
                "the peer says",
                words.unwrap_or("its label does not open: no match"),
            ])
            .row(&["found in", &format!("{}, for {}", line.view, line.purpose)])
            .row(&[
                "asked by",
                &format!("{} {}", line.collection, line.operator),
            ])
            .row(&["case", &line.case])
            .row(&["first found", &line.first_found])
            .row(&["last found", &line.last_found])
            .row(&["state", &state])
            .row(&["may leave", &leaves])
            .row(&["last run", last_run])
            .row(&["asked for as", &line.asked_for_as()])
            .row(&["held by", &format!("{} of the peers", line.peers)])
            .row(&["run", &line.run])
            .row(&["receipt", receipt]);
        if let Some(decided) = &line.decided {
            let Decided {
                verdict,
                by,
                at,
                case,
                reason,
            } = decided;
            table.row(&[
                "decided",
                &format!("{verdict} by {by}, {at}, case {case}: {reason}"),
            ]);
        }
        if let Some(withdrawn) = &line.withdrawn {
            table.row(&["withdrawn", &format!("by its contributor, {withdrawn}")]);
        }
        if let Some(feedback) = line.feedback {
            table.row(&["feedback", feedback]);
        }
        if let Some((first, last)) = line
            .own_first_seen
            .as_ref()
            .zip(line.own_last_seen.as_ref())
        {
            table.row(&["seen here", &format!("{} to {}", day(first), day(last))]);
        }
        if let Some((first, last)) = line.first_seen.as_ref().zip(line.last_seen.as_ref()) {
            table.row(&["seen there", &format!("{} to {}", day(first), day(last))]);
        }
        if line.apart {
            table.row(&["apart", "more than 30 days lie between the two"]);
        }
        if line.shared {
            table.row(&["shared", "many of your own rows stand behind it"]);
        }
        if let Some(excluded) = &line.excluded {
            table.row(&["excluded", excluded]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![Flat::of(&self.0)]
    }
}

/// Who holds a match, where the policy has that named.
fn named(found: &Match) -> Option<String> {
    found.names.then(|| found.peer.clone())
}

fn seen(day: Day) -> String {
    time(u64::try_from(day.unix_seconds()).unwrap_or(0))
}

/// The length of an address or a network that is a row.
fn prefix_of(row: &RowKey) -> Option<u8> {
    let bytes = row.as_bytes();
    match row.indicator_type()? {
        IndicatorType::Ip => match bytes.len() {
            0..16 => Some(32),
            _ => Some(128),
        },
        // Behind the codes of type and version (spec/10 §1).
        IndicatorType::Network => bytes.get(2).copied(),
        _ => None,
    }
}

fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

fn cannot_encode(error: impl std::fmt::Display) -> Error {
    Error::new(format!("cannot write the matches: {error}"))
}
