//! `blindmatch matches confirm`, `dispute`, `feedback`: what an operator holds of a match.

use std::path::Path;

use blindmatch_node::matches::{Decision, Disposition, Feedback, MatchId, Verdict};
use serde::Serialize;

use super::one;
use crate::args::Global;
use crate::args::exchange::{DecideArguments, FeedbackWord};
use crate::commands::at_work::{self, AtWork};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table, time};

#[derive(Serialize)]
struct Decided {
    id: String,
    verdict: &'static str,
    by: String,
    at: String,
    case: String,
}

#[derive(Serialize)]
struct Told {
    id: String,
    peer: Option<String>,
    feedback: &'static str,
}

pub(super) fn decide(
    arguments: &DecideArguments,
    verdict: Verdict,
    global: &Global,
) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let found = one(&work.daemon, arguments.id, global)?;
    let disposition = Disposition {
        verdict,
        by: at_work::acting(global),
        at: work.daemon.now(),
        case: arguments.case.clone(),
        reason: arguments.reason.clone(),
    };
    let decided = Decided {
        id: found.id.to_string(),
        verdict: verdict.name(),
        by: disposition.by.clone(),
        at: time(disposition.at),
        case: disposition.case.clone(),
    };
    work.daemon.decide(&Decision {
        about: *found.id.as_bytes(),
        disposition,
    })?;
    output::show("matches_decide", &decided, global)?;
    Ok(Exit::Done)
}

pub(super) fn feedback(
    id: MatchId,
    word: FeedbackWord,
    tables: Option<&Path>,
    global: &Global,
) -> Result<Exit, Error> {
    let work = AtWork::open(tables, global)?;
    let found = one(&work.daemon, id, global)?;
    let label = found.label.as_ref().ok_or_else(|| {
        Error::new(format!(
            "the label of {id} does not open: its contributor has no name for it"
        ))
    })?;
    let word = Feedback::from(word);
    work.daemon
        .tell_feedback(&found.peer, &found.view, label.handle, word)?;
    let told = Told {
        id: id.to_string(),
        peer: super::named(&found),
        feedback: word.name(),
    };
    output::show("matches_feedback", &told, global)?;
    output::next(
        global,
        &format!(
            "{} learns by it that its entry matched here; it is sent while `blindmatch serve` runs, and \
             with the next: blindmatch batch",
            told.contributor()
        ),
    );
    Ok(Exit::Done)
}

impl Told {
    fn contributor(&self) -> &str {
        self.peer.as_deref().unwrap_or("its contributor")
    }
}

impl From<FeedbackWord> for Feedback {
    fn from(word: FeedbackWord) -> Self {
        match word {
            FeedbackWord::Agree => Self::Agree,
            FeedbackWord::Disagree => Self::Disagree,
            FeedbackWord::FalsePositive => Self::FalsePositive,
        }
    }
}

impl Report for Decided {
    fn table(&self) -> String {
        let Self {
            id,
            verdict,
            by,
            at,
            case,
        } = self;
        let mut table = Table::of_fields();
        table
            .row(&["match", id])
            .row(&["verdict", verdict])
            .row(&["by", by])
            .row(&["at", at])
            .row(&["case", case]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

impl Report for Told {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["match", &self.id])
            .row(&["to", self.contributor()])
            .row(&["feedback", self.feedback]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
