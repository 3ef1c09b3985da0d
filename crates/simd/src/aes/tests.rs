use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// FIPS 197 appendix B and C.1.
#[test]
fn known_answers() {
    let answers = [
        (
            0x2b7e1516_28aed2a6_abf71588_09cf4f3c_u128,
            0x3243f6a8_885a308d_313198a2_e0370734_u128,
            0x3925841d_02dc09fb_dc118597_196a0b32_u128,
        ),
        (
            0x00010203_04050607_08090a0b_0c0d0e0f,
            0x00112233_44556677_8899aabb_ccddeeff,
            0x69c4e0d8_6a7b0430_d8cdb780_70b4c55a,
        ),
    ];
    for backend in Backend::available() {
        for (key, block, cipher) in answers {
            for count in [1, 15, 16, 17] {
                let (keys, blocks) = (
                    vec![key.to_be_bytes(); count],
                    vec![block.to_be_bytes(); count],
                );
                let mut out = vec![[0; 16]; count];
                feed_forward(backend, &keys, &blocks, &mut out);
                assert_eq!(out, vec![(cipher ^ block).to_be_bytes(); count]);
            }
        }
    }
}

#[test]
fn batches_of_every_length_are_those_of_the_twin() {
    let mut rng = StdRng::seed_from_u64(8);
    let mut random = |count| -> Vec<[u8; 16]> { (0..count).map(|_| rng.random()).collect() };
    for count in (0..70).chain([1000]) {
        let (keys, blocks) = (random(count), random(count));
        let mut expected = vec![[0; 16]; count];
        serial::feed_forward(&keys, &blocks, &mut expected);
        for backend in Backend::available() {
            let mut out = vec![[0; 16]; count + 1];
            feed_forward(backend, &keys, &blocks, &mut out);
            assert_eq!(out[..count], expected);
            assert_eq!(out[count], [0; 16]);
        }
    }
}
