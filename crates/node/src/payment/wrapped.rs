//! A payment key on its way to one member: sealed to that member's public key (RFC 9180, base
//! mode, X25519, HKDF-SHA256, ChaCha20-Poly1305) in a note that the custodian signs.
//!
//! The note's text is five lines of names and one of sealed bytes; one key has one such text.

use std::fmt;

use base64ct::{Base64, Encoding};
use blindmatch_audit::codec::Writer;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{PaymentKey, PaymentKeyId};

/// Bytes of an encapsulated X25519 key.
const ENCAPSULATED: usize = 32;
/// Bytes of the authentication tag of ChaCha20-Poly1305.
const TAG: usize = 16;

const TITLE: &str = "blindmatch payment key v1";

/// Whose key, from whom, for whom: what the sealed bytes are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The consortium's name.
    pub consortium: String,
    /// The member that wraps the key, and signs.
    pub from: String,
    /// The member that may open it.
    pub to: String,
    /// The id of the key inside.
    pub id: PaymentKeyId,
}

/// A wrapped payment key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// What is written on the outside.
    pub passage: Passage,
    encapsulated: [u8; ENCAPSULATED],
    sealed: [u8; PaymentKey::LENGTH + TAG],
}

/// Why a wrapped key cannot be made, read or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapError {
    /// The text is not that of a wrapped payment key.
    Text,
    /// The public key of the member that it is for is none.
    PublicKey,
    /// It was sealed for another key than this node's.
    OtherRecipient,
    /// What was inside is not the key that the outside names.
    OtherKey,
}

impl WrappedKey {
    /// Wraps `key`, whose id `passage` names, for the owner of the X25519 key `recipient`.
    ///
    /// # Errors
    ///
    /// [`WrapError::PublicKey`], [`WrapError::OtherKey`].
    pub fn wrap(
        key: &PaymentKey,
        passage: Passage,
        recipient: &[u8; 32],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, WrapError> {
        if key.id() != passage.id {
            return Err(WrapError::OtherKey);
        }
        let recipient = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(recipient)
            .map_err(|_| WrapError::PublicKey)?;
        let (encapsulated, sealed) =
            hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &recipient,
                &passage.info(),
                key.as_bytes(),
                &[],
                rng,
            )
            .map_err(|_| WrapError::PublicKey)?;
        Ok(Self {
            passage,
            encapsulated: encapsulated.to_bytes().into(),
            sealed: sealed.try_into().map_err(|_| WrapError::Text)?,
        })
    }

    /// Opens it with the X25519 secret key of the member that it is for.
    ///
    /// # Errors
    ///
    /// [`WrapError::OtherRecipient`], [`WrapError::OtherKey`].
    pub fn open(&self, secret: &[u8; 32]) -> Result<PaymentKey, WrapError> {
        let other = |_| WrapError::OtherRecipient;
        let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret).map_err(other)?;
        let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&self.encapsulated);
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &secret,
            &encapsulated.map_err(other)?,
            &self.passage.info(),
            &self.sealed,
            &[],
        )
        .map(Zeroizing::new)
        .map_err(other)?;
        let key = PaymentKey::from_bytes(&opened).ok_or(WrapError::OtherKey)?;
        if key.id() == self.passage.id {
            Ok(key)
        } else {
            Err(WrapError::OtherKey)
        }
    }

    /// The text of the note that the custodian signs.
    #[must_use]
    pub fn text(&self) -> String {
        let Passage {
            consortium,
            from,
            to,
            id,
        } = &self.passage;
        let sealed = Base64::encode_string(&[&self.encapsulated[..], &self.sealed].concat());
        format!(
            "{TITLE}\nconsortium {consortium}\nfrom {from}\nto {to}\nkey {id}\nsealed {sealed}\n"
        )
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    ///
    /// [`WrapError::Text`] for anything but what [`text`](Self::text) writes.
    pub fn parse(text: &str) -> Result<Self, WrapError> {
        Self::parse_lines(text)
            .filter(|parsed| parsed.text() == text)
            .ok_or(WrapError::Text)
    }

    fn parse_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        field("blindmatch")?;
        let passage = Passage {
            consortium: field("consortium")?.to_owned(),
            from: field("from")?.to_owned(),
            to: field("to")?.to_owned(),
            id: PaymentKeyId::parse(field("key")?)?,
        };
        let sealed = Base64::decode_vec(field("sealed")?).ok()?;
        let (encapsulated, sealed) = sealed.split_first_chunk()?;
        Some(Self {
            passage,
            encapsulated: *encapsulated,
            sealed: sealed.try_into().ok()?,
        })
    }
}

impl Passage {
    fn info(&self) -> Vec<u8> {
        Writer::new("blindmatch payment wrap v1")
            .bytes(self.consortium.as_bytes())
            .bytes(self.from.as_bytes())
            .bytes(self.to.as_bytes())
            .fixed(self.id.as_bytes())
            .finish()
    }
}

/// A fresh X25519 key pair: secret, public.
pub fn generate_recipient(rng: &mut impl CryptoRng) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let (secret, public) = X25519HkdfSha256::gen_keypair_with_rng(rng);
    (
        Zeroizing::new(secret.to_bytes().into()),
        public.to_bytes().into(),
    )
}

/// The public half of an X25519 secret key; nothing where it is none.
#[must_use]
pub fn recipient_of(secret: &[u8; 32]) -> Option<[u8; 32]> {
    let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret).ok()?;
    Some(X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into())
}

impl fmt::Display for WrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "it is no wrapped payment key, or was changed",
            Self::PublicKey => "the member's public key for the payment key is malformed",
            Self::OtherRecipient => "it was wrapped for another key than this node's, or changed",
            Self::OtherKey => "what is inside is not the key that it names",
        })
    }
}

impl std::error::Error for WrapError {}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn wrapped() -> (WrappedKey, PaymentKey, Zeroizing<[u8; 32]>) {
        let mut rng = StdRng::seed_from_u64(4);
        let key = PaymentKey::generate(&mut rng);
        let (secret, public) = generate_recipient(&mut rng);
        let passage = Passage {
            consortium: "cloudshield".to_owned(),
            from: "alice".to_owned(),
            to: "bob".to_owned(),
            id: key.id(),
        };
        let wrapped = WrappedKey::wrap(&key, passage, &public, &mut rng).unwrap();
        (wrapped, key, secret)
    }

    #[test]
    fn the_member_that_it_is_for_opens_it_and_nobody_else() {
        let (wrapped, key, secret) = wrapped();
        let read = WrappedKey::parse(&wrapped.text()).unwrap();
        assert_eq!(read, wrapped);
        assert_eq!(read.open(&secret).unwrap().as_bytes(), key.as_bytes());
        assert_eq!(read.open(&[7; 32]).unwrap_err(), WrapError::OtherRecipient);
    }

    #[test]
    fn what_is_written_outside_is_bound_to_what_is_inside() {
        let (wrapped, _, secret) = wrapped();
        type Change = fn(&mut Passage);
        let changes: [Change; 4] = [
            |passage| passage.consortium = "other".to_owned(),
            |passage| passage.from = "carol".to_owned(),
            |passage| passage.to = "carol".to_owned(),
            |passage| passage.id = PaymentKeyId([1; 16]),
        ];
        for change in changes {
            let mut changed = wrapped.clone();
            change(&mut changed.passage);
            assert_eq!(
                changed.open(&secret).unwrap_err(),
                WrapError::OtherRecipient
            );
        }
    }

    #[test]
    fn every_changed_byte_of_the_text_is_refused() {
        let (wrapped, _, secret) = wrapped();
        let text = wrapped.text();
        for (at, _) in text.char_indices() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            let opened = WrappedKey::parse(&changed).and_then(|key| key.open(&secret));
            assert!(opened.is_err(), "byte {at} of {changed}");
        }
    }

    #[test]
    fn neither_debug_nor_the_text_shows_the_key() {
        let (wrapped, key, _) = wrapped();
        let hex: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let base64 = Base64::encode_string(key.as_bytes());
        for shown in [format!("{key:?}{wrapped:?}"), wrapped.text()] {
            assert!(!shown.contains(&hex) && !shown.contains(&base64));
        }
    }
}
