//! Elements of the group as they travel: decoded, checked, and their 32 bytes.

use std::fmt;

use blindmatch_simd::{Backend, Points, Undecodable};
use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;

use crate::Malformed;

#[cfg(test)]
mod tests;

/// An element that is not the identity, with its encoding, which hashes and messages want.
#[derive(Clone)]
pub(crate) struct Element {
    pub(crate) point: RistrettoPoint,
    pub(crate) bytes: [u8; 32],
}

impl Element {
    /// `DeserializeElement`, RFC 9497 §4.1.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = bytes.try_into().map_err(|_| Malformed::Length)?;
        Ok(Self {
            point: decode(&bytes)?,
            bytes,
        })
    }

    /// `SerializeElement`, RFC 9497 §4.1. The caller knows that it is not the identity.
    pub(crate) fn encode(point: RistrettoPoint) -> Self {
        Self {
            point,
            bytes: point.compress().to_bytes(),
        }
    }
}

/// A batch as a proof sees it: elements, and in step with them their bytes.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) points: &'a Points,
    pub(crate) bytes: &'a [[u8; 32]],
}

/// The elements of a batch, all decoded and none the identity, with the bytes they came as.
pub(crate) struct Elements<'a> {
    pub(crate) points: Points,
    pub(crate) bytes: &'a [[u8; 32]],
}

impl<'a> Elements<'a> {
    pub(crate) const fn batch(&self) -> Batch<'_> {
        Batch {
            points: &self.points,
            bytes: self.bytes,
        }
    }

    /// Decodes a batch. The error names the first element that does not decode.
    pub(crate) fn decode(
        backend: Backend,
        bytes: &'a [[u8; 32]],
    ) -> Result<Self, (usize, Malformed)> {
        match Points::decode(backend, bytes) {
            Ok(points) => Ok(Self { points, bytes }),
            Err(Undecodable { index }) => Err(match bytes.get(index) {
                Some([0, rest @ ..]) if *rest == [0; 31] => (index, Malformed::Identity),
                _ => (index, Malformed::NotCanonical),
            }),
        }
    }
}

impl<'a> From<&'a Element> for Elements<'a> {
    fn from(element: &'a Element) -> Self {
        Self {
            points: element.point.into(),
            bytes: std::slice::from_ref(&element.bytes),
        }
    }
}

fn decode(bytes: &[u8; 32]) -> Result<RistrettoPoint, Malformed> {
    // The identity has one canonical encoding, and the group library accepts it.
    if *bytes == [0; 32] {
        return Err(Malformed::Identity);
    }
    CompressedRistretto(*bytes)
        .decompress()
        .ok_or(Malformed::NotCanonical)
}

macro_rules! element {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(crate) Element);

        impl $name {
            /// Decodes 32 bytes; refuses the identity and what is not canonical.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
                Element::decode(bytes).map(Self)
            }

            /// The encoding.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0.bytes
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.bytes == other.0.bytes
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                for byte in self.0.bytes {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str(")")
            }
        }
    };
}

element! {
    /// What a client asks: its input, blinded. Uniformly random to who lacks the blind.
    BlindedElement
}

element! {
    /// What the server answers: a blinded element multiplied by its key.
    EvaluationElement
}

element! {
    /// A server's public key: the generator multiplied by its secret key.
    PublicKey
}
