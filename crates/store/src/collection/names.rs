//! What collections and sources may be called.

use std::fmt;
use std::str::FromStr;

/// The name of a collection, which is the name of a directory too: one to 64 lower-case letters,
/// digits, hyphens and underscores, the first a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(String);

/// The name of a source: one to 255 bytes of text without control characters, and nothing that looks
/// like a path: no `/` or `\\`, and neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

/// Not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAName {
    /// Not that of a collection.
    Collection,
    /// Not that of a source.
    Source,
}

impl CollectionName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SourceName {
    /// The length of the longest in bytes.
    pub const LONGEST: usize = 255;

    /// The name as a list has it, which may be from when paths were names too.
    pub(super) fn listed(text: &str) -> Option<Self> {
        let is_name = !text.is_empty() && text.len() <= Self::LONGEST;
        (is_name && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectionName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 64 && text.chars().all(fine) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName::Collection)
        }
    }
}

impl FromStr for SourceName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_path = text.contains(['/', '\\']) || text == "." || text == "..";
        let listed = Self::listed(text).filter(|_| !is_path);
        listed.ok_or(NotAName::Source)
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collection => {
                "a collection's name is up to 64 lower-case letters, digits, `-` and `_`"
            }
            Self::Source => {
                "a source's name is up to 255 bytes of text in one line, without `/` and `\\`"
            }
        })
    }
}

impl std::error::Error for NotAName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_s_name_leads_nowhere_else() {
        for good in ["a", "customers", "abuse-2026_eu", "0"] {
            assert!(good.parse::<CollectionName>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in ["", ".", "..", "a/b", "A", "-a", "_a", "a b", "é", &long] {
            assert_eq!(bad.parse::<CollectionName>(), Err(NotAName::Collection));
        }
    }

    #[test]
    fn a_source_s_name_is_one_line() {
        assert!("Feeds of Ünïted, e.V. (2026)".parse::<SourceName>().is_ok());
        let long = "a".repeat(256);
        for bad in [
            "", "a\nb", "\u{7f}", &long, "../x", "a/b", "a\\b", ".", "..",
        ] {
            assert_eq!(bad.parse::<SourceName>(), Err(NotAName::Source));
        }
    }
}
