//! A key that was taken out of the home, as text: words that can be written down, with a checksum.

use std::fmt::{self, Write};
use std::path::Path;

use bip39::{Language, Mnemonic};
use blindmatch_membership::Name;
use blindmatch_store::disk::Disk;
use blindmatch_store::home::{Home, HomeError};
use blindmatch_store::keys::{Key, StorageKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::{clock, files};

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
    key: Key,
}

impl Exported {
    /// An exported key.
    #[must_use]
    pub const fn new(kind: Kind, member: Name, consortium: Name, key: Key) -> Self {
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
    ///
    /// # Errors
    ///
    /// [`ExportFault`].
    pub fn parse(text: &str) -> Result<Self, ExportFault> {
        let (kind, member, consortium, words) = Self::lines(text).ok_or(ExportFault::Form)?;
        Ok(Self::new(kind, member, consortium, key_of_words(words)?))
    }

    fn lines(text: &str) -> Option<(Kind, Name, Name, &str)> {
        let mut lines = text.lines();
        let kind = lines.next()?;
        let kind = [Kind::Storage, Kind::Identity]
            .into_iter()
            .find(|named| kind == format!("blindmatch {named} key v1"))?;
        let member = lines.next()?.strip_prefix("member: ")?.parse().ok()?;
        let consortium = lines.next()?.strip_prefix("consortium: ")?.parse().ok()?;
        let words = lines.next()?.strip_prefix("words: ")?;
        (lines.next().is_none()).then_some((kind, member, consortium, words))
    }

    /// Reads the file of a key of this kind, which nobody but its owner may read.
    ///
    /// # Errors
    ///
    /// [`Error::NoSecret`], [`Error::Words`], [`Error::SecretReadable`], [`Error::File`].
    pub fn read(kind: Kind, path: &Path) -> Result<Self, Error> {
        match Self::parse(&files::read_secret(path)?) {
            Ok(exported) if exported.kind == kind => Ok(exported),
            Ok(_) | Err(ExportFault::Form) => Err(Error::NoSecret(path.to_owned())),
            Err(fault) => Err(Error::Words(path.to_owned(), fault)),
        }
    }
}

/// Puts the storage key, as it was exported to `text`, back into a home whose own is missing or
/// damaged; says whether that was so. The 24 words alone do as well. `from` names the text in errors.
///
/// # Errors
///
/// [`Error::NoSecret`], [`Error::Words`], [`Error::OtherStorageKey`], [`Error::Home`]; nothing has
/// changed then.
pub fn put_back_storage_key(disk: &Disk, from: &Path, text: &str) -> Result<bool, Error> {
    let key = match Exported::parse(text) {
        Ok(exported) if exported.kind == Kind::Storage => Ok(exported.key),
        // As they were written down, by hand and maybe on several lines.
        Err(ExportFault::Form) if !text.contains(':') => {
            key_of_words(&Zeroizing::new(text.to_lowercase()))
        }
        Ok(_) => Err(ExportFault::Form),
        Err(fault) => Err(fault),
    };
    let key = key.map_err(|fault| match fault {
        ExportFault::Form => Error::NoSecret(from.to_owned()),
        fault => Error::Words(from.to_owned(), fault),
    })?;
    let put_back = Home::put_back_storage_key(disk, &StorageKey::new(&key), clock::now());
    put_back.map_err(|error| match error {
        HomeError::OtherStorageKey => Error::OtherStorageKey(from.to_owned()),
        error => Error::Home(error),
    })
}

fn key_of_words(words: &str) -> Result<Key, ExportFault> {
    let words = Mnemonic::parse_in_normalized(Language::English, words);
    let words = words.map_err(|error| match error {
        bip39::Error::BadWordCount(count) => ExportFault::Count(count),
        bip39::Error::UnknownWord(before) => ExportFault::Word(before.saturating_add(1)),
        _ => ExportFault::Checksum,
    })?;
    let (bytes, length) = words.to_entropy_array();
    let bytes = Zeroizing::new(bytes);
    let key = bytes.first_chunk().filter(|_| length == 32);
    let key = key.ok_or_else(|| ExportFault::Count(words.word_count()))?;
    Ok(Zeroizing::new(*key))
}

/// Why a text is no exported key. No word of it is in this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFault {
    /// Its lines are not those of an exported key.
    Form,
    /// It has so many words, and not 24.
    Count(usize),
    /// The word of this number, counted from 1, is none that such a key has.
    Word(usize),
    /// The checksum in the words does not hold.
    Checksum,
}

impl fmt::Display for ExportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("it holds no exported key"),
            Self::Count(count) => write!(f, "it has {count} words, and a key has 24"),
            Self::Word(number) => write!(f, "word {number} is none that a key has"),
            Self::Checksum => f.write_str(
                "the checksum of the words does not hold: one of them is another, or two have \
                 changed places",
            ),
        }
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
        for (changed, fault) in [
            (
                text.replace("amount liar", "liar amount"),
                ExportFault::Checksum,
            ),
            (text.replace("amount", "amuont"), ExportFault::Word(2)),
            (text.replacen(" amount", "", 1), ExportFault::Count(23)),
        ] {
            assert_eq!(Exported::parse(&changed).unwrap_err(), fault);
        }
    }

    #[test]
    fn what_is_not_whole_is_no_key() {
        let text = exported().to_text();
        for changed in [
            text.replace("storage", "payment"),
            text.replace("member: acme", "member: Acme"),
            format!("{}more\n", text.as_str()),
            text.lines().take(3).collect::<Vec<_>>().join("\n"),
        ] {
            assert_eq!(Exported::parse(&changed).unwrap_err(), ExportFault::Form);
        }
        assert!(!format!("{:?}", exported()).contains("abandon"));
    }
}
