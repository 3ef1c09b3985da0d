//! A binned oblivious key-value store: a vector P with Decode(P, x) = v for every item,
//! `spec/33-vole.md` §7.
//!
//! A seed places each x in one bin, in three sparse columns of the bin and, with powers of a
//! coefficient, in its dense ones. Bins are encoded and decoded on their own. Decoding and
//! encoding read memory where the items say: this is not constant-time, and cannot be within one
//! machine; nothing of it shows on the wire but the sizes.

use std::fmt;
use std::ops::Range;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::kernels::add_polynomial;
use crate::online::Binned;
use crate::oracle::{Label, Oracle};
use crate::permutation::Permutation;
use crate::{Gf128, Item, SessionId, Shape};

mod encode;
mod peel;
#[cfg(test)]
pub(crate) mod tests;

/// Seeds that a receiver tries before it gives up: 2^-40 each that none of three does is never.
/// More would let equal items keep it busy.
pub const ATTEMPTS: usize = 3;

/// Why no vector was found. Nothing was sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OkvsError {
    /// More items than the size class.
    TooManyItems,
    /// Two items have the same x: no seed can help.
    EqualItems,
    /// A bin got more items than it has room for.
    BinOverflow,
    /// More rows depend on each other than there are dense columns.
    Gap,
    /// The rows of a gap are linearly dependent, or a row has the coefficient zero.
    Dependent,
}

impl OkvsError {
    /// Whether another seed may do better.
    pub const fn another_seed_helps(self) -> bool {
        matches!(self, Self::BinOverflow | Self::Gap | Self::Dependent)
    }
}

impl fmt::Display for OkvsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManyItems => "more items than the size class",
            Self::EqualItems => "two items with the same hash",
            Self::BinOverflow => "a bin overflows under this seed",
            Self::Gap => "a bin has too large a gap under this seed",
            Self::Dependent => "a bin has dependent rows under this seed",
        })
    }
}

impl std::error::Error for OkvsError {}

/// Where an item stands: its bin, its sparse columns there and its dense coefficient d. The
/// row's product with the entries V of the bin is
/// V\[a\] + V\[b\] + V\[c\] + Σ_{j=1..ĝ} d^j·V\[m′+j−1\].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Row {
    bin: u32,
    columns: [u16; 3],
    coefficient: Gf128,
}

impl Row {
    /// The bin.
    pub const fn bin(&self) -> u32 {
        self.bin
    }

    #[cfg(test)]
    pub(crate) const fn parts(&self) -> (u32, [u16; 3], Gf128) {
        (self.bin, self.columns, self.coefficient)
    }

    /// Σ_{j=1..} d^j·dense\[j−1\].
    fn dense(&self, dense: &[Gf128]) -> Gf128 {
        dense
            .iter()
            .rev()
            .fold(Gf128::ZERO, |sum, &entry| (sum + entry) * self.coefficient)
    }

    /// The row's product with a bin: its sparse entries and its dense entries.
    fn product(&self, sparse: &[Gf128], dense: &[Gf128]) -> Gf128 {
        let entries = self
            .columns
            .iter()
            .filter_map(|&column| sparse.get(usize::from(column)));
        entries.fold(self.dense(dense), |sum, &entry| sum + entry)
    }
}

/// The hash functions of one OKVS: its shape and its seed.
pub struct Okvs {
    shape: Shape,
    columns: Permutation,
    dense: Permutation,
}

impl Okvs {
    /// The store of one run under one seed.
    pub fn new(shape: Shape, run: &SessionId, seed: &[u8; 16]) -> Self {
        let permutation = |label| {
            Permutation::new(
                Oracle::new(label)
                    .absorb(run.as_bytes())
                    .absorb(seed)
                    .block(),
            )
        };
        let (columns, dense) = (
            permutation(Label::OKVS_COLUMNS),
            permutation(Label::OKVS_DENSE),
        );
        Self {
            shape,
            columns,
            dense,
        }
    }

    /// The shape.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The rows of some items, in their order.
    pub fn rows(&self, xs: &[Gf128]) -> Vec<Row> {
        let mut places = Zeroizing::new(vec![Gf128::ZERO; xs.len()]);
        let mut coefficients = places.clone();
        self.columns.feed_forward_all(xs, &mut places);
        self.dense.feed_forward_all(xs, &mut coefficients);
        let rows = places.iter().zip(coefficients.iter());
        rows.map(|(&place, &coefficient)| self.place(place, coefficient))
            .collect()
    }

    fn place(&self, place: Gf128, coefficient: Gf128) -> Row {
        let columns = self.columns_of(place);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a shape has at most 65,535 columns"
        )]
        let columns = columns.map(|column| column as u16);
        Row {
            bin: scale(place, 0, self.shape.bins),
            columns,
            coefficient,
        }
    }

    /// Three different columns.
    fn columns_of(&self, place: Gf128) -> [u32; 3] {
        let sparse = self.shape.sparse;
        let a = scale(place, 1, sparse);
        let mut b = scale(place, 2, sparse - 1);
        b += u32::from(b >= a);
        let mut c = scale(place, 3, sparse - 2);
        c += u32::from(c >= a.min(b));
        c += u32::from(c >= a.max(b));
        [a, b, c]
    }

    /// Sorts items by bin: those that are to be encoded, or any others.
    pub fn partition(&self, xs: impl ExactSizeIterator<Item = Gf128>) -> Bins {
        let mut bins = Zeroizing::new(Vec::with_capacity(xs.len()));
        let mut batch = Zeroizing::new(Vec::with_capacity(BATCH));
        let mut places = Zeroizing::new(vec![Gf128::ZERO; BATCH]);
        let mut place_batch = |batch: &mut Vec<Gf128>| {
            self.columns.feed_forward_all(batch, &mut places);
            bins.extend(
                places
                    .iter()
                    .take(batch.len())
                    .map(|&place| scale(place, 0, self.shape.bins)),
            );
            batch.clear();
        };
        for x in xs {
            batch.push(x);
            if batch.len() == BATCH {
                place_batch(&mut batch);
            }
        }
        place_batch(&mut batch);
        Bins::sort(&bins, self.shape.bins)
    }

    /// The m′ + ĝ entries that encode the items of one bin, a work unit of its own: `values[i]` for
    /// `xs[i]`, zero where there is none. Entries that no item determines are zero, which is safe only under the mask A.
    ///
    /// # Errors
    /// Any [`OkvsError`] but `TooManyItems`.
    pub fn encode_bin(
        &self,
        xs: &[Gf128],
        values: &[Gf128],
    ) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
        encode::encode_bin(self, xs, values)
    }

    /// Encodes all bins.
    ///
    /// # Errors
    /// [`OkvsError`], for the first bin that fails.
    pub fn encode(&self, items: &[Item]) -> Result<Zeroizing<Vec<Gf128>>, OkvsError> {
        if items.len() > self.shape.class as usize {
            return Err(OkvsError::TooManyItems);
        }
        let binned = Binned::new(self, items);
        let mut vector = Zeroizing::new(Vec::with_capacity(self.shape.entries()));
        for bin in 0..self.shape.bins {
            let items = binned.bin(bin);
            vector.extend_from_slice(&self.encode_bin(items.xs, items.vs)?);
        }
        Ok(vector)
    }

    /// Encodes under fresh seeds until one does, at most [`ATTEMPTS`].
    ///
    /// # Errors
    /// The last failure. A caller tells its peer nothing but that it stops.
    pub fn encode_fresh(
        shape: Shape,
        run: &SessionId,
        items: &[Item],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<([u8; 16], Zeroizing<Vec<Gf128>>), OkvsError> {
        let mut attempts = 0;
        loop {
            let seed = Gf128::random(rng).to_bytes();
            attempts += 1;
            match Self::new(shape, run, &seed).encode(items) {
                Ok(vector) => return Ok((seed, vector)),
                Err(error) if attempts == ATTEMPTS || !error.another_seed_helps() => {
                    return Err(error);
                }
                Err(_) => {}
            }
        }
    }

    /// The products of the rows of `xs` with a vector of one bin, or `None` if one falls into
    /// another bin.
    pub fn decode_all(&self, vector: &Vector, xs: &[Gf128]) -> Option<Zeroizing<Vec<Gf128>>> {
        let sparse = self.shape.sparse as usize;
        let (sparse, dense) = vector.entries.split_at_checked(sparse)?;
        let mut decoded = Zeroizing::new(vec![Gf128::ZERO; xs.len()]);
        let mut places = Zeroizing::new(vec![Gf128::ZERO; BATCH]);
        let mut coefficients = places.clone();
        for (xs, decoded) in xs.chunks(BATCH).zip(decoded.chunks_mut(BATCH)) {
            self.columns.feed_forward_all(xs, &mut places);
            self.dense.feed_forward_all(xs, &mut coefficients);
            for (decoded, &place) in decoded.iter_mut().zip(places.iter()) {
                if !vector.bins.contains(&scale(place, 0, self.shape.bins)) {
                    return None;
                }
                for column in self.columns_of(place) {
                    *decoded += *sparse.get(column as usize)?;
                }
            }
            add_polynomial(decoded, &coefficients, dense);
        }
        (vector.bins.len() == 1).then_some(decoded)
    }

    /// The row's product with the vector, or `None` if its bin is not there.
    pub fn decode(&self, vector: &Vector, row: &Row) -> Option<Gf128> {
        let index = row.bin.checked_sub(vector.bins.start)? as usize;
        let width = self.shape.width();
        let entries = vector.entries.get(index * width..(index + 1) * width)?;
        let (sparse, dense) = entries.split_at_checked(self.shape.sparse as usize)?;
        Some(row.product(sparse, dense))
    }
}

/// More dense columns than any shape has (4).
const MOST_DENSE: usize = 8;

/// Items that are hashed together.
const BATCH: usize = 1024;

/// The word of `place` scaled to below `bound`.
fn scale(place: Gf128, word: u32, bound: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "takes one word")]
    let word = (place.to_bits() >> (32 * word)) as u32;
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}

/// The entries of some consecutive bins.
pub struct Vector {
    bins: Range<u32>,
    entries: Zeroizing<Vec<Gf128>>,
}

impl Vector {
    /// `entries` as those of `bins`, or `None` if there are not as many as the bins have.
    pub fn new(shape: &Shape, bins: Range<u32>, entries: Zeroizing<Vec<Gf128>>) -> Option<Self> {
        (bins.len() * shape.width() == entries.len()).then_some(Self { bins, entries })
    }

    /// The bins.
    pub fn bins(&self) -> Range<u32> {
        self.bins.clone()
    }
}

/// Indices of items, sorted by bin.
#[derive(ZeroizeOnDrop)]
pub struct Bins {
    starts: Vec<u32>,
    indices: Vec<u32>,
}

impl Bins {
    /// A counting sort: in each bin, indices ascend.
    fn sort(bin_of: &[u32], bins: u32) -> Self {
        let mut starts = vec![0u32; bins as usize + 1];
        for &bin in bin_of {
            if let Some(count) = starts.get_mut(bin as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = Zeroizing::new(starts.clone());
        let mut indices = vec![0; bin_of.len()];
        for (index, &bin) in (0..).zip(bin_of) {
            if let Some(next) = next.get_mut(bin as usize) {
                if let Some(slot) = indices.get_mut(*next as usize) {
                    *slot = index;
                }
                *next += 1;
            }
        }
        Self { starts, indices }
    }

    /// Where each bin starts and the last ends, and the indices.
    pub(crate) fn into_parts(mut self) -> (Vec<u32>, Zeroizing<Vec<u32>>) {
        let starts = std::mem::take(&mut self.starts);
        (starts, Zeroizing::new(std::mem::take(&mut self.indices)))
    }

    /// The indices of the items in one bin; none beyond the last.
    pub fn bin(&self, bin: u32) -> &[u32] {
        let at = |bin: u32| self.starts.get(bin as usize).map(|&start| start as usize);
        let range = at(bin).zip(bin.checked_add(1).and_then(at));
        range
            .and_then(|(start, end)| self.indices.get(start..end))
            .unwrap_or_default()
    }
}
