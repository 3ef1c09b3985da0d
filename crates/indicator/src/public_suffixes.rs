//! The public suffix list, a table that is handed in and named by its hash.

use std::fmt;
use std::sync::Arc;

use publicsuffix::{List, Psl};
use sha2::{Digest, Sha256};

/// A public suffix list (publicsuffix.org) with the SHA-256 that names it.
#[derive(Clone)]
pub struct PublicSuffixes {
    list: Arc<List>,
    sha256: [u8; 32],
}

/// The text is not a public suffix list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASuffixList;

impl PublicSuffixes {
    /// Parses the text of a list.
    ///
    /// # Errors
    ///
    /// [`NotASuffixList`] where the text holds no rule or a rule that is none.
    pub fn parse(text: &str) -> Result<Self, NotASuffixList> {
        let list: List = text.parse().map_err(|_| NotASuffixList)?;
        Ok(Self {
            list: Arc::new(list),
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
        let found = self.list.domain(domain.as_bytes())?;
        domain.get(domain.len().checked_sub(found.as_bytes().len())?..)
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
