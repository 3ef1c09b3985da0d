//! A command beside a node that serves the same home: the node runs it.

use std::env;
use std::io::{self, Read, Write};
use std::path::Path;

use blindmatch_node::transport::control::client::{ControlError, Event, Node, Running};
use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use crate::args::Arguments;
use crate::error::Error;
use crate::progress::Bar;
use crate::session::Session;

/// The socket, in the home.
pub(crate) const SOCKET: &str = "control.sock";

/// The standard input is read in parts of so many bytes.
const PART: usize = 64 << 10;

/// Has a command run by the node that serves its home; gives its exit code, or nothing where none
/// does, or where it is no command for a node.
pub(crate) fn forward(arguments: &Arguments) -> Result<Option<u8>, Error> {
    if !arguments.command.opens_node() {
        return Ok(None);
    }
    let socket = arguments.global.home()?.join(SOCKET);
    if !socket.exists() {
        return Ok(None);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::new(format!("cannot start: {error}")))?;
    let exit = run(&runtime, &socket, &arguments.global.session);
    // Somebody may still be waited for to type.
    runtime.shutdown_background();
    exit
}

fn run(runtime: &Runtime, socket: &Path, session: &Session) -> Result<Option<u8>, Error> {
    runtime.block_on(async {
        // What a node that was killed leaves behind answers nobody.
        let Ok(node) = Node::reach(socket).await else {
            return Ok(None);
        };
        let directory = env::current_dir().map_err(|error| Error::new(format!("here: {error}")))?;
        let words = session.words().iter().cloned();
        let (is_terminal, sees) = (session.is_input_terminal(), session.shows_progress());
        let running = node.run(words, &directory, is_terminal, sees);
        match carry(running.await.map_err(failed)?, session).await {
            Ok(exit) => Ok(Some(exit)),
            Err(error) => Err(failed(error)),
        }
    })
}

async fn carry(mut running: Running, session: &Session) -> Result<u8, ControlError> {
    let mut bar: Option<Bar> = None;
    loop {
        let event = running.next().await?;
        if !matches!(event, Event::Progress(_)) {
            // Whatever else comes stands where the bar was.
            drop(bar.take());
        }
        match event {
            Event::Progress(progress) => match &bar {
                Some(bar) => bar.change(|said| *said = progress),
                None => bar = Some(Bar::of(&progress)),
            },
            Event::Output(bytes) => {
                let mut stdout = io::stdout().lock();
                let printed = stdout.write_all(&bytes).and_then(|()| stdout.flush());
                // A reader that has seen enough is no error: the command ends as it would.
                drop(printed);
            }
            Event::Error(bytes) => {
                // As by the command itself.
                let _ = session.tell(&bytes);
            }
            Event::InputWanted => {
                let read = spawn_blocking(|| {
                    let mut part = vec![0; PART];
                    let count = io::stdin().lock().read(&mut part)?;
                    part.truncate(count);
                    Ok::<_, io::Error>(part)
                });
                match read.await {
                    Ok(Ok(part)) => running.give(Bytes::from(part)).await?,
                    // What cannot be read is not the end of it.
                    _ => return Err(ControlError::Lost),
                }
            }
            Event::Exit(code) => return Ok(code),
        }
    }
}

fn failed(error: ControlError) -> Error {
    match error {
        ControlError::NotAllowed => {
            Error::new(error).hint("run the command as the user that the node runs as")
        }
        ControlError::Lost => Error::new(error)
            .hint("what the command had recorded stays; see what is the case: blindmatch doctor"),
        error => Error::new(error).hint("start the node anew, with the version of this program"),
    }
}
