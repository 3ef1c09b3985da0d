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

use std::sync::OnceLock;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::edwards::Point;
use self::multiply::{LaneScalars, Multiples, multiply};
use self::ristretto::{double_and_encode, encode};
use self::sum::vartime_weighted_sum;
use super::Undecodable;
use crate::backend::Kind;
use crate::lanes::LANES;
use crate::work::count;

/// How many blocks share an inversion when they are encoded.
const CHUNK: usize = 32;

/// For fewer points than this, buckets are more work than multiplying each.
const FEW: usize = 64;

/// What stands in the lanes past the end of a batch of encodings: the generator (RFC 9496 §4.1).
const DUMMY: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
    0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// References to the items, eight by eight, the last eight filled up with `dummy`.
fn lanes<'a, T>(items: &'a [T], dummy: &'a T) -> Vec<[&'a T; LANES]> {
    let groups = items.chunks(LANES);
    groups
        .map(|group| std::array::from_fn(|lane| group.get(lane).unwrap_or(dummy)))
        .collect()
}

/// A batch of elements.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Points {
    len: usize,
    blocks: Vec<Point>,
}

impl Points {
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn decode(encodings: &[[u8; 32]]) -> Result<Self, Undecodable> {
        count(Kind::Avx512, encodings.len());
        let groups = lanes(encodings, &DUMMY);
        let (quads, rest) = groups.as_chunks::<4>();
        let mut blocks = Vec::with_capacity(groups.len());
        let mut good = Vec::with_capacity(groups.len());
        for quad in quads {
            let (points, valid) = Point::decode(quad);
            blocks.extend(points);
            good.extend(valid);
        }
        for group in rest {
            let (points, valid) = Point::decode(&[*group]);
            blocks.extend(points);
            good.extend(valid);
        }
        for (good, block) in good.iter_mut().zip(&blocks) {
            *good &= !block.is_identity();
        }
        match good.iter().position(|good| *good != u8::MAX) {
            None => Ok(Self {
                len: encodings.len(),
                blocks,
            }),
            Some(group) => Err(Undecodable {
                index: LANES * group + good[group].trailing_ones() as usize,
            }),
        }
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn from_uniform(uniform: &[[u8; 64]]) -> Self {
        count(Kind::Avx512, uniform.len());
        let groups = lanes(uniform, &[0; 64]);
        let (pairs, rest) = groups.as_chunks::<2>();
        let mut blocks = Vec::with_capacity(groups.len());
        for pair in pairs {
            blocks.extend(Point::from_uniform_pair(pair));
        }
        for group in rest {
            blocks.push(Point::from_uniform(group));
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
        count(Kind::Avx512, self.len);
        let half = LaneScalars::shared(&Zeroizing::new(scalar.div_by_2()));
        let mut output = Output::new(self.len);
        for chunk in self.blocks.chunks(CHUNK) {
            let mut products = Zeroizing::new([Point::identity(); CHUNK]);
            for (product, block) in products.iter_mut().zip(chunk) {
                *product = multiply(&Multiples::of(block), &half);
            }
            output.double_and_encode(&products[..chunk.len()]);
        }
        output.encodings
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply_each_encode(&self, scalars: &[Scalar]) -> Vec<[u8; 32]> {
        count(Kind::Avx512, self.len);
        let mut output = Output::new(self.len);
        let mut scalars = scalars.chunks(LANES);
        for chunk in self.blocks.chunks(CHUNK) {
            let mut products = Zeroizing::new([Point::identity(); CHUNK]);
            for ((product, block), scalars) in products.iter_mut().zip(chunk).zip(&mut scalars) {
                let halves = LaneScalars::each(scalars.iter().map(Scalar::div_by_2));
                *product = multiply(&Multiples::of(block), &halves);
            }
            output.double_and_encode(&products[..chunk.len()]);
        }
        output.encodings
    }

    /// Both have the same length.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn add(&self, other: &Self) -> Self {
        count(Kind::Avx512, self.len);
        let pairs = self.blocks.iter().zip(&other.blocks);
        let blocks = pairs.map(|(a, b)| a.add(b)).collect();
        Self {
            len: self.len,
            blocks,
        }
    }

    /// As many weights as points.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn vartime_weighted_sum(&self, weights: &[Scalar]) -> RistrettoPoint {
        count(Kind::Avx512, self.len);
        let sum = if self.len < FEW {
            let mut sum = Point::identity();
            for (block, weights) in self.blocks.iter().zip(weights.chunks(LANES)) {
                let weights = LaneScalars::each(weights.iter().copied());
                let product = multiply(&Multiples::of(block), &weights);
                sum = sum.add(&product);
            }
            let mut total = Point::identity();
            for lane in 0..LANES {
                total = total.add(&sum.broadcast(lane));
            }
            total
        } else {
            vartime_weighted_sum(&self.blocks, weights)
        };
        let [[encoding, ..]] = encode(&[sum]);
        let Some(sum) = CompressedRistretto(encoding).decompress() else {
            unreachable!("what was just encoded decodes");
        };
        sum
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn encode(&self) -> Vec<[u8; 32]> {
        count(Kind::Avx512, self.len);
        let mut encodings = Vec::with_capacity(self.blocks.len() * LANES);
        let (quads, rest) = self.blocks.as_chunks::<4>();
        for quad in quads {
            encodings.extend(encode(quad).as_flattened());
        }
        for block in rest {
            encodings.extend(encode(&[*block]).as_flattened());
        }
        encodings.truncate(self.len);
        encodings
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn double_encode(&self) -> Vec<[u8; 32]> {
        count(Kind::Avx512, self.len);
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

    /// The generator's, made once.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn generator() -> &'static Self {
        static TABLE: OnceLock<FixedBase> = OnceLock::new();
        if let Some(table) = TABLE.get() {
            return table;
        }
        let table = Self::of(&DUMMY);
        TABLE.get_or_init(|| table)
    }

    /// The encoding is known to be an element's.
    #[target_feature(enable = "avx512ifma")]
    pub(super) fn of(encoding: &[u8; 32]) -> Self {
        let ([point], _) = Point::decode(&[[encoding; LANES]]);
        Self(fixed_base::FixedBase::of(&point))
    }

    #[target_feature(enable = "avx512ifma")]
    pub(super) fn multiply(&self, scalars: &[Scalar]) -> Points {
        count(Kind::Avx512, scalars.len());
        let mut blocks = Vec::with_capacity(scalars.len().div_ceil(LANES));
        for scalars in scalars.chunks(2 * LANES) {
            let (low, high) = scalars.split_at(scalars.len().min(LANES));
            let [low, high] = [low, high].map(|half| LaneScalars::each(half.iter().copied()));
            blocks.extend(self.0.multiply([&low, &high]));
        }
        blocks.truncate(scalars.len().div_ceil(LANES));
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
