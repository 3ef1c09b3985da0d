//! Measured failures against the model, at errors that can be measured.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::peel::peel;
use super::super::{Okvs, OkvsError, Row};
use super::RUN;
use crate::parameters::probability::{expansion, overflow_log2};
use crate::{Gf128, Shape};

/// The share of seeds under which a bin of `rows` rows fails, made for an error of 2^-lambda.
fn failure_rate(rows: u32, lambda: u32, trials: u32, rng: &mut StdRng) -> f64 {
    let lambda = f64::from(lambda);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let sparse = (expansion(rows, lambda) * f64::from(rows)).ceil() as u32;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let dense = (lambda / f64::from(sparse).log2()) as u32 + 1;
    let shape = Shape {
        class: rows,
        bins: 1,
        bin_rows: rows,
        sparse,
        dense: dense.max(3),
    };
    let mut failed = 0;
    for _ in 0..trials {
        // Fresh places for the same rows: what a fresh seed does, without the hash.
        let okvs = Okvs::new(shape, &RUN, &[0; 16]);
        let place = |_| okvs.place(Gf128::from_bits(rng.random()), Gf128::ONE);
        let rows: Vec<Row> = (0..rows).map(place).collect();
        let peeled = peel(&rows, sparse as usize, shape.dense as usize);
        failed += u32::from(matches!(peeled, Err(OkvsError::Gap)));
    }
    f64::from(failed) / f64::from(trials)
}

/// Rates stay below the model's 2^-λ, and fall as λ grows.
fn assert_curve(rows: u32, lambdas: &[u32], trials: u32, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut before = 1.0;
    for &lambda in lambdas {
        let rate = failure_rate(rows, lambda, trials, &mut rng);
        let model = (-f64::from(lambda)).exp2();
        let deviation = (model / f64::from(trials)).sqrt();
        println!(
            "{rows} rows, error 2^-{lambda}: {rate:.6}, 2^{:.2}",
            rate.log2()
        );
        assert!(
            rate <= model + 4.0 * deviation,
            "{rows} rows, 2^-{lambda}: {rate}"
        );
        assert!(
            rate <= before + 4.0 * deviation,
            "{rows} rows, 2^-{lambda}: {rate} after {before}"
        );
        before = rate;
    }
    // A test that could not fail would prove nothing: at the least error there are failures.
    let rate = failure_rate(rows, 0, trials.min(10_000), &mut rng);
    assert!(rate > 0.0, "{rows} rows never fail");
}

#[test]
fn failures_stay_below_the_model() {
    assert_curve(1024, &[2, 6, 10], 10_000, 20);
}

#[test]
#[ignore = "minutes: the whole curve at 10^5 trials"]
fn failures_stay_below_the_model_in_a_hundred_thousand_trials() {
    let all: Vec<u32> = (2..=12).collect();
    assert_curve(1024, &all, 100_000, 21);
    assert_curve(4096, &[2, 4, 6, 8], 100_000, 22);
}

/// Measured share of throws in which the fullest bin exceeds `most`, and the exact probability
/// that one bin does, times the bins.
fn overflow_rates(class: u32, bins: u32, most: u32, trials: u32) -> (f64, f64) {
    let mut rng = StdRng::seed_from_u64(23);
    let shape = Shape {
        class,
        bins,
        bin_rows: most,
        sparse: 1000,
        dense: 3,
    };
    let okvs = Okvs::new(shape, &RUN, &[0; 16]);
    let mut over = 0;
    for _ in 0..trials {
        let mut counts = vec![0; bins as usize];
        for _ in 0..class {
            let row = okvs.place(Gf128::from_bits(rng.random()), Gf128::ONE);
            *counts.get_mut(row.bin() as usize).unwrap() += 1;
        }
        over += u32::from(counts.iter().max().is_some_and(|&fullest| fullest > most));
    }
    let (n, p) = (f64::from(class), 1.0 / f64::from(bins));
    let mut term = n * (1.0 - p).ln();
    let mut tail = if most == 0 { term.exp() } else { 0.0 };
    for k in 1..=class {
        term += ((n - f64::from(k) + 1.0) / f64::from(k) * p / (1.0 - p)).ln();
        if k > most {
            tail += term.exp();
        }
    }
    (f64::from(over) / f64::from(trials), tail * f64::from(bins))
}

#[test]
fn the_fullest_bin_is_binomial() {
    // Where it is rare, the union over bins is close: the measured rate must meet the exact one.
    for (class, bins, most) in [(2000, 8, 292), (1000, 4, 284), (3000, 20, 187)] {
        let trials = 6000;
        let (measured, exact) = overflow_rates(class, bins, most, trials);
        assert!((0.003..0.05).contains(&exact), "{exact}");
        let deviation = (exact / f64::from(trials)).sqrt();
        assert!(
            (measured - exact).abs() <= 4.5 * deviation + 0.05 * exact,
            "{measured} {exact}"
        );
        let bound = overflow_log2(class, bins, most).exp2() * f64::from(bins);
        assert!((exact..1.3 * exact).contains(&bound));
    }
}
