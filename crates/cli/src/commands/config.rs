//! `blindmatch config`.

use std::collections::BTreeMap;

use blindmatch_indicator::IndicatorType;
use blindmatch_node::config::{Config, FILE};
use blindmatch_node::files;
use serde::Serialize;

use crate::args::Global;
use crate::args::node::ConfigCommand;
use crate::error::{Error, Exit};
use crate::output::{self, Fact, Report, Table};

/// A configuration is a page of text.
const MAX_CONFIG: u64 = 1 << 20;

#[derive(Serialize)]
struct Checked {
    file: String,
    member: String,
    role: String,
    consortium: String,
    address: String,
    /// Where it listens, where that is another.
    listen: Option<String>,
    admin: Option<String>,
    keep_days: BTreeMap<&'static str, u32>,
}

pub(crate) fn run(command: &ConfigCommand, global: &Global) -> Result<Exit, Error> {
    let ConfigCommand::Check(arguments) = command;
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => global.home()?.join(FILE),
    };
    let config = Config::read(&file, &files::read(&file, MAX_CONFIG)?)?;
    let days = |kind: &IndicatorType| (kind.name(), config.keep_days(*kind));
    let checked = Checked {
        file: file.display().to_string(),
        member: config.node.member.to_string(),
        role: config.node.role.to_string(),
        consortium: config.node.consortium.to_string(),
        address: config.node.address.to_string(),
        listen: config.serve.listen.map(|at| at.to_string()),
        admin: config.serve.admin.map(|at| at.to_string()),
        keep_days: IndicatorType::ALL.iter().map(days).collect(),
    };
    output::show("config_check", &checked, global)?;
    Ok(Exit::Done)
}

impl Report for Checked {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["file", &self.file])
            .row(&["member", &self.member])
            .row(&["role", &self.role])
            .row(&["consortium", &self.consortium])
            .row(&["address", &self.address]);
        for (what, at) in [("listen", &self.listen), ("admin", &self.admin)] {
            if let Some(at) = at {
                table.row(&[what, at]);
            }
        }
        let mut by_days: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (kind, days) in &self.keep_days {
            by_days.entry(*days).or_default().push(kind);
        }
        for (days, kinds) in by_days {
            table.row(&[&format!("{days} days"), &kinds.join(" ")]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        let mut facts = vec![
            Fact::new("member", "", &self.member),
            Fact::new("role", "", &self.role),
            Fact::new("consortium", "", &self.consortium),
            Fact::new("address", "", &self.address),
        ];
        let places = [("listen", &self.listen), ("admin", &self.admin)];
        let places = places
            .into_iter()
            .filter_map(|(what, at)| Some((what, at.as_ref()?)));
        facts.extend(places.map(|(what, at)| Fact::new(what, "", at)));
        let days = self.keep_days.iter();
        facts.extend(days.map(|(kind, days)| Fact::new("keep_days", kind, days)));
        facts
    }
}
