//! Vectors as JSON, bytes as hexadecimal, and scripted randomness.

#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

/// The bytes of a string of hexadecimal digits.
pub(crate) fn hex(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().unwrap();
    assert_eq!(digits.len() % 2, 0);
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The same, of a known length.
pub(crate) fn array<const N: usize>(digits: &Value) -> [u8; N] {
    hex(digits).try_into().unwrap()
}

/// Each string of an array of them.
pub(crate) fn hexes(list: &Value) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(hex).collect()
}

/// The same, of a known length.
pub(crate) fn arrays<const N: usize>(list: &Value) -> Vec<[u8; N]> {
    list.as_array().unwrap().iter().map(array).collect()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The vectors of `spec/vectors/oprf.json`.
pub(crate) fn oprf_vectors() -> Value {
    json(include_str!("../../../../spec/vectors/oprf.json"))
}

/// The vectors of `spec/vectors/ristretto255.json`.
pub(crate) fn ristretto255_vectors() -> Value {
    json(include_str!("../../../../spec/vectors/ristretto255.json"))
}

/// The same randomness in every run.
pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
