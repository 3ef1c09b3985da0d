#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const A: Gf128 = Gf128(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
const B: Gf128 = Gf128(0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01);
const CODE: Gf128 = Gf128(0x9e37_79b9_7f4a_7c15);

/// Multiplication as the definition has it, one bit at a time.
fn schoolbook(a: Gf128, b: Gf128) -> Gf128 {
    let (mut sum, mut shifted) = (0, a.0);
    for bit in 0..128 {
        if b.0 >> bit & 1 == 1 {
            sum ^= shifted;
        }
        let carry = shifted >> 127;
        shifted = (shifted << 1) ^ (carry * 0x87);
    }
    Gf128(sum)
}

#[test]
fn known_answers_of_the_reference() {
    assert!((A * B).0 == 0x400d_a424_dc2a_388d_288b_cca2_b4ac_5213);
    assert!((CODE * CODE).0 == 0x4154_0515_1541_4541_1555_1044_1550_0111);
    assert!(B.invert().0 == 0x7ae5_562e_a48d_ab5c_4f1e_d31d_b13c_fa8f);
    assert!((Gf128(1 << 127) * Gf128(2)).0 == 0x87);
    let rows: Vec<_> = (0..128).map(|j| Gf128(A.0 + j)).collect();
    assert!(combine(&rows).0 == 0xeecc_ea89_e7ba_e37c_0220_f965_f456_ce6d);
    let values: Vec<_> = (1..=5).map(Gf128).collect();
    for backend in Backend::available() {
        assert!(power_sum(backend, B, &values).0 == 0xb037_f8f8_7837_009a_8fcc_9696_9e50_f053);
    }
}

#[test]
fn product_is_the_schoolbook_product() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut cases = vec![
        Gf128::ZERO,
        Gf128::ONE,
        Gf128(u128::MAX),
        Gf128(u128::MAX >> 4),
        A,
        B,
        CODE,
    ];
    cases.extend((0..128).step_by(9).map(|bit| Gf128(1 << bit)));
    cases.extend((0..200).map(|_| Gf128::random(&mut rng)));
    for &a in &cases {
        for &b in &cases {
            let product = schoolbook(a, b);
            assert!(a * b == product);
            if b.0 >> 64 == 0 {
                assert!(a.mul_low(u64::try_from(b.0).unwrap()) == product);
            }
        }
        assert!(a.mul_x() == schoolbook(a, Gf128(2)));
    }
}

#[test]
fn field_laws() {
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..200 {
        let [a, b, c] = [(); 3].map(|()| Gf128::random(&mut rng));
        assert!(a * b == b * a);
        assert!(a * (b + c) == a * b + a * c);
        assert!((a * b) * c == a * (b * c));
        assert!(a * a.invert() == Gf128::ONE);
    }
    assert!(Gf128::ZERO.invert() == Gf128::ZERO);
}

#[test]
fn the_code_constant_lies_in_no_proper_subfield() {
    let mut power = CODE;
    for squarings in 1..=128u32 {
        power = power * power;
        // The subfields of GF(2^128) are the fixed fields of 2^k-th powers, k a proper divisor.
        assert_eq!(power == CODE, squarings == 128, "{squarings} squarings");
    }
}

#[test]
fn powers_and_scaled_sums() {
    let mut rng = StdRng::seed_from_u64(3);
    let x = Gf128::random(&mut rng);
    let mut expected = Gf128::ONE;
    for exponent in 0..70 {
        assert!(x.power(exponent) == expected);
        expected = expected * x;
    }
    for length in [0, 1, 3, 4, 15, 16, 17, 37, 64, 200] {
        let values: Vec<_> = (0..length).map(|_| Gf128::random(&mut rng)).collect();
        let sum = (0..)
            .zip(&values)
            .fold(Gf128::ZERO, |sum, (i, &v)| sum + x.power(i + 1) * v);
        for backend in Backend::available() {
            assert!(power_sum(backend, x, &values) == sum);
            let mut target = values.clone();
            target.push(A);
            add_scaled(backend, &mut target, x, &values);
            assert!((0..length).all(|i| target[i] == values[i] + x * values[i]));
            assert!(target[length] == A);
            let coefficients: Vec<_> = (0..4).map(|_| Gf128::random(&mut rng)).collect();
            let mut target = values.clone();
            add_polynomial(backend, &mut target, &values, &coefficients);
            for (value, target) in values.iter().zip(target) {
                let powers = (1..).map(|j| value.power(j)).zip(&coefficients);
                let sum = powers.fold(*value, |sum, (power, &c)| sum + power * c);
                assert!(target == sum);
            }
        }
    }
}

/// Every length around what the vectors reach, in one piece and in several, against the definition.
#[test]
fn accumulation_is_the_definition_on_every_backend() {
    let mut rng = StdRng::seed_from_u64(4);
    let constant = u64::try_from(CODE.0).unwrap();
    for length in (26..140).chain([1000, 5003]) {
        let entries: Vec<_> = (0..length).map(|_| Gf128::random(&mut rng)).collect();
        let taps: Vec<u32> = (0..length).map(|_| rng.random_range(0..1 << 24)).collect();
        let mut expected = entries.clone();
        for (i, &tap) in taps.iter().enumerate() {
            let entry = expected[i];
            for bit in (0..WINDOW).filter(|bit| tap >> bit & 1 == 1) {
                expected[(i + 1 + bit) % length] += entry;
            }
            let last = &mut expected[(i + 25) % length];
            *last = schoolbook(*last + entry, CODE);
        }
        for backend in Backend::available() {
            for piece in [length, 20, 7] {
                let mut found = entries.clone();
                for (number, taps) in taps.chunks(piece).enumerate() {
                    accumulate(backend, &mut found, number * piece, taps, constant);
                }
                assert!(found == expected, "{length} {piece} {backend:?}");
            }
        }
    }
}

#[test]
fn debug_shows_no_value() {
    assert_eq!(format!("{:?}", Gf128(0x1234)), "Gf128(<redacted>)");
}
