//! `blindmatch exclusions`.

use blindmatch_indicator::Canonicaliser;
use blindmatch_node::NodeFiles;
use blindmatch_node::exclusions::Known;
use blindmatch_node::membership::Name;
use serde::Serialize;

use crate::args::Global;
use crate::args::collections::{AddExclusionsArguments, ExclusionsCommand, TablesArguments};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Side, Table, grouped, hex};
use crate::tables;

pub(crate) fn run(command: &ExclusionsCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        ExclusionsCommand::List(tables) => {
            let files = NodeFiles::read(&global.home()?)?;
            let known = files.known_exclusions(&canonicaliser(tables)?)?;
            let list = List {
                lists: known.iter().map(Line::of).collect(),
            };
            output::show("exclusions_list", &list, global)?;
        }
        ExclusionsCommand::Add(arguments) => add(arguments, global)?,
        ExclusionsCommand::Remove { name } => {
            let removed = global.node()?.remove_exclusions(name)?;
            let list = name.to_string();
            let changed = Removed { list, removed };
            output::show("exclusions_remove", &changed, global)?;
            if !removed {
                output::next(global, "see which were added: blindmatch exclusions list");
            }
        }
    }
    Ok(Exit::Done)
}

fn add(arguments: &AddExclusionsArguments, global: &Global) -> Result<(), Error> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => named_by(arguments)?,
    };
    let node = global.node()?;
    let canonicaliser = canonicaliser(&arguments.tables)?;
    let added = node.add_exclusions(&name, &arguments.list, &canonicaliser)?;
    let changed = Changed {
        list: name.to_string(),
        entries: added.entries,
        unusable: added.unusable,
    };
    output::show("exclusions_add", &changed, global)?;
    let what =
        "it applies to what is imported from now on; import sources again to apply it to them";
    output::next(global, what);
    Ok(())
}

/// The name of the file, as that of the list.
fn named_by(arguments: &AddExclusionsArguments) -> Result<Name, Error> {
    let stem = arguments.list.file_stem().unwrap_or_default();
    stem.to_string_lossy().parse().map_err(|_| {
        Error::usage(format!("{} does not name a list", arguments.list.display()))
            .hint("name it in lower-case letters, digits and hyphens: --name NAME")
    })
}

fn canonicaliser(arguments: &TablesArguments) -> Result<Canonicaliser, Error> {
    let suffixes = tables::public_suffixes(arguments.tables.as_deref())?;
    Ok(Canonicaliser::new(suffixes))
}

#[derive(Serialize)]
struct List {
    lists: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    list: String,
    title: String,
    version: u64,
    entries: u64,
    unusable: u64,
    /// Whether imports apply it: the roster names it, or it was added here.
    in_force: bool,
    in_roster: bool,
    added: bool,
    shipped: bool,
    sha256: String,
}

impl Line {
    fn of(known: &Known) -> Self {
        Self {
            list: known.name.clone(),
            title: known.about.name.clone(),
            version: known.about.version,
            entries: known.about.entries,
            unusable: known.about.unusable,
            in_force: known.in_force(),
            in_roster: known.in_roster,
            added: known.added,
            shipped: known.shipped,
            sha256: hex(&known.about.sha256),
        }
    }
}

impl Report for List {
    fn table(&self) -> String {
        let mut table = Table::headed(&[
            ("list", Side::Left),
            ("entries", Side::Right),
            ("applied", Side::Left),
            ("comes from", Side::Left),
            ("what", Side::Left),
        ]);
        for line in &self.lists {
            let applied = match (line.in_roster, line.added) {
                (true, _) => "by the roster",
                (false, true) => "here",
                (false, false) => "no",
            };
            let from = if line.shipped { "blindmatch" } else { "here" };
            table.row(&[
                &line.list,
                &grouped(line.entries),
                applied,
                from,
                &line.title,
            ]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        self.lists.iter().collect()
    }
}

#[derive(Serialize)]
struct Changed {
    list: String,
    entries: u64,
    unusable: u64,
}

#[derive(Serialize)]
struct Removed {
    list: String,
    /// Whether it was there.
    removed: bool,
}

impl Report for Removed {
    fn table(&self) -> String {
        let what = if self.removed {
            "applied no longer"
        } else {
            "nothing: no such list was added"
        };
        let mut table = Table::of_fields();
        table.row(&["list", &self.list]).row(&["removed", what]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

impl Report for Changed {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table.row(&["list", &self.list]);
        table.row(&["applied", &format!("{} entries", grouped(self.entries))]);
        if self.unusable > 0 {
            let what = format!(
                "{} entries that no indicator can meet",
                grouped(self.unusable)
            );
            table.row(&["unusable", &what]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
