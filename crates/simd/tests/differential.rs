//! Every kernel against curve25519-dalek, on random elements, and counted.
//!
//! `cargo test` runs some thousands of cases. The long run has ten million of each kind:
//!
//! ```sh
//! cargo test --release -p blindmatch-simd --test differential -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use blindmatch_simd::{Backend, FixedBase, Points, Undecodable};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Elements of a round; not a multiple of eight, so that every round has a tail.
const ROUND: usize = 4093;

/// How many cases agreed.
#[derive(Debug, Default)]
struct Agreed {
    map: u64,
    encode: u64,
    double_encode: u64,
    /// Encodings of elements.
    decode: u64,
    /// Random strings that are the encoding of an element, and that are none.
    accept: u64,
    refuse: u64,
    multiply: u64,
    multiply_each: u64,
    multiply_base: u64,
    /// Terms of weighted sums.
    sum: u64,
}

impl Agreed {
    fn add(&mut self, other: &Self) {
        let Self {
            map,
            encode,
            double_encode,
            decode,
            accept,
            refuse,
            multiply,
            multiply_each,
            multiply_base,
            sum,
        } = other;
        self.map += map;
        self.encode += encode;
        self.double_encode += double_encode;
        self.decode += decode;
        self.accept += accept;
        self.refuse += refuse;
        self.multiply += multiply;
        self.multiply_each += multiply_each;
        self.multiply_base += multiply_base;
        self.sum += sum;
    }

    /// The fewest cases of decode, map, multiply and encode.
    fn least(&self) -> u64 {
        let multiply = self.multiply + self.multiply_each;
        let decode = self.decode.min(self.accept + self.refuse);
        decode.min(self.map).min(self.encode).min(multiply)
    }
}

/// One round on elements of its own.
fn round(backend: Backend, seed: u64) -> Agreed {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut agreed = Agreed::default();
    let mut uniform = vec![[0; 64]; ROUND];
    rng.fill_bytes(uniform.as_flattened_mut());
    let points = uniform.iter().map(RistrettoPoint::from_uniform_bytes);
    let points: Vec<_> = points.collect();
    let compressed = |points: &[RistrettoPoint]| -> Vec<[u8; 32]> {
        points.iter().map(|p| p.compress().to_bytes()).collect()
    };
    let doubled = |points: &[RistrettoPoint]| -> Vec<[u8; 32]> {
        let doubled = RistrettoPoint::double_and_compress_batch(points);
        doubled.iter().map(CompressedRistretto::to_bytes).collect()
    };
    let encodings = compressed(&points);

    let mapped = Points::from_uniform(backend, &uniform);
    assert_eq!(mapped.encode(), encodings, "map, encode: {seed}");
    agreed.map += ROUND as u64;
    agreed.encode += ROUND as u64;
    assert_eq!(mapped.double_encode(), doubled(&points), "double: {seed}");
    agreed.double_encode += ROUND as u64;

    let decoded = Points::decode(backend, &encodings).unwrap();
    agreed.decode += ROUND as u64;
    let scalars: Vec<_> = (0..ROUND).map(|_| scalar(rng)).collect();
    let times = |scalar: &dyn Fn(usize) -> Scalar| {
        let halves = points.iter().enumerate();
        let halves = halves.map(|(index, point)| point * scalar(index).div_by_2());
        doubled(&halves.collect::<Vec<_>>())
    };
    if seed.is_multiple_of(2) {
        let shared = scalars[0];
        let products = times(&|_| shared);
        assert_eq!(decoded.multiply_encode(&shared), products, "shared: {seed}");
        agreed.multiply += ROUND as u64;
    } else {
        let products = times(&|index| scalars[index]);
        assert_eq!(
            decoded.multiply_each_encode(&scalars),
            products,
            "each: {seed}"
        );
        agreed.multiply_each += ROUND as u64;
    }
    let sum = decoded.vartime_weighted_sum(&scalars);
    let expected = RistrettoPoint::vartime_multiscalar_mul(&scalars, &points);
    assert_eq!(sum.compress(), expected.compress(), "sum: {seed}");
    agreed.sum += ROUND as u64;
    if seed.is_multiple_of(4) {
        let table = RistrettoBasepointTable::create(&points[0]);
        let expected: Vec<_> = scalars.iter().map(|scalar| &table * scalar).collect();
        let ours = FixedBase::decode(backend, &encodings[0]).unwrap();
        let products = ours.multiply(&scalars).encode();
        assert_eq!(products, compressed(&expected), "base: {seed}");
        agreed.multiply_base += ROUND as u64;
    }
    strings(backend, rng, &mut agreed);
    agreed
}

/// Random strings, of which dalek says what they are.
fn strings(backend: Backend, rng: &mut StdRng, agreed: &mut Agreed) {
    let mut accepted = Vec::new();
    for _ in 0..ROUND {
        let mut bytes: [u8; 32] = rng.random();
        // Most that are odd or too large would be refused for that alone.
        if rng.random_range(0..16) > 0 {
            bytes[0] &= 0xfe;
            bytes[31] &= 0x7f;
        }
        if CompressedRistretto(bytes).decompress().is_some() {
            accepted.push(bytes);
        } else {
            let refused = Points::decode(backend, &[bytes]).err();
            assert_eq!(refused, Some(Undecodable { index: 0 }), "{bytes:x?}");
            agreed.refuse += 1;
        }
    }
    let decoded = Points::decode(backend, &accepted).unwrap();
    assert_eq!(decoded.encode(), accepted);
    agreed.accept += accepted.len() as u64;
}

/// Mostly uniform; some small, some next to the group's order.
fn scalar(rng: &mut StdRng) -> Scalar {
    let random = Scalar::from_bytes_mod_order(rng.random());
    match rng.random_range(0..64) {
        0 => Scalar::from(rng.random_range(0..64_u64)),
        1 => -Scalar::from(rng.random_range(0..64_u64)),
        _ => random,
    }
}

/// Rounds on all threads, until there are so many cases.
fn compare(backend: Backend, cases: u64) -> Agreed {
    let rounds = cases.div_ceil(ROUND as u64);
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut agreed = Agreed::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= rounds {
                return agreed;
            }
            agreed.add(&round(backend, seed));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(250) {
                println!("{}: round {done} of {rounds}", backend.name());
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all = Agreed::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in running {
            all.add(&thread.join().unwrap());
        }
    });
    println!("{}: {all:?}", backend.name());
    all
}

#[test]
fn thousands_of_cases() {
    for backend in Backend::available() {
        let agreed = compare(backend, 2 * ROUND as u64);
        assert_eq!(agreed.least(), 2 * ROUND as u64);
    }
}

#[test]
#[ignore = "a quarter of an hour on two threads, and only of use when optimised"]
fn ten_million_cases() {
    let agreed = compare(Backend::detect(), 10_000_000);
    assert!(agreed.least() >= 10_000_000);
}
