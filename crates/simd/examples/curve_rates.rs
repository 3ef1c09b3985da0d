//! Microseconds per item of each batch kernel, beside curve25519-dalek in the same process.
//!
//! The argument is the size of our batches, 4,096 if there is none. On a machine that does other
//! work, take 128: a batch then fits into one slice of time.

use std::hint::black_box;
use std::time::Instant;

use blindmatch_simd::{Backend, FixedBase, Points, expand_message_xmd, sha512};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha512};

/// curve25519-dalek gets this part of a batch: its time for an item does not depend on it.
const PART: usize = 16;
/// How many items our kernels get in all.
const ITEMS: usize = 100_000;

struct Rates {
    batch: usize,
}

impl Rates {
    /// The least of several times, taken in turn: `reference` does a [`PART`]th of the items.
    fn compare(&self, name: &str, mut reference: impl FnMut(), mut ours: impl FnMut()) {
        let mut best = [f64::MAX; 2];
        for _ in 0..ITEMS.div_ceil(self.batch) {
            let runs: [(&mut dyn FnMut(), usize); 2] =
                [(&mut reference, self.batch / PART), (&mut ours, self.batch)];
            for (best, (run, items)) in best.iter_mut().zip(runs) {
                let start = Instant::now();
                run();
                *best = best.min(start.elapsed().as_secs_f64() * 1e6 / items as f64);
            }
        }
        let [reference, ours] = best;
        let ratio = reference / ours;
        println!("{name:28} dalek {reference:8.3} us  ours {ours:8.3} us  ratio {ratio:6.2}");
    }
}

fn main() {
    let batch = std::env::args()
        .nth(1)
        .map_or(4096, |batch| batch.parse().expect("a number"));
    let (rates, few) = (Rates { batch }, batch / PART);
    let backend = Backend::detect();
    println!("backend {}, batches of {batch}", backend.name());
    let mut rng = StdRng::seed_from_u64(7);
    let uniform: Vec<[u8; 64]> = (0..batch).map(|_| rng.random()).collect();
    let scalar = Scalar::from_bytes_mod_order(rng.random());
    let scalars: Vec<_> = (0..batch)
        .map(|_| Scalar::from_bytes_mod_order(rng.random()))
        .collect();
    let points: Vec<_> = uniform
        .iter()
        .map(RistrettoPoint::from_uniform_bytes)
        .collect();
    let encodings: Vec<_> = points.iter().map(|p| p.compress().to_bytes()).collect();
    let ours = Points::from_uniform(backend, &uniform);

    rates.compare(
        "server evaluation",
        || {
            for encoding in &encodings[..few] {
                let point = CompressedRistretto(*encoding).decompress().expect("valid");
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::decode(backend, &encodings).expect("valid");
            black_box(points.multiply_encode(&scalar));
        },
    );
    rates.compare(
        "decode",
        || {
            for encoding in &encodings[..few] {
                black_box(CompressedRistretto(*encoding).decompress());
            }
        },
        || {
            black_box(Points::decode(backend, &encodings).expect("valid"));
        },
    );
    rates.compare(
        "from_uniform",
        || {
            for uniform in &uniform[..few] {
                black_box(RistrettoPoint::from_uniform_bytes(uniform));
            }
        },
        || {
            black_box(Points::from_uniform(backend, &uniform));
        },
    );
    rates.compare(
        "multiply each, encode",
        || {
            for (point, scalar) in points[..few].iter().zip(&scalars) {
                black_box((point * scalar).compress());
            }
        },
        || {
            black_box(ours.multiply_each_encode(&scalars));
        },
    );
    rates.compare(
        "batch double and encode",
        || {
            black_box(RistrettoPoint::double_and_compress_batch(&points[..few]));
        },
        || {
            black_box(ours.double_encode());
        },
    );

    let dst: &[u8] = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";
    let inputs: Vec<[u8; 20]> = (0..batch).map(|_| rng.random()).collect();
    let expand = |input: &[u8]| -> [u8; 64] {
        let suffix = [dst, &[40]].concat();
        let b_0 = Sha512::new_with_prefix([0; 128])
            .chain_update(input)
            .chain_update([0, 64, 0])
            .chain_update(&suffix)
            .finalize();
        Sha512::new_with_prefix(b_0)
            .chain_update([1])
            .chain_update(&suffix)
            .finalize()
            .into()
    };
    let finalize = |input: &[u8], element: &[u8]| -> [u8; 64] {
        Sha512::new_with_prefix([0, 20])
            .chain_update(input)
            .chain_update([0, 32])
            .chain_update(element)
            .chain_update(b"Finalize")
            .finalize()
            .into()
    };
    let our_uniform = || expand_message_xmd(backend, dst, inputs.iter().map(|x| [x.as_slice()]));
    let our_finalize = |elements: &[[u8; 32]]| {
        let messages = inputs
            .iter()
            .zip(elements)
            .map(|(input, element)| [&[0, 20], input.as_slice(), &[0, 32], element, b"Finalize"]);
        sha512(backend, messages)
    };
    rates.compare(
        "expand message",
        || {
            for input in &inputs[..few] {
                black_box(expand(input));
            }
        },
        || {
            black_box(our_uniform());
        },
    );
    rates.compare(
        "finalize hash",
        || {
            for (input, element) in inputs[..few].iter().zip(&encodings) {
                black_box(finalize(input, element));
            }
        },
        || {
            black_box(our_finalize(&encodings));
        },
    );
    rates.compare(
        "hash to group",
        || {
            for input in &inputs[..few] {
                black_box(RistrettoPoint::from_uniform_bytes(&expand(input)));
            }
        },
        || {
            black_box(Points::from_uniform(backend, &our_uniform()));
        },
    );
    rates.compare(
        "own set",
        || {
            for input in &inputs[..few] {
                let point = RistrettoPoint::from_uniform_bytes(&expand(input));
                let element = (point * scalar).compress();
                black_box(finalize(input, element.as_bytes()));
            }
        },
        || {
            let points = Points::from_uniform(backend, &our_uniform());
            black_box(our_finalize(&points.multiply_encode(&scalar)));
        },
    );
    rates.compare(
        "client blind",
        || {
            for (input, scalar) in inputs[..few].iter().zip(&scalars) {
                let point = RistrettoPoint::from_uniform_bytes(&expand(input));
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::from_uniform(backend, &our_uniform());
            black_box(points.multiply_each_encode(&scalars));
        },
    );
    rates.compare(
        "client finalize",
        || {
            for ((input, scalar), encoding) in inputs[..few].iter().zip(&scalars).zip(&encodings) {
                let point = CompressedRistretto(*encoding).decompress().expect("valid");
                let element = (point * scalar.invert()).compress();
                black_box(finalize(input, element.as_bytes()));
            }
        },
        || {
            let mut inverses = scalars.clone();
            Scalar::invert_batch_alloc(&mut inverses);
            let points = Points::decode(backend, &encodings).expect("valid");
            black_box(our_finalize(&points.multiply_each_encode(&inverses)));
        },
    );

    rates.compare(
        "encode",
        || {
            for point in &points[..few] {
                black_box(point.compress());
            }
        },
        || {
            black_box(ours.encode());
        },
    );
    let generator = RistrettoPoint::mul_base(&Scalar::ONE).compress().to_bytes();
    let table = FixedBase::decode(backend, &generator).expect("valid");
    rates.compare(
        "fixed base",
        || {
            for scalar in &scalars[..few] {
                black_box(RistrettoPoint::mul_base(scalar));
            }
        },
        || {
            black_box(table.multiply(&scalars));
        },
    );
    rates.compare(
        "weighted sum",
        || {
            black_box(RistrettoPoint::vartime_multiscalar_mul(
                &scalars[..few],
                &points[..few],
            ));
        },
        || {
            black_box(ours.vartime_weighted_sum(&scalars));
        },
    );
    let composite: Vec<[u8; 145]> = (0..batch).map(|_| [7; 145]).collect();
    rates.compare(
        "hash to scalar",
        || {
            for input in &composite[..few] {
                black_box(Scalar::from_bytes_mod_order_wide(&expand(input)));
            }
        },
        || {
            let messages = composite.iter().map(|x| [x.as_slice()]);
            let uniform = expand_message_xmd(backend, dst, messages);
            let scalars: Vec<_> = uniform
                .iter()
                .map(Scalar::from_bytes_mod_order_wide)
                .collect();
            black_box(scalars);
        },
    );
    rates.compare(
        "client blind, additive",
        || {
            for (input, scalar) in inputs[..few].iter().zip(&scalars) {
                let point = RistrettoPoint::from_uniform_bytes(&expand(input));
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::from_uniform(backend, &our_uniform());
            black_box(points.add(&table.multiply(&scalars)).encode());
        },
    );
    rates.compare(
        "client finalize, additive",
        || {
            for ((input, scalar), encoding) in inputs[..few].iter().zip(&scalars).zip(&encodings) {
                let point = CompressedRistretto(*encoding).decompress().expect("valid");
                let element = (point * scalar.invert()).compress();
                black_box(finalize(input, element.as_bytes()));
            }
        },
        || {
            let points = Points::decode(backend, &encodings).expect("valid");
            black_box(our_finalize(
                &points.add(&table.multiply(&scalars)).encode(),
            ));
        },
    );
}
