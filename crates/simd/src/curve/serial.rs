//! One element at a time, on curve25519-dalek.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, Zeroizing};

use super::Undecodable;
use crate::backend::Kind;
use crate::work::count;

pub(super) fn decode(encodings: &[[u8; 32]]) -> Result<Vec<RistrettoPoint>, Undecodable> {
    count(Kind::Serial, encodings.len());
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
    count(Kind::Serial, uniform.len());
    uniform
        .iter()
        .map(RistrettoPoint::from_uniform_bytes)
        .collect()
}

pub(super) fn multiply_encode(points: &[RistrettoPoint], scalar: &Scalar) -> Vec<[u8; 32]> {
    count(Kind::Serial, points.len());
    let half = Zeroizing::new(scalar.div_by_2());
    let halves: Vec<_> = points.iter().map(|point| point * *half).collect();
    encode_doubles(&Zeroizing::new(halves))
}

pub(super) fn multiply_each_encode(points: &[RistrettoPoint], scalars: &[Scalar]) -> Vec<[u8; 32]> {
    count(Kind::Serial, points.len());
    let products = points.iter().zip(scalars).map(|(point, scalar)| {
        let mut half = scalar.div_by_2();
        let product = point * half;
        half.zeroize();
        product
    });
    encode_doubles(&Zeroizing::new(products.collect::<Vec<_>>()))
}

pub(super) fn double_encode(points: &[RistrettoPoint]) -> Vec<[u8; 32]> {
    count(Kind::Serial, points.len());
    encode_doubles(points)
}

pub(super) fn encode(points: &[RistrettoPoint]) -> Vec<[u8; 32]> {
    count(Kind::Serial, points.len());
    points
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect()
}

pub(super) fn add(a: &[RistrettoPoint], b: &[RistrettoPoint]) -> Vec<RistrettoPoint> {
    count(Kind::Serial, a.len());
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

pub(super) fn vartime_weighted_sum(
    points: &[RistrettoPoint],
    weights: &[Scalar],
) -> RistrettoPoint {
    count(Kind::Serial, points.len());
    RistrettoPoint::vartime_multiscalar_mul(weights, points)
}

pub(super) fn multiples_of_generator(scalars: &[Scalar]) -> Vec<RistrettoPoint> {
    count(Kind::Serial, scalars.len());
    scalars.iter().map(RistrettoPoint::mul_base).collect()
}

pub(super) fn fixed_base(encoding: &[u8; 32]) -> Result<Box<RistrettoBasepointTable>, Undecodable> {
    let point = CompressedRistretto(*encoding).decompress();
    let point = point
        .filter(|_| *encoding != [0; 32])
        .ok_or(Undecodable { index: 0 })?;
    Ok(Box::new(RistrettoBasepointTable::create(&point)))
}

pub(super) fn multiply_base(
    table: &RistrettoBasepointTable,
    scalars: &[Scalar],
) -> Vec<RistrettoPoint> {
    count(Kind::Serial, scalars.len());
    scalars.iter().map(|scalar| table * scalar).collect()
}

fn encode_doubles(points: &[RistrettoPoint]) -> Vec<[u8; 32]> {
    let encodings = RistrettoPoint::double_and_compress_batch(points);
    encodings
        .iter()
        .map(CompressedRistretto::to_bytes)
        .collect()
}
