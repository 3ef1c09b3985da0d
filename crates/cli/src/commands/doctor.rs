//! `blindmatch doctor`.

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::doctor::{Finding, State, examine, repair};
use serde::Serialize;

use crate::args::Global;
use crate::args::node::DoctorArguments;
use crate::error::{Error, Exit, named};
use crate::output::{self, Report, Table};
use crate::tables;

#[derive(Serialize)]
struct Examined {
    ok: bool,
    warnings: usize,
    findings: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    about: &'static str,
    state: &'static str,
    what: String,
    next: Vec<String>,
}

pub(crate) fn run(arguments: &DoctorArguments, global: &Global) -> Result<Exit, Error> {
    let canonicaliser = Canonicaliser::new(tables::public_suffixes(arguments.tables.as_deref())?);
    let mut findings = Vec::new();
    if arguments.repair {
        if global.session.service().is_some() {
            // It destroys what nothing uses, and a node at work makes what is not used yet.
            return Err(
                Error::new("a node that serves is not repaired while it does")
                    .hint("stop it, type the same again, and start it"),
            );
        }
        let discard_damaged = arguments.discard_damaged;
        findings.extend(repair(&global.node()?, &canonicaliser, discard_damaged)?);
    }
    findings.extend(examine(global.open(&global.home()?), &canonicaliser));
    let count = |state| findings.iter().filter(|one| one.state == state).count();
    let examined = Examined {
        ok: count(State::Wrong) == 0,
        warnings: count(State::Warning),
        findings: findings.iter().map(|one| Shown::of(one, global)).collect(),
    };
    output::show("doctor", &examined, global)?;
    Ok(if examined.ok { Exit::Done } else { Exit::Error })
}

impl Shown {
    fn of(finding: &Finding, global: &Global) -> Self {
        let next = finding.next.iter();
        Self {
            about: finding.about,
            state: match finding.state {
                State::Fine => "ok",
                State::Warning => "warning",
                State::Wrong => "wrong",
            },
            what: finding.what.clone(),
            next: next.map(|next| named(next, global.named_home())).collect(),
        }
    }
}

/// One finding on a line.
#[derive(Serialize)]
struct Row<'a> {
    about: &'a str,
    state: &'a str,
    what: &'a str,
    next: String,
}

impl Report for Examined {
    fn table(&self) -> String {
        let mut table = Table::of_texts(3);
        for finding in &self.findings {
            table.row(&[finding.state, finding.about, &finding.what]);
            for next in &finding.next {
                table.row(&["", "", &format!("→ {next}")]);
            }
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let rows = self.findings.iter().map(|finding| Row {
            about: finding.about,
            state: finding.state,
            what: &finding.what,
            next: finding.next.join("; "),
        });
        rows.collect()
    }
}
