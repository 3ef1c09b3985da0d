//! `oprf`: what the batched OPRF costs over the curve25519-dalek operations that it needs, and
//! what a second thread gains.
//!
//! All operations handle the same batch of [`MAX_BATCH`] elements, ours and dalek's in turns in
//! one process; of each the best round counts. A ratio is our time for an item over the sum of
//! these:
//!
//! | ours | dalek's, for each item |
//! |---|---|
//! | blind | map, multiply, encode |
//! | `blind_evaluate`, with its proof | decode, multiply, encode; weight, combine |
//! | finalize, with verification | decode twice, weight, combine twice; invert, multiply, encode |
//! | blind, additive | map, multiply the generator, compress |
//! | finalize, additive | decode twice, weight, combine twice; multiply by a table, compress |
//! | own set: evaluate | map, multiply, encode |
//!
//! Hashing is not dalek's, and what a proof needs once a batch is not counted for dalek: both
//! stand in our time only. `evaluate_overhead` is the same ratio over all that one item costs both
//! sides together, blind, `blind_evaluate` and finalize: with the RFC's blinding or with additive
//! blinding, whichever is worse.
//!
//! Ratios of rates against dalek (`server_evaluate_vs_dalek`, `own_set_vs_dalek`,
//! `client_vs_dalek`) will come with kernels that are not dalek's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{Blind, MAX_BATCH, SecretKey, voprf};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Scale;
use crate::report::Report;

/// What blinding an item needs of dalek, and evaluating an item of one's own.
const BLIND: &[&str] = &["map", "multiply", "encode"];
const BLIND_EVALUATE: &[&str] = &["decode", "multiply", "encode", "weight", "combine"];
const FINALIZE: &[&str] = &[
    "decode", "decode", "weight", "combine", "combine", "invert", "multiply", "encode",
];
const BLIND_ADDITIVE: &[&str] = &["map", "multiply_generator", "compress"];
const FINALIZE_ADDITIVE: &[&str] = &[
    "decode",
    "decode",
    "weight",
    "combine",
    "combine",
    "multiply_table",
    "compress",
];

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let (rounds, units) = if scale == Scale::Full {
        (20, 24)
    } else {
        (3, 4)
    };
    let mut report = Report::new("oprf");
    let best = overheads(rounds)?;
    for (name, figure) in [
        ("blind_us", "blind"),
        ("blind_evaluate_us", "blind_evaluate"),
        ("finalize_us", "finalize"),
        ("blind_additive_us", "blind_additive"),
        ("finalize_additive_us", "finalize_additive"),
        ("own_set_us", "own_set"),
        ("dalek_map_us", "map"),
        ("dalek_decode_us", "decode"),
        ("dalek_multiply_us", "multiply"),
        ("dalek_encode_us", "encode"),
        ("dalek_combine_us", "combine"),
        ("dalek_multiply_generator_us", "multiply_generator"),
        ("dalek_compress_us", "compress"),
    ] {
        report.figure(name, best.of(figure) * 1e6);
    }
    for (name, ours, dalek) in [
        ("blind_overhead", "blind", BLIND),
        ("blind_evaluate_overhead", "blind_evaluate", BLIND_EVALUATE),
        ("finalize_overhead", "finalize", FINALIZE),
        ("blind_additive_overhead", "blind_additive", BLIND_ADDITIVE),
        (
            "finalize_additive_overhead",
            "finalize_additive",
            FINALIZE_ADDITIVE,
        ),
        ("own_set_overhead", "own_set", BLIND),
    ] {
        report.ratio(name, Some(best.of(ours) / best.sum(dalek)));
    }
    let clients = [
        (["blind", "finalize"], [BLIND, FINALIZE]),
        (
            ["blind_additive", "finalize_additive"],
            [BLIND_ADDITIVE, FINALIZE_ADDITIVE],
        ),
    ];
    let worse = clients
        .map(|(ours, dalek)| {
            let ours = best.sum(&ours) + best.of("blind_evaluate");
            ours / (best.sum(&dalek.concat()) + best.sum(BLIND_EVALUATE))
        })
        .into_iter()
        .fold(f64::NAN, f64::max);
    report.ratio("evaluate_overhead", Some(worse));
    report.note(
        "an overhead is our time for an item over that of map, multiply, encode to blind; decode, \
         multiply, encode, weight, combine to evaluate and prove; 2 decode, weight, 2 combine, \
         invert, multiply, encode to verify and finalize; evaluate_overhead is of all three"
            .to_owned(),
    );

    let [one, two] = own_set(units, rounds.min(5))?;
    report.figure("own_set_1_thread_per_s", one);
    report.figure("own_set_2_threads_per_s", two);
    report.ratio("threads_2_vs_1", Some(two / one));
    Ok(report)
}

/// The least time that each operation took, in seconds for each of a batch's items.
#[derive(Default)]
struct Best(BTreeMap<&'static str, f64>);

impl Best {
    fn time<T>(&mut self, operation: &'static str, run: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let made = std::hint::black_box(run());
        let seconds = started.elapsed().as_secs_f64() / MAX_BATCH as f64;
        let best = self.0.entry(operation).or_insert(f64::INFINITY);
        *best = best.min(seconds);
        made
    }

    fn of(&self, operation: &str) -> f64 {
        self.0.get(operation).copied().unwrap_or(f64::NAN)
    }

    fn sum(&self, operations: &[&str]) -> f64 {
        operations.iter().map(|operation| self.of(operation)).sum()
    }
}

fn overheads(rounds: usize) -> anyhow::Result<Best> {
    let mut rng = StdRng::seed_from_u64(1);
    let key = SecretKey::random(&mut rng);
    let scalar = scalar(&key.to_bytes())?;
    let authenticated = AuthenticatedKey::vouch(key.public_key().clone());
    let inputs = inputs(0);

    let mut best = Best::default();
    for round in 0..rounds {
        let mut ours = Ours::default();
        let blinds = || blinds(round as u64);
        ours.run(&mut best, &key, &authenticated, &inputs, &blinds)?;
        let evaluated = dalek(&mut best, &ours.blinded, &scalar, &blinds(), &mut rng)?;
        ensure!(
            evaluated == ours.evaluated,
            "dalek's operations are not those that the evaluation needs"
        );
    }
    Ok(best)
}

/// What the dalek operations take over from one round of ours.
#[derive(Default)]
struct Ours {
    blinded: Vec<[u8; 32]>,
    evaluated: Vec<[u8; 32]>,
}

impl Ours {
    fn run(
        &mut self,
        best: &mut Best,
        key: &SecretKey,
        authenticated: &AuthenticatedKey,
        inputs: &[[u8; 5]],
        blinds: &dyn Fn() -> Vec<Blind>,
    ) -> anyhow::Result<()> {
        let fresh = [7; 32];
        let own = best.time("own_set", || voprf::evaluate_batch(key, inputs))?;

        let rs = blinds();
        let blinded = best.time("blind", || voprf::blind_batch(inputs, &rs))?;
        let (evaluated, proof) = best.time("blind_evaluate", || {
            voprf::blind_evaluate_batch(key, &blinded, &fresh)
        })?;
        let outputs = best.time("finalize", || {
            voprf::finalize_batch(inputs, &rs, &evaluated, &blinded, key.public_key(), &proof)
        })?;
        ensure!(outputs == own, "the RFC's blinding gave other outputs");

        let additive = best.time("blind_additive", || Blinded::new(inputs, rs))?;
        let (answer, proof) = voprf::blind_evaluate_batch(key, additive.elements(), &fresh)?;
        let outputs = best.time("finalize_additive", || {
            additive
                .verify(&answer, authenticated, &proof)?
                .finalize(inputs)
        })?;
        ensure!(outputs == own, "additive blinding gave other outputs");
        (self.blinded, self.evaluated) = (blinded, evaluated);
        Ok(())
    }
}

/// One round of each dalek operation; what they make of the blinded elements.
fn dalek(
    best: &mut Best,
    blinded: &[[u8; 32]],
    key: &Scalar,
    blinds: &[Blind],
    rng: &mut StdRng,
) -> anyhow::Result<Vec<[u8; 32]>> {
    let mut uniform = vec![[0; 64]; MAX_BATCH];
    rng.fill_bytes(uniform.as_flattened_mut());
    let mut scalars = blinds
        .iter()
        .map(|blind| scalar(&blind.to_bytes()))
        .collect::<anyhow::Result<Vec<_>>>()?;

    best.time("map", || {
        uniform
            .iter()
            .map(RistrettoPoint::from_uniform_bytes)
            .collect::<Vec<_>>()
    });
    let points = best.time("decode", || {
        blinded
            .iter()
            .map(|bytes| CompressedRistretto(*bytes).decompress())
            .collect::<Option<Vec<_>>>()
    });
    let points = points.context("a blinded element does not decode")?;
    let half = key.div_by_2();
    let products = best.time("multiply", || {
        points.iter().map(|point| point * half).collect::<Vec<_>>()
    });
    let encoded = best.time("encode", || {
        RistrettoPoint::double_and_compress_batch(&products)
    });
    let weights = best.time("weight", || {
        uniform
            .iter()
            .map(Scalar::from_bytes_mod_order_wide)
            .collect::<Vec<_>>()
    });
    best.time("combine", || {
        RistrettoPoint::vartime_multiscalar_mul(&weights, &points)
    });
    let table = RistrettoBasepointTable::create(&products[0]);
    best.time("multiply_generator", || {
        scalars
            .iter()
            .map(RistrettoPoint::mul_base)
            .collect::<Vec<_>>()
    });
    best.time("multiply_table", || {
        scalars.iter().map(|r| &table * r).collect::<Vec<_>>()
    });
    best.time("compress", || {
        points
            .iter()
            .map(RistrettoPoint::compress)
            .collect::<Vec<_>>()
    });
    best.time("invert", || Scalar::invert_batch_alloc(&mut scalars));
    Ok(encoded.iter().map(CompressedRistretto::to_bytes).collect())
}

/// The rates of one thread and of two that evaluate an own set of so many full batches.
fn own_set(units: usize, rounds: usize) -> anyhow::Result<[f64; 2]> {
    let key = SecretKey::random(&mut StdRng::seed_from_u64(2));
    let batches = (0..units).map(inputs).collect::<Vec<_>>();
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        for (threads, best) in (1..).zip(&mut best) {
            let started = Instant::now();
            evaluate_on(threads, &key, &batches)?;
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    Ok(best.map(|seconds| (units * MAX_BATCH) as f64 / seconds))
}

/// Evaluates batches on so many threads, each of which takes the next batch when it is free.
fn evaluate_on(threads: usize, key: &SecretKey, batches: &[Vec<[u8; 5]>]) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            std::hint::black_box(voprf::evaluate_batch(key, batch)?);
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let handles = (0..threads).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        handles
            .into_iter()
            .try_for_each(|handle| handle.join().unwrap_or_else(|_| unreachable!()))
    })
}

/// A batch of inputs as long as an encoded IPv4 address.
fn inputs(batch: usize) -> Vec<[u8; 5]> {
    let first = batch * MAX_BATCH;
    (first..first + MAX_BATCH)
        .map(|number| {
            let [.., a, b, c, d] = number.to_be_bytes();
            [4, a, b, c, d]
        })
        .collect()
}

fn blinds(seed: u64) -> Vec<Blind> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..MAX_BATCH).map(|_| Blind::random(&mut rng)).collect()
}

fn scalar(bytes: &[u8; 32]) -> anyhow::Result<Scalar> {
    Option::from(Scalar::from_canonical_bytes(*bytes)).context("not a scalar")
}
