//! Times the stages of a batch run in one thread: `cargo run --release -p blindmatch-vole
//! --example stages -- 20` for a size class of 2^20, half of which both sides have.

#![expect(
    clippy::disallowed_methods,
    reason = "an example that measures reads a clock"
)]
#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::time::Instant;

use blindmatch_vole::online::{Binned, Matching};
use blindmatch_vole::setup::{receiver, sender};
use blindmatch_vole::{Decoded, Evaluations, Gf128, ItemHasher, Okvs, SenderKey, SessionId, Shape};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn stage<T>(name: &str, class: u32, work: impl FnOnce() -> T) -> T {
    let (start, busy) = (Instant::now(), processor_seconds());
    let result = work();
    let wall = start.elapsed().as_secs_f64();
    let busy = processor_seconds()
        .zip(busy)
        .map_or(wall, |(now, then)| now - then);
    let each = busy * 1e9 / f64::from(class);
    println!(
        "{name:<28} wall {:>8.1} ms  processor {:>8.1} ms {each:>7.1} ns/item",
        wall * 1e3,
        busy * 1e3
    );
    result
}

/// Time that this thread ran, where Linux says; on a busy machine wall time means little.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(stat.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

fn main() {
    let log: u32 = std::env::args()
        .nth(1)
        .map_or(16, |arg| arg.parse().unwrap());
    let class = 1 << log;
    let shape = Shape::for_class(class).unwrap();
    let session = SessionId::new(b"stages", &shape, &[1; 32], &[2; 32]);
    let mut rng = StdRng::seed_from_u64(1);
    let whole = 0..shape.bins();
    assert_eq!(shape.chunks().len(), 1, "one chunk only");
    let dimensions = shape.dimensions(&whole);
    println!(
        "2^{log}: {} entries, {} leaves in each of {} trees",
        dimensions.entries(),
        dimensions.block(),
        dimensions.trees()
    );

    let (s, f1) = stage("S  F1 base OT", class, || {
        sender::start(session, dimensions, &mut rng)
    });
    let (r, f2) = stage("R  F2 base OT, OT extension", class, || {
        receiver::start(session, dimensions)
            .receive(&f1, &mut rng)
            .unwrap()
    });
    let (s, f3) = stage("S  F3 base OT, OT extension", class, || {
        s.receive(&f2, &mut rng).unwrap()
    });
    let (r, f4) = stage("R  F4 response", class, || r.receive(&f3).unwrap());
    let (s, f5) = stage("S  F5 verify, trees", class, || {
        s.receive(&f4, &mut rng).unwrap()
    });
    let (r, f6) = stage("R  F6 trees, check", class, || {
        r.receive(&f5, &mut rng).unwrap()
    });
    let (s, f7) = stage("S  F7 check", class, || s.receive(&f6).unwrap());
    let r = r.receive(&f7).unwrap();
    let s = stage("S  expand b", class, || s.expand());
    let r = stage("R  expand a and c", class, || r.expand());

    let hasher = ItemHasher::new(&[3; 32], &session);
    let items = |from: u32| {
        (from..from + class)
            .map(|n| hasher.hash(&[&[1, 1], n.to_be_bytes().as_slice()].concat()))
            .collect::<Vec<_>>()
    };
    let xs = stage("   hash items (each side)", class, || items(0));
    let ys = items(class / 2);
    let (seed, vector) = stage("R  OKVS encode", class, || {
        Okvs::encode_fresh(shape, &session, &xs, &mut rng).unwrap()
    });
    let okvs = Okvs::new(shape, &session, &seed);
    let (r, masked): (Vec<_>, Vec<_>) = stage("R  F8 mask", class, || {
        let bins = r.into_bins(&shape, whole.clone()).unwrap();
        let parts = bins.into_iter().zip(vector.chunks(shape.width()));
        parts.map(|(bin, p)| bin.mask(&shape, p).unwrap()).unzip()
    });
    let s: Vec<_> = stage("S  F8 unmask", class, || {
        let bins = s.into_bins(&shape, whole.clone()).unwrap();
        let parts = bins.into_iter().zip(&masked);
        parts
            .map(|(bin, part)| bin.unmask(&shape, part).unwrap())
            .collect()
    });

    let binned = |items: &[blindmatch_vole::Item]| Binned::new(&okvs, items);
    let order = stage("   partition (each side)", class, || binned(&ys));
    let w = Gf128::random(&mut rng);
    let evaluated: Vec<_> = stage("S  evaluate", class, || {
        let each = |(bin, key): (u32, &SenderKey)| {
            let items = order.bin(bin);
            key.evaluate(&okvs, items.xs, items.vs, w).unwrap()
        };
        (0..).zip(&s).map(each).collect()
    });
    let mut tags: Vec<u128> = stage("S  tag", class, || {
        let each = |(bin, u): (u32, &Evaluations)| u.tags(order.bin(bin).xs).unwrap();
        (0..).zip(&evaluated).flat_map(each).collect()
    });
    stage("S  sort tags", class, || tags.sort_unstable());
    let order = binned(&xs);
    let decoded = stage("R  decode", class, || {
        let mut all = Decoded::with_capacity(xs.len());
        for (bin, key) in (0..).zip(&r) {
            all.append(&key.decode(&okvs, order.bin(bin).xs).unwrap());
        }
        all
    });
    let in_order: Vec<_> = (0..shape.bins())
        .flat_map(|bin| order.bin(bin).xs.to_vec())
        .collect();
    let places: Vec<_> = (0..class).collect();
    let mut matching = stage("R  tag, sort", class, || {
        Matching::new(&decoded.evaluate(w), &in_order, &places).unwrap()
    });
    stage("R  match", class, || {
        tags.iter().for_each(|&tag| matching.tag(tag))
    });
    assert_eq!(matching.hits().len(), class as usize / 2);
}
