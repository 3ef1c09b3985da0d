//! `oprf`: what the batched OPRF costs over the curve25519-dalek operations that it needs, and
//! what a second thread gains.
//!
//! All operations handle the same batch of [`MAX_BATCH`] elements, ours on each backend and dalek's
//! in turns in one process; of each the best round counts. A cost is our time for an item, and
//! dalek's is the sum of these:
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
//! stand in our time only.
//!
//! An overhead is our cost over dalek's where our batches run on dalek's own operations
//! ([`Backend::SERIAL`]): what batching costs. `evaluate_overhead` is that of all that one item
//! costs both sides together, blind, `blind_evaluate` and finalize: with the RFC's blinding or with
//! additive blinding, whichever is worse.
//!
//! `*_vs_dalek` are our rates over dalek's where our batches run on the process's backend, the
//! fastest of this processor or what `BLINDMATCH_SIMD` names: what its kernels gain. They are `null`
//! where that is dalek's. `server_evaluate` is decode, multiply, encode without a proof,
//! `server_prove` the same with it. The client blinds and finalizes, by either blinding: each step for
//! itself, and `client` the two together, of the blinding that gains less. Hashing to the group and encoding stand for themselves.
//!
//! `server_proof_share` and `client_proof_share` are rates with the proof over those without: the
//! client's are those of the RFC's blinding in its two modes, since additive blinding has no output
//! without a proof.
//!
//! Which backend dalek has is chosen when it is compiled: `bench/dalek-avx512` measures against both.

mod kernels;
pub(crate) mod threads;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, ensure};
use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{Backend, Blind, MAX_BATCH, SecretKey, backend, oprf, voprf, with_backend};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::report::Report;
use crate::{Scale, lookup};

/// What blinding an item needs of dalek, and evaluating an item of one's own.
const BLIND: &[&str] = &["map", "multiply", "encode"];
const EVALUATE: &[&str] = &["decode", "multiply", "encode"];
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

/// What the client does with the RFC's blinding and with additive blinding, ours and dalek's.
const CLIENTS: [([&str; 2], [&[&str]; 2]); 2] = [
    (["blind", "finalize"], [BLIND, FINALIZE]),
    (
        ["blind_additive", "finalize_additive"],
        [BLIND_ADDITIVE, FINALIZE_ADDITIVE],
    ),
];

pub(crate) fn run(scale: Scale) -> anyhow::Result<Report> {
    let mut report = Report::new("oprf");
    let fastest = backend();
    let (rounds, units) = match scale {
        Scale::Small => (3, 4),
        Scale::Full if fastest == Backend::SERIAL => (20, 24),
        // As many batches as 10^6 items fill: ten seconds, where one item at a time takes minutes.
        Scale::Full => (20, 1_000_000_usize.div_ceil(MAX_BATCH)),
    };
    let vector = (fastest != Backend::SERIAL).then_some(fastest);
    let best = measure(rounds, vector)?;
    report_overheads(&mut report, &best);
    report_gains(&mut report, &best, vector);

    let own_set = threads::own_set(units, rounds.min(2))?;
    report.figure("own_set_1_thread_per_s", own_set[0]);
    report.figure("own_set_2_threads_per_s", own_set[1]);
    let served = threads::served(units, rounds.min(2))?;
    report.figure("served_1_thread_per_s", served[0]);
    report.figure("served_2_threads_per_s", served[1]);
    report.figure("threads_items", (units * MAX_BATCH) as f64);
    report.ratio("threads_2_vs_1", Some(own_set[1] / own_set[0]));
    report.ratio("served_threads_2_vs_1", Some(served[1] / served[0]));
    let items = if scale == Scale::Full {
        1 << 20
    } else {
        1 << 16
    };
    report.figure("prepared_set_items", items as f64);
    report.figure("prepared_set_s", lookup::prepared_set(items)?);
    report.note(format!(
        "own_set_*, served_*, prepared_set_s and threads_2_vs_1 are of the backend {}; served are \
         queries evaluated and proven; a prepared set goes from the text of IPv4 addresses to the \
         file, on all threads",
        fastest.name()
    ));
    Ok(report)
}

/// Our batches on dalek's own operations, against these.
fn report_overheads(report: &mut Report, best: &Measured) {
    let Measured { serial, dalek, .. } = best;
    for (name, operation) in [
        ("blind_us", "blind"),
        ("blind_evaluate_us", "blind_evaluate"),
        ("finalize_us", "finalize"),
        ("blind_additive_us", "blind_additive"),
        ("finalize_additive_us", "finalize_additive"),
        ("own_set_us", "own_set"),
    ] {
        report.figure(name, serial.of(operation) * 1e6);
    }
    for (name, operation) in [
        ("dalek_map_us", "map"),
        ("dalek_decode_us", "decode"),
        ("dalek_multiply_us", "multiply"),
        ("dalek_encode_us", "encode"),
        ("dalek_combine_us", "combine"),
        ("dalek_multiply_generator_us", "multiply_generator"),
        ("dalek_compress_us", "compress"),
    ] {
        report.figure(name, dalek.of(operation) * 1e6);
    }
    for (name, ours, needed) in [
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
        report.ratio(name, Some(serial.of(ours) / dalek.sum(needed)));
    }
    let worse = CLIENTS
        .map(|(ours, needed)| {
            let ours = serial.sum(&ours) + serial.of("blind_evaluate");
            ours / (dalek.sum(&needed.concat()) + dalek.sum(BLIND_EVALUATE))
        })
        .into_iter()
        .fold(f64::NAN, f64::max);
    report.ratio("evaluate_overhead", Some(worse));
    report.note(format!(
        "an overhead is our time for an item, with batches on dalek's own operations (backend {}), \
         over that of map, multiply, encode to blind; decode, multiply, encode, weight, combine to \
         evaluate and prove; 2 decode, weight, 2 combine, invert, multiply, encode to verify and \
         finalize; evaluate_overhead is of all three",
        Backend::SERIAL.name()
    ));
}

/// Our batches on vectorised kernels, against dalek's operations.
fn report_gains(report: &mut Report, best: &Measured, backend: Option<Backend>) {
    let Measured { vector, dalek, .. } = best;
    if backend.is_some() {
        for (name, operation) in [
            ("vector_evaluate_us", "evaluate"),
            ("vector_hash_to_group_us", "hash_to_group"),
            ("vector_encode_us", "encode"),
            ("vector_blind_us", "blind"),
            ("vector_blind_evaluate_us", "blind_evaluate"),
            ("vector_finalize_us", "finalize"),
            ("vector_blind_additive_us", "blind_additive"),
            ("vector_finalize_additive_us", "finalize_additive"),
            ("vector_own_set_us", "own_set"),
        ] {
            report.figure(name, vector.of(operation) * 1e6);
        }
        report.figure("server_evaluate_per_s", 1.0 / vector.of("evaluate"));
    }
    report.figure("dalek_server_evaluate_us", dalek.sum(EVALUATE) * 1e6);
    let measured = |gain: f64| backend.map(|_| gain);
    let server = dalek.sum(EVALUATE) / vector.of("evaluate");
    let prover = dalek.sum(BLIND_EVALUATE) / vector.of("blind_evaluate");
    let own_set = dalek.sum(BLIND) / vector.of("own_set");
    let client = CLIENTS
        .map(|(ours, needed)| dalek.sum(&needed.concat()) / vector.sum(&ours))
        .into_iter()
        .fold(f64::NAN, f64::min);
    report.ratio("server_evaluate_vs_dalek", measured(server));
    report.ratio("server_prove_vs_dalek", measured(prover));
    let hash_to_group = dalek.of("map") / vector.of("hash_to_group");
    report.ratio("hash_to_group_vs_dalek", measured(hash_to_group));
    let encode = dalek.of("encode") / vector.of("encode");
    report.ratio("encode_vs_dalek", measured(encode));
    report.ratio("own_set_vs_dalek", measured(own_set));
    report.ratio("client_vs_dalek", measured(client));
    for (name, ours, needed) in [
        ("blind_vs_dalek", "blind", BLIND),
        ("finalize_vs_dalek", "finalize", FINALIZE),
        ("blind_additive_vs_dalek", "blind_additive", BLIND_ADDITIVE),
        (
            "finalize_additive_vs_dalek",
            "finalize_additive",
            FINALIZE_ADDITIVE,
        ),
    ] {
        report.ratio(name, measured(dalek.sum(needed) / vector.of(ours)));
    }
    let share = |without: &[&str], with: &[&str]| vector.sum(without) / vector.sum(with);
    let server = share(&["evaluate"], &["blind_evaluate"]);
    let client = share(&["blind", "finalize_unproved"], &["blind", "finalize"]);
    report.ratio("server_proof_share", measured(server));
    report.ratio("client_proof_share", measured(client));
    report.note(backend.map_or_else(
        || {
            let why = if Backend::detect() == Backend::SERIAL {
                "this processor has no vector backend"
            } else {
                "BLINDMATCH_SIMD names dalek's own operations"
            };
            format!("*_vs_dalek and *_proof_share are not measured: {why}")
        },
        |backend| {
            format!(
                "*_vs_dalek are rates of the backend {} over those of the same dalek operations, \
                 dalek's backend {}; *_proof_share are its rates with the proof over those without",
                backend.name(),
                dalek_backend()
            )
        },
    ));
}

/// What dalek was compiled with, which all crates of the build are told.
#[expect(unexpected_cfgs, reason = "dalek's own, which it declares for itself")]
const fn dalek_backend() -> &'static str {
    if cfg!(curve25519_dalek_backend = "avx512") {
        "avx512"
    } else if cfg!(curve25519_dalek_backend = "serial") {
        "serial"
    } else {
        "default"
    }
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

/// Ours on dalek's operations, ours on vectorised kernels where there are any, and dalek's.
#[derive(Default)]
struct Measured {
    serial: Best,
    vector: Best,
    dalek: Best,
}

fn measure(rounds: usize, vector: Option<Backend>) -> anyhow::Result<Measured> {
    let mut rng = StdRng::seed_from_u64(1);
    let key = SecretKey::random(&mut rng);
    let scalar = scalar(&key.to_bytes())?;
    let inputs = inputs(0);

    let mut best = Measured::default();
    for round in 0..rounds {
        let mut ours = Ours::default();
        let blinds = || blinds(round as u64);
        let mut run = |backend, best: &mut Best| {
            with_backend(backend, || {
                // Its table stays on the backend that made it.
                let authenticated = AuthenticatedKey::vouch(key.public_key().clone());
                ours.run(best, &key, &authenticated, &inputs, &blinds)
            })
        };
        if let Some(vector) = vector {
            run(vector, &mut best.vector)?;
            kernels::run(vector, &mut best.vector, &inputs);
        }
        run(Backend::SERIAL, &mut best.serial)?;
        let evaluated = dalek(&mut best.dalek, &ours.blinded, &scalar, &blinds(), &mut rng)?;
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
        let unproved = best.time("evaluate", || oprf::blind_evaluate_batch(key, &blinded))?;
        let (evaluated, proof) = best.time("blind_evaluate", || {
            voprf::blind_evaluate_batch(key, &blinded, &fresh)
        })?;
        let outputs = best.time("finalize", || {
            voprf::finalize_batch(inputs, &rs, &evaluated, &blinded, key.public_key(), &proof)
        })?;
        ensure!(outputs == own, "the RFC's blinding gave other outputs");
        ensure!(unproved == evaluated, "the proof changed the answer");
        let outputs = best.time("finalize_unproved", || {
            oprf::finalize_batch(inputs, &rs, &evaluated)
        })?;
        ensure!(outputs == own, "the two modes finalize alike");

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
