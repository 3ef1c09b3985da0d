//! One element at a time, on curve25519-dalek.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, Zeroizing};

use super::Undecodable;

pub(super) fn decode(encodings: &[[u8; 32]]) -> Result<Vec<RistrettoPoint>, Undecodable> {
    let mut bad = None;
    let points = encodings.iter().enumerate().map(|(index, encoding)| {
        let point = CompressedRistretto(*encoding).decompress();
        if point.is_none() || *encoding == [0; 32] {
            bad = bad.or(Some(Undecodable { index }));
        }
        point.unwrap_or_default()
    });
    let points = points.collect();
    bad.map_or(Ok(points), Err)
}

pub(super) fn from_uniform(uniform: &[[u8; 64]]) -> Vec<RistrettoPoint> {
    uniform
        .iter()
        .map(RistrettoPoint::from_uniform_bytes)
        .collect()
}

pub(super) fn multiply_encode(points: &[RistrettoPoint], scalar: &Scalar) -> Vec<[u8; 32]> {
    let half = Zeroizing::new(scalar.div_by_2());
    let halves: Vec<_> = points.iter().map(|point| point * *half).collect();
    double_encode(&Zeroizing::new(halves))
}

pub(super) fn multiply_each_encode(points: &[RistrettoPoint], scalars: &[Scalar]) -> Vec<[u8; 32]> {
    let products = points.iter().zip(scalars).map(|(point, scalar)| {
        let mut half = scalar.div_by_2();
        let product = point * half;
        half.zeroize();
        product
    });
    double_encode(&Zeroizing::new(products.collect::<Vec<_>>()))
}

pub(super) fn double_encode(points: &[RistrettoPoint]) -> Vec<[u8; 32]> {
    let encodings = RistrettoPoint::double_and_compress_batch(points);
    encodings
        .iter()
        .map(CompressedRistretto::to_bytes)
        .collect()
}
