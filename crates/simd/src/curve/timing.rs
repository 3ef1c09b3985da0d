//! Whether the time of a kernel depends on its secret scalars, after dudect (Reparaz, Balasch,
//! Verbauwhede, 2017): one class of inputs has always the same scalar, the other has random ones;
//! Welch's t tells whether their times differ. A build that is not optimised says nothing, and a
//! run takes minutes, so these are ignored: `cargo test --release -- --ignored timing`.

use std::hint::black_box;
use std::time::Instant;

use curve25519_dalek::Scalar;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{FixedBase, Points};
use crate::Backend;

/// What |t| must not reach.
const LIMIT: f64 = 4.5;
const SAMPLES: usize = 1_000_000;

/// Mean and variance of what was added so far (Welford).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn squared_error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Welch's t of two classes of times, the largest of those without the slowest part of all: in
/// that, the machine did something else. A slow class may hide in the part that is left out, so
/// several are.
fn welch(times: &[(bool, u64)]) -> f64 {
    let mut sorted: Vec<u64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_unstable();
    let t = [0.5, 0.8, 0.9, 0.95, 0.99, 1.0].map(|quantile| {
        let last = sorted[((sorted.len() - 1) as f64 * quantile) as usize];
        let mut classes = [Moments::default(), Moments::default()];
        for (fixed, time) in times.iter().filter(|(_, time)| *time <= last) {
            classes[usize::from(*fixed)].add(*time as f64);
        }
        let [random, fixed] = &classes;
        (random.mean - fixed.mean) / (random.squared_error() + fixed.squared_error()).sqrt()
    });
    println!("t = {t:.2?} over {} samples", times.len());
    t.into_iter().map(f64::abs).fold(0.0, f64::max)
}

/// The |t| of `run` on scalars of both classes, in random order. All scalars are drawn beforehand
/// and lie in the same place, so that only their values differ.
fn measure(samples: usize, mut run: impl FnMut(&[Scalar; 8])) -> f64 {
    let mut rng = StdRng::seed_from_u64(11);
    let fixed: [Scalar; 8] = std::array::from_fn(|_| Scalar::from(1_u64 << 40));
    let mut times = Vec::with_capacity(samples);
    let mut inputs = Vec::new();
    while times.len() < samples {
        inputs.clear();
        inputs.extend((0..1000).map(|_| {
            let random = std::array::from_fn(|_| Scalar::from_bytes_mod_order(rng.random()));
            let is_fixed = rng.random();
            (is_fixed, if is_fixed { fixed } else { random })
        }));
        let mut place = fixed;
        for (is_fixed, scalars) in &inputs {
            place.clone_from(black_box(scalars));
            let start = Instant::now();
            run(&place);
            let time = u64::try_from(start.elapsed().as_nanos()).unwrap();
            times.push((*is_fixed, time));
        }
    }
    welch(&times)
}

fn points(count: usize) -> Points {
    let uniform: Vec<[u8; 64]> = (1..=8).take(count).map(|k| [k; 64]).collect();
    Points::from_uniform(Backend::detect(), &uniform)
}

#[test]
#[ignore = "a minute, and only of use when optimised"]
fn one_scalar_for_all() {
    let points = points(8);
    let t = measure(SAMPLES, |scalars| {
        black_box(points.multiply_encode(&scalars[0]));
    });
    assert!(t < LIMIT, "{t}");
}

#[test]
#[ignore = "a minute, and only of use when optimised"]
fn a_scalar_for_each() {
    let points = points(8);
    let t = measure(SAMPLES, |scalars| {
        black_box(points.multiply_each_encode(scalars));
    });
    assert!(t < LIMIT, "{t}");
}

#[test]
#[ignore = "a minute, and only of use when optimised"]
fn a_fixed_base() {
    let encoding = points(1).encode();
    let base = FixedBase::decode(Backend::detect(), &encoding[0]).unwrap();
    let t = measure(SAMPLES, |scalars| {
        black_box(base.multiply(scalars));
    });
    assert!(t < LIMIT, "{t}");
}

/// The same measurement finds a kernel that takes a few additions more if a bit is set: less than
/// skipping the digits that are zero would save.
#[test]
#[ignore = "seconds, and only of use when optimised"]
fn a_planted_leak_is_found() {
    let points = points(8);
    let t = measure(SAMPLES / 5, |scalars| {
        let products = points.multiply_each_encode(scalars);
        for _ in 0..4 * (scalars[0].as_bytes()[0] & 1) {
            black_box(points.add(&points));
        }
        black_box(products);
    });
    assert!(t > LIMIT, "{t}");
}
