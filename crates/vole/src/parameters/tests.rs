#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use super::probability::{expansion, largest_bin, overflow_log2};
use super::*;

/// log2 n, β, n_b, m′, ĝ, n_v, blk, D.
type Line = (u32, u32, u32, u32, u32, usize, usize, usize);

/// As `psi_parameters.py`, the executable reference, prints them.
const REFERENCE: [Line; 17] = [
    (10, 1, 1024, 1479, 4, 1483, 12, 4),
    (11, 1, 2048, 2814, 4, 2818, 24, 5),
    (12, 1, 4096, 5431, 4, 5435, 44, 6),
    (13, 1, 8192, 10595, 4, 10599, 84, 7),
    (14, 1, 16384, 20824, 3, 20827, 164, 8),
    (15, 1, 32768, 41150, 3, 41153, 322, 9),
    (16, 2, 33695, 42318, 3, 84642, 662, 10),
    (17, 3, 44939, 56238, 3, 168_723, 1320, 11),
    (18, 6, 45106, 56469, 3, 338_832, 2648, 12),
    (19, 11, 49225, 61581, 3, 677_424, 5294, 13),
    (20, 21, 51588, 64525, 3, 1_355_088, 10588, 14),
    (21, 42, 51629, 64602, 3, 2_713_410, 21200, 15),
    (22, 83, 52270, 65420, 3, 5_430_109, 42424, 16),
    (23, 166, 52296, 65478, 4, 10_870_012, 84922, 17),
    (24, 332, 52318, 65532, 4, 21_757_952, 169_984, 18),
    (25, 665, 52262, 65489, 4, 43_552_845, 340_258, 19),
    (26, 1331, 52243, 65492, 4, 87_175_176, 681_058, 20),
];

#[test]
fn shapes_are_those_of_the_reference() {
    for (log, bins, bin_rows, sparse, dense, entries, block, depth) in REFERENCE {
        let class = 1 << log;
        let shape = Shape::for_class(class).unwrap();
        assert_eq!(
            shape,
            Shape {
                class,
                bins,
                bin_rows,
                sparse,
                dense
            },
            "2^{log}"
        );
        assert_eq!(shape.entries(), entries);
        let whole = Dimensions::new(entries);
        assert_eq!((whole.block(), whole.depth()), (block, depth), "2^{log}");
    }
}

#[test]
fn every_class_between_has_a_shape_that_holds_its_error() {
    for class in (8..=23)
        .flat_map(|k| [4, 5, 6, 7].map(|m| m << k))
        .chain([MAX_CLASS])
    {
        let shape = Shape::for_class(class).unwrap();
        let bins = f64::from(shape.bins);
        assert!(shape.sparse <= MAX_SPARSE);
        assert!(shape.bins == 1 || Shape::with_bins(class, shape.bins - 1).sparse > MAX_SPARSE);
        if shape.bins > 1 {
            let tail = |rows| overflow_log2(class, shape.bins, rows) + libm::log2(bins);
            assert!(tail(shape.bin_rows) <= -41.0 && tail(shape.bin_rows - 1) > -41.0);
        }
        // The gap: bins · m′^-ĝ stays below 2^-41, and so does bins · 2^-λ by choice of λ.
        let gap = f64::from(shape.dense) * libm::log2(f64::from(shape.sparse));
        assert!(gap - libm::log2(bins) >= 41.0);
        let columns =
            expansion(shape.bin_rows, 41.0 + libm::log2(bins)) * f64::from(shape.bin_rows);
        assert!((0.0..1.0).contains(&(f64::from(shape.sparse) - columns)));
    }
    assert_eq!(Shape::for_class(MIN_CLASS - 1), None);
    assert_eq!(Shape::for_class(MAX_CLASS + 1), None);
}

#[test]
fn the_tail_bound_is_the_exact_tail_but_for_a_little() {
    for (class, bins) in [(1000, 4), (5000, 7), (20_000, 50)] {
        let (n, p) = (f64::from(class), 1.0 / f64::from(bins));
        // P[Bin = k], each from the one before, and exact sums from above.
        let mut terms = vec![n * libm::log1p(-p)];
        for k in 1..=class {
            let k = f64::from(k);
            terms.push(terms.last().unwrap() + libm::log((n - k + 1.0) / k * p / (1.0 - p)));
        }
        let mut exact = 0.0;
        for most in (class / bins + 30..class).rev() {
            exact += libm::exp(terms[most as usize + 1]);
            let bound = libm::exp2(overflow_log2(class, bins, most));
            assert!(exact <= bound * (1.0 + 1e-6), "{class}/{bins} > {most}");
            assert!(
                bound <= 1.6 * exact + 1e-300,
                "{class}/{bins} > {most}: {bound} {exact}"
            );
        }
    }
    assert_eq!(largest_bin(1000, 1, 41.0), 1000);
}

#[test]
fn flights_have_the_bytes_of_the_reference() {
    // F1 (with the commitment), F2, F5, F8, F9 as `psi_malicious.py` prints them.
    for (log, f1, f2, f5, f8, f9, setup) in [
        (10, 8224, 138_240, 36_864, 23_760, 15_408, 185_472),
        (16, 8224, 144_384, 86_016, 1_354_304, 933_936, 240_768),
        (20, 8224, 148_480, 118_784, 21_681_440, 14_417_968, 277_632),
    ] {
        let shape = Shape::for_class(1 << log).unwrap();
        let one = shape.dimensions(&(0..shape.bins));
        assert_eq!(Shape::COMMITMENT_BYTES + one.f1_bytes(), f1);
        assert_eq!((one.f2_bytes(), one.f5_bytes()), (f2, f5));
        assert_eq!((one.f3_bytes(), one.f4_bytes()), (16, 2064));
        assert_eq!((one.f6_bytes(), one.f7_bytes()), (32, 32));
        assert_eq!((shape.f8_bytes(), shape.f9_bytes()), (f8, f9));
        assert_eq!(shape.setup_bytes(), setup);
        assert_eq!(setup, 148_608 + 9_216 * one.depth());
    }
    let shape = Shape::for_class(1 << 24).unwrap();
    assert_eq!(
        (shape.f8_bytes(), shape.f9_bytes()),
        (348_127_264, 222_298_160)
    );
    assert_eq!(Dimensions::new(shape.entries()).f2_bytes(), 152_576);
}

#[test]
fn the_blob_bound_covers_the_worst_tags_of_every_class() {
    for class in (8..=23).flat_map(|k| [4, 5, 6, 7].map(|m| m << k)) {
        let shape = Shape::for_class(class).unwrap();
        // The nearest integer to log2(2^128/n · ln 2), as the reference chooses.
        let ideal = 128.0 - libm::log2(f64::from(class)) + libm::log2(core::f64::consts::LN_2);
        assert_eq!(
            f64::from(shape.tag_code().unwrap().remainder_bits()),
            libm::round(ideal),
            "{class}"
        );
        // n quotients sum to at most ⌊(2^128 − 1)/2^k⌋.
        let ones = (u128::MAX >> shape.tag_code().unwrap().remainder_bits()) as usize;
        let bits =
            class as usize * (shape.tag_code().unwrap().remainder_bits() as usize + 1) + ones;
        assert!(bits.div_ceil(8) <= shape.tag_code().unwrap().bytes());
    }
}

#[test]
fn chunks_cover_every_bin_once() {
    for class in (8..=23)
        .flat_map(|k| [4, 5, 6, 7].map(|m| m << k))
        .chain([MAX_CLASS])
    {
        let shape = Shape::for_class(class).unwrap();
        let chunks: Vec<_> = shape.chunks().collect();
        assert_eq!(chunks[0].start, 0);
        assert!(chunks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(chunks.last().unwrap().end, shape.bins);
        assert!(
            chunks
                .iter()
                .all(|bins| shape.dimensions(bins).entries() <= CHUNK_ENTRIES)
        );
        assert_eq!(chunks.len() == 1, class <= 1 << 20, "{class}");
    }
    assert_eq!(Shape::for_class(1 << 24).unwrap().chunks().len(), 16);
}

#[test]
fn every_parameter_enters_the_session() {
    let shape = Shape::for_class(1 << 20).unwrap();
    let id = |shape: &Shape| crate::SessionId::new(b"", shape, &[0; 32], &[1; 32]);
    let others = [
        Shape {
            class: shape.class - 1,
            ..shape
        },
        Shape {
            bins: shape.bins + 1,
            ..shape
        },
        Shape {
            bin_rows: shape.bin_rows + 1,
            ..shape
        },
        Shape {
            sparse: shape.sparse + 1,
            ..shape
        },
        Shape {
            dense: shape.dense + 1,
            ..shape
        },
    ];
    assert!(others.iter().all(|other| id(other) != id(&shape)));
    assert_ne!(
        crate::SessionId::new(b"", &shape, &[1; 32], &[0; 32]),
        id(&shape)
    );
}
