//! Microseconds per item of each batch kernel, beside curve25519-dalek in the same process.

use std::hint::black_box;
use std::time::Instant;

use blindmatch_simd::{Backend, Points};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const BATCH: usize = 4096;
const ROUNDS: usize = 7;

fn compare(name: &str, mut reference: impl FnMut(), mut ours: impl FnMut()) {
    let mut best = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (best, run) in best
            .iter_mut()
            .zip([&mut reference as &mut dyn FnMut(), &mut ours])
        {
            let start = Instant::now();
            run();
            *best = best.min(start.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        }
    }
    let [reference, ours] = best;
    println!(
        "{name:28} dalek {reference:8.3} us  ours {ours:8.3} us  ratio {:6.2}",
        reference / ours
    );
}

fn main() {
    let backend = Backend::detect();
    println!(
        "backend {}, batches of {BATCH}, minimum of {ROUNDS}",
        backend.name()
    );
    let mut rng = StdRng::seed_from_u64(7);
    let uniform: Vec<[u8; 64]> = (0..BATCH).map(|_| rng.random()).collect();
    let scalar = Scalar::from_bytes_mod_order(rng.random());
    let scalars: Vec<_> = (0..BATCH)
        .map(|_| Scalar::from_bytes_mod_order(rng.random()))
        .collect();
    let points: Vec<_> = uniform
        .iter()
        .map(RistrettoPoint::from_uniform_bytes)
        .collect();
    let encodings: Vec<_> = points.iter().map(|p| p.compress().to_bytes()).collect();
    let ours = Points::from_uniform(backend, &uniform);

    compare(
        "server evaluation",
        || {
            for encoding in &encodings {
                let point = CompressedRistretto(*encoding).decompress().expect("valid");
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::decode(backend, &encodings).expect("valid");
            black_box(points.multiply_encode(&scalar));
        },
    );
    compare(
        "decode",
        || {
            for encoding in &encodings {
                black_box(CompressedRistretto(*encoding).decompress());
            }
        },
        || {
            black_box(Points::decode(backend, &encodings).expect("valid"));
        },
    );
    compare(
        "from_uniform",
        || {
            for uniform in &uniform {
                black_box(RistrettoPoint::from_uniform_bytes(uniform));
            }
        },
        || {
            black_box(Points::from_uniform(backend, &uniform));
        },
    );
    compare(
        "multiply each, encode",
        || {
            for (point, scalar) in points.iter().zip(&scalars) {
                black_box((point * scalar).compress());
            }
        },
        || {
            black_box(ours.multiply_each_encode(&scalars));
        },
    );
    compare(
        "batch double and encode",
        || {
            black_box(RistrettoPoint::double_and_compress_batch(&points));
        },
        || {
            black_box(ours.double_encode());
        },
    );
}
