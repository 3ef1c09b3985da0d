//! Microseconds per item of each batch kernel, beside curve25519-dalek in the same process.

use std::hint::black_box;
use std::time::Instant;

use blindmatch_simd::{Backend, FixedBase, Points, expand_message_xmd, sha512};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha512};

/// What our kernels get at once.
const BATCH: usize = 4096;
/// What curve25519-dalek gets at once: its time for an item does not depend on it.
const FEW: usize = 256;
const ROUNDS: usize = 25;

/// `reference` does [`FEW`] items and `ours` [`BATCH`], in turn.
fn compare(name: &str, mut reference: impl FnMut(), mut ours: impl FnMut()) {
    let mut best = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        let runs = [
            (&mut reference as &mut dyn FnMut(), FEW),
            (&mut ours, BATCH),
        ];
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
            for encoding in &encodings[..FEW] {
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
            for encoding in &encodings[..FEW] {
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
            for uniform in &uniform[..FEW] {
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
            for (point, scalar) in points[..FEW].iter().zip(&scalars) {
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
            black_box(RistrettoPoint::double_and_compress_batch(&points[..FEW]));
        },
        || {
            black_box(ours.double_encode());
        },
    );

    let dst: &[u8] = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";
    let inputs: Vec<[u8; 20]> = (0..BATCH).map(|_| rng.random()).collect();
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
    compare(
        "expand message",
        || {
            for input in &inputs[..FEW] {
                black_box(expand(input));
            }
        },
        || {
            black_box(our_uniform());
        },
    );
    compare(
        "finalize hash",
        || {
            for (input, element) in inputs[..FEW].iter().zip(&encodings) {
                black_box(finalize(input, element));
            }
        },
        || {
            black_box(our_finalize(&encodings));
        },
    );
    compare(
        "hash to group",
        || {
            for input in &inputs[..FEW] {
                black_box(RistrettoPoint::from_uniform_bytes(&expand(input)));
            }
        },
        || {
            black_box(Points::from_uniform(backend, &our_uniform()));
        },
    );
    compare(
        "own set",
        || {
            for input in &inputs[..FEW] {
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
    compare(
        "client blind",
        || {
            for (input, scalar) in inputs[..FEW].iter().zip(&scalars) {
                let point = RistrettoPoint::from_uniform_bytes(&expand(input));
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::from_uniform(backend, &our_uniform());
            black_box(points.multiply_each_encode(&scalars));
        },
    );
    compare(
        "client finalize",
        || {
            for ((input, scalar), encoding) in inputs[..FEW].iter().zip(&scalars).zip(&encodings) {
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

    compare(
        "encode",
        || {
            for point in &points[..FEW] {
                black_box(point.compress());
            }
        },
        || {
            black_box(ours.encode());
        },
    );
    let generator = RistrettoPoint::mul_base(&Scalar::ONE).compress().to_bytes();
    let table = FixedBase::decode(backend, &generator).expect("valid");
    compare(
        "fixed base",
        || {
            for scalar in &scalars[..FEW] {
                black_box(RistrettoPoint::mul_base(scalar));
            }
        },
        || {
            black_box(table.multiply(&scalars));
        },
    );
    compare(
        "weighted sum",
        || {
            black_box(RistrettoPoint::vartime_multiscalar_mul(
                &scalars[..FEW],
                &points[..FEW],
            ));
        },
        || {
            black_box(ours.vartime_weighted_sum(&scalars));
        },
    );
    let composite: Vec<[u8; 145]> = (0..BATCH).map(|_| [7; 145]).collect();
    compare(
        "hash to scalar",
        || {
            for input in &composite[..FEW] {
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
    compare(
        "client blind, additive",
        || {
            for (input, scalar) in inputs[..FEW].iter().zip(&scalars) {
                let point = RistrettoPoint::from_uniform_bytes(&expand(input));
                black_box((point * scalar).compress());
            }
        },
        || {
            let points = Points::from_uniform(backend, &our_uniform());
            black_box(points.add(&table.multiply(&scalars)).encode());
        },
    );
    compare(
        "client finalize, additive",
        || {
            for ((input, scalar), encoding) in inputs[..FEW].iter().zip(&scalars).zip(&encodings) {
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
