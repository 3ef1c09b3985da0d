//! What went wrong, what to do next, and the exit code: one place for the whole binary.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; refused rows are reported, not an error.
    Done = 0,
    /// An error.
    Error = 1,
    /// Partly done, or refused rows under `--strict`.
    Partly = 6,
}

/// An error to show: what is wrong, and what to do next.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    hints: Vec<String>,
    pub(crate) exit: Exit,
}

impl Error {
    pub(crate) fn new(message: impl Display) -> Self {
        Self {
            message: message.to_string(),
            hints: Vec::new(),
            exit: Exit::Error,
        }
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Prints it to stderr; where even that fails, the exit code has to do.
    pub(crate) fn print(&self) {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "error: {}", self.message);
        for hint in &self.hints {
            let _ = writeln!(stderr, "hint: {hint}");
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
