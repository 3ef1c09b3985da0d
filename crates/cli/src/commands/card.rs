//! `blindmatch card`.

use blindmatch_node::NodeFiles;
use blindmatch_node::membership::Card;
use blindmatch_node::roster::ceremony::read_card;
use serde::Serialize;

use crate::args::node::CardArguments;
use crate::args::{Global, Output};
use crate::error::{Error, Exit};
use crate::output::{self, Report};

#[derive(Serialize)]
pub(crate) struct Shown {
    member: String,
    role: String,
    address: String,
    fingerprint: String,
    card: String,
}

pub(crate) fn run(arguments: &CardArguments, global: &Global) -> Result<Exit, Error> {
    let card = match &arguments.file {
        Some(file) => read_card(file)?,
        None => own(arguments, global)?,
    };
    let shown = Shown {
        member: card.member().name.to_string(),
        role: card.member().role.to_string(),
        address: card.member().address.to_string(),
        fingerprint: card.fingerprint().to_string(),
        card: card.to_string(),
    };
    output::show("card", &shown, global)?;
    // The card alone is on stdout, so that it can be written to a file.
    if global.output == Output::Table && !global.quiet {
        global.tell(format_args!("fingerprint: {}", shown.fingerprint));
    }
    Ok(Exit::Done)
}

/// This node's card; signed anew where the configuration has changed since, or it is lost.
fn own(arguments: &CardArguments, global: &Global) -> Result<Card, Error> {
    let home = global.home()?;
    if arguments.new_key {
        let offline = arguments.identity.as_deref();
        let card = global
            .open(&home)?
            .renew_card_key(offline, &mut rand::rng())?;
        let what = "give the card to the administrator, who puts it in the place of the one before: \
                    blindmatch roster add --replace ROSTER CARD";
        output::next(global, what);
        return Ok(card);
    }
    let files = NodeFiles::read(&home)?;
    match files.card_is_current() {
        Ok(true) => return Ok(files.card()?),
        Ok(false) | Err(blindmatch_node::Error::OwnCardLost(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(global
        .open(&home)?
        .sign_card(arguments.identity.as_deref())?)
}

impl Report for Shown {
    fn table(&self) -> String {
        self.card.clone()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
