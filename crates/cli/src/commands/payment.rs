//! `blindmatch keys payment`.

use serde::Serialize;

use crate::args::Global;
use crate::args::keys::PaymentCommand;
use crate::error::{Error, Exit};
use crate::output::{self, Report, Table};

/// What a replaced key means for what was imported.
const STALE: &str = "import the sources with card numbers again, whole: under another key none of \
                     them matches; `blindmatch doctor` names them";

#[derive(Serialize)]
struct Payment {
    key: String,
    /// Of `new`: whether it was made now.
    made: Option<bool>,
    file: Option<String>,
}

pub(crate) fn run(command: &PaymentCommand, global: &Global) -> Result<Exit, Error> {
    let node = global.node()?;
    let mut rng = rand::rng();
    let mut made = None;
    let (name, id, file) = match command {
        PaymentCommand::New(arguments) => {
            let (id, is_new) = node.new_payment_key(arguments.replace, &mut rng)?;
            made = Some(is_new);
            ("keys_payment_new", id, None)
        }
        PaymentCommand::Wrap(arguments) => {
            let offline = arguments.identity.as_deref();
            let id = node.wrap_payment_key(&arguments.to, &arguments.file, offline, &mut rng)?;
            ("keys_payment_wrap", id, Some(&arguments.file))
        }
        PaymentCommand::Install(arguments) => {
            let id =
                node.install_payment_key(&arguments.from, &arguments.file, arguments.replace)?;
            ("keys_payment_install", id, None)
        }
    };
    let payment = Payment {
        key: id.to_string(),
        made,
        file: file.map(|file| file.display().to_string()),
    };
    output::show(name, &payment, global)?;
    match command {
        PaymentCommand::New(arguments) => {
            if arguments.replace {
                output::next(global, STALE);
            }
            if made == Some(false) {
                let what =
                    "to replace it, e.g. after a leak: blindmatch keys payment new --replace";
                output::next(global, what);
            }
            let what = "wrap it for each member that matches card numbers: blindmatch keys \
                        payment wrap --to MEMBER FILE";
            output::next(global, what);
        }
        PaymentCommand::Wrap(arguments) => {
            let own = &node.config().node.member;
            let what = format!(
                "send the file to {}, who types `blindmatch keys payment install --from {own} FILE`",
                arguments.to
            );
            output::next(global, &what);
        }
        PaymentCommand::Install(arguments) if arguments.replace => {
            output::next(global, STALE);
        }
        PaymentCommand::Install(_) => {}
    }
    Ok(Exit::Done)
}

impl Report for Payment {
    fn table(&self) -> String {
        let mut table = Table::of_fields();
        table.row(&["payment key", &self.key]);
        if self.made == Some(false) {
            table.row(&["", "was there already, and stays"]);
        }
        if let Some(file) = &self.file {
            table.row(&["wrapped in", file]);
        }
        table.render()
    }

    fn rows(&self) -> Vec<impl Serialize> {
        vec![self]
    }
}
