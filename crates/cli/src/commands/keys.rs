//! `blindmatch keys`.

use std::path::Path;

use blindmatch_node::exported::{Kind, put_back_storage_key};
use blindmatch_node::files;
use blindmatch_node::membership::Delegation;
use blindmatch_node::node_keys::sign_delegation;
use blindmatch_node::store::disk::Disk;
use serde::Serialize;

use super::{ledger, payment};
use crate::args::Global;
use crate::args::keys::{
    ExportArguments, ExportedKey, ImportKeyArguments, ImportedKey, KeysCommand, RotateArguments,
    SignDelegationArguments,
};
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table, time};

pub(crate) fn run(command: &KeysCommand, global: &Global) -> Result<Exit, Error> {
    match command {
        KeysCommand::Rotate(arguments) => rotate(arguments, false, global),
        KeysCommand::Revoke(arguments) => {
            let question = "Destroy the node keys in use and delegate to new ones?";
            confirm(question, arguments.yes, global)?;
            rotate(&arguments.rotate, true, global)
        }
        KeysCommand::Sign(arguments) => {
            let SignDelegationArguments {
                identity,
                request,
                delegation,
            } = arguments;
            let signed = sign_delegation(request, identity, delegation)?;
            output::show("keys_sign", &Delegated::new(&signed), global)?;
            let file = delegation.display();
            let what = format!("on the node: `blindmatch keys rotate --delegation {file}`");
            output::next(global, &what);
            Ok(Exit::Done)
        }
        KeysCommand::Export(arguments) => export(arguments, global),
        KeysCommand::Import(arguments) => import(arguments, global),
        KeysCommand::Payment(command) => payment::run(command, global),
    }
}

#[derive(Serialize)]
struct Delegated {
    number: u64,
    first_valid: u64,
    not_before: String,
    expires: String,
}

fn rotate(arguments: &RotateArguments, revoke: bool, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    let mut rng = rand::rng();
    if let Some(file) = &arguments.request {
        let request = node.request_delegation(arguments.days, revoke, &mut rng)?;
        files::write_new(file, request.as_bytes())?;
        let requested = Requested {
            file: file.display().to_string(),
        };
        output::show("keys_request", &requested, global)?;
        let what = "where the identity key is kept: `blindmatch keys sign --identity IDENTITY \
                    REQUEST DELEGATION`";
        output::next(global, what);
        return Ok(Exit::Done);
    }
    let ledger = if node.is_checkpoint_key_lost()? {
        None
    } else {
        Some(ledger::open(&node, global)?)
    };
    let delegation = match &arguments.delegation {
        Some(file) => node.adopt_delegation(ledger.as_deref(), file)?,
        None => {
            let (ledger, identity) = (ledger.as_deref(), arguments.identity.as_deref());
            node.rotate(ledger, identity, arguments.days, revoke, &mut rng)?
        }
    };
    let command = if revoke { "keys_revoke" } else { "keys_rotate" };
    output::show(command, &Delegated::new(&delegation), global)?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Requested {
    file: String,
}

impl Report for Requested {
    fn table(&self) -> String {
        format!("requested  {}", self.file)
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

impl Delegated {
    fn new(delegation: &Delegation) -> Self {
        Self {
            number: delegation.number,
            first_valid: delegation.first_valid,
            not_before: time(delegation.not_before),
            expires: time(delegation.expires),
        }
    }
}

impl Report for Delegated {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table
            .row(&["delegation", &self.number.to_string()])
            .row(&[
                "in force",
                &format!("{} to {}", self.not_before, self.expires),
            ])
            .row(&["valid from", &format!("number {} on", self.first_valid)]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Serialize)]
struct Exported {
    key: &'static str,
    file: Option<String>,
    words: Option<String>,
    removed: bool,
}

fn export(arguments: &ExportArguments, global: &Global) -> Result<Exit, Error> {
    let kind = match arguments.key {
        ExportedKey::Storage => Kind::Storage,
        ExportedKey::Identity => Kind::Identity,
    };
    if kind == Kind::Storage && arguments.remove {
        return Err(Error::usage(
            "the storage key cannot be removed: the node needs it",
        ));
    }
    let node = global.node()?;
    let words = match &arguments.to {
        Some(file) => {
            node.export_to(kind, file)?;
            None
        }
        None => {
            let question = format!("Show the {kind} key on this terminal?");
            confirm(&question, arguments.yes, global)?;
            Some(node.export(kind)?.to_text().to_string())
        }
    };
    if let (Some(file), true) = (&arguments.to, arguments.remove) {
        node.remove_identity(file)?;
    }
    let exported = Exported {
        key: match kind {
            Kind::Storage => "storage",
            Kind::Identity => "identity",
        },
        file: arguments.to.as_ref().map(|file| file.display().to_string()),
        words,
        removed: arguments.remove,
    };
    output::show("keys_export", &exported, global)?;
    if kind == Kind::Storage {
        node.storage_key_was_exported()?;
    }
    Ok(Exit::Done)
}

impl Report for Exported {
    fn table(&self) -> String {
        match (&self.words, &self.file) {
            (Some(words), _) => words.clone(),
            (None, file) => {
                let mut table = Table::of_fields();
                table.row(&[self.key, file.as_deref().unwrap_or_default()]);
                if self.removed {
                    table.row(&["", "no longer in the home"]);
                }
                table.render()
            }
        }
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

#[derive(Serialize)]
struct Imported {
    key: &'static str,
    /// Whether it was missing or damaged.
    put_back: bool,
}

fn import(arguments: &ImportKeyArguments, global: &Global) -> Result<Exit, Error> {
    let ImportKeyArguments {
        key: ImportedKey::Storage,
        from,
    } = arguments;
    let home = global.home()?;
    let (name, text) = if from.as_os_str() == "-" {
        let name = Path::new("what was typed");
        if global.session.is_input_terminal() {
            global.tell("Type the 24 words of the storage key, then Enter and Ctrl-D.");
        }
        (name, files::secret_of(global.session.input(), name)?)
    } else {
        (from.as_path(), files::read_secret(from)?)
    };
    let imported = Imported {
        key: "storage",
        put_back: put_back_storage_key(&Disk::new(&home), name, &text)?,
    };
    output::show("keys_import", &imported, global)?;
    if imported.put_back {
        output::next(global, "see what else may be damaged: blindmatch doctor");
    }
    Ok(Exit::Done)
}

impl Report for Imported {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        let what = if self.put_back {
            "put back"
        } else {
            "in its place already"
        };
        table.row(&[self.key, what]);
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}

/// Asks on the terminal, unless `yes`; where nobody can be asked, the answer is no.
pub(crate) fn confirm(question: &str, yes: bool, global: &Global) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let refused = || Error::new("not confirmed; nothing was done").hint("to confirm it, add --yes");
    let session = &global.session;
    if !session.is_input_terminal() {
        return Err(refused());
    }
    // What nobody can read nobody confirms.
    let asked = session.tell(format!("{question} [y/N] ").as_bytes());
    asked.map_err(|_| refused())?;
    match session.input().line().as_deref().map(str::trim) {
        Ok("y" | "Y" | "yes") => Ok(()),
        _ => Err(refused()),
    }
}
