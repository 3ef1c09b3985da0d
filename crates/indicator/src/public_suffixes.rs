//! The public suffix list, a table that is handed in and named by its hash.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use sha2::{Digest, Sha256};

/// A public suffix list (publicsuffix.org) with the SHA-256 that names it.
#[derive(Clone)]
pub struct PublicSuffixes {
    rules: Arc<Rules>,
    sha256: [u8; 32],
}

/// The text is not a public suffix list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASuffixList;

impl PublicSuffixes {
    /// SHA-256 in hex of the list of canonicalisation version 1 (`spec/10-indicators.md` §3).
    pub const VERSION_1: &str = "0232f4df0831911356e8ee1f4d5c3b6b12c0ed3f6bd66b0f81c8ab5d3d49e9ca";

    /// Parses the text of a list.
    ///
    /// # Errors
    ///
    /// [`NotASuffixList`] where the text holds no rule or a rule that is none.
    pub fn parse(text: &str) -> Result<Self, NotASuffixList> {
        Ok(Self {
            rules: Arc::new(Rules::parse(text)?),
            sha256: Sha256::digest(text).into(),
        })
    }

    /// The hash by which spec and roster name the list.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The public suffix of `domain` and one label, both in A-label form; nothing for a name that
    /// is itself a public suffix.
    pub(crate) fn registrable<'d>(&self, domain: &'d str) -> Option<&'d str> {
        let suffix = self.rules.suffix(domain);
        let above = domain.strip_suffix(suffix)?.strip_suffix('.')?;
        let label = above.rsplit('.').next()?;
        domain.get(above.len() - label.len()..)
    }
}

/// The rules of both sections in A-label form, by kind. (The crate `publicsuffix` takes
/// `*.run.app` for no match of `mtls.run.app` where there is a rule `*.mtls.run.app`.)
#[derive(Default)]
struct Rules {
    suffixes: HashSet<String>,
    /// `P` for each rule `*.P`.
    wildcards: HashSet<String>,
    /// `N` for each rule `!N`.
    exceptions: HashSet<String>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self, NotASuffixList> {
        let mut rules = Self::default();
        // A text without the section's beginning is some other file.
        let body = text
            .split_once("===BEGIN ICANN DOMAINS===")
            .ok_or(NotASuffixList)?;
        for line in body.1.lines().filter(|line| !line.starts_with("//")) {
            let Some(rule) = line.split_whitespace().next() else {
                continue;
            };
            let (names, name) = if let Some(parent) = rule.strip_prefix("*.") {
                (&mut rules.wildcards, parent)
            } else if let Some(name) = rule.strip_prefix('!') {
                (&mut rules.exceptions, name)
            } else {
                (&mut rules.suffixes, rule)
            };
            let name = Uts46::new()
                .to_ascii(
                    name.as_bytes(),
                    AsciiDenyList::STD3,
                    Hyphens::Allow,
                    DnsLength::Verify,
                )
                .map_err(|_| NotASuffixList)?;
            names.insert(name.into_owned());
        }
        if rules.suffixes.is_empty() {
            Err(NotASuffixList)
        } else {
            Ok(rules)
        }
    }

    /// The public suffix of `domain` by the algorithm of publicsuffix.org: what the longest rule
    /// matches, an exception rule before all others, and the last label where no rule does.
    fn suffix<'d>(&self, domain: &'d str) -> &'d str {
        let mut name = domain;
        while let Some((_, parent)) = name.split_once('.') {
            if self.exceptions.contains(name) {
                return parent;
            }
            if self.suffixes.contains(name) || self.wildcards.contains(parent) {
                return name;
            }
            name = parent;
        }
        name
    }
}

impl fmt::Debug for PublicSuffixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicSuffixes")
    }
}

impl fmt::Display for NotASuffixList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a public suffix list")
    }
}

impl std::error::Error for NotASuffixList {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_prevails() {
        let text = "// ===BEGIN ICANN DOMAINS===\ncom\njp\n*.kobe.jp\n!city.kobe.jp\n\u{516c}\u{53f8}.cn\n\
            // ===BEGIN PRIVATE DOMAINS===\nrun.app\n*.run.app\n*.mtls.run.app // why\n";
        let list = PublicSuffixes::parse(text);
        let registrable = |name| list.as_ref().ok().and_then(|list| list.registrable(name));
        for (name, expected) in [
            ("com", None),
            ("a.com", Some("a.com")),
            ("b.a.com", Some("a.com")),
            ("kobe.jp", Some("kobe.jp")),
            ("c.kobe.jp", None),
            ("b.c.kobe.jp", Some("b.c.kobe.jp")),
            ("w.city.kobe.jp", Some("city.kobe.jp")),
            ("a.xn--55qx5d.cn", Some("a.xn--55qx5d.cn")),
            ("mtls.run.app", None),
            ("a.mtls.run.app", None),
            ("b.a.mtls.run.app", Some("b.a.mtls.run.app")),
            ("b.a.unlisted", Some("a.unlisted")),
        ] {
            assert_eq!(registrable(name), expected, "{name}");
        }
    }

    #[test]
    fn another_file_is_not_a_list() {
        for text in [
            "",
            "com\n",
            "// ===BEGIN ICANN DOMAINS===\n",
            "===BEGIN ICANN DOMAINS===\na..b",
        ] {
            assert_eq!(PublicSuffixes::parse(text).err(), Some(NotASuffixList));
        }
    }
}
