//! `blindmatch matches heard`, `trace`: what peers said, and who got something of a case.

use std::path::Path;

use blindmatch_node::matches::trace::{Got, Trace};
use serde::Serialize;

use crate::args::Global;
use crate::commands::at_work::AtWork;
use crate::error::{Error, Exit};
use crate::output::{self, Report, Side, Table, time};

#[derive(Serialize)]
struct Said {
    heard: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    peer: String,
    came: String,
    feedback: &'static str,
    view: String,
    /// The collection whose entry it is; nothing where no collection has it any more.
    collection: Option<String>,
    references: Vec<String>,
}

#[derive(Serialize)]
struct Traced {
    case: String,
    recipients: Vec<Recipient>,
    /// What this node cannot know.
    unknown: [&'static str; 4],
}

#[derive(Serialize)]
struct Recipient {
    who: String,
    what: &'static str,
    when: String,
    view: String,
    /// The match, where it is about one.
    r#match: Option<String>,
}

/// What no trace of one node shows.
const UNKNOWN: [&str; 4] = [
    "which peers matched an entry of this node's own: only feedback says so",
    "what a peer did with what it learnt, or to whom it gave it on",
    "who read what was exported or shown on a screen here",
    "matches whose results are over: they are destroyed, and only digests are in the ledger",
];

pub(super) fn heard(tables: Option<&Path>, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(tables, global)?;
    let heard = work.daemon.feedback_heard()?.into_iter();
    let heard = heard.map(|one| Line {
        peer: one.peer,
        came: time(one.came),
        feedback: one.feedback.name(),
        view: one.view,
        collection: one.entry.as_ref().map(|entry| entry.collection.to_string()),
        references: one.entry.map(|entry| entry.references).unwrap_or_default(),
    });
    let said = Said {
        heard: heard.collect(),
    };
    output::show("matches_heard", &said, global)?;
    Ok(Exit::Done)
}

pub(super) fn trace(case: &str, tables: Option<&Path>, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(tables, global)?;
    let Trace { got } = Trace::of(&work.daemon, case)?;
    let recipients = got.into_iter().map(|one| Recipient {
        what: match one.what {
            Got::Asked => "was asked, and learnt no item",
            Got::Contributed => "contributed a match",
            Got::FeedbackDue => "is to get feedback: it learns of the match",
            Got::FeedbackGiven => "got feedback: it learnt of the match",
            Got::Withdrew => "withdrew its entry, and told",
            Got::Decided => "decided here",
        },
        who: one.who,
        when: time(one.when),
        view: one.view,
        r#match: one.about.map(|id| id.to_string()),
    });
    let traced = Traced {
        case: case.to_owned(),
        recipients: recipients.collect(),
        unknown: UNKNOWN,
    };
    output::show("matches_trace", &traced, global)?;
    Ok(Exit::Done)
}

impl Report for Said {
    fn table(&self) -> String {
        if self.heard.is_empty() {
            return "no peer said anything\n".to_owned();
        }
        let mut table = Table::headed(&[
            ("peer", Side::Left),
            ("came", Side::Left),
            ("feedback", Side::Left),
            ("view", Side::Left),
            ("collection", Side::Left),
            ("references", Side::Left),
        ]);
        for line in &self.heard {
            table.row(&[
                &line.peer,
                &line.came,
                line.feedback,
                &line.view,
                line.collection.as_deref().unwrap_or("none any more"),
                &line.references.join("; "),
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.heard.iter().collect()
    }
}

impl Report for Traced {
    fn table(&self) -> String {
        let mut text = if self.recipients.is_empty() {
            format!("nobody got anything of the case {}\n", self.case)
        } else {
            let mut table = Table::headed(&[
                ("who", Side::Left),
                ("what", Side::Left),
                ("when", Side::Left),
                ("view", Side::Left),
                ("match", Side::Left),
            ]);
            for one in &self.recipients {
                let about = one.r#match.as_deref().unwrap_or_default();
                table.row(&[&one.who, one.what, &one.when, &one.view, about]);
            }
            table.render()
        };
        text.push_str("what this node cannot know:\n");
        for unknown in &self.unknown {
            text.push_str(&format!("  {unknown}\n"));
        }
        text
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.recipients.iter().collect()
    }
}
