#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

mod splitting;

fn random(count: usize, rng: &mut StdRng) -> Vec<Gf128> {
    (0..count).map(|_| Gf128::random(rng)).collect()
}

fn encode(dimensions: &Dimensions, noise: &[Gf128]) -> Vec<Gf128> {
    expand(dimensions, Zeroizing::new(noise.to_vec())).to_vec()
}

/// Byte `at` of the AES-128-CTR stream of one part, straight from its definition.
fn stream(entries: usize, part: u8, blocks: usize) -> Vec<u8> {
    let mut input = b"vp1 exconv".to_vec();
    input.extend((entries as u64).to_le_bytes());
    input.push(part);
    let key = blake3::hash(&input);
    let cipher = Aes128::new(&Array(key.as_bytes()[..16].try_into().unwrap()));
    let block = |counter: usize| {
        let mut block = Array((counter as u128).to_le_bytes());
        cipher.encrypt_block(&mut block);
        block.0
    };
    (0..blocks).flat_map(block).collect()
}

/// The matrix of the code, as products of the matrices of its steps: row k of the result holds
/// the coefficients of output k over the noise.
fn dense(dimensions: &Dimensions) -> Vec<Vec<Gf128>> {
    let (entries, noise, tail) = (dimensions.entries, dimensions.noise(), dimensions.tail());
    let unit = |at: usize| -> Vec<Gf128> {
        (0..noise)
            .map(|i| Gf128::from_bits(u128::from(i == at)))
            .collect()
    };
    let mut rows: Vec<_> = (entries..noise).map(unit).collect();
    let add = |rows: &mut Vec<Vec<Gf128>>, to: usize, from: usize| {
        let from = rows[from].clone();
        rows[to]
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to += from);
    };
    let constant = Gf128::from_bits(0x9e37_79b9_7f4a_7c15);
    for pass in 0..2 {
        let bytes = stream(entries, pass, tail.div_ceil(5));
        for i in 0..tail {
            // Five taps a block, three bytes each.
            let at = i / 5 * 16 + i % 5 * 3;
            let tap = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], 0]);
            for bit in (0..24).filter(|bit| tap >> bit & 1 == 1) {
                add(&mut rows, (i + 1 + bit) % tail, i);
            }
            let last = (i + 25) % tail;
            add(&mut rows, last, i);
            rows[last]
                .iter_mut()
                .for_each(|entry| *entry = *entry * constant);
        }
    }
    let bytes = stream(entries, 2, 2 * entries);
    let output = |k: usize| {
        let mut row = unit(k);
        for j in 0..7 {
            let at = 32 * k + 4 * j;
            let word = u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
            let quarter = tail as u64 / 4;
            let place = match j {
                0..4 => j as u64 * quarter + ((word * quarter) >> 32),
                _ => (word * tail as u64) >> 32,
            };
            let from = &rows[usize::try_from(place).unwrap()];
            row.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
        }
        row
    };
    (0..entries).map(output).collect()
}

#[test]
fn the_code_is_its_dense_matrix() {
    let mut rng = StdRng::seed_from_u64(30);
    for (entries, trees) in [(40, 4), (43, 16), (131, 16), (500, 16)] {
        let dimensions = Dimensions::with_trees(entries, trees);
        let matrix = dense(&dimensions);
        for _ in 0..3 {
            let noise = random(dimensions.noise(), &mut rng);
            let product = matrix.iter().map(|row| {
                row.iter()
                    .zip(&noise)
                    .fold(Gf128::ZERO, |sum, (&a, &b)| sum + a * b)
            });
            assert!(encode(&dimensions, &noise) == product.collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_code_is_linear_over_the_field() {
    let mut rng = StdRng::seed_from_u64(31);
    let dimensions = Dimensions::new(3000);
    let (a, b) = (
        random(dimensions.noise(), &mut rng),
        random(dimensions.noise(), &mut rng),
    );
    let scalar = Gf128::random(&mut rng);
    let sum: Vec<_> = a.iter().zip(&b).map(|(&a, &b)| a * scalar + b).collect();
    let (a, b) = (encode(&dimensions, &a), encode(&dimensions, &b));
    let expected: Vec<_> = a.iter().zip(&b).map(|(&a, &b)| a * scalar + b).collect();
    assert_eq!(expected.len(), 3000);
    assert!(encode(&dimensions, &sum) == expected);
}

/// χ² of the bytes of a code word of fresh regular noise of full weight; 255 degrees of freedom.
#[test]
fn code_words_of_sparse_noise_have_uniform_bytes() {
    let mut rng = StdRng::seed_from_u64(32);
    let dimensions = Dimensions::new(20_000);
    let mut noise = vec![Gf128::ZERO; dimensions.noise()];
    for tree in 0..dimensions.trees {
        let alpha = rng.random_range(0..dimensions.block);
        noise[tree * dimensions.block + alpha] = Gf128::random(&mut rng);
    }
    let outputs = encode(&dimensions, &noise);
    let mut counts = [0u32; 256];
    outputs
        .iter()
        .flat_map(|entry| entry.to_bytes())
        .for_each(|byte| counts[usize::from(byte)] += 1);
    let expected = f64::from(20_000 * 16) / 256.0;
    let chi: f64 = counts
        .iter()
        .map(|&c| (f64::from(c) - expected).powi(2) / expected)
        .sum();
    // Mean 255, deviation 22.6.
    assert!((140.0..390.0).contains(&chi), "{chi}");
}
