//! `blindmatch init`.

use blindmatch_node::config;
use blindmatch_node::init::init;
use serde::Serialize;

use crate::args::Global;
use crate::args::node::InitArguments;
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table, time};

#[derive(Serialize)]
struct Made {
    home: String,
    member: String,
    role: String,
    consortium: String,
    address: String,
    fingerprint: String,
    delegation_expires: String,
}

pub(crate) fn run(arguments: &InitArguments, global: &Global) -> Result<Exit, Error> {
    let home = global.home()?;
    let who = config::Node {
        member: arguments.member.clone(),
        role: arguments.role.into(),
        consortium: arguments.consortium.clone(),
        address: arguments.address.clone(),
    };
    let node = init(&home, &who)?;
    let made = Made {
        home: home.display().to_string(),
        member: who.member.to_string(),
        role: who.role.to_string(),
        consortium: who.consortium.to_string(),
        address: who.address.to_string(),
        fingerprint: node.card()?.fingerprint().to_string(),
        delegation_expires: time(node.delegation()?.expires),
    };
    output::show("init", &made, global)?;
    let card = format!("blindmatch card > {}.card", who.member);
    for what in [
        "keep the storage key elsewhere: blindmatch keys export storage --to FILE",
        "take the identity key offline: blindmatch keys export identity --to FILE --remove",
        &format!("give the card to the consortium's administrator: {card}"),
    ] {
        output::next(global, what);
    }
    Ok(Exit::Done)
}

impl Report for Made {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["home", &self.home])
            .row(&["member", &self.member])
            .row(&["role", &self.role])
            .row(&["consortium", &self.consortium])
            .row(&["address", &self.address])
            .row(&["fingerprint", &self.fingerprint])
            .row(&["delegation", &format!("until {}", self.delegation_expires)]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
