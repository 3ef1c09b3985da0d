//! A key that was taken out of the home, as text: words that can be written down, with a checksum.

use std::fmt::{self, Write};
use std::path::Path;

use bip39::{Language, Mnemonic};
use blindmatch_membership::Name;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::files;

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What everything in the home is sealed under.
    Storage,
    /// What signs the card and each delegation.
    Identity,
}

/// An exported key, and whose it is.
pub struct Exported {
    /// Which key.
    pub kind: Kind,
    /// The member.
    pub member: Name,
    /// The consortium.
    pub consortium: Name,
    key: Zeroizing<[u8; 32]>,
}

impl Exported {
    /// An exported key.
    #[must_use]
    pub const fn new(kind: Kind, member: Name, consortium: Name, key: Zeroizing<[u8; 32]>) -> Self {
        Self {
            kind,
            member,
            consortium,
            key,
        }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The text: what it is, whose, and 24 words.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        // Roomy enough never to grow, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(1024));
        // 32 bytes are one of the lengths that BIP-39 has words for; writing to a string does not
        // fail.
        if let Ok(words) = Mnemonic::from_entropy(self.key.as_slice()) {
            let _ = write!(
                text,
                "blindmatch {} key v1\nmember: {}\nconsortium: {}\nwords: {words}\n",
                self.kind, self.member, self.consortium
            );
        }
        text
    }

    /// Reads the text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let kind = lines.next()?;
        let kind = [Kind::Storage, Kind::Identity]
            .into_iter()
            .find(|named| kind == format!("blindmatch {named} key v1"))?;
        let member = lines.next()?.strip_prefix("member: ")?.parse().ok()?;
        let consortium = lines.next()?.strip_prefix("consortium: ")?.parse().ok()?;
        let words = lines.next()?.strip_prefix("words: ")?;
        let words = Mnemonic::parse_in_normalized(Language::English, words).ok()?;
        let (bytes, length) = words.to_entropy_array();
        let bytes = Zeroizing::new(bytes);
        let key = bytes.first_chunk().filter(|_| length == 32)?;
        let exported = Self::new(kind, member, consortium, Zeroizing::new(*key));
        (lines.next().is_none()).then_some(exported)
    }

    /// Reads the file of a key of this kind, which nobody but its owner may read.
    ///
    /// # Errors
    ///
    /// [`Error::NoSecret`], [`Error::SecretReadable`], [`Error::File`].
    pub fn read(kind: Kind, path: &Path) -> Result<Self, Error> {
        Self::parse(&files::read_secret(path)?)
            .filter(|exported| exported.kind == kind)
            .ok_or_else(|| Error::NoSecret(path.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "storage",
            Self::Identity => "identity",
        })
    }
}

impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exported({} of {})", self.kind, self.member)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn exported() -> Exported {
        let key = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let name = |name: &str| name.parse().unwrap();
        Exported::new(
            Kind::Storage,
            name("acme"),
            name("cloudshield"),
            Zeroizing::new(key),
        )
    }

    #[test]
    fn words_hold_the_key_and_a_checksum() {
        let text = exported().to_text();
        // From BIP-39's English list, of the bytes 0 to 31.
        let first = "words: abandon amount liar amount expire adjust cage candy arch gather drum";
        assert!(text.contains(first), "{}", text.as_str());
        let read = Exported::parse(&text).unwrap();
        assert_eq!(read.key(), exported().key());
        assert_eq!(read.to_text(), text);
        let swapped = text.replace("amount liar", "liar amount");
        assert!(Exported::parse(&swapped).is_none());
    }

    #[test]
    fn what_is_not_whole_is_no_key() {
        let text = exported().to_text();
        for changed in [
            text.replace("storage", "payment"),
            text.replace("member: acme", "member: Acme"),
            text.replace("words: abandon", "words:"),
            format!("{}more\n", text.as_str()),
            text.lines().take(3).collect::<Vec<_>>().join("\n"),
        ] {
            assert!(Exported::parse(&changed).is_none(), "{changed}");
        }
        assert!(!format!("{:?}", exported()).contains("abandon"));
    }
}
