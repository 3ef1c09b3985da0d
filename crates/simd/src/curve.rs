//! Batches of ristretto255 elements.

mod serial;
#[cfg(target_arch = "x86_64")]
mod vector;

use curve25519_dalek::ristretto::RistrettoBasepointTable;
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::backend::{Backend, Kind};
use crate::stack::wiped;

/// The position of the first encoding that is no element of the group, or is the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// Its index in the batch.
    pub index: usize,
}

/// A batch of elements, wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Points(Repr);

#[derive(Zeroize, ZeroizeOnDrop)]
enum Repr {
    Serial(Vec<RistrettoPoint>),
    #[cfg(target_arch = "x86_64")]
    Avx512(vector::Points),
}

impl Points {
    /// Decodes elements as RFC 9497 §4.1 `DeserializeElement` does: canonical encodings only, and
    /// not the identity.
    ///
    /// # Errors
    /// Names the first bad one. How long it takes does not depend on which are bad.
    pub fn decode(backend: Backend, encodings: &[[u8; 32]]) -> Result<Self, Undecodable> {
        match backend.kind() {
            Kind::Serial => serial::decode(encodings).map(Repr::Serial),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: the backend proves the processor's features.
                unsafe { vector::Points::decode(encodings) }.map(Repr::Avx512)
            }
        }
        .map(Self)
    }

    /// The elements that 64 uniform bytes each stand for (RFC 9496 §4.3.4).
    #[must_use]
    pub fn from_uniform(backend: Backend, uniform: &[[u8; 64]]) -> Self {
        wiped(|| {
            Self(match backend.kind() {
                Kind::Serial => Repr::Serial(serial::from_uniform(uniform)),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => {
                    // SAFETY: the backend proves the processor's features.
                    Repr::Avx512(unsafe { vector::Points::from_uniform(uniform) })
                }
            })
        })
    }

    /// What works on these elements.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        Backend::of(match &self.0 {
            Repr::Serial(_) => Kind::Serial,
            #[cfg(target_arch = "x86_64")]
            Repr::Avx512(_) => Kind::Avx512,
        })
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Serial(points) => points.len(),
            #[cfg(target_arch = "x86_64")]
            Repr::Avx512(points) => points.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encodings of `scalar` times each element. Constant time in the scalar.
    #[must_use]
    pub fn multiply_encode(&self, scalar: &Scalar) -> Vec<[u8; 32]> {
        wiped(|| match &self.0 {
            Repr::Serial(points) => serial::multiply_encode(points, scalar),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: points of this kind are only made with a backend that proves the features.
            Repr::Avx512(points) => unsafe { points.multiply_encode(scalar) },
        })
    }

    /// The encodings of each element times the scalar at its position. Constant time in the
    /// scalars.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn multiply_each_encode(&self, scalars: &[Scalar]) -> Vec<[u8; 32]> {
        assert_eq!(self.len(), scalars.len(), "one scalar for each element");
        wiped(|| match &self.0 {
            Repr::Serial(points) => serial::multiply_each_encode(points, scalars),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: points of this kind are only made with a backend that proves the features.
            Repr::Avx512(points) => unsafe { points.multiply_each_encode(scalars) },
        })
    }

    /// Each element plus the one at its position in `other`.
    ///
    /// # Panics
    /// If the lengths differ or the backends do.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        assert_eq!(self.len(), other.len(), "one element for each");
        wiped(|| match (&self.0, &other.0) {
            (Repr::Serial(a), Repr::Serial(b)) => Self(Repr::Serial(serial::add(a, b))),
            #[cfg(target_arch = "x86_64")]
            (Repr::Avx512(a), Repr::Avx512(b)) => {
                // SAFETY: points of this kind are only made with a backend that proves the features.
                Self(Repr::Avx512(unsafe { a.add(b) }))
            }
            #[cfg(target_arch = "x86_64")]
            _ => panic!("elements of two backends"),
        })
    }

    /// The generator times each of the scalars. Constant time in the scalars.
    #[must_use]
    pub fn multiples_of_generator(backend: Backend, scalars: &[Scalar]) -> Self {
        wiped(|| {
            Self(match backend.kind() {
                Kind::Serial => Repr::Serial(serial::multiples_of_generator(scalars)),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => {
                    // SAFETY: the backend proves the processor's features.
                    Repr::Avx512(unsafe { vector::FixedBase::generator().multiply(scalars) })
                }
            })
        })
    }

    /// The sum of all elements times the weights at their positions. Its time depends on the
    /// weights: nothing secret may go in.
    ///
    /// # Panics
    /// If the lengths differ.
    #[must_use]
    pub fn vartime_weighted_sum(&self, weights: &[Scalar]) -> RistrettoPoint {
        assert_eq!(self.len(), weights.len(), "one weight for each element");
        match &self.0 {
            Repr::Serial(points) => serial::vartime_weighted_sum(points, weights),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: points of this kind are only made with a backend that proves the features.
            Repr::Avx512(points) => unsafe { points.vartime_weighted_sum(weights) },
        }
    }

    /// The encodings of the elements.
    #[must_use]
    pub fn encode(&self) -> Vec<[u8; 32]> {
        wiped(|| match &self.0 {
            Repr::Serial(points) => serial::encode(points),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: points of this kind are only made with a backend that proves the features.
            Repr::Avx512(points) => unsafe { points.encode() },
        })
    }

    /// The encodings of twice each element, which are cheaper than those of the elements: all of
    /// a batch share one inversion.
    #[must_use]
    pub fn double_encode(&self) -> Vec<[u8; 32]> {
        wiped(|| match &self.0 {
            Repr::Serial(points) => serial::double_encode(points),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: points of this kind are only made with a backend that proves the features.
            Repr::Avx512(points) => unsafe { points.double_encode() },
        })
    }
}

/// A batch of one, on the serial backend.
impl From<RistrettoPoint> for Points {
    fn from(point: RistrettoPoint) -> Self {
        Self(Repr::Serial(vec![point]))
    }
}

/// An element with a table of its multiples, 60 to 120 kB.
pub struct FixedBase(Table);

enum Table {
    Serial(Box<RistrettoBasepointTable>),
    #[cfg(target_arch = "x86_64")]
    Avx512(vector::FixedBase),
}

impl FixedBase {
    /// The table of the element with this encoding, which may not be the identity's.
    ///
    /// # Errors
    /// If it is not an element's, or is the identity's.
    pub fn decode(backend: Backend, encoding: &[u8; 32]) -> Result<Self, Undecodable> {
        match backend.kind() {
            Kind::Serial => serial::fixed_base(encoding).map(Table::Serial),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: the backend proves the processor's features.
                unsafe { vector::FixedBase::decode(encoding) }.map(Table::Avx512)
            }
        }
        .map(Self)
    }

    /// The table of this element.
    #[must_use]
    pub fn of(backend: Backend, point: &RistrettoPoint) -> Self {
        Self(match backend.kind() {
            Kind::Serial => Table::Serial(Box::new(RistrettoBasepointTable::create(point))),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: the backend proves the processor's features.
                Table::Avx512(unsafe { vector::FixedBase::of(&point.compress().to_bytes()) })
            }
        })
    }

    /// What works on this table.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        Backend::of(match &self.0 {
            Table::Serial(_) => Kind::Serial,
            #[cfg(target_arch = "x86_64")]
            Table::Avx512(_) => Kind::Avx512,
        })
    }

    /// The element times each of the scalars. Constant time in the scalars.
    #[must_use]
    pub fn multiply(&self, scalars: &[Scalar]) -> Points {
        wiped(|| {
            Points(match &self.0 {
                Table::Serial(table) => Repr::Serial(serial::multiply_base(table, scalars)),
                #[cfg(target_arch = "x86_64")]
                Table::Avx512(table) => {
                    // SAFETY: tables of this kind are only made with a backend that proves the features.
                    Repr::Avx512(unsafe { table.multiply(scalars) })
                }
            })
        })
    }
}

impl std::fmt::Debug for FixedBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FixedBase").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Points")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure is the test's"
)]
mod tests;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a failure is the test's"
)]
mod timing;
