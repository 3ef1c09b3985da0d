//! Which names of columns and fields may be shown: in a table without header, or an object keyed
//! by identifiers, a name is a value.

use blindmatch_indicator::Canonicaliser;

use crate::headers::meaning;
use crate::options::{Column, Options};

/// Longest name shown.
const LONGEST: usize = 40;
/// Fewest digits that may be somebody's number.
const DIGITS: usize = 4;
/// So short a word without digits or dots is no identifier by its form.
const SHORT_WORD: usize = 20;

/// What tells names from values.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) options: &'a Options,
    pub(crate) canonicaliser: &'a Canonicaliser,
}

impl Names<'_> {
    /// Whether a name is a usual one, or the user's own, or looks like a name and not like an
    /// identifier.
    pub(crate) fn may_show(self, name: &str) -> bool {
        self.looks_like_name(name) || self.is_told(name)
    }

    /// Whether the options name it, or a path through it.
    fn is_told(self, name: &str) -> bool {
        let is_it = |told: &str| told.trim().eq_ignore_ascii_case(name.trim());
        self.options.columns().any(|column| match column {
            Column::Name(told) => is_it(told) || told.split('.').any(is_it),
            Column::Number(_) => false,
        })
    }

    fn looks_like_name(self, name: &str) -> bool {
        if name.len() > LONGEST {
            return false;
        }
        if meaning(name).is_some() {
            return !name.contains(char::is_control);
        }
        let is_of_name = |c: char| c.is_alphanumeric() || "_-. ".contains(c);
        let digits = name.chars().filter(|c| c.is_numeric()).count();
        name.starts_with(char::is_alphabetic)
            && name.chars().all(is_of_name)
            && digits < DIGITS
            && (name.len() <= SHORT_WORD && digits == 0 && !name.contains('.')
                || self.canonicaliser.detect(name).is_err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::canonicaliser;

    #[test]
    fn values_are_no_names() {
        let options = Options {
            column: Some(Column::Name("user.7777777".into())),
            ..Options::default()
        };
        let names = Names {
            options: &options,
            canonicaliser: &canonicaliser(),
        };
        let long = "x".repeat(41);
        for (name, shown) in [
            ("ip", true),
            ("E-Mail", true),
            ("# url", true),
            ("sha256", true),
            ("etherscan_tag", true),
            ("Straße 2", true),
            ("7777777", true),
            ("user", true),
            ("8.8.8.8", false),
            ("4111111111111111", false),
            ("card 4111", false),
            ("j@x", false),
            ("evil.com", false),
            ("AS123", false),
            ("ip\x1b", false),
            ("", false),
            (long.as_str(), false),
        ] {
            assert_eq!(names.may_show(name), shown, "{name}");
        }
    }
}
