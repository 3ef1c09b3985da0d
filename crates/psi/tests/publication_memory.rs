//! After publications and lookups, outputs and labels are nowhere in the process's memory.
//!
//! One test in a process of its own: nothing else holds such secrets here, and no other thread's
//! stack comes and goes during a scan.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test may read its own memory")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs::{self, File},
    hint::black_box,
    io,
    os::unix::fs::FileExt,
};

use blindmatch_psi::publication::{
    Changes, Domain, DummySeed, Epoch, FirstPublication, InMemory, Label, LabelSeal, Newest,
    Outputs, Publication, SMALLEST_WORKING_SET,
};
use blindmatch_testkit::scripted;
use rand_core::Rng;
use zeroize::Zeroizing;

/// Some twenty times what a sort holds, so that runs are merged.
const ITEMS: u64 = 50_000;

/// Every output and every label has 16 bytes in it that nothing else has; here under a mask.
const OUTPUT: Masked = Masked(*b"16 bytes of one.");
const LABEL: Masked = Masked(*b"of a label here.");

/// 16 bytes that are only ever in memory under a mask.
struct Masked([u8; 16]);

impl Masked {
    fn write(&self, to: &mut [u8]) {
        for (to, masked) in to.iter_mut().zip(self.0) {
            *to = !masked;
        }
    }

    /// How often the bytes are in writable memory.
    fn occurrences(&self) -> usize {
        let memory = File::open("/proc/self/mem").unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut part = vec![0; 1 << 16];
        let mut found = 0;
        for map in maps.lines().filter(|map| map.contains(" rw")) {
            let (range, _) = map.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [mut at, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
            while at < end {
                let length = part.len().min(usize::try_from(end - at).unwrap());
                // A part of memory that may not be read holds nothing of ours.
                if memory.read_exact_at(&mut part[..length], at).is_err() {
                    break;
                }
                let own = part.as_ptr_range();
                let own = own.start as u64..own.end as u64;
                let is_ours = |window: &[u8]| window.iter().zip(self.0).all(|(b, m)| *b == !m);
                let places = part[..length].windows(16).enumerate();
                found += places
                    .filter(|(place, window)| {
                        !own.contains(&(at + *place as u64)) && is_ours(window)
                    })
                    .count();
                // The next part begins 15 bytes earlier, for what lies across.
                at += if at + length as u64 == end {
                    length
                } else {
                    length - 15
                } as u64;
            }
        }
        part.fill(0);
        black_box(part);
        found
    }
}

fn item(number: u64) -> (Zeroizing<[u8; 64]>, Zeroizing<[u8; 24]>) {
    let mut output = Zeroizing::new([0; 64]);
    scripted(number).fill_bytes(&mut output[..40]);
    OUTPUT.write(&mut output[40..56]);
    let mut label = Zeroizing::new([0; 24]);
    LABEL.write(&mut label[4..20]);
    (output, label)
}

fn domain() -> Domain {
    Domain {
        consortium: b"consortium".into(),
        responder: b"responder".into(),
        view: b"view".into(),
        indicator_type: b"ip".into(),
        epoch: 7,
    }
}

/// Publishes twice and looks up; the labels that were found.
#[inline(never)]
fn publish() -> Vec<Label> {
    let mut epoch = Epoch::begin(domain(), 1 << 23, 1).unwrap();
    let seed = DummySeed::new([3; 32]);
    let rng = &mut scripted(0);
    let mut first = FirstPublication::new(&InMemory, SMALLEST_WORKING_SET).unwrap();
    for number in 1..=ITEMS {
        let (output, label) = item(number);
        first.push(&output, &label).unwrap();
    }
    assert!(OUTPUT.occurrences() as u64 >= ITEMS, "what waits is found");
    assert!(LABEL.occurrences() as u64 >= ITEMS, "what waits is found");
    let reservation = epoch.reserve().unwrap().stored();
    let (mut file, mut roll) = (Vec::new(), Vec::new());
    let published = first
        .publish(&mut epoch, reservation, &seed, rng, &mut file, &mut roll)
        .unwrap();
    let publication = Publication::verify(file, published.edition, published.root).unwrap();

    let mut changes = Changes::new(&epoch, &InMemory, SMALLEST_WORKING_SET).unwrap();
    for number in 1..100 {
        let (output, label) = item(ITEMS + number);
        changes.add(number, &output, &label).unwrap();
        changes.remove(number, &item(number).0).unwrap();
    }
    let reservation = epoch.reserve().unwrap().stored();
    let mut file = Vec::new();
    let published = changes
        .publish(
            &mut epoch,
            reservation,
            &seed,
            rng,
            &Newest {
                publication: &publication,
                roll: &roll,
            },
            Outputs {
                file: &mut file,
                difference: &mut io::sink(),
                roll: &mut io::sink(),
            },
            &mut |_| {},
        )
        .unwrap();
    let publication = Publication::verify(file, published.edition, published.root).unwrap();
    let mut labels = Vec::with_capacity(20);
    for number in ITEMS..ITEMS + 20 {
        let (output, _) = item(number);
        let found = publication.find(&output).unwrap().unwrap();
        let seal = LabelSeal::new(&domain(), found.sequence);
        labels.push(seal.open(&output, &found.sealed).unwrap());
    }
    labels
}

/// Moving a value may leave its bytes on the stack, which wiping cannot reach (`spec/20 §7`);
/// whatever is called next writes over them.
#[inline(never)]
fn write_over_the_stack() {
    black_box([0_u8; 64 << 10]);
}

#[test]
fn outputs_and_labels_of_a_publication_are_gone() {
    let labels = publish();
    write_over_the_stack();
    let kept = labels.len();
    assert_eq!(OUTPUT.occurrences(), 0);
    assert_eq!(LABEL.occurrences(), kept, "those that are held");
    drop(labels);
    assert_eq!(LABEL.occurrences(), 0);
}
