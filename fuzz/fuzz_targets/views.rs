//! What a home keeps of views: whatever is read, nothing panics, and what reads is its own encoding.
#![no_main]

use blindmatch_store::views::{read_block, read_state};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_block(bytes);
    if let Some(encoded) = read_state(bytes) {
        assert_eq!(encoded, bytes);
    }
});
