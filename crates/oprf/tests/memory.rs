//! A key that was dropped is nowhere in the process's memory.
//!
//! One test in a process of its own: nothing else holds a key here, and no other thread's stack
//! comes and goes during a scan.

#![expect(clippy::disallowed_methods, reason = "a test may read its own memory")]
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use blindmatch_oprf::additive::{AuthenticatedKey, Blinded};
use blindmatch_oprf::{Backend, Blind, SecretKey, oprf, voprf, with_backend};
use curve25519_dalek::Scalar;
use support::rng;
use zeroize::Zeroizing;

/// A secret of 32 bytes that is only ever in memory under a mask.
struct Masked([u8; 32]);

/// Not one byte throughout: zeros under such a mask would be found as a secret of zeros.
const MASK: [u8; 32] = *b"the mask of a secret under test.";

impl Masked {
    fn of(secret: &[u8; 32]) -> Self {
        let mut masked = MASK;
        for (to, from) in masked.iter_mut().zip(secret) {
            *to ^= from;
        }
        Self(masked)
    }

    /// How often the first or the last 16 bytes of the secret are in writable memory.
    fn occurrences(&self) -> usize {
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
                let len = part.len().min(end - at);
                // A part of memory that may not be read holds nothing of ours.
                if memory
                    .read_exact_at(&mut part[..len], u64::try_from(at).unwrap())
                    .is_err()
                {
                    break;
                }
                let own = part.as_ptr_range();
                let own = (own.start as usize).saturating_sub(16)..own.end as usize;
                let places = self.places(&part[..len]);
                found += places.filter(|place| !own.contains(&(at + place))).count();
                // The next part begins 15 bytes earlier, for a secret that lies across.
                at += if at + len == end { len } else { len - 15 };
            }
        }
        part.fill(0);
        black_box(part);
        found
    }

    /// Where half of the secret is.
    fn places(&self, memory: &[u8]) -> impl Iterator<Item = usize> {
        let half_at = |window: &[u8], start: usize| {
            (start..start + 16)
                .zip(window)
                .all(|(i, byte)| byte ^ MASK[i] == self.0[i])
        };
        let windows = memory.windows(16).enumerate();
        windows
            .filter(move |(_, w)| half_at(w, 0) || half_at(w, 16))
            .map(|(place, _)| place)
    }
}

/// The key, and the half of it that kernels make for a batch. Not inlined: what it leaves on
/// the stack is then below the test's own frame, where the uses of the key write over it.
#[inline(never)]
fn forms(key: &SecretKey) -> [Masked; 2] {
    let scalar = Zeroizing::new(Scalar::from_canonical_bytes(*key.to_bytes()).unwrap());
    let half = Zeroizing::new(scalar.div_by_2());
    [Masked::of(scalar.as_bytes()), Masked::of(half.as_bytes())]
}

/// Everything that a key is used for.
fn use_key(key: &SecretKey) {
    let rng = &mut rng(2);
    let inputs = ["a", "b", "c"];
    let blinds = || {
        let rng = &mut support::rng(3);
        inputs.map(|_| Blind::random(rng))
    };
    let blinded = voprf::blind_batch(&inputs, &blinds()).unwrap();
    let (evaluated, proof) = voprf::blind_evaluate_batch(key, &blinded, &[1; 32]).unwrap();
    let public = key.public_key();
    let outputs =
        voprf::finalize_batch(&inputs, &blinds(), &evaluated, &blinded, public, &proof).unwrap();
    assert_eq!(outputs, voprf::evaluate_batch(key, &inputs).unwrap());
    assert_eq!(outputs[0], voprf::evaluate(key, b"a").unwrap());
    let one = voprf::blind(b"a", &Blind::random(rng)).unwrap();
    black_box(voprf::blind_evaluate(key, &one, &[1; 32]));
    black_box(oprf::blind_evaluate_batch(key, &blinded).unwrap());
    black_box(oprf::evaluate(key, b"a").unwrap());
    let additive = Blinded::new(&inputs, blinds().into()).unwrap();
    let (evaluated, proof) =
        voprf::blind_evaluate_batch(key, additive.elements(), &[1; 32]).unwrap();
    let authenticated = AuthenticatedKey::vouch(public.clone());
    let verified = additive.verify(&evaluated, &authenticated, &proof).unwrap();
    assert_eq!(verified.finalize(&inputs).unwrap(), outputs);
}

#[test]
fn a_dropped_key_is_gone() {
    for backend in Backend::available() {
        with_backend(backend, || {
            type Make = fn() -> SecretKey;
            let ways: [(&str, Make); 3] = [
                ("random", || SecretKey::random(&mut rng(1))),
                ("derived", || {
                    voprf::derive_key_pair(&[7; 32], b"info").unwrap()
                }),
                ("decoded", || {
                    let bytes = SecretKey::random(&mut rng(4)).to_bytes();
                    SecretKey::from_bytes(&*bytes).unwrap()
                }),
            ];
            for (way, make) in ways {
                let key = make();
                let forms = forms(&key);
                use_key(&key);
                let [whole, _] = &forms;
                assert_ne!(whole.occurrences(), 0, "{way}: a key that lives is found");
                drop(key);
                for form in &forms {
                    assert_eq!(
                        form.occurrences(),
                        0,
                        "{way}: a key that was dropped is not"
                    );
                }
            }
        });
    }
}
