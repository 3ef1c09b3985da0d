//! The bytes of an indicator that was dropped are wiped where they were.
//!
//! For bytes on the heap, whose place outlives them. Short ones lie inside the indicator, and what
//! its moves leave behind no safe code can wipe (SECURITY.md, Limits). One test in a process of its
//! own: nothing takes the place between the drop and the look at it.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "a test may read its own memory")]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType, PublicSuffixes};

const LENGTH: usize = 600;

/// What the allocator may write at the start of a block that it got back.
const ALLOCATORS: usize = 32;

fn place(bytes: &[u8]) -> u64 {
    assert_eq!(bytes.len(), LENGTH);
    bytes.as_ptr().addr().try_into().expect("an address")
}

/// Reads at places that nothing may hold any more, without allocating.
struct Memory(File);

impl Memory {
    fn at(&self, place: u64) -> [u8; LENGTH - ALLOCATORS] {
        let mut bytes = [0xff; LENGTH - ALLOCATORS];
        let place = place + ALLOCATORS as u64;
        self.0
            .read_exact_at(&mut bytes, place)
            .expect("readable memory");
        bytes
    }
}

#[test]
fn a_dropped_indicator_is_wiped() {
    let memory = Memory(File::open("/proc/self/mem").expect("own memory"));
    let suffixes = PublicSuffixes::parse(
        "// ===BEGIN ICANN DOMAINS===\ncom\n// ===BEGIN PRIVATE DOMAINS===\ngithub.io\n",
    );
    let canonicaliser = Canonicaliser::new(suffixes.expect("a public suffix list"));
    let head = "http://example.com/";
    let url = format!("{head}{}", "a".repeat(LENGTH - head.len()));
    let expected = &url.as_bytes()[ALLOCATORS..];

    // A plain copy stays when it is dropped: the look would see bytes that are not wiped.
    let plain = black_box(url.as_bytes().to_vec());
    let at = place(&plain);
    drop(plain);
    assert!(memory.at(at) == expected, "dropped bytes are found");

    let parsed = canonicaliser.parse(IndicatorType::Url, &url);
    let parsed: Indicator = parsed.expect("a URL");
    let kept = parsed.clone();
    let moved = Box::new(parsed);
    let at = place(moved.as_bytes());
    assert!(memory.at(at) == expected, "bytes that live are found");
    drop(moved);
    assert!(memory.at(at).iter().all(|&byte| byte == 0), "wiped");

    let at = place(kept.as_bytes());
    assert!(memory.at(at) == expected, "a clone has bytes of its own");
    drop(kept);
    assert!(memory.at(at).iter().all(|&byte| byte == 0), "wiped");
}
