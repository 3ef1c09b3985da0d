use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use curve25519_dalek::Scalar;

use super::{DEPTH, wiped};
use crate::{Backend, FixedBase, Points, expand_message_xmd, sha512};

/// What the stack is filled with first: neither zero nor what a kernel would leave.
const PAINT: u8 = 0xc5;

/// How far down the stack is filled and looked at.
const REACH: usize = 2 * DEPTH;

/// The frames of what calls a kernel, and of what reads the stack afterwards.
const CALLER: usize = 4 << 10;

#[inline(never)]
fn paint() {
    black_box(&mut [PAINT; REACH]);
}

/// The stack below the caller's frame as `work` leaves it, the nearest byte first.
#[inline(never)]
fn left_by(work: impl FnOnce()) -> Vec<u8> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut below = vec![0; REACH];
    let here = black_box(&below) as *const Vec<u8> as usize;
    paint();
    work();
    let lowest = u64::try_from(here - REACH).unwrap();
    memory.read_exact_at(&mut below, lowest).unwrap();
    below.reverse();
    below
}

/// Whether the part that [`wiped`] answers for is zeros, and how far down anything was touched.
fn examine(work: impl FnOnce()) -> (bool, usize) {
    let below = left_by(work);
    let zeros = below
        .get(CALLER..DEPTH)
        .unwrap()
        .iter()
        .all(|byte| *byte == 0);
    // The paint ends a little higher or lower than what is read.
    let painted = below.get(..REACH - CALLER).unwrap();
    let last = painted.iter().rposition(|byte| *byte != PAINT);
    (zeros, last.map_or(0, |last| last + 1))
}

/// Leaves a secret of so many bytes on the stack.
#[inline(never)]
fn spill<const N: usize>() {
    black_box(&mut [0x3a_u8; N]);
}

#[test]
fn what_was_spilled_is_written_over() {
    const SPILLED: usize = DEPTH - 1024;
    let (clean, depth) = examine(spill::<SPILLED>);
    assert!(!clean && depth >= SPILLED, "it is found: {depth}");
    let (clean, depth) = examine(|| wiped(spill::<SPILLED>));
    assert!(clean && depth >= SPILLED, "{depth}");
}

/// All that takes secrets, and that `DEPTH` is more than any of it takes: of a batch with
/// full groups of each size that kernels have, and a rest.
#[test]
fn kernels_leave_zeros() {
    let uniform: Vec<[u8; 64]> = (0..300_u16)
        .map(|k| std::array::from_fn(|at| k.to_le_bytes()[at % 2] ^ 0x69))
        .collect();
    let scalars: Vec<_> = uniform
        .iter()
        .map(Scalar::from_bytes_mod_order_wide)
        .collect();
    for backend in Backend::available() {
        let points = Points::from_uniform(backend, &uniform);
        let base = FixedBase::decode(backend, &points.encode()[0]).unwrap();
        let messages = || uniform.iter().map(|message| [message.as_slice()]);
        type Work<'a> = (&'a str, &'a dyn Fn());
        let works: [Work<'_>; 10] = [
            ("map", &|| drop(Points::from_uniform(backend, &uniform))),
            ("multiply", &|| drop(points.multiply_encode(&scalars[0]))),
            ("multiply each", &|| {
                drop(points.multiply_each_encode(&scalars));
            }),
            ("add", &|| drop(points.add(&points))),
            ("multiply the generator", &|| {
                drop(Points::multiples_of_generator(backend, &scalars));
            }),
            ("multiply a base", &|| drop(base.multiply(&scalars))),
            ("encode", &|| drop(points.encode())),
            ("double, encode", &|| drop(points.double_encode())),
            ("hash", &|| drop(sha512(backend, messages()))),
            ("expand", &|| {
                drop(expand_message_xmd(backend, b"a domain", messages()));
            }),
        ];
        for (name, work) in works {
            let (clean, depth) = examine(work);
            assert!(clean, "{name} on {backend:?} left something");
            assert!(depth < DEPTH + CALLER, "{name} on {backend:?}: {depth}");
        }
    }
}
