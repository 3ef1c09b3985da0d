//! The private keys of administrators.

use std::{fmt, str::FromStr};

use base64ct::{Base64, Encoding};
use blindmatch_audit::{
    SigningKey,
    note::{KeyName, Note, NoteKey},
};
use zeroize::Zeroizing;

use crate::values::{FormError, RosterKey};

const PREFIX: &str = "PRIVATE+KEY+";

/// What precedes the seed of an Ed25519 key.
const ED25519: u8 = 0x01;

/// A private key that signs rosters, with its name.
///
/// Its text form, `PRIVATE+KEY+NAME+HASH+BASE64`, is that of Go's
/// [sumdb/note](https://pkg.go.dev/golang.org/x/mod/sumdb/note), whose tools can use it.
pub struct Signer {
    name: KeyName,
    key: SigningKey,
}

impl Signer {
    /// The key of this seed of 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`FormError`] where a roster could not hold a key of this name: it takes printable ASCII
    /// without `+`.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, FormError> {
        let signer = Self {
            name: KeyName::new(name).map_err(|_| FormError)?,
            key: SigningKey::from_bytes(seed),
        };
        signer.note_key().to_string().parse::<RosterKey>()?;
        Ok(signer)
    }

    /// The public key, which a roster names.
    #[must_use]
    pub fn note_key(&self) -> NoteKey {
        NoteKey::new(self.name.clone(), self.key.verifying_key())
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let public = self.note_key().to_string();
        // NAME+HASH stand before the public key, and neither has a `+`.
        let end = public.match_indices('+').nth(1).map(|(at, _)| at);
        let named = end.and_then(|end| public.get(..=end)).unwrap_or_default();
        let mut bytes = Zeroizing::new([0; 33]);
        let (kind, seed) = bytes.split_at_mut(1);
        kind.fill(ED25519);
        seed.copy_from_slice(self.key.as_bytes());
        let base64 = Zeroizing::new(Base64::encode_string(bytes.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(
            PREFIX.len() + named.len() + base64.len(),
        ));
        text.push_str(PREFIX);
        text.push_str(named);
        text.push_str(&base64);
        text
    }

    pub(crate) fn sign(&self, note: &mut Note) {
        note.sign(&self.name, &self.key);
    }
}

impl FromStr for Signer {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let mut parts = text.strip_prefix(PREFIX).ok_or(FormError)?.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(FormError);
        };
        let mut bytes = Zeroizing::new([0; 33]);
        let decoded = Base64::decode(key, bytes.as_mut_slice()).map_err(|_| FormError)?;
        let [ED25519, seed @ ..] = decoded else {
            return Err(FormError);
        };
        let signer = Self::new(name, seed.try_into().map_err(|_| FormError)?)?;
        // The hash, too, has to be the one that belongs to the key.
        if *signer.to_text() == text {
            Ok(signer)
        } else {
            Err(FormError)
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("name", &self.name)
            .field("key", &"<redacted>")
            .finish()
    }
}
