//! `matches withdraw`.

use blindmatch_node::import::ImportError;
use blindmatch_node::matches::withdraw::{WithdrawError, Withdrawn};
use serde::Serialize;

use crate::args::Global;
use crate::args::exchange::WithdrawArguments;
use crate::commands::at_work::AtWork;
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table, grouped};

pub(super) fn withdraw(arguments: &WithdrawArguments, global: &Global) -> Result<Exit, Error> {
    let work = AtWork::open(arguments.tables.tables.as_deref(), global)?;
    let references = arguments.references.iter().cloned().collect();
    let withdrawn = work
        .daemon
        .withdraw(arguments.collection.clone(), &references);
    let Withdrawn {
        entries,
        removed,
        cards,
    } = withdrawn.map_err(|error| explain(error, arguments))?;
    let taken_back = TakenBack {
        collection: arguments.collection.to_string(),
        entries,
        removed,
        cards,
    };
    output::show("matches_withdraw", &taken_back, global)?;
    if cards > 0 {
        output::next(
            global,
            &format!(
                "card numbers are kept as keyed hashes: take them out of their feed, or: blindmatch import \
                 --remove --collection {} FILE",
                arguments.collection
            ),
        );
    }
    output::next(
        global,
        "peers are told with the next publication, by the node that serves: blindmatch serve",
    );
    Ok(if cards > 0 { Exit::Partly } else { Exit::Done })
}

fn explain(error: WithdrawError, arguments: &WithdrawArguments) -> Error {
    let collection = &arguments.collection;
    match error {
        WithdrawError::Node(error) => error.into(),
        WithdrawError::Customers(name) => Error::new(format!(
            "{name} holds customers: nothing of it is served, and there is nothing to take back"
        ))
        .hint("see which collections are served: blindmatch collections"),
        WithdrawError::Nothing => {
            Error::new(format!("no entry of {collection} has such a reference")).hint(format!(
                "see what it holds: blindmatch collections show {collection}"
            ))
        }
        WithdrawError::Import(error) => match *error {
            ImportError::Collection(error) => {
                blindmatch_node::Error::Collection(collection.clone(), error).into()
            }
            error => Error::new(error),
        },
    }
}

#[derive(Serialize)]
struct TakenBack {
    collection: String,
    /// Entries that had one of the references.
    entries: u64,
    /// Indicators that are no longer there, what followed from them included.
    removed: u64,
    /// Card numbers, which are still there.
    cards: u64,
}

impl Report for TakenBack {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["collection", &self.collection])
            .row(&["entries", &grouped(self.entries)])
            .row(&["removed", &grouped(self.removed)]);
        if self.cards > 0 {
            table.row(&[
                "card numbers",
                &format!("{} are still there", grouped(self.cards)),
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
