//! Whether four lanes of AVX2 would gain over curve25519-dalek, which uses AVX2 inside one point.
//!
//! Times a product and a square of four field elements in radix 2^25.5, two groups in flight, and
//! counts what the kernels would need of them: the decoding, the map and the multiplication that
//! the eight-lane kernels do. The sums bound a kernel's rate from above, since selecting table
//! entries, adding and carrying come on top.

#![cfg_attr(not(target_arch = "x86_64"), allow(unused))]
#![allow(unsafe_code, reason = "an experiment with intrinsics")]

#[cfg(not(target_arch = "x86_64"))]
fn main() {}

#[cfg(target_arch = "x86_64")]
fn main() {
    assert!(is_x86_feature_detected!("avx2"), "this measures AVX2");
    // SAFETY: the feature is there.
    unsafe { x86::run() }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    use curve25519_dalek::ristretto::CompressedRistretto;
    use curve25519_dalek::{RistrettoPoint, Scalar};

    /// Four elements, each ten limbs of 26 and 25 bits in turn, in the low halves of the lanes.
    #[derive(Clone, Copy)]
    struct Field([__m256i; 10]);

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi64(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn mul(a: __m256i, b: __m256i) -> __m256i {
        _mm256_mul_epu32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum<const N: usize>(terms: &[(__m256i, __m256i); N]) -> __m256i {
        let mut sum = mul(terms[0].0, terms[0].1);
        for (a, b) in &terms[1..] {
            sum = add(sum, mul(*a, *b));
        }
        sum
    }

    impl Field {
        /// Limbs below 2^28 in, below 2^26 + 2^13 out.
        #[inline]
        #[target_feature(enable = "avx2")]
        fn multiply(&self, other: &Self) -> Self {
            let (f, g) = (&self.0, &other.0);
            let nineteen = _mm256_set1_epi64x(19);
            let mut g19 = *g;
            for limb in &mut g19[1..] {
                *limb = mul(*limb, nineteen);
            }
            let mut f2 = *f;
            for limb in f2.iter_mut().skip(1).step_by(2) {
                *limb = add(*limb, *limb);
            }
            let h = [
                sum(&[
                    (f[0], g[0]),
                    (f2[1], g19[9]),
                    (f[2], g19[8]),
                    (f2[3], g19[7]),
                    (f[4], g19[6]),
                    (f2[5], g19[5]),
                    (f[6], g19[4]),
                    (f2[7], g19[3]),
                    (f[8], g19[2]),
                    (f2[9], g19[1]),
                ]),
                sum(&[
                    (f[0], g[1]),
                    (f[1], g[0]),
                    (f[2], g19[9]),
                    (f[3], g19[8]),
                    (f[4], g19[7]),
                    (f[5], g19[6]),
                    (f[6], g19[5]),
                    (f[7], g19[4]),
                    (f[8], g19[3]),
                    (f[9], g19[2]),
                ]),
                sum(&[
                    (f[0], g[2]),
                    (f2[1], g[1]),
                    (f[2], g[0]),
                    (f2[3], g19[9]),
                    (f[4], g19[8]),
                    (f2[5], g19[7]),
                    (f[6], g19[6]),
                    (f2[7], g19[5]),
                    (f[8], g19[4]),
                    (f2[9], g19[3]),
                ]),
                sum(&[
                    (f[0], g[3]),
                    (f[1], g[2]),
                    (f[2], g[1]),
                    (f[3], g[0]),
                    (f[4], g19[9]),
                    (f[5], g19[8]),
                    (f[6], g19[7]),
                    (f[7], g19[6]),
                    (f[8], g19[5]),
                    (f[9], g19[4]),
                ]),
                sum(&[
                    (f[0], g[4]),
                    (f2[1], g[3]),
                    (f[2], g[2]),
                    (f2[3], g[1]),
                    (f[4], g[0]),
                    (f2[5], g19[9]),
                    (f[6], g19[8]),
                    (f2[7], g19[7]),
                    (f[8], g19[6]),
                    (f2[9], g19[5]),
                ]),
                sum(&[
                    (f[0], g[5]),
                    (f[1], g[4]),
                    (f[2], g[3]),
                    (f[3], g[2]),
                    (f[4], g[1]),
                    (f[5], g[0]),
                    (f[6], g19[9]),
                    (f[7], g19[8]),
                    (f[8], g19[7]),
                    (f[9], g19[6]),
                ]),
                sum(&[
                    (f[0], g[6]),
                    (f2[1], g[5]),
                    (f[2], g[4]),
                    (f2[3], g[3]),
                    (f[4], g[2]),
                    (f2[5], g[1]),
                    (f[6], g[0]),
                    (f2[7], g19[9]),
                    (f[8], g19[8]),
                    (f2[9], g19[7]),
                ]),
                sum(&[
                    (f[0], g[7]),
                    (f[1], g[6]),
                    (f[2], g[5]),
                    (f[3], g[4]),
                    (f[4], g[3]),
                    (f[5], g[2]),
                    (f[6], g[1]),
                    (f[7], g[0]),
                    (f[8], g19[9]),
                    (f[9], g19[8]),
                ]),
                sum(&[
                    (f[0], g[8]),
                    (f2[1], g[7]),
                    (f[2], g[6]),
                    (f2[3], g[5]),
                    (f[4], g[4]),
                    (f2[5], g[3]),
                    (f[6], g[2]),
                    (f2[7], g[1]),
                    (f[8], g[0]),
                    (f2[9], g19[9]),
                ]),
                sum(&[
                    (f[0], g[9]),
                    (f[1], g[8]),
                    (f[2], g[7]),
                    (f[3], g[6]),
                    (f[4], g[5]),
                    (f[5], g[4]),
                    (f[6], g[3]),
                    (f[7], g[2]),
                    (f[8], g[1]),
                    (f[9], g[0]),
                ]),
            ];
            Self(carry(h))
        }

        #[inline]
        #[target_feature(enable = "avx2")]
        fn square(&self) -> Self {
            let f = &self.0;
            let nineteen = _mm256_set1_epi64x(19);
            let mut f19 = *f;
            for limb in &mut f19[5..] {
                *limb = mul(*limb, nineteen);
            }
            let mut f2 = *f;
            for limb in &mut f2 {
                *limb = add(*limb, *limb);
            }
            let mut f4 = f2;
            for limb in f4.iter_mut().skip(1).step_by(2) {
                *limb = add(*limb, *limb);
            }
            let h = [
                sum(&[
                    (f[0], f[0]),
                    (f4[1], f19[9]),
                    (f2[2], f19[8]),
                    (f4[3], f19[7]),
                    (f2[4], f19[6]),
                    (f2[5], f19[5]),
                ]),
                sum(&[
                    (f2[0], f[1]),
                    (f2[2], f19[9]),
                    (f2[3], f19[8]),
                    (f2[4], f19[7]),
                    (f2[5], f19[6]),
                ]),
                sum(&[
                    (f2[0], f[2]),
                    (f2[1], f[1]),
                    (f4[3], f19[9]),
                    (f2[4], f19[8]),
                    (f4[5], f19[7]),
                    (f[6], f19[6]),
                ]),
                sum(&[
                    (f2[0], f[3]),
                    (f2[1], f[2]),
                    (f2[4], f19[9]),
                    (f2[5], f19[8]),
                    (f2[6], f19[7]),
                ]),
                sum(&[
                    (f2[0], f[4]),
                    (f4[1], f[3]),
                    (f[2], f[2]),
                    (f4[5], f19[9]),
                    (f2[6], f19[8]),
                    (f2[7], f19[7]),
                ]),
                sum(&[
                    (f2[0], f[5]),
                    (f2[1], f[4]),
                    (f2[2], f[3]),
                    (f2[6], f19[9]),
                    (f2[7], f19[8]),
                ]),
                sum(&[
                    (f2[0], f[6]),
                    (f4[1], f[5]),
                    (f2[2], f[4]),
                    (f2[3], f[3]),
                    (f4[7], f19[9]),
                    (f[8], f19[8]),
                ]),
                sum(&[
                    (f2[0], f[7]),
                    (f2[1], f[6]),
                    (f2[2], f[5]),
                    (f2[3], f[4]),
                    (f2[8], f19[9]),
                ]),
                sum(&[
                    (f2[0], f[8]),
                    (f4[1], f[7]),
                    (f2[2], f[6]),
                    (f4[3], f[5]),
                    (f[4], f[4]),
                    (f2[9], f19[9]),
                ]),
                sum(&[
                    (f2[0], f[9]),
                    (f2[1], f[8]),
                    (f2[2], f[7]),
                    (f2[3], f[6]),
                    (f2[4], f[5]),
                ]),
            ];
            Self(carry(h))
        }

        fn lanes(&self) -> [[u64; 10]; 4] {
            // SAFETY: both types are 32 bytes of plain integers.
            let limbs = self
                .0
                .map(|limb| unsafe { std::mem::transmute::<__m256i, [u64; 4]>(limb) });
            std::array::from_fn(|lane| limbs.map(|limb| limb[lane]))
        }
    }

    /// Two chains that meet, as is usual for this radix.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn carry(mut h: [__m256i; 10]) -> [__m256i; 10] {
        for (a, b) in [(0, 4), (1, 5), (2, 6), (3, 7), (4, 8)] {
            step(&mut h, a);
            step(&mut h, b);
        }
        let above = _mm256_srli_epi64::<25>(h[9]);
        h[9] = _mm256_and_si256(h[9], _mm256_set1_epi64x((1 << 25) - 1));
        h[0] = add(
            h[0],
            add(
                above,
                add(_mm256_slli_epi64::<1>(above), _mm256_slli_epi64::<4>(above)),
            ),
        );
        step(&mut h, 0);
        h
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn step(h: &mut [__m256i; 10], i: usize) {
        let (above, low) = if i.is_multiple_of(2) {
            (_mm256_srli_epi64::<26>(h[i]), (1 << 26) - 1)
        } else {
            (_mm256_srli_epi64::<25>(h[i]), (1 << 25) - 1)
        };
        h[i] = _mm256_and_si256(h[i], _mm256_set1_epi64x(low));
        h[i + 1] = add(h[i + 1], above);
    }

    /// What ten limbs stand for, modulo p.
    fn residue(limbs: [u64; 10]) -> [u64; 4] {
        let place = [0, 26, 51, 77, 102, 128, 153, 179, 204, 230];
        let mut sum = [0_u64; 4];
        for (limb, place) in limbs.into_iter().zip(place).rev() {
            let mut term = [limb, 0, 0, 0];
            for _ in 0..place {
                term = add_mod(term, term);
            }
            sum = add_mod(sum, term);
        }
        sum
    }

    fn add_mod(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        const P: [u64; 4] = [u64::MAX - 18, u64::MAX, u64::MAX, u64::MAX >> 1];
        let (mut sum, mut carry) = ([0; 4], false);
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
            (*sum, carry) = a.carrying_add(b, carry);
        }
        let (mut less, mut borrow) = ([0; 4], false);
        for ((less, a), p) in less.iter_mut().zip(sum).zip(P) {
            (*less, borrow) = a.borrowing_sub(p, borrow);
        }
        if borrow { sum } else { less }
    }

    fn multiply_mod(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
        let bits = (0..256).rev().map(|bit| b[bit / 64] >> (bit % 64) & 1);
        bits.fold([0; 4], |sum, bit| {
            let doubled = add_mod(sum, sum);
            if bit == 1 {
                add_mod(doubled, a)
            } else {
                doubled
            }
        })
    }

    /// Least seconds for one of `count` operations.
    fn time(count: usize, mut run: impl FnMut()) -> f64 {
        let mut best = f64::INFINITY;
        for _ in 0..300 {
            let started = Instant::now();
            run();
            best = best.min(started.elapsed().as_secs_f64() / count as f64);
        }
        best
    }

    #[target_feature(enable = "avx2")]
    fn chain(x: [Field; 2], by: &[Field; 2], count: usize, product: bool) -> [Field; 2] {
        let [mut a, mut b] = x;
        for _ in 0..count {
            if product {
                (a, b) = (a.multiply(&by[0]), b.multiply(&by[1]));
            } else {
                (a, b) = (a.square(), b.square());
            }
        }
        [a, b]
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn run() {
        let field = |seed: i64| {
            Field(std::array::from_fn(|limb| {
                let base = (seed * 7_654_321 + limb as i64 * 1_234_567) & ((1 << 25) - 1);
                _mm256_set_epi64x(base ^ 1, base ^ 77, base ^ 4095, base)
            }))
        };
        let (x, y) = ([field(3), field(5)], [field(7), field(11)]);
        for (product, square) in [(x[0].multiply(&y[0]), x[0].square())] {
            for lane in 0..4 {
                let [a, b] = [x[0], y[0]].map(|of| residue(of.lanes()[lane]));
                assert_eq!(residue(product.lanes()[lane]), multiply_mod(a, b));
                assert_eq!(residue(square.lanes()[lane]), multiply_mod(a, a));
            }
        }

        let count = 2_000;
        // Two groups of four lanes a step.
        let of = |product| {
            time(count * 8, || {
                black_box(chain(black_box(x), black_box(&y), count, product));
            })
        };
        let (product, square) = (of(true), of(false));
        println!(
            "product {:.2} ns, square {:.2} ns a lane",
            product * 1e9,
            square * 1e9
        );

        let point = RistrettoPoint::from_uniform_bytes(&[5; 64]);
        let points = vec![point; 64];
        let encoding = point.compress();
        let scalar = Scalar::from_bytes_mod_order([0x5a; 32]);
        let rows: [(&str, f64, f64, f64); 3] = [
            // (p − 5)/8 by 254 squares and 11 products, and the rest of RFC 9496 §4.3.1.
            (
                "decode",
                260.0,
                24.0,
                time(64, || {
                    for encoding in [encoding; 64] {
                        black_box(CompressedRistretto::decompress(black_box(&encoding)));
                    }
                }),
            ),
            // Two roots, two Elligator maps (RFC 9496 §4.3.4), a sum.
            (
                "map",
                518.0,
                70.0,
                time(64, || {
                    for bytes in [[5; 64]; 64] {
                        black_box(RistrettoPoint::from_uniform_bytes(black_box(&bytes)));
                    }
                }),
            ),
            // 252 doublings of 4S + 3M, a product more before each of 64 additions of 8M, and
            // the table: 4 doublings and 3 additions with their extensions.
            (
                "multiply",
                252.0 * 4.0 + 16.0,
                252.0 * 3.0 + 64.0 * 9.0 + 60.0,
                time(64, || {
                    for point in &points {
                        black_box(black_box(point) * black_box(&scalar));
                    }
                }),
            ),
        ];
        let (mut dalek_sum, mut ours_sum) = (0.0, 0.0);
        for (name, squares, products, dalek) in rows {
            let ours = squares * square + products * product;
            println!(
                "{name:9} dalek {:7.2} us, field arithmetic of four lanes {:7.2} us an item, at most {:.2} times",
                dalek * 1e6,
                ours * 1e6,
                dalek / ours
            );
            if name != "map" {
                dalek_sum += dalek;
                ours_sum += ours;
            }
        }
        println!(
            "decode and multiply: at most {:.2} times",
            dalek_sum / ours_sum
        );
    }
}
