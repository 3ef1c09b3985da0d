use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// An integer modulo p, four words, by additions alone: slow and plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plain([u64; 4]);

const P: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];

impl Plain {
    const ZERO: Self = Self([0; 4]);
    const ONE: Self = Self([1, 0, 0, 0]);

    /// Both are below p, so the sum is below 2^256 and one subtraction is enough.
    fn add(self, other: Self) -> Self {
        let mut sum = [0; 4];
        let mut carry = false;
        for ((sum, a), b) in sum.iter_mut().zip(self.0).zip(other.0) {
            (*sum, carry) = a.carrying_add(b, carry);
        }
        let mut less = [0; 4];
        let mut borrow = false;
        for ((less, a), p) in less.iter_mut().zip(sum).zip(P) {
            (*less, borrow) = a.borrowing_sub(p, borrow);
        }
        Self(if borrow { sum } else { less })
    }

    fn negate(self) -> Self {
        if self == Self::ZERO {
            return self;
        }
        let mut less = [0; 4];
        let mut borrow = false;
        for ((less, p), a) in less.iter_mut().zip(P).zip(self.0) {
            (*less, borrow) = p.borrowing_sub(a, borrow);
        }
        Self(less)
    }

    fn shift_add(self, bits: u32, word: u64) -> Self {
        (0..bits).rev().fold(self, |sum, bit| {
            let doubled = sum.add(sum);
            if word >> bit & 1 == 1 {
                doubled.add(Self::ONE)
            } else {
                doubled
            }
        })
    }

    fn multiply(self, other: Self) -> Self {
        let bits = (0..256)
            .rev()
            .map(|bit| other.0[bit / 64] >> (bit % 64) & 1);
        bits.fold(Self::ZERO, |sum, bit| {
            let doubled = sum.add(sum);
            if bit == 1 { doubled.add(self) } else { doubled }
        })
    }

    /// Limbs of any size, most significant last.
    fn from_limbs(limbs: [u64; 5]) -> Self {
        limbs.iter().rev().fold(Self::ZERO, |sum, limb| {
            sum.shift_add(52, 0).add(Self::ZERO.shift_add(64, *limb))
        })
    }

    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

fn lanes(element: &FieldElement) -> [[u64; 5]; LANES] {
    let limbs = element.0.map(to_lanes);
    std::array::from_fn(|lane| limbs.map(|limb| limb[lane]))
}

fn pack(values: [[u64; 5]; LANES]) -> FieldElement {
    FieldElement(std::array::from_fn(|limb| {
        from_lanes(values.map(|value| value[limb]))
    }))
}

/// What the element stands for: the low 52 bits of all limbs but the last count.
fn plain(element: &FieldElement) -> [Plain; LANES] {
    lanes(element).map(|[low @ .., top]| {
        let [l0, l1, l2, l3] = low.map(|limb| limb & ((1 << 52) - 1));
        Plain::from_limbs([l0, l1, l2, l3, top])
    })
}

fn assert_digits(element: &FieldElement) {
    for [.., top] in lanes(element) {
        assert!(top < (1 << 47) + (1 << 12), "{top:x}");
    }
}

/// Digit form, most limbs at a bound or next to one.
fn extreme(rng: &mut StdRng) -> [u64; 5] {
    let max = (1 << 52) - 1;
    let top_max = (1 << 47) + (1 << 12) - 1;
    let mut limbs = [0; 5];
    for limb in &mut limbs[..4] {
        *limb = match rng.random_range(0..8) {
            0 => 0,
            1 => rng.random_range(0..40),
            2 => max - rng.random_range(0..40),
            3 => rng.random_range(0..=max),
            4 => 1 << 51,
            _ => max,
        };
    }
    let half = (1 << 47) - 1;
    let tops = [
        0,
        1,
        half - 1,
        half,
        half + 1,
        top_max - 1,
        top_max,
        top_max,
    ];
    limbs[4] = tops[rng.random_range(0..tops.len())];
    limbs
}

/// Runs `check` if the processor can.
fn on_ifma(check: unsafe fn(&mut StdRng)) {
    if is_x86_feature_detected!("avx512ifma") {
        // SAFETY: the checks need no more than the feature.
        unsafe { check(&mut StdRng::seed_from_u64(52)) }
    }
}

/// Eight values at the bounds, with bits above the digits that no longer count.
fn inputs(rng: &mut StdRng, round: usize) -> FieldElement {
    let mut limbs = lanes(&extremes(rng, round));
    for limb in limbs.iter_mut().flat_map(|lane| &mut lane[..4]) {
        *limb |= rng.random_range(0..4096) << 52;
    }
    pack(limbs)
}

fn extremes(rng: &mut StdRng, round: usize) -> FieldElement {
    let max = [
        (1 << 52) - 1,
        (1 << 52) - 1,
        (1 << 52) - 1,
        (1 << 52) - 1,
        (1 << 47) + (1 << 12) - 1,
    ];
    let p = [
        (1 << 52) - 19,
        (1 << 52) - 1,
        (1 << 52) - 1,
        (1 << 52) - 1,
        (1 << 47) - 1,
    ];
    match round {
        0 => pack([max; LANES]),
        1 => pack([p; LANES]),
        _ => pack(std::array::from_fn(|_| extreme(rng))),
    }
}

#[test]
fn products_sums_and_differences_at_the_bounds() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        check_arithmetic(rng, 3000);
    }
    on_ifma(check);
}

/// `cargo test --release -p blindmatch-simd --lib -- --ignored --nocapture ten_million`
#[test]
#[ignore = "a minute or two, and only of use when optimised"]
fn ten_million_products_sums_and_differences_at_the_bounds() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        let rounds = 10_000_000 / LANES;
        check_arithmetic(rng, rounds);
        println!(
            "{} products, squares, sums, differences and negations each",
            rounds * LANES
        );
    }
    on_ifma(check);
}

#[target_feature(enable = "avx512ifma")]
fn check_arithmetic(rng: &mut StdRng, rounds: usize) {
    for round in 0..rounds {
        let (a, b) = (inputs(rng, round), inputs(rng, round));
        let (pa, pb) = (plain(&a), plain(&b));
        let expect = |element: FieldElement, of: fn(Plain, Plain) -> Plain| {
            assert_digits(&element);
            let expected: [_; LANES] = std::array::from_fn(|lane| of(pa[lane], pb[lane]));
            assert_eq!(
                plain(&element),
                expected,
                "round {round}: {:x?}",
                (lanes(&a), lanes(&b))
            );
            assert_eq!(element.to_bytes(), expected.map(Plain::to_bytes));
        };
        expect(a.multiply(&b), Plain::multiply);
        expect(a.square(), |a, _| a.multiply(a));
        expect(a.add(&b), Plain::add);
        expect(a.sub(&b), |a, b| a.add(b.negate()));
        expect(a.negate(), |a, _| a.negate());
    }
}

/// The longest chains of `Wide` that the point formulas make.
#[test]
fn wide_chains_at_the_bounds() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        for round in 0..500 {
            let [x, y, z] = [(); 3].map(|()| inputs(rng, round));
            let plain_products = [
                x.square_wide(),
                y.square_wide(),
                z.square_wide(),
                x.multiply_wide(&y),
            ];
            let raised = [x.square_raised(), x.multiply_raised(&y)];
            let limbs = |wide: &Wide| lanes(&FieldElement(wide.0));
            let bound = (1 << 52) * 10;
            for product in &plain_products {
                assert!(
                    limbs(product)
                        .as_flattened()
                        .iter()
                        .all(|limb| *limb < bound)
                );
            }
            for product in &raised {
                for lane in limbs(product) {
                    for (limb, raise) in lane.into_iter().zip(RAISE.map(i64::cast_unsigned)) {
                        assert!(raise > bound && (raise..raise + bound).contains(&limb));
                    }
                }
            }

            let [_, yy, zz, xy] = plain_products;
            let [xx, _] = raised;
            let difference = xx.sub(&yy);
            let longest = zz.add(&zz).add(&difference).carry();
            let negated = difference.negate().carry();
            let sum = xx.add(&yy).carry();
            let double = xy.add(&xy).carry();
            let (px, py, pz) = (plain(&x), plain(&y), plain(&z));
            for lane in 0..LANES {
                let square = |of: [Plain; LANES]| of[lane].multiply(of[lane]);
                let (xx, yy, zz) = (square(px), square(py), square(pz));
                let xy = px[lane].multiply(py[lane]);
                let minus_yy = yy.negate();
                assert_eq!(plain(&longest)[lane], zz.add(zz).add(xx).add(minus_yy));
                assert_eq!(plain(&negated)[lane], yy.add(xx.negate()));
                assert_eq!(plain(&sum)[lane], xx.add(yy));
                assert_eq!(plain(&double)[lane], xy.add(xy));
            }
            for element in [longest, negated, sum, double] {
                assert_digits(&element);
            }
        }
    }
    on_ifma(check);
}

#[test]
fn the_carry_takes_limbs_up_to_2_63() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        let max = (1 << 63) - 1;
        for round in 0..2000 {
            let limbs = std::array::from_fn(|_| {
                std::array::from_fn(|_| match rng.random_range(0..4) {
                    _ if round == 0 => max,
                    0 => rng.random_range(0..=max),
                    _ => max - rng.random_range(0..3),
                })
            });
            let carried = Wide(pack(limbs).0).carry();
            assert_digits(&carried);
            assert_eq!(plain(&carried), limbs.map(Plain::from_limbs));
        }
    }
    on_ifma(check);
}

#[test]
fn predicates_and_selections_see_the_residue() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        let mask_of = |lanes: [bool; LANES]| {
            lanes
                .iter()
                .rev()
                .fold(0_u8, |mask, lane| mask << 1 | u8::from(*lane))
        };
        for round in 0..3000 {
            let (a, mut b) = (inputs(rng, round), inputs(rng, round + 1));
            let equal: u8 = rng.random();
            b = b.or_if(equal, &a.sub(&b).add(&b));
            let (pa, pb) = (plain(&a), plain(&b));
            let odd = pa.map(|a| a.0[0] & 1 == 1);
            assert_eq!(a.is_negative(), mask_of(odd));
            assert_eq!(a.is_zero(), mask_of(pa.map(|a| a == Plain::ZERO)));
            let same = std::array::from_fn(|lane| pa[lane] == pb[lane]);
            assert_eq!(a.equals(&b), mask_of(same));
            assert_eq!(a.equals(&b) & equal, equal);
            let absolute = a.absolute();
            assert_digits(&absolute);
            let expected: [_; LANES] = std::array::from_fn(|lane| {
                if odd[lane] {
                    pa[lane].negate()
                } else {
                    pa[lane]
                }
            });
            assert_eq!(plain(&absolute), expected);
        }
    }
    on_ifma(check);
}

#[test]
fn bytes_are_read_modulo_p_and_told_canonical_or_not() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        let mut edges = vec![[0; 32], [0xff; 32], Plain(P).to_bytes()];
        for k in 0..40 {
            let mut below = P;
            below[0] -= k;
            let mut above = [u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1];
            above[0] -= k;
            let small = Plain([k, 0, 0, 0]);
            edges.extend([
                Plain(below).to_bytes(),
                Plain(above).to_bytes(),
                small.to_bytes(),
            ]);
            let mut high = small.to_bytes();
            high[31] |= 0x80;
            edges.push(high);
        }
        edges.extend((0..64).map(|_| rng.random::<[u8; 32]>()));
        for chunk in edges.chunks(LANES) {
            let bytes: [&[u8; 32]; LANES] =
                std::array::from_fn(|lane| chunk.get(lane).unwrap_or(&[0; 32]));
            let (element, canonical) = FieldElement::from_bytes(bytes);
            let back = element.to_bytes();
            for lane in 0..LANES {
                let mut expected = Plain::ZERO;
                for (index, byte) in bytes[lane].iter().enumerate().rev() {
                    let byte = if index == 31 { byte & 0x7f } else { *byte };
                    expected = expected.shift_add(8, u64::from(byte));
                }
                assert_eq!(back[lane], expected.to_bytes());
                let same = expected.to_bytes() == *bytes[lane];
                assert_eq!(canonical >> lane & 1 == 1, same, "{:x?}", bytes[lane]);
            }
        }
    }
    on_ifma(check);
}

#[test]
fn inverses_and_roots_are_what_they_say() {
    #[target_feature(enable = "avx512ifma")]
    fn check(rng: &mut StdRng) {
        let i = Plain::from_limbs(SQRT_M1.map(i64::cast_unsigned));
        assert_eq!(i.multiply(i), Plain::ONE.negate());
        let mut squares = 0;
        for round in 0..60 {
            let (a, b) = (inputs(rng, round), inputs(rng, round));
            let zero = FieldElement::splat(&ZERO);
            let b = if round == 2 { zero } else { b };
            let [inverse] = invert(&[b]);
            let product = plain(&inverse.multiply(&b));
            for (product, b) in product.iter().zip(plain(&b)) {
                assert_eq!(*product, if b == Plain::ZERO { b } else { Plain::ONE });
            }

            // Two groups at once, the second with the roles exchanged.
            let (was_square, root) = sqrt_ratio(&[a, b], &[b, a]);
            for (n, (u, v)) in [(a, b), (b, a)].into_iter().enumerate() {
                assert_digits(&root[n]);
                let pairs = plain(&u).into_iter().zip(plain(&v));
                for (lane, (root, (u, v))) in plain(&root[n]).into_iter().zip(pairs).enumerate() {
                    let square = was_square[n] >> lane & 1 == 1;
                    squares += u32::from(square);
                    assert_eq!(root.0[0] & 1, 0);
                    // v root² is u, or √−1 u; RFC 9496 §4.2 for the cases with 0.
                    let check = v.multiply(root.multiply(root));
                    if u == Plain::ZERO {
                        assert!(square && root == Plain::ZERO);
                    } else if v == Plain::ZERO {
                        assert!(!square && root == Plain::ZERO);
                    } else {
                        assert_eq!(check, if square { u } else { i.multiply(u) });
                    }
                }
            }
        }
        assert!((200..800).contains(&squares), "{squares}");
    }
    on_ifma(check);
}
