use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha512};

use super::*;

#[test]
fn every_length_and_mixture_of_lengths() {
    let mut rng = StdRng::seed_from_u64(6);
    let bytes: Vec<u8> = (0..1000).map(|_| rng.random()).collect();
    for backend in Backend::available() {
        // Neighbours of like length, then lengths at random.
        let ascending: Vec<usize> = (0..600).collect();
        let mixed: Vec<usize> = (0..600).map(|_| rng.random_range(0..=1000)).collect();
        for lens in [ascending, mixed] {
            let messages = lens.iter().map(|len| {
                let (head, tail) = bytes[..*len].split_at(len / 3);
                [head, &[], tail]
            });
            let digests = sha512(backend, messages);
            assert_eq!(digests.len(), lens.len());
            for (digest, len) in digests.iter().zip(&lens) {
                assert_eq!(digest[..], Sha512::digest(&bytes[..*len])[..], "{len}");
            }
        }
    }
}

#[test]
fn batches_of_every_length() {
    for backend in Backend::available() {
        for len in 0..=25 {
            let messages: Vec<[u8; 1]> = (0..len).map(|k| [k]).collect();
            let digests = sha512(backend, messages.iter().map(|message| [message.as_slice()]));
            let expected: Vec<[u8; 64]> = messages
                .iter()
                .map(|message| Sha512::digest(message).into())
                .collect();
            assert_eq!(*digests, expected);
        }
    }
}

/// `expand_message_xmd` as RFC 9380 §5.3.1 writes it, for 64 bytes.
fn expanded(dst: &[u8], message: &[u8]) -> [u8; 64] {
    let dst_prime = [dst, &[u8::try_from(dst.len()).unwrap()]].concat();
    let z_pad = [0; 128];
    let l_i_b_str = 64_u16.to_be_bytes();
    let msg_prime = [&z_pad, message, &l_i_b_str, &[0], &dst_prime].concat();
    let b_0 = Sha512::digest(msg_prime);
    Sha512::digest([&b_0, [1].as_slice(), &dst_prime].concat()).into()
}

#[test]
fn the_expander_is_what_the_rfc_defines() {
    let mut rng = StdRng::seed_from_u64(7);
    let dst = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";
    let messages: Vec<Vec<u8>> = (0..300)
        .map(|len| (0..len).map(|_| rng.random()).collect())
        .collect();
    let expected: Vec<_> = messages.iter().map(|m| expanded(dst, m)).collect();
    for backend in Backend::available() {
        let parts = messages.iter().map(|message| {
            let (head, tail) = message.split_at(message.len() / 2);
            [head, tail]
        });
        assert_eq!(*expand_message_xmd(backend, dst, parts), expected);
    }
}

/// Tags of all lengths, which move both hashes over the bounds of a block.
#[test]
fn tags_of_every_length() {
    let mut rng = StdRng::seed_from_u64(8);
    let tag: Vec<u8> = (0..255).map(|_| rng.random()).collect();
    let messages = [0, 1, 5, 32, 64, 100, 127, 128, 129].map(|len| vec![0xa5; len]);
    for len in 1..=tag.len() {
        let dst = &tag[..len];
        let expected: Vec<_> = messages.iter().map(|m| expanded(dst, m)).collect();
        for backend in Backend::available() {
            let parts = messages.iter().map(|message| [message.as_slice()]);
            assert_eq!(
                *expand_message_xmd(backend, dst, parts),
                expected,
                "{len} {backend:?}"
            );
        }
    }
}
