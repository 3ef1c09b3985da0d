//! The command as the user typed it, so that a hint can repeat it with something changed.

use std::path::PathBuf;

use crate::session::Session;
pub(crate) use blindmatch_node::shell::quoted;

/// The words of the command without its files.
pub(crate) struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    /// The command that runs, whose files are `files`.
    pub(crate) fn typed(files: &[PathBuf], session: &Session) -> Self {
        let files: Vec<_> = files.iter().map(|file| session.typed(file)).collect();
        let is_file = |word: &String| files.iter().any(|file| file.as_os_str() == word.as_str());
        let words = session.words().iter().skip(1);
        let words = words.map(|word| word.to_string_lossy().into_owned());
        Self {
            words: words.filter(|word| !is_file(word)).collect(),
        }
    }

    /// The command without the options `left_out` and their values, with `added`, on `file`.
    pub(crate) fn retyped(&self, left_out: &[&str], added: &str, file: &str) -> String {
        let mut retyped = "blindmatch".to_owned();
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            let name = word.split('=').next().unwrap_or(word);
            if left_out.contains(&name) {
                if name == word {
                    words.next();
                }
            } else {
                retyped = format!("{retyped} {}", quoted(word));
            }
        }
        let added = if added.is_empty() {
            String::new()
        } else {
            format!(" {added}")
        };
        format!("{retyped}{added} {}", quoted(file))
    }

    /// `command` with those of the options `kept` that were typed and their values, on `file`.
    pub(crate) fn retyped_as(&self, command: &str, kept: &[&str], file: &str) -> String {
        let mut retyped = format!("blindmatch {command}");
        let mut words = self.words.iter();
        while let Some(word) = words.next() {
            let name = word.split('=').next().unwrap_or(word);
            if kept.contains(&name) {
                retyped = format!("{retyped} {}", quoted(word));
                if name == word
                    && let Some(value) = words.next()
                {
                    retyped = format!("{retyped} {}", quoted(value));
                }
            }
        }
        format!("{retyped} {}", quoted(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_their_values_are_left_out() {
        let words = "indicators check --column a --type=ip --ref my\u{a0}id";
        let line = CommandLine {
            words: words.split(' ').map(str::to_owned).collect(),
        };
        assert_eq!(
            line.retyped(&["--column", "--type"], "--column b", "a b.csv"),
            "blindmatch indicators check --ref 'my\u{a0}id' --column b 'a b.csv'"
        );
        assert_eq!(
            line.retyped_as("x", &["--type", "--ref"], "-"),
            "blindmatch x --type=ip --ref 'my\u{a0}id' -"
        );
    }
}
