//! The consortium's payment key: what card numbers are hashed under before they are sealed.
//!
//! One member makes it and wraps it for each custodian by name; it never leaves a home otherwise.

mod custody;
pub mod wrapped;

pub(crate) use custody::payment_key;

use std::fmt;

use blindmatch_audit::codec::Writer;
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The key under which the members that match card numbers hash them.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PaymentKey([u8; Self::LENGTH]);

/// The name of a payment key: what agreements and wrapped keys carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaymentKeyId([u8; 16]);

impl PaymentKey {
    /// Its length in bytes.
    pub const LENGTH: usize = 32;

    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; Self::LENGTH]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes: to be sealed, or to hash under.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The key's id. A key is 32 random bytes, so its hash tells nobody anything of it.
    #[must_use]
    pub fn id(&self) -> PaymentKeyId {
        let mut message = Writer::new("blindmatch payment key id v1")
            .reserve(Self::LENGTH)
            .fixed(&self.0)
            .finish();
        let hash: [u8; 32] = Sha256::digest(&message).into();
        message.zeroize();
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash;
        PaymentKeyId(id)
    }
}

impl fmt::Debug for PaymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentKey({})", self.id())
    }
}

impl PaymentKeyId {
    /// Reads the text form: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value = u128::from_str_radix(text, 16).ok()?;
        let id = Self(value.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }

    /// The name with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for PaymentKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PaymentKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
