//! Eight elements at a time, on AVX-512 IFMA.
//!
//! Each method of [`Points`] is one entry: it needs the processor's features, and everything
//! below it is compiled with them, so nothing is passed through memory that need not be. A batch
//! is a row of blocks of eight; the last is filled up with a dummy element.

#![expect(
    clippy::indexing_slicing,
    reason = "arrays of fixed size; indices come from loops over them, never from input"
)]

mod constants;
mod edwards;
mod field;
mod fixed_base;
mod multiply;
mod ristretto;
mod sum;

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::edwards::Point;
use self::multiply::{LaneDigits, Multiples, multiply};
use self::ristretto::{double_and_encode, encode};
use self::sum::vartime_weighted_sum;
use super::Undecodable;
use super::digits::Digits;
use crate::lanes::LANES;

/// How many blocks share an inversion when they are encoded.
const CHUNK: usize = 32;

/// For fewer points than this, buckets are more work than multiplying each.
const FEW: usize = 48;

/// What stands in the lanes past the end of a batch of encodings: the generator (RFC 9496 §4.1).
const DUMMY: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
    0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// A batch of elements.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Points {
    len: usize,
    blocks: Vec<Point>,
}

impl Points {
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn decode(encodings: &[[u8; 32]]) -> Result<Self, Undecodable> {
        let mut blocks = Vec::with_capacity(encodings.len().div_ceil(2 * LANES) * 2);
        let mut bad = None;
        for (chunk, pair) in encodings.chunks(2 * LANES).enumerate() {
            let lane = |index: usize| pair.get(index).unwrap_or(&DUMMY);
            let low = std::array::from_fn(lane);
            let high = std::array::from_fn(|index| lane(LANES + index));
            let (points, [valid_low, valid_high]) = Point::decode(&[low, high]);
            let [identity_low, identity_high] = points.map(|point| point.is_identity());
            let good = u16::from_le_bytes([valid_low & !identity_low, valid_high & !identity_high]);
            if good != u16::MAX && bad.is_none() {
                let index = chunk * 2 * LANES + good.trailing_ones() as usize;
                bad = Some(Undecodable { index });
            }
            blocks.extend(points);
        }
        let len = encodings.len();
        blocks.truncate(len.div_ceil(LANES));
        bad.map_or(Ok(Self { len, blocks }), Err)
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn from_uniform(uniform: &[[u8; 64]]) -> Self {
        let mut blocks = Vec::with_capacity(uniform.len().div_ceil(LANES));
        for block in uniform.chunks(LANES) {
            let lane = |index: usize| block.get(index).unwrap_or(&[0; 64]);
            blocks.push(Point::from_uniform(std::array::from_fn(lane)));
        }
        Self {
            len: uniform.len(),
            blocks,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply_encode(&self, scalar: &Scalar) -> Vec<[u8; 32]> {
        let digits = LaneDigits::shared(&Digits::of_half(scalar));
        let mut output = Output::new(self.len);
        for chunk in self.blocks.chunks(CHUNK) {
            let mut products = Zeroizing::new([Point::identity(); CHUNK]);
            for (product, block) in products.iter_mut().zip(chunk) {
                *product = multiply(&Multiples::of(block), &digits);
            }
            output.double_and_encode(&products[..chunk.len()]);
        }
        output.encodings
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply_each_encode(&self, scalars: &[Scalar]) -> Vec<[u8; 32]> {
        let mut output = Output::new(self.len);
        let mut scalars = scalars.chunks(LANES);
        for chunk in self.blocks.chunks(CHUNK) {
            let mut products = Zeroizing::new([Point::identity(); CHUNK]);
            for ((product, block), scalars) in products.iter_mut().zip(chunk).zip(&mut scalars) {
                let digits: Vec<Digits> = scalars.iter().map(Digits::of_half).collect();
                *product = multiply(&Multiples::of(block), &LaneDigits::each(&digits));
            }
            output.double_and_encode(&products[..chunk.len()]);
        }
        output.encodings
    }

    /// Both have the same length.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        let pairs = self.blocks.iter().zip(&other.blocks);
        let blocks = pairs.map(|(a, b)| a.add(&b.cached()).extended()).collect();
        Self {
            len: self.len,
            blocks,
        }
    }

    /// As many weights as points.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn vartime_weighted_sum(&self, weights: &[Scalar]) -> [u8; 32] {
        let sum = if self.len < FEW {
            let mut sum = Point::identity();
            for (block, weights) in self.blocks.iter().zip(weights.chunks(LANES)) {
                let digits: Vec<Digits> = weights.iter().map(Digits::of).collect();
                let product = multiply(&Multiples::of(block), &LaneDigits::each(&digits));
                sum = sum.add(&product.cached()).extended();
            }
            let mut total = Point::identity();
            for lane in 0..LANES {
                total = total.add(&sum.broadcast(lane).cached()).extended();
            }
            total
        } else {
            vartime_weighted_sum(&self.blocks, weights)
        };
        let [[encoding, ..]] = encode(&[sum]);
        encoding
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn encode(&self) -> Vec<[u8; 32]> {
        let mut encodings = Vec::with_capacity(self.blocks.len() * LANES);
        let (pairs, last) = self.blocks.as_chunks::<2>();
        for pair in pairs {
            encodings.extend(encode(pair).as_flattened());
        }
        for block in last {
            encodings.extend(encode(&[*block]).as_flattened());
        }
        encodings.truncate(self.len);
        encodings
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn double_encode(&self) -> Vec<[u8; 32]> {
        let mut output = Output::new(self.len);
        for chunk in self.blocks.chunks(CHUNK) {
            output.double_and_encode(chunk);
        }
        output.encodings
    }
}

/// A point with a table of its multiples.
pub(super) struct FixedBase(fixed_base::FixedBase);

impl FixedBase {
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn decode(encoding: &[u8; 32]) -> Result<Self, Undecodable> {
        let points = Points::decode(std::slice::from_ref(encoding))?;
        Ok(Self(fixed_base::FixedBase::of(&points.blocks[0])))
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply(&self, scalars: &[Scalar]) -> Points {
        let mut blocks = Vec::with_capacity(scalars.len().div_ceil(LANES));
        for scalars in scalars.chunks(LANES) {
            let digits: Vec<Digits> = scalars.iter().map(Digits::of).collect();
            blocks.push(self.0.multiply(&LaneDigits::each(&digits)));
        }
        Points {
            len: scalars.len(),
            blocks,
        }
    }
}

/// Encodings in order, without those of the dummies.
struct Output {
    encodings: Vec<[u8; 32]>,
    len: usize,
}

impl Output {
    fn new(len: usize) -> Self {
        Self {
            encodings: Vec::with_capacity(len),
            len,
        }
    }

    #[target_feature(enable = "avx512ifma")]
    fn double_and_encode(&mut self, blocks: &[Point]) {
        let mut encodings = [[[0; 32]; LANES]; CHUNK];
        double_and_encode(blocks, &mut encodings);
        let wanted = (self.len - self.encodings.len()).min(blocks.len() * LANES);
        self.encodings
            .extend_from_slice(&encodings.as_flattened()[..wanted]);
    }
}
