//! The correlation B + C = A·Δ, and what each side makes of its half in F8 and F9.
//! `spec/33-vole.md` §13.
//!
//! Each half is used up by the one run that it serves: the same correlation under two inputs
//! would show their difference.

use std::ops::Range;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::gf128::add_scaled;
use crate::okvs::{Okvs, Row, Vector};
use crate::permutation::Permutation;
use crate::wire::Reader;
use crate::{Delta, Gf128, Shape};

#[cfg(test)]
mod tests;

/// The sender's half: Δ and B.
///
/// ```compile_fail,E0599
/// fn twice(vole: blindmatch_vole::SenderVole) {
///     vole.clone();
/// }
/// ```
pub struct SenderVole {
    pub(crate) delta: Delta,
    pub(crate) b: Zeroizing<Vec<Gf128>>,
}

impl SenderVole {
    /// Takes the part of F8 that covers `bins`, A + P in 16 bytes an entry, and makes
    /// K = B + (A + P)·Δ. `None` if it is not as long as the bins and the VOLE are.
    pub fn unmask(self, shape: &Shape, bins: Range<u32>, masked: &[u8]) -> Option<SenderKey> {
        let Self { delta, b: mut key } = self;
        let masked = Reader::new(masked, 16 * key.len())?.blocks(key.len())?;
        add_scaled(&mut key, delta.value(), &masked);
        Some(SenderKey {
            delta,
            key: Vector::new(shape, bins, key)?,
        })
    }
}

/// The sender's key for some bins: it evaluates any item.
pub struct SenderKey {
    delta: Delta,
    key: Vector,
}

impl SenderKey {
    /// u = Decode(K, y) + v(y)·Δ + w, or `None` if the row's bin is not covered.
    pub fn evaluate(&self, okvs: &Okvs, row: &Row, v: Gf128, w: Gf128) -> Option<Evaluation> {
        let decoded = okvs.decode(&self.key, row)?;
        Some(Evaluation(decoded + v * self.delta.value() + w))
    }
}

/// The receiver's half: A and C.
///
/// ```compile_fail,E0599
/// fn twice(vole: blindmatch_vole::ReceiverVole) {
///     vole.clone();
/// }
/// ```
pub struct ReceiverVole {
    pub(crate) a: Zeroizing<Vec<Gf128>>,
    pub(crate) c: Zeroizing<Vec<Gf128>>,
}

impl ReceiverVole {
    /// Masks the part of P that covers `bins`: the bytes of F8, and what evaluates the items that
    /// P encodes. `None` if P, the bins and the VOLE are not of one length.
    pub fn mask(
        self,
        shape: &Shape,
        bins: Range<u32>,
        vector: &[Gf128],
    ) -> Option<(ReceiverKey, Vec<u8>)> {
        let Self { a, c } = self;
        if vector.len() != a.len() {
            return None;
        }
        let masked = a
            .iter()
            .zip(vector)
            .flat_map(|(&a, &p)| (a + p).to_bytes())
            .collect();
        Some((ReceiverKey(Vector::new(shape, bins, c)?), masked))
    }
}

/// The receiver's key for some bins: C, which evaluates the items that were encoded, and no other.
pub struct ReceiverKey(Vector);

impl ReceiverKey {
    /// u = Decode(C, x) + w, or `None` if the row's bin is not covered.
    pub fn evaluate(&self, okvs: &Okvs, row: &Row, w: Gf128) -> Option<Evaluation> {
        okvs.decode(&self.0, row)
            .map(|decoded| Evaluation(decoded + w))
    }
}

/// u, the value of one item, equal on both sides for an item that both have.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Evaluation(Gf128);

impl Evaluation {
    #[cfg(test)]
    pub(crate) const fn new(u: Gf128) -> Self {
        Self(u)
    }

    /// The tag AES_u(x) + x as a 128-bit integer. The key schedule is new for every item.
    pub fn tag(&self, x: Gf128) -> u128 {
        Permutation::new(self.0).feed_forward(x).to_bits()
    }

    /// The key of the item's label. It comes from u, never from the tag, which is public.
    pub fn label_key(&self, x: Gf128) -> Zeroizing<[u8; 32]> {
        let mut material = Zeroizing::new([0; 32]);
        let bytes = self.0.to_bytes().into_iter().chain(x.to_bytes());
        material
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = byte);
        Zeroizing::new(blake3::derive_key(LABEL_KEY, &*material))
    }
}

/// The context under which label keys are derived; it is the batch protocol's, not this crate's.
const LABEL_KEY: &str = "blindmatch batch label v1";
