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

#[test]
fn the_expander_is_what_the_rfc_defines() {
    let mut rng = StdRng::seed_from_u64(7);
    let dst = b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512";
    assert_eq!(dst.len(), 40);
    let messages: Vec<Vec<u8>> = (0..300)
        .map(|len| (0..len).map(|_| rng.random()).collect())
        .collect();
    let expected: Vec<[u8; 64]> = messages
        .iter()
        .map(|message| {
            let dst_prime = [dst.as_slice(), &[40]].concat();
            let b_0 = Sha512::new()
                .chain_update([0; 128])
                .chain_update(message)
                .chain_update([0, 64, 0])
                .chain_update(&dst_prime)
                .finalize();
            let b_1 = Sha512::new()
                .chain_update(b_0)
                .chain_update([1])
                .chain_update(&dst_prime);
            b_1.finalize().into()
        })
        .collect();
    for backend in Backend::available() {
        let parts = messages.iter().map(|message| {
            let (head, tail) = message.split_at(message.len() / 2);
            [head, tail]
        });
        assert_eq!(*expand_message_xmd(backend, dst, parts), expected);
    }
}
