//! After a run, its blinds, outputs and label keys are nowhere in the process's memory, and nothing
//! is there of what was encoded along the way.
//!
//! One test in a process of its own: nothing else holds such secrets here, and no other thread's
//! stack comes and goes during a scan.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test may read its own memory")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs::{self, File},
    hint::black_box,
    os::unix::fs::FileExt,
};

use blindmatch_audit::{
    codec::{Reader, Writer},
    receipt::Side,
};
use blindmatch_psi::{lookup::Item, publication::Domain, session::End};
use blindmatch_testkit::{
    link::{Faithful, Interceptor},
    scripted,
    world::{World, items},
};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag, aead::AeadInOut};
use hkdf::Hkdf;
use rand::Rng;
use sha2::Sha256;
use zeroize::Zeroizing;

const BLINDS: &str = "blindmatch lookup blinds state v1";
const OUTPUTS: &str = "blindmatch lookup outputs state v1";

/// Halves of secrets, only ever in memory under a mask.
#[derive(Default)]
struct Masked {
    halves: Vec<u128>,
}

/// Not one byte throughout: zeros under such a mask would be found as a secret of zeros.
const MASK: u128 = u128::from_be_bytes(*b"a mask of halves");

impl Masked {
    fn add(&mut self, secret: &[u8]) {
        let (halves, _) = secret.as_chunks();
        let masked = halves.iter().map(|half| u128::from_ne_bytes(*half) ^ MASK);
        self.halves.extend(masked);
    }

    /// How often any half of any secret is in writable memory.
    fn occurrences(&self) -> usize {
        let start = |half: u128| half.to_ne_bytes()[0];
        let mut starts = [false; 256];
        for half in &self.halves {
            starts[usize::from(start(half ^ MASK))] = true;
        }
        let memory = File::open("/proc/self/mem").unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mut part = vec![0; 1 << 16];
        let mut found = 0;
        for map in maps.lines() {
            let (range, access) = map.split_once(' ').unwrap();
            if !access.starts_with("rw") {
                continue;
            }
            let (start, end) = range.split_once('-').unwrap();
            let [mut at, end] = [start, end].map(|hex| usize::from_str_radix(hex, 16).unwrap());
            while at < end {
                let length = part.len().min(end - at);
                // A part of memory that may not be read holds nothing of ours.
                let read = memory.read_exact_at(&mut part[..length], at.try_into().unwrap());
                if read.is_err() {
                    break;
                }
                let own = part.as_ptr_range();
                let own = (own.start as usize).saturating_sub(16)..own.end as usize;
                for (place, window) in part[..length].windows(16).enumerate() {
                    if starts[usize::from(window[0])] && !own.contains(&(at + place)) {
                        let window = u128::from_ne_bytes(window.try_into().unwrap());
                        found += usize::from(self.halves.contains(&(window ^ MASK)));
                    }
                }
                // The next part begins 15 bytes earlier, for a secret that lies across.
                at += if at + length == end {
                    length
                } else {
                    length - 15
                };
            }
        }
        part.fill(0);
        black_box(part);
        found
    }
}

/// What a label's key and associated data are bound to (`spec/32 §3`).
fn bound(context: &'static str, domain: &Domain, sequence: u64) -> Vec<u8> {
    Writer::new(context)
        .bytes(&domain.consortium)
        .bytes(&domain.responder)
        .bytes(&domain.view)
        .bytes(&domain.indicator_type)
        .u64(domain.epoch)
        .u64(sequence)
        .finish()
}

/// The key of the label of a match, which opens it.
fn label_key(world: &World, output: &[u8; 64]) -> Option<Zeroizing<[u8; 32]>> {
    let found = world.view().find(output).unwrap()?;
    let bound = |context| bound(context, &world.manifest.domain, found.sequence);
    let mut key = Zeroizing::new([0; 32]);
    let expander = Hkdf::<Sha256>::new(None, output);
    let info = bound("blindmatch label key v1");
    expander.expand(&info, key.as_mut_slice()).unwrap();
    let (text, tag) = found.sealed.0.split_first_chunk().unwrap();
    let (mut label, tag): ([u8; 24], _) = (*text, Tag::try_from(tag).unwrap());
    let cipher = ChaCha20Poly1305::new((&*key).into());
    let sealed_for = bound("blindmatch sealed label v1");
    let (nonce, text) = (Nonce::default(), label.as_mut_slice().into());
    cipher
        .decrypt_inout_detached(&nonce, &sealed_for, text, &tag)
        .unwrap();
    assert_eq!(label, LABEL);
    Some(key)
}

/// The secrets in what the querier stored: blinds, outputs, and label keys.
#[inline(never)]
fn secrets(world: &World) -> [Masked; 3] {
    let [mut blinds, mut outputs, mut keys] = [(); 3].map(|()| Masked::default());
    for state in World::states(&world.querier.journal) {
        let bytes = state.as_bytes();
        let read = |context, width| {
            let mut reader = Reader::new(context, bytes).ok()?;
            reader.fixed::<32>().unwrap();
            reader.u64().unwrap();
            reader.fixed::<32>().unwrap();
            Some(reader.items(4096, width).unwrap())
        };
        if let Some(stored) = read(BLINDS, 32) {
            blinds.add(stored);
        }
        if let Some(stored) = read(OUTPUTS, 64) {
            let (stored, _) = stored.as_chunks();
            for key in stored.iter().filter_map(|output| label_key(world, output)) {
                keys.add(&*key);
            }
            // Those of items that the view has, the responder computed as well.
            outputs.add(stored[SHARED..].as_flattened());
        }
    }
    [blinds, outputs, keys]
}

/// How many of the items are in the view, with this label.
const SHARED: usize = 2;
const LABEL: [u8; 24] = [7; 24];

/// A run over two connections, so that blinds are made on the first and restored on the second.
#[inline(never)]
fn run(world: &mut World, queries: &[Item]) {
    let mut cut = Interceptor::new(Side::Responder, 1, |_| Vec::new());
    let mut querier = world.querier_session(1, queries.to_vec()).unwrap();
    let mut responder = world.responder_session(1).unwrap();
    world.pump(&mut querier, &mut responder, &mut cut);
    drop((querier, responder));
    let mut querier = world.querier_session(2, queries.to_vec()).unwrap();
    let mut responder = world.responder_session(2).unwrap();
    let pumped = world.pump(&mut querier, &mut responder, &mut Faithful);
    assert_eq!(pumped.querier, Some(End::Concluded));
    let concluded = querier.concluded().unwrap();
    let states = World::states(&world.querier.journal);
    let matches = concluded.matches(states, &world.manifest, &world.view());
    assert_eq!(matches.unwrap().found.len(), SHARED);
}

/// A message with a secret in it that outgrows its memory, and one that is never finished.
#[inline(never)]
fn write(secret: &[u8]) {
    let mut grown = Writer::new("a message");
    grown.fixed(secret);
    (0..1000_u64).for_each(|number| {
        grown.u64(number);
    });
    black_box(Zeroizing::new(grown.finish()));
    let mut unfinished = Writer::new("a message");
    black_box(unfinished.fixed(secret));
}

/// Values that a call returns or moves leave copies on the stack that nobody can wipe by name
/// (`spec/20 §7`); the next calls write over them, as this one does.
#[inline(never)]
fn overwrite_the_stack() {
    black_box(&mut [0_u8; 1 << 20]);
}

#[test]
fn the_secrets_of_a_run_are_gone() {
    let mut secret = Zeroizing::new(vec![0; 64]);
    scripted(9).fill_bytes(&mut secret);
    let mut written = Masked::default();
    written.add(&secret);
    write(&secret);
    assert!(written.occurrences() >= 4, "what lives is found");
    drop(secret);
    assert_eq!(written.occurrences(), 0, "what was written");

    let set: Vec<_> = items(["a", "b"])
        .into_iter()
        .map(|item| (item, LABEL))
        .collect();
    let mut queries = items(["a", "b"]);
    queries.extend(items((0..30).map(|n| format!("item {n}"))));
    let mut world = World::serving(1, 32, &set);
    run(&mut world, &queries);
    let secrets = secrets(&world);
    let [blinds, outputs, keys] = &secrets;
    assert_eq!(blinds.halves.len(), 2 * 32);
    assert_eq!(outputs.halves.len(), 4 * 30);
    assert_eq!(keys.halves.len(), 2 * SHARED);
    assert!(blinds.occurrences() >= 2 * 32, "what is stored is found");
    assert!(outputs.occurrences() >= 4 * 30, "what is stored is found");
    drop(world);
    overwrite_the_stack();
    let found = secrets.map(|secrets| secrets.occurrences());
    assert_eq!(found, [0; 3], "blinds, outputs, label keys");
}
