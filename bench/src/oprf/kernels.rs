//! Kernels of `simd` that no function of `oprf` runs alone.

use blindmatch_oprf::Backend;
use blindmatch_simd::{Points, expand_message_xmd};

use super::Best;

/// As long as that of RFC 9497 in the verifiable mode.
const DST: &[u8] = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";

pub(super) fn run(backend: Backend, best: &mut Best, inputs: &[[u8; 5]]) {
    let points = best.time("hash_to_group", || {
        let messages = inputs.iter().map(|input| [input.as_slice()]);
        Points::from_uniform(backend, &expand_message_xmd(backend, DST, messages))
    });
    best.time("encode", || points.double_encode());
}
