//! Parameters, computed: `spec/33-vole.md` §4 derives each.
//!
//! Both parties compute them from the size class and the number of entries alone. The real
//! arithmetic is `libm`'s, in software, so that two machines cannot round apart.

use std::ops::Range;

mod flights;
pub(crate) use flights::{BASE_OTS, LEAVES, NIBBLE, OT_TREES};
pub(crate) mod probability;
#[cfg(test)]
mod tests;

/// Binary logarithm of the error that either cause of failure of an OKVS may have, over all bins:
/// 2^-41 for a bin that overflows and 2^-41 for a gap, 2^-40 together.
const HALF_ERROR: f64 = 41.0;

/// Most sparse columns of a bin: column numbers are 16 bits.
const MAX_SPARSE: u32 = 65_535;

/// The smallest size class.
pub const MIN_CLASS: u32 = 1 << 10;
/// The largest size class.
pub const MAX_CLASS: u32 = 1 << 26;

/// Most VOLE entries that one setup makes; larger vectors are made in chunks of whole bins.
///
/// A class of 2^20 is one chunk. That bounds the memory of a larger one, and keeps what the
/// expander reads at random to 22 MB; each further chunk costs 0.3 MB on the wire.
pub const CHUNK_ENTRIES: usize = 1_400_000;

/// Weight of the regular noise: one position in each of 256 blocks.
///
/// The field-mixed code needs 128 (§4.4); 256 is the margin.
pub const NOISE_WEIGHT: usize = 256;

/// The shape of a binned OKVS: how many bins there are and what each holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// n, the size class: rows of all bins together.
    pub(crate) class: u32,
    /// β.
    pub(crate) bins: u32,
    /// n_b, most rows that a bin may get.
    pub(crate) bin_rows: u32,
    /// m′, sparse columns of a bin.
    pub(crate) sparse: u32,
    /// ĝ, dense columns of a bin.
    pub(crate) dense: u32,
}

impl Shape {
    /// The shape for a size class, or `None` outside [`MIN_CLASS`] to [`MAX_CLASS`].
    pub fn for_class(class: u32) -> Option<Self> {
        if !(MIN_CLASS..=MAX_CLASS).contains(&class) {
            return None;
        }
        // A bin of m′ ≤ 65,535 columns has fewer rows than that.
        (class.div_ceil(MAX_SPARSE)..)
            .map(|bins| Self::with_bins(class, bins))
            .find(|shape| shape.sparse <= MAX_SPARSE)
    }

    /// The shape with a given number of bins, whatever its columns then are.
    fn with_bins(class: u32, bins: u32) -> Self {
        let bin_rows = probability::largest_bin(class, bins, HALF_ERROR);
        let error = HALF_ERROR + libm::log2(f64::from(bins));
        let sparse =
            probability::ceil(probability::expansion(bin_rows, error) * f64::from(bin_rows));
        // A random gap of g rows falls into so few columns with probability about m′^-g.
        let dense = probability::floor(error / libm::log2(f64::from(sparse))) + 1;
        Self {
            class,
            bins,
            bin_rows,
            sparse,
            dense: dense.max(3),
        }
    }

    /// n, the size class.
    pub const fn class(&self) -> u32 {
        self.class
    }

    /// β, the number of bins.
    pub const fn bins(&self) -> u32 {
        self.bins
    }

    /// n_b, most rows that a bin may get.
    pub const fn bin_rows(&self) -> u32 {
        self.bin_rows
    }

    /// m′, the sparse columns of a bin.
    pub const fn sparse(&self) -> u32 {
        self.sparse
    }

    /// ĝ, the dense columns of a bin.
    pub const fn dense(&self) -> u32 {
        self.dense
    }

    /// m′ + ĝ, the entries of one bin.
    pub const fn width(&self) -> usize {
        (self.sparse + self.dense) as usize
    }

    /// n_v, the entries of all bins.
    pub const fn entries(&self) -> usize {
        self.bins as usize * self.width()
    }

    /// n, β, n_b, m′, ĝ, t and the most entries of a chunk, 4 bytes each: what a session id binds.
    #[expect(clippy::cast_possible_truncation, reason = "two constants that fit")]
    pub(crate) fn to_bytes(self) -> [u8; 28] {
        let Self {
            class,
            bins,
            bin_rows,
            sparse,
            dense,
        } = self;
        let [trees, chunk] = [NOISE_WEIGHT, CHUNK_ENTRIES].map(|constant| constant as u32);
        let mut bytes = [0; 28];
        let numbers = [class, bins, bin_rows, sparse, dense, trees, chunk].map(u32::to_le_bytes);
        bytes.copy_from_slice(numbers.as_flattened());
        bytes
    }

    /// The bins of each VOLE setup: as few chunks as [`CHUNK_ENTRIES`] allows, as even as whole
    /// bins allow, the longer ones first.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = Range<u32>> + use<> {
        let most = u32::try_from(CHUNK_ENTRIES / self.width())
            .unwrap_or(u32::MAX)
            .max(1);
        let count = self.bins.div_ceil(most);
        let (each, longer) = (self.bins / count, self.bins % count);
        (0..count).map(move |chunk| {
            let start = chunk * each + chunk.min(longer);
            start..start + each + u32::from(chunk < longer)
        })
    }

    /// The VOLE that covers `bins` of this shape.
    pub fn dimensions(&self, bins: &Range<u32>) -> Dimensions {
        Dimensions::new(bins.len() * self.width())
    }
}

/// The dimensions of one VOLE setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// n_v, entries after compression.
    pub(crate) entries: usize,
    /// t, the blocks of regular noise, one tree each.
    pub(crate) trees: usize,
    /// blk, leaves of a tree.
    pub(crate) block: usize,
    /// D, levels of a tree.
    pub(crate) depth: usize,
}

impl Dimensions {
    /// The dimensions for a number of entries after compression.
    pub fn new(entries: usize) -> Self {
        Self::with_trees(entries, NOISE_WEIGHT)
    }

    /// Rate one half, rounded up to whole blocks of even length.
    pub(crate) fn with_trees(entries: usize, trees: usize) -> Self {
        let block = 2 * entries.div_ceil(trees).max(1);
        // ⌈log2 blk⌉.
        let depth = (block - 1).ilog2() as usize + 1;
        Self {
            entries,
            trees,
            block,
            depth,
        }
    }

    /// n_v, the entries after compression.
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// t, the weight of the noise and the number of trees.
    pub const fn trees(&self) -> usize {
        self.trees
    }

    /// blk, the leaves of a tree.
    pub const fn block(&self) -> usize {
        self.block
    }

    /// D = ⌈log2 blk⌉, the levels of a tree.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// N = t·blk, the entries before compression.
    pub const fn noise(&self) -> usize {
        self.trees * self.block
    }

    /// M = N − n_v, the entries that the code accumulates over.
    pub const fn tail(&self) -> usize {
        self.noise() - self.entries
    }

    /// Where the PPRF choices start among the positions of the OT extension; before them stand
    /// 128 for each noise value and 128 for the spare.
    pub(crate) const fn choices_start(&self) -> usize {
        128 * (self.trees + 1)
    }

    /// Positions of the OT extension that are used: 128(t+1) + tD.
    pub(crate) const fn positions(&self) -> usize {
        self.choices_start() + self.trees * self.depth
    }

    /// L, the positions with the block of mask columns.
    pub(crate) const fn columns(&self) -> usize {
        self.positions() + 128
    }
}
