use super::*;

fn block(hex: &str) -> Gf128 {
    // As FIPS 197 writes it: the first byte first.
    Gf128::from_bits(
        u128::from_str_radix(hex, 16)
            .map(u128::swap_bytes)
            .unwrap_or_default(),
    )
}

#[test]
fn fips_197_appendix_c1() {
    let pi = Permutation::new(block("000102030405060708090a0b0c0d0e0f"));
    let plain = block("00112233445566778899aabbccddeeff");
    let cipher = block("69c4e0d86a7b0430d8cdb78070b4c55a");
    assert!(pi.apply(plain) == cipher);
    assert!(pi.feed_forward(plain) == cipher + plain);
}

#[test]
fn batches_equal_single_blocks() {
    let pi = Permutation::new(Gf128::from_bits(7));
    for len in [0, 1, 63, 64, 65, 130] {
        let xs: Vec<_> = (0..len).map(|i| Gf128::from_bits(i * i)).collect();
        let mut out = vec![Gf128::ZERO; xs.len()];
        pi.feed_forward_all(&xs, &mut out);
        assert!(xs.iter().zip(&out).all(|(&x, &y)| pi.feed_forward(x) == y));
    }
}

#[test]
fn tweaked_hash_is_the_two_call_one() {
    let pi = Permutation::new(Gf128::from_bits(7));
    let x = Gf128::from_bits(11);
    let inner = pi.apply(x);
    assert!(pi.tweaked(x, 5) == pi.apply(inner + Gf128::from_bits(5)) + inner);
    assert!(pi.tweaked(x, 5) != pi.tweaked(x, 6));
}

#[test]
fn a_stream_does_not_depend_on_how_it_is_read() {
    let mut whole = [[0; 16]; 200];
    Generator::new(block("000102030405060708090a0b0c0d0e0f")).fill(&mut whole);
    let mut pieces = [[0; 16]; 200];
    let mut generator = Generator::new(block("000102030405060708090a0b0c0d0e0f"));
    for piece in pieces.chunks_mut(37) {
        generator.fill(piece);
    }
    assert_eq!(whole, pieces);
    // AES-128 of the counters 0 and 1 under that key, by OpenSSL.
    let hex = |bytes: &[u8; 16]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(hex(&whole[0]), "c6a13b37878f5b826f4f8162a1c8d879");
    assert_eq!(hex(&whole[1]), "e37cd363dd7c87a09aff0e3e60e09c82");
}
