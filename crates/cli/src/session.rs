//! Where a command runs: in a process of its own, or in that of the node that serves its home.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Arc;

use blindmatch_node::exchange::Service;
use blindmatch_node::transport::control;

/// What a command has of the world: its words, its input and output, and the node that it runs in.
#[derive(Default)]
pub(crate) struct Session {
    words: Vec<OsString>,
    inside: Option<Inside>,
}

/// A command in the process of the node that serves its home.
pub(crate) struct Inside {
    pub(crate) service: Arc<Service>,
    pub(crate) command: control::Command,
}

/// The standard input of a command.
pub(crate) struct Input<'s>(&'s Session);

impl Session {
    /// That of a process of its own, with these words.
    pub(crate) const fn own(words: Vec<OsString>) -> Self {
        Self {
            words,
            inside: None,
        }
    }

    pub(crate) fn inside(inside: Inside) -> Self {
        Self {
            words: inside.command.words.clone(),
            inside: Some(inside),
        }
    }

    /// The words as they were typed, the program's name first.
    pub(crate) fn words(&self) -> &[OsString] {
        &self.words
    }

    /// The node that serves, where the command runs inside it.
    pub(crate) fn service(&self) -> Option<&Arc<Service>> {
        self.inside.as_ref().map(|inside| &inside.service)
    }

    /// The user id of who commands, where that is not the process's own.
    pub(crate) fn operator(&self) -> Option<u32> {
        self.inside.as_ref().map(|inside| inside.command.operator)
    }

    /// A path of the command as it was typed.
    pub(crate) fn typed<'p>(&self, path: &'p Path) -> &'p Path {
        let directory = self.inside.as_ref().map(|inside| &inside.command.directory);
        let typed = directory.and_then(|directory| path.strip_prefix(directory).ok());
        // One that was typed in full stays so.
        let is_typed = |typed: &&Path| self.words.iter().any(|word| word == typed.as_os_str());
        typed.filter(is_typed).unwrap_or(path)
    }

    /// Writes to the standard output.
    pub(crate) fn print(&self, text: &[u8]) -> io::Result<()> {
        match &self.inside {
            Some(inside) => inside.command.streams.output(text),
            None => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text)?;
                stdout.flush()
            }
        }
    }

    /// Writes to the standard error.
    pub(crate) fn tell(&self, text: &[u8]) -> io::Result<()> {
        match &self.inside {
            Some(inside) => inside.command.streams.error(text),
            None => io::stderr().lock().write_all(text),
        }
    }

    pub(crate) const fn input(&self) -> Input<'_> {
        Input(self)
    }

    pub(crate) fn is_input_terminal(&self) -> bool {
        match &self.inside {
            Some(inside) => inside.command.input_is_terminal,
            None => io::stdin().is_terminal(),
        }
    }

    /// Whether somebody sees how far long work has come.
    pub(crate) fn shows_progress(&self) -> bool {
        match &self.inside {
            Some(inside) => inside.command.shows_progress,
            None => io::stderr().is_terminal(),
        }
    }

    /// What tells that to whoever typed a command that runs inside a node.
    pub(crate) fn teller(&self) -> Option<control::Teller> {
        let inside = self.inside.as_ref();
        inside.map(|inside| inside.command.streams.teller())
    }
}

impl Input<'_> {
    /// A line, without its end.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.read(&mut byte)? == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.0.inside {
            Some(inside) => inside.command.streams.input(buffer),
            None => io::stdin().lock().read(buffer),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
