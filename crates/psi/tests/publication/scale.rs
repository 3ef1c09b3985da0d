//! Sizes, and memory that does not grow with the set.

#![expect(
    clippy::disallowed_methods,
    reason = "a test of scale reads clock and memory"
)]

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    time::Instant,
};

use blindmatch_psi::publication::{
    Changes, DummySeed, Edition, Epoch, FirstPublication, Newest, Outputs, Publication, SetClass,
    TagLength, apply,
};
use blindmatch_testkit::{FromStart, OnDisk, TemporaryFiles};

use crate::world::{QUERIES, Scripted, domain, item, label};

pub(crate) fn edition(class: SetClass, queries: u64) -> Edition {
    let tag_length = TagLength::for_budget(queries, class).unwrap();
    Edition::new(class, tag_length, 1, 1).unwrap()
}

/// Bits per entry without labels, over f + 1.44 bits.
pub(crate) fn ratio_to_limit(edition: &Edition) -> f64 {
    let entries = edition.class().entries() as f64;
    let bits = (edition.file_length() - edition.labels_length()) as f64 * 8.0 / entries;
    let f = f64::from(edition.tag_length().bits()) - entries.log2();
    bits / (f + 1.44)
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    peak.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[test]
fn the_stated_size_of_a_million_entries() {
    let edition = edition(SetClass::from_entries(1 << 20).unwrap(), QUERIES);
    assert_eq!(edition.tag_length().bits(), 83);
    let bits = (edition.file_length() - edition.labels_length()) * 8;
    let per_entry = bits as f64 / f64::from(1 << 20);
    println!(
        "{per_entry:.2} bits per entry, {:.4} of the limit",
        ratio_to_limit(&edition)
    );
}

/// `BLINDMATCH_ITEMS=10000000 cargo test --release -p blindmatch-psi --test publication -- \
/// --ignored --nocapture large_sets`
#[test]
#[ignore = "takes minutes; run alone, since it measures the memory of the process"]
fn large_sets_need_the_working_set_only() {
    const WORKING_SET: usize = 8 << 20;
    let items = std::env::var("BLINDMATCH_ITEMS").map_or(1_000_000, |n| n.parse().unwrap());
    let before = peak_memory();
    let mut epoch = Epoch::begin(domain(), QUERIES, 1).unwrap();
    let seed = DummySeed::new([3; 32]);
    let mut random = Scripted::new();
    let started = Instant::now();
    let mut first = FirstPublication::new(&TemporaryFiles, WORKING_SET).unwrap();
    for number in 0..items {
        first.push(&item(number), &label(number)).unwrap();
    }
    let reservation = epoch.reserve().unwrap().stored();
    let (file, roll) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let published = first
        .publish(
            &mut epoch,
            reservation,
            &seed,
            &mut random,
            BufWriter::new(&file),
            BufWriter::new(&roll),
        )
        .unwrap();
    let (edition, root) = (published.edition, published.root);
    let (file, roll) = (OnDisk(file), OnDisk(roll));
    assert_eq!(published.items, items);
    println!(
        "{items} items, {} entries, {:?}",
        edition.class().entries(),
        started.elapsed()
    );
    println!(
        "{:.3} bytes per entry without labels, {:.3} with; {:.4} of the limit",
        (edition.file_length() - edition.labels_length()) as f64 / edition.class().entries() as f64,
        edition.file_length() as f64 / edition.class().entries() as f64,
        ratio_to_limit(&edition),
    );
    println!(
        "peak memory of building: {} KiB",
        (peak_memory() - before) >> 10
    );

    let started = Instant::now();
    let publication = Publication::verify(file, edition, root).unwrap();
    println!("verified in {:?}", started.elapsed());
    let started = Instant::now();
    let mut queries: Vec<_> = (items - 10_000..items + 10_000).map(item).collect();
    queries.sort_unstable();
    let mut matches = 0;
    publication.lookup(&queries, |_| matches += 1).unwrap();
    assert_eq!(matches, 10_000);
    println!("20,000 looked up in {:?}", started.elapsed());

    let started = Instant::now();
    let churn = edition.class().churn();
    let mut changes = Changes::new(&epoch, &TemporaryFiles, WORKING_SET).unwrap();
    for number in 0..churn {
        changes.remove(number, &item(number)).unwrap();
        let added = changes.add(number, &item(items + number), &label(number));
        added.unwrap();
    }
    let reservation = epoch.reserve().unwrap().stored();
    let written: [File; 3] = std::array::from_fn(|_| tempfile::tempfile().unwrap());
    let [mut next, mut difference, mut next_roll] = written.each_ref().map(BufWriter::new);
    let published = changes
        .publish(
            &mut epoch,
            reservation,
            &seed,
            &mut random,
            &Newest {
                publication: &publication,
                roll: &roll,
            },
            Outputs {
                file: &mut next,
                difference: &mut difference,
                roll: &mut next_roll,
            },
            &mut |_| panic!("all of it fits"),
        )
        .unwrap();
    next.flush().unwrap();
    difference.flush().unwrap();
    drop((next, difference, next_roll));
    let [next, difference, _] = written;
    println!("changed in {:?}", started.elapsed());
    let started = Instant::now();
    let applied = tempfile::tempfile().unwrap();
    apply(
        &publication,
        &OnDisk(difference),
        published.edition,
        &published.root,
        &TemporaryFiles,
        BufWriter::new(&applied),
    )
    .unwrap();
    println!("applied in {:?}", started.elapsed());
    let bytes =
        |file| io::Read::bytes(BufReader::new(FromStart::of(&file).unwrap())).map(Result::unwrap);
    assert!(bytes(next).eq(bytes(applied)));

    let grown = peak_memory() - before;
    println!("peak memory of everything: {} KiB", grown >> 10);
    // The queries of this test, buffers and the allocator; nothing that grows with the set.
    assert!(grown < 2 * WORKING_SET as u64, "{grown} bytes");
}
