//! What a second thread gains, on batches that rayon spreads.

use std::time::Instant;

use anyhow::ensure;
use blindmatch_oprf::{MAX_BATCH, SecretKey, voprf};
use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{blinds, inputs};

/// The rates of one thread and of two that evaluate an own set of so many full batches.
pub(super) fn own_set(units: usize, rounds: usize) -> anyhow::Result<[f64; 2]> {
    let key = SecretKey::random(&mut StdRng::seed_from_u64(2));
    let items: Vec<_> = (0..units).flat_map(inputs).collect();
    rates(items.len(), rounds, || {
        let outputs = voprf::evaluate_batch(&key, &items)?;
        ensure!(outputs.len() == items.len(), "outputs were lost");
        Ok(())
    })
}

/// The rates of one thread and of two that evaluate and prove so many full batches of queries.
pub(super) fn served(units: usize, rounds: usize) -> anyhow::Result<[f64; 2]> {
    let key = SecretKey::random(&mut StdRng::seed_from_u64(3));
    let queries = (0..units.min(4))
        .map(|unit| Ok(voprf::blind_batch(&inputs(unit), &blinds(unit as u64))?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    rates(units * MAX_BATCH, rounds, || serve(&key, &queries, units))
}

/// What a profile is taken of.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Work {
    /// Evaluate a set of one's own.
    OwnSet,
    /// Evaluate and prove queries.
    Served,
}

/// Does this for about so many items, on all threads, and prints what one took.
pub(crate) fn once(work: Work, items: usize) -> anyhow::Result<()> {
    let units = items.div_ceil(MAX_BATCH);
    let items = units * MAX_BATCH;
    let inputs = (0..units).flat_map(inputs).collect::<Vec<_>>();
    let key = SecretKey::random(&mut StdRng::seed_from_u64(4));
    let queries = voprf::blind_batch(&inputs[..MAX_BATCH], &blinds(1))?;
    let started = Instant::now();
    match work {
        Work::OwnSet => {
            std::hint::black_box(voprf::evaluate_batch(&key, &inputs)?);
        }
        Work::Served => serve(&key, &[queries], units)?,
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.3} us an item", seconds / items as f64 * 1e6);
    Ok(())
}

/// Answers so many batches, which are these in turn.
fn serve(key: &SecretKey, queries: &[Vec<[u8; 32]>], units: usize) -> anyhow::Result<()> {
    (0..units).into_par_iter().try_for_each(|unit| {
        let (answer, _) =
            voprf::blind_evaluate_batch(key, &queries[unit % queries.len()], &[7; 32])?;
        ensure!(answer.len() == MAX_BATCH, "answers were lost");
        Ok(())
    })
}

fn rates(
    items: usize,
    rounds: usize,
    work: impl Fn() -> anyhow::Result<()> + Sync,
) -> anyhow::Result<[f64; 2]> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build();
    let pools: [ThreadPool; 2] = [pool(1)?, pool(2)?];
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (pool, best) in pools.iter().zip(&mut best) {
            let started = Instant::now();
            pool.install(&work)?;
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    Ok(best.map(|seconds| items as f64 / seconds))
}
