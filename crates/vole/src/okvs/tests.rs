#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::peel::peel;
use super::*;
use crate::ItemHasher;

mod failures;

const RUN: SessionId = SessionId::from_bytes([3; 32]);

pub(crate) fn toy(bins: u32, bin_rows: u32, expansion: f64, dense: u32) -> Shape {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    let sparse = (expansion * f64::from(bin_rows)).ceil() as u32;
    Shape {
        class: bins * bin_rows,
        bins,
        bin_rows,
        sparse,
        dense,
    }
}

pub(super) fn random_items(count: usize, rng: &mut StdRng) -> Vec<Item> {
    (0..count)
        .map(|_| Item::new(Gf128::random(rng), Gf128::random(rng)))
        .collect()
}

/// Every item decodes to its value.
fn assert_encodes(okvs: &Okvs, items: &[Item], entries: &[Gf128]) {
    let vector = Vector::new(
        okvs.shape(),
        0..okvs.shape().bins(),
        Zeroizing::new(entries.to_vec()),
    )
    .unwrap();
    for item in items {
        let row = &okvs.rows(&[item.x])[0];
        assert!(okvs.decode(&vector, row) == Some(item.v));
    }
}

#[test]
fn rows_are_placed_as_in_the_reference() {
    // Computed by the row function of `psi_malicious.py`, the hash being given.
    #[rustfmt::skip]
    let cases = [
        (0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f, 21, 64525, 0, [2025, 1013, 0]),
        (0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f, 5, 11, 0, [0, 1, 2]),
        (0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01, 21, 64525, 18, [38731, 21524, 4318]),
        (0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01, 5, 11, 4, [6, 3, 0]),
        (0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01, 1, 3, 0, [1, 0, 2]),
        (u128::MAX, 21, 64525, 20, [64524, 64523, 64522]),
        (u128::MAX, 1, 3, 0, [2, 1, 0]),
        (0, 5, 11, 0, [0, 1, 2]),
        (0x8000_0000_ffff_ffff_0000_0000_c000_0000, 21, 64525, 15, [0, 64524, 32262]),
        (0x8000_0000_ffff_ffff_0000_0000_c000_0000, 1, 3, 0, [0, 2, 1]),
        (0x0000_0001_0000_0001_0000_0001_1234_5678, 21, 64525, 1, [0, 1, 2]),
    ];
    for (place, bins, sparse, bin, columns) in cases {
        let shape = Shape {
            class: 1 << 20,
            bins,
            bin_rows: 1,
            sparse,
            dense: 3,
        };
        let row = Okvs::new(shape, &RUN, &[0; 16]).place(Gf128::from_bits(place), Gf128::ONE);
        assert_eq!(
            (row.bin, row.columns),
            (bin, columns),
            "{place:032x} {bins} {sparse}"
        );
    }
}

#[test]
fn a_product_is_that_of_the_reference() {
    // The decoder of `psi_malicious.py` over the entries A·(i+1).
    let a = Gf128::from_bits(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
    let b = Gf128::from_bits(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01);
    let entries: Vec<_> = (1..=15).map(|i| a * Gf128::from_bits(i)).collect();
    let row = Row {
        bin: 0,
        columns: [2, 5, 9],
        coefficient: b,
    };
    let product = row.product(&entries[..11], &entries[11..]);
    assert!(product == Gf128::from_bits(0xbbdd_d26a_24d4_b14b_428e_6bf6_1be6_8eba));
}

#[test]
fn a_whole_class_encodes_and_decodes() {
    let mut rng = StdRng::seed_from_u64(10);
    for (shape, count) in [
        (Shape::for_class(1024).unwrap(), 1024),
        (Shape::for_class(1024).unwrap(), 0),
        (Shape::for_class(2048).unwrap(), 1500),
        (toy(7, 160, 1.6, 4), 700),
    ] {
        let items = random_items(count, &mut rng);
        let (seed, entries) = Okvs::encode_fresh(shape, &RUN, &items, &mut rng).unwrap();
        assert_eq!(entries.len(), shape.entries());
        assert_encodes(&Okvs::new(shape, &RUN, &seed), &items, &entries);
    }
}

#[test]
fn gaps_are_solved_by_the_dense_columns() {
    let mut rng = StdRng::seed_from_u64(11);
    let mut seen = [0; 13];
    for expansion in [1.16, 1.19, 1.22, 1.25] {
        let shape = toy(1, 120, expansion, 12);
        for _ in 0..60 {
            let items = random_items(120, &mut rng);
            let okvs = Okvs::new(shape, &RUN, &Gf128::random(&mut rng).to_bytes());
            let xs: Vec<_> = items.iter().map(Item::x).collect();
            let peeled = peel(&okvs.rows(&xs), shape.sparse as usize, 12);
            match okvs.encode(&items) {
                Ok(entries) => {
                    seen[peeled.unwrap().gap.len()] += 1;
                    assert_encodes(&okvs, &items, &entries);
                }
                Err(error) => assert_eq!(
                    (error, peeled.err()),
                    (OkvsError::Gap, Some(OkvsError::Gap))
                ),
            }
        }
    }
    assert!(
        seen[0] > 0 && seen.iter().skip(1).filter(|&&count| count > 0).count() >= 4,
        "{seen:?}"
    );
}

#[test]
fn equal_items_fail_under_every_seed_and_at_once() {
    let mut rng = StdRng::seed_from_u64(12);
    let shape = Shape::for_class(1024).unwrap();
    for same_value in [false, true] {
        let mut items = random_items(600, &mut rng);
        let twin = Item::new(
            items[17].x,
            if same_value { items[17].v } else { Gf128::ONE },
        );
        items.push(twin);
        let error = Okvs::encode_fresh(shape, &RUN, &items, &mut rng).unwrap_err();
        assert_eq!(error, OkvsError::EqualItems);
        assert!(!error.another_seed_helps());
    }
}

#[test]
fn failures_are_named_and_end_after_three_seeds() {
    struct Counted(StdRng, u32);
    impl rand_core::TryRng for Counted {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            self.0.try_next_u32()
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            self.0.try_next_u64()
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            self.1 += 1;
            self.0.try_fill_bytes(bytes)
        }
    }
    impl rand_core::TryCryptoRng for Counted {}

    let mut rng = Counted(StdRng::seed_from_u64(13), 0);
    let items = random_items(400, &mut rng.0);
    // Too few columns for so many rows, then room for too few rows.
    let narrow = toy(1, 400, 1.01, 3);
    assert_eq!(
        Okvs::encode_fresh(narrow, &RUN, &items, &mut rng).unwrap_err(),
        OkvsError::Gap
    );
    let crowded = Shape {
        bins: 4,
        bin_rows: 90,
        ..toy(4, 100, 1.6, 4)
    };
    let error = Okvs::encode_fresh(crowded, &RUN, &items, &mut rng).unwrap_err();
    assert_eq!(error, OkvsError::BinOverflow);
    assert_eq!(rng.1, 6);
    let small = toy(1, 399, 1.6, 4);
    let error = Okvs::encode_fresh(small, &RUN, &items, &mut rng).unwrap_err();
    assert_eq!((error, rng.1), (OkvsError::TooManyItems, 7));
}

#[test]
fn bins_partition_the_items() {
    let mut rng = StdRng::seed_from_u64(14);
    let shape = toy(9, 500, 1.3, 3);
    let okvs = Okvs::new(shape, &RUN, &[1; 16]);
    let items = random_items(3000, &mut rng);
    let bins = okvs.partition(items.iter().map(Item::x));
    let mut seen = vec![false; items.len()];
    for bin in 0..9 {
        for &index in bins.bin(bin) {
            assert!(!std::mem::replace(&mut seen[index as usize], true));
            assert_eq!(okvs.rows(&[items[index as usize].x])[0].bin(), bin);
        }
    }
    assert!(seen.iter().all(|&seen| seen));
    assert!(bins.bin(9).is_empty() && bins.bin(u32::MAX).is_empty());
}

#[test]
fn a_vector_covers_the_bins_it_was_made_for() {
    let shape = toy(3, 100, 1.3, 3);
    let okvs = Okvs::new(shape, &RUN, &[1; 16]);
    let entries = Zeroizing::new(vec![Gf128::ONE; shape.width()]);
    assert!(Vector::new(&shape, 0..2, entries.clone()).is_none());
    let middle = Vector::new(&shape, 1..2, entries).unwrap();
    for bin in 0..3 {
        let row = Row {
            bin,
            columns: [0, 1, 2],
            coefficient: Gf128::ZERO,
        };
        assert_eq!(okvs.decode(&middle, &row), (bin == 1).then_some(Gf128::ONE));
    }
}

#[test]
fn seed_and_run_move_every_row() {
    let shape = Shape::for_class(1 << 16).unwrap();
    let mut rng = StdRng::seed_from_u64(15);
    let xs: Vec<_> = (0..100).map(|_| Gf128::random(&mut rng)).collect();
    let rows = |run: SessionId, seed: [u8; 16]| Okvs::new(shape, &run, &seed).rows(&xs);
    let base = rows(RUN, [1; 16]);
    for other in [rows(RUN, [2; 16]), rows(RUN.chunk(0), [1; 16])] {
        let same = |(a, b): (&Row, &Row)| a.columns == b.columns || a.coefficient == b.coefficient;
        assert!(!base.iter().zip(&other).any(same));
    }
    // Both hashes of an item depend on all of it; v on the run as well.
    let salt: [u8; 32] = rng.random();
    let hasher = ItemHasher::new(&salt, &RUN);
    let (a, b) = (hasher.hash(b"ip|1"), hasher.hash(b"ip|2"));
    assert!(a.x != b.x && a.v != b.v && a.x != a.v);
    let next = ItemHasher::new(&salt, &RUN.chunk(0)).hash(b"ip|1");
    assert!(a.x == next.x && a.v != next.v);
}
