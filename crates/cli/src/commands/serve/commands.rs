//! Commands that a node which serves runs for processes beside it.

use std::sync::{Arc, Mutex, PoisonError};

use blindmatch_node::exchange::Service;
use blindmatch_node::transport::control::{Command, Run};
use tracing::{error, info, warn};

use crate::args::Arguments;
use crate::error::Exit;
use crate::run;
use crate::session::{Inside, Session};

/// Runs commands; clones are the same.
#[derive(Clone)]
pub(crate) struct Commands {
    service: Arc<Service>,
    /// Held by a command that changes what the service goes by.
    changing: Arc<Mutex<()>>,
}

impl Commands {
    pub(crate) fn of(service: &Arc<Service>) -> Self {
        Self {
            service: Arc::clone(service),
            changing: Arc::default(),
        }
    }

    /// What the socket runs commands by.
    pub(crate) fn runner(&self) -> Run {
        let commands = self.clone();
        Arc::new(move |command| commands.run(command))
    }

    fn run(&self, command: Command) -> u8 {
        let mut arguments = match Arguments::of(&command.words, &command.directory) {
            Ok(arguments) => arguments,
            // Whoever asks has read the same words, unless it is of another version.
            Err(error) => {
                let said = command.streams.error(error.to_string().as_bytes());
                drop(said);
                return Exit::Usage as u8;
            }
        };
        let name = arguments.command.name();
        arguments.global.session = Session::inside(Inside {
            service: Arc::clone(&self.service),
            command,
        });
        let changes = arguments.command.changes_node();
        let _changing = changes.then(|| {
            let changing = self.changing.lock();
            changing.unwrap_or_else(PoisonError::into_inner)
        });
        let operator = arguments.global.session.operator();
        info!(operator, command = name, "command");
        let exit = run(&arguments);
        if changes {
            // Also where it failed: it may have come half the way.
            if let Err(error) = self.service.read_again() {
                error!(%error, "not read again: it goes on as before");
            }
        } else if arguments.command.changes_rows() {
            self.service.publish_soon();
        }
        exit
    }
}

/// Says that somebody else wanted to give a command.
pub(crate) fn refused(operator: u32) {
    warn!(operator, "commands refused: of another user");
}
