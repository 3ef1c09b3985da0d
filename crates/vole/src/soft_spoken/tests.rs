#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::delta::Delta;

const SESSION: SessionId = SessionId::from_bytes([5; 32]);

/// Base OTs as a trusted third party would deal them.
pub(crate) fn dealt(delta: &Delta, rng: &mut StdRng) -> (Vec<Gf128>, Vec<[Gf128; 2]>) {
    let pairs: Vec<_> = (0..BASE_OTS)
        .map(|_| [Gf128::random(rng), Gf128::random(rng)])
        .collect();
    let chosen =
        |(index, pair): (usize, &[Gf128; 2])| pair[usize::from((!delta.bit(index)).unwrap_u8())];
    (pairs.iter().enumerate().map(chosen).collect(), pairs)
}

#[test]
fn the_hash_is_that_of_the_reference() {
    // Printed by `psi_malicious.py`: 300 positions, bit i = (i·i + i div 3) mod 2.
    let mut words = vec![0u128; 4];
    for i in 0..428 {
        words[i / 128] |= u128::from((i * i + i / 3) % 2 == 1) << (i % 128);
    }
    let chi = Gf128::from_bits(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01);
    let expected = Gf128::from_bits(0x5c7b_552b_7780_6901_95ea_023e_8f8b_29e0);
    assert!(consistency_hash(chi, &words, 300) == expected);
}

#[test]
fn every_position_is_correlated() {
    let mut rng = StdRng::seed_from_u64(50);
    // 16 trees of depth 3: the positions do not fill their last word.
    for dimensions in [Dimensions::with_trees(43, 16), Dimensions::new(1483)] {
        let delta = Delta::random(&mut rng);
        let (keys, pairs) = dealt(&delta, &mut rng);
        let (receiver, corrections) =
            ReceiverExtension::new(&SESSION, &dimensions, &pairs, &mut rng);
        let mut bytes = Vec::new();
        corrections.write(&dimensions, &mut bytes);
        let read = Corrections::read(&dimensions, &mut Reader::new(&bytes, bytes.len()).unwrap());
        let sender = SenderExtension::new(&SESSION, &dimensions, &delta, &keys, &read.unwrap());
        for at in 0..dimensions.columns() {
            let product = Gf128::from_bits(u128::from(bit(&receiver.u, at))) * delta.value();
            assert!(sender.planes.position(at) + receiver.planes.position(at) == product);
        }
        for block in 0..=dimensions.trees {
            let (w, v) = (sender.planes.value(block), receiver.planes.value(block));
            assert!(w + v == receiver.noise_value(block) * delta.value());
            let positions: Vec<_> = (0..128)
                .map(|l| sender.planes.position(128 * block + l))
                .collect();
            assert!(w == combine(&positions));
        }
        let challenge = Gf128::random(&mut rng);
        let response = receiver.respond(&dimensions, challenge);
        let hashes: Vec<_> = response
            .as_chunks()
            .0
            .iter()
            .map(|&block| Gf128::from_bytes(block))
            .collect();
        assert!(sender.verify(&dimensions, &delta, challenge, &hashes));
        assert!(!sender.verify(&dimensions, &delta, challenge + Gf128::ONE, &hashes));
    }
}
