//! Products of scalars and points, encoded many at a time.
//!
//! Encoding a ristretto255 element takes an inverse square root, which cannot be shared among
//! points. Encoding the *double* of a point takes one inversion, which can. So every product
//! that is to be encoded is computed with half its scalar, s/2 mod ℓ, and doubled as it is
//! encoded. This module is the only place that knows: a [`HalvedScalar`] multiplies points here
//! and nowhere else.

use std::borrow::Borrow;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Blind;

/// Half of a scalar modulo the group's order.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct HalvedScalar(Scalar);

impl HalvedScalar {
    pub(crate) fn of(scalar: &Scalar) -> Self {
        Self(scalar.div_by_2())
    }

    /// Half the inverse of each blind, (2·blind)⁻¹, at the price of one inversion.
    pub(crate) fn of_inverses(blinds: &[Blind]) -> Vec<Self> {
        let doubled = blinds.iter().map(|blind| blind.scalar() + blind.scalar());
        let mut scalars = Zeroizing::new(doubled.collect::<Vec<_>>());
        // No blind is zero, and ℓ is odd, so no doubled blind is.
        Scalar::invert_batch_alloc(&mut scalars).zeroize();
        scalars.iter().map(|inverse| Self(*inverse)).collect()
    }
}

/// The encodings of scalar · point, each scalar given as its half. Constant time.
pub(crate) fn encode_products<S: Borrow<HalvedScalar>, P: Borrow<RistrettoPoint>>(
    pairs: impl ExactSizeIterator<Item = (S, P)>,
) -> Vec<[u8; 32]> {
    // The count is exact, so neither vector grows and leaves a copy behind.
    let halves = pairs.map(|(scalar, point)| point.borrow() * scalar.borrow().0);
    let halves = Zeroizing::new(halves.collect::<Vec<_>>());
    let encodings = RistrettoPoint::double_and_compress_batch(halves.iter());
    let encodings = Zeroizing::new(encodings);
    encodings
        .iter()
        .map(CompressedRistretto::to_bytes)
        .collect()
}
