//! What went wrong, what to do next, and the exit code: one place for the whole binary.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use blindmatch_node::demo::Outcome;
use blindmatch_node::error::Ending;

use crate::args::Global;
use crate::command_line::quoted;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; refused rows are reported, not an error.
    Done = 0,
    /// An error.
    Error = 1,
    /// Wrong usage, as clap ends it too.
    Usage = 2,
    /// Refused by policy.
    Refused = 3,
    /// The budget is exhausted.
    BudgetExhausted = 4,
    /// A peer is not reached.
    Unreachable = 5,
    /// Partly done, or refused rows under `--strict`.
    Partly = 6,
    /// Something was found, under `--fail-on-match`.
    Found = 10,
}

impl Exit {
    /// How a command ended that asked several peers: what they have in common, or that it is partly
    /// done.
    pub(crate) fn of<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> Self {
        let mut serves_nothing = false;
        let outcomes = outcomes.into_iter();
        let exits = outcomes.inspect(|outcome| serves_nothing |= **outcome == Outcome::Nothing);
        let exits = exits.filter_map(|outcome| match outcome {
            // Nothing was to be had, and nothing went wrong.
            Outcome::NotServed | Outcome::Nothing => None,
            Outcome::Done => Some(Self::Done),
            Outcome::Refused(_) => Some(Self::Refused),
            Outcome::Budget(_) => Some(Self::BudgetExhausted),
            Outcome::Unreachable(_) => Some(Self::Unreachable),
            Outcome::Preparing(_) => Some(Self::Partly),
            Outcome::Failed(_) => Some(Self::Error),
        });
        let all = exits.reduce(|all, exit| if all == exit { all } else { Self::Partly });
        // Where nobody serves anything, nothing was done.
        let nothing = if serves_nothing {
            Self::Partly
        } else {
            Self::Done
        };
        all.unwrap_or(nothing)
    }
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

    /// The command line asks for something that makes no sense.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// Prints it to stderr; where even that fails, the exit code has to do. Commands in it name
    /// the home that was named.
    pub(crate) fn print(&self, global: &Global) {
        global.tell(format_args!("error: {}", self.message));
        for hint in &self.hints {
            global.tell(format_args!("hint: {}", named(hint, global.named_home())));
        }
    }
}

impl From<blindmatch_node::Error> for Error {
    fn from(error: blindmatch_node::Error) -> Self {
        let exit = match error.ending() {
            Ending::Error => Exit::Error,
            Ending::Refused => Exit::Refused,
            Ending::BudgetExhausted => Exit::BudgetExhausted,
        };
        Self {
            message: error.to_string(),
            hints: error.hints(),
            exit,
        }
    }
}

/// `text` with the commands in it for `home`. Those are at its beginning or behind a colon; what
/// others type, or is typed elsewhere, stands in backticks. A text that names a home already stays
/// as it is.
pub(crate) fn named(text: &str, home: Option<&Path>) -> String {
    const COMMAND: &str = "blindmatch ";
    let names_one = text.contains(" --home ") || text.contains(" --home=");
    let Some(home) = home.filter(|_| !names_one) else {
        return text.to_owned();
    };
    let command = format!("{COMMAND}--home {} ", quoted(&home.to_string_lossy()));
    let behind = text.replace(&format!(": {COMMAND}"), &format!(": {command}"));
    match behind.strip_prefix(COMMAND) {
        Some(rest) => format!("{command}{rest}"),
        None => behind,
    }
}

/// `text` with the commands in its backticks for `home`: those of what is only this node's.
pub(crate) fn named_in_backticks(text: &str, home: Option<&Path>) -> String {
    let Some(home) = home else {
        return text.to_owned();
    };
    let command = format!("`blindmatch --home {} ", quoted(&home.to_string_lossy()));
    text.replace("`blindmatch ", &command)
}

/// `text` without what could steer a terminal: it may be of a file that somebody else wrote.
pub(crate) fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_this_node_name_its_home_once() {
        let home = Some(Path::new("my bolt"));
        for (text, with_home) in [
            ("blindmatch doctor", "blindmatch --home 'my bolt' doctor"),
            (
                "blindmatch roster trust WORDS, then: blindmatch roster install FILE",
                "blindmatch --home 'my bolt' roster trust WORDS, then: blindmatch --home 'my bolt' \
                 roster install FILE",
            ),
        ] {
            assert_eq!(named(text, home), with_home);
            assert_eq!(named(text, None), text);
        }
        for left in [
            "to import: blindmatch --home bolt import feed",
            "to import: blindmatch import --home=bolt 'my blindmatch feed'",
            "elsewhere: blindmatch --home DIR restore BACKUP",
            "its member makes one with `blindmatch card > FILE`",
            "install the version of blindmatch that the consortium uses",
        ] {
            assert_eq!(named(left, home), left);
        }
    }
}
