//! The correlation B + C = A·Δ, and what each side makes of its half in F8 and F9.
//! `spec/33-vole.md` §13.
//!
//! Each half is used up by the one run that it serves: the same correlation under two inputs
//! would show their difference.

use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::kernels::{add_scaled, feed_forward};
use crate::okvs::{Okvs, Vector};
use crate::wire::Reader;
use crate::{Delta, Gf128, Shape};

#[cfg(test)]
pub(crate) mod tests;

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
    /// Hands each of `bins` its part, work units of their own. `None` if the VOLE is not as long
    /// as the bins are.
    pub fn into_bins(self, shape: &Shape, bins: Range<u32>) -> Option<Vec<SenderBin>> {
        let delta = Arc::new(self.delta);
        let parts = split(shape, bins, self.b)?.map(|(bin, b)| SenderBin {
            delta: Arc::clone(&delta),
            bin,
            b,
        });
        Some(parts.collect())
    }
}

/// The sender's half for one bin.
pub struct SenderBin {
    delta: Arc<Delta>,
    bin: u32,
    b: Zeroizing<Vec<Gf128>>,
}

impl SenderBin {
    /// The bin.
    pub const fn bin(&self) -> u32 {
        self.bin
    }

    /// Takes the part of F8 that covers the bin, A + P in 16 bytes an entry, and makes
    /// K = B + (A + P)·Δ. `None` if it is not as long as the bin is.
    pub fn unmask(self, shape: &Shape, masked: &[u8]) -> Option<SenderKey> {
        let Self { delta, bin, b } = self;
        let mut key = b;
        let masked = Reader::new(masked, 16 * key.len())?.blocks(key.len())?;
        add_scaled(&mut key, delta.value(), &masked);
        let key = Vector::new(shape, bin..bin + 1, key)?;
        Some(SenderKey { delta, key })
    }
}

/// The sender's key for a bin: it evaluates any item that falls into it.
pub struct SenderKey {
    delta: Arc<Delta>,
    key: Vector,
}

impl SenderKey {
    /// u = Decode(K, y) + v(y)·Δ + w of each item, or `None` if one falls into another bin.
    pub fn evaluate(
        &self,
        okvs: &Okvs,
        xs: &[Gf128],
        vs: &[Gf128],
        w: Gf128,
    ) -> Option<Evaluations> {
        let mut values = okvs.decode_all(&self.key, xs)?;
        if values.len() != vs.len() {
            return None;
        }
        add_scaled(&mut values, self.delta.value(), vs);
        Some(Decoded(values).evaluate(w))
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
    /// Hands each of `bins` its part, work units of their own. `None` if the VOLE is not as long
    /// as the bins are.
    pub fn into_bins(self, shape: &Shape, bins: Range<u32>) -> Option<Vec<ReceiverBin>> {
        let Self { a, c } = self;
        let parts = split(shape, bins.clone(), a)?.zip(split(shape, bins, c)?);
        Some(
            parts
                .map(|((bin, a), (_, c))| ReceiverBin { bin, a, c })
                .collect(),
        )
    }
}

/// The receiver's half for one bin.
pub struct ReceiverBin {
    bin: u32,
    a: Zeroizing<Vec<Gf128>>,
    c: Zeroizing<Vec<Gf128>>,
}

impl ReceiverBin {
    /// The bin.
    pub const fn bin(&self) -> u32 {
        self.bin
    }

    /// The key without a vector, where one that was masked before is evaluated again.
    pub fn into_key(self, shape: &Shape) -> Option<ReceiverKey> {
        let Self { bin, c, .. } = self;
        Some(ReceiverKey(Vector::new(shape, bin..bin + 1, c)?))
    }

    /// Masks the part of P that covers the bin: the bytes of F8, and what evaluates the items that
    /// P encodes. `None` if P is not as long as the bin is.
    pub fn mask(self, shape: &Shape, vector: &[Gf128]) -> Option<(ReceiverKey, Vec<u8>)> {
        let Self { bin, a, c } = self;
        if vector.len() != a.len() {
            return None;
        }
        let mut masked = Vec::with_capacity(16 * a.len());
        for (&a, &p) in a.iter().zip(vector) {
            masked.extend((a + p).to_bytes());
        }
        let key = ReceiverKey(Vector::new(shape, bin..bin + 1, c)?);
        Some((key, masked))
    }
}

/// Cuts the entries of `bins` into those of each, with its number; `None` if there are not as many
/// as the bins have.
fn split(
    shape: &Shape,
    bins: Range<u32>,
    entries: Zeroizing<Vec<Gf128>>,
) -> Option<impl Iterator<Item = (u32, Zeroizing<Vec<Gf128>>)>> {
    let width = shape.width();
    (entries.len() == bins.len() * width).then_some(())?;
    let mut start = 0;
    Some(bins.map(move |bin| {
        let part = entries.get(start..start + width).unwrap_or_default();
        start += width;
        (bin, Zeroizing::new(part.to_vec()))
    }))
}

/// The receiver's key for a bin: C, which evaluates the items that were encoded, and no other.
pub struct ReceiverKey(Vector);

impl ReceiverKey {
    /// Decode(C, x) of each item, or `None` if one falls into another bin.
    pub fn decode(&self, okvs: &Okvs, xs: &[Gf128]) -> Option<Decoded> {
        okvs.decode_all(&self.0, xs).map(Decoded)
    }
}

/// What the receiver has of its items before it knows w.
#[derive(Default)]
pub struct Decoded(Zeroizing<Vec<Gf128>>);

impl Decoded {
    /// Room for so many.
    pub fn with_capacity(count: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(count)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts others behind.
    pub fn append(&mut self, others: &Self) {
        self.0.extend(others.0.iter());
    }

    /// u of each, in order.
    pub fn evaluate(mut self, w: Gf128) -> Evaluations {
        self.0.iter_mut().for_each(|value| *value += w);
        Evaluations(self.0)
    }
}

/// u of some items, equal on both sides for an item that both have.
pub struct Evaluations(Zeroizing<Vec<Gf128>>);

impl Evaluations {
    #[cfg(test)]
    pub(crate) fn new(values: Vec<Gf128>) -> Self {
        Self(Zeroizing::new(values))
    }

    /// The tags AES_u(x) + x as 128-bit integers; `None` where there are not as many `xs`. The key
    /// schedule is new for every item.
    pub fn tags(&self, xs: &[Gf128]) -> Option<Vec<u128>> {
        (self.0.len() == xs.len()).then_some(())?;
        let mut tags = Vec::with_capacity(xs.len());
        feed_forward(&self.0, xs, &mut tags);
        Some(tags)
    }

    /// The key of the label of item `at`. It comes from u, never from the tag, which is public.
    pub fn label_key(&self, at: usize, x: Gf128) -> Option<Zeroizing<[u8; 32]>> {
        let u = self.0.get(at)?;
        let mut material = Zeroizing::new([0; 32]);
        let bytes = u.to_bytes().into_iter().chain(x.to_bytes());
        material
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = byte);
        Some(Zeroizing::new(blake3::derive_key(LABEL_KEY, &*material)))
    }
}

/// The context under which label keys are derived; it is the batch protocol's, not this crate's.
const LABEL_KEY: &str = "blindmatch batch label v1";
