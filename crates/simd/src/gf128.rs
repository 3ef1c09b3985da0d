//! GF(2^128) = GF(2)\[x\] / (x^128 + x^7 + x^2 + x + 1).
//!
//! Bit i of the little-endian integer is the coefficient of x^i. That is GHASH's field with the
//! bits of every element reversed.
//!
//! Single products are portable: integer products whose carries are kept apart by three empty bits
//! between every two that are used. They branch on nothing and index by nothing. What works on many
//! elements takes a [`Backend`]: four at a time on VPCLMULQDQ, or one at a time on the portable
//! product, with the same results.

use std::fmt;
use std::ops::{Add, AddAssign, Mul};

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::DefaultIsZeroes;

use crate::backend::Backend;

mod serial;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

/// An element of GF(2^128), 16 bytes little-endian on the wire.
///
/// It is `Copy`, as arithmetic needs; whatever holds secret elements wipes them itself.
/// `Debug` shows nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Gf128(u128);

impl Gf128 {
    /// The neutral element of addition.
    pub const ZERO: Self = Self(0);
    /// The neutral element of multiplication.
    pub const ONE: Self = Self(1);

    /// The element whose coefficients are the bits of `bits`.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The coefficients, bit i for x^i.
    pub const fn to_bits(self) -> u128 {
        self.0
    }

    /// Decodes 16 bytes; every string is an element.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// The 16 bytes of the wire.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// A uniform element from the caller's randomness.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self::from_bytes(bytes)
    }

    /// The product with `x`, one shift.
    pub const fn mul_x(self) -> Self {
        let carry = (self.0 >> 127) as u64;
        Self((self.0 << 1) ^ (carry * 0x87) as u128)
    }

    /// The product with an element of degree below 64: two thirds of the work of a full product.
    #[inline]
    pub fn mul_low(self, factor: u64) -> Self {
        let [low, high] = halves(self.0);
        let (low, high) = (carryless(low, factor), carryless(high, factor));
        Self(reduce(low ^ (high << 64), high >> 64))
    }

    /// The inverse; zero for zero.
    pub fn invert(self) -> Self {
        // 2^128 - 2 = 2 + 4 + ... + 2^127.
        let mut square = self;
        let mut inverse = Self::ONE;
        for _ in 1..128 {
            square = square * square;
            inverse = inverse * square;
        }
        inverse
    }

    /// `self` to a secret power below 2^64; the time depends on nothing.
    pub fn power(self, exponent: u64) -> Self {
        let mut result = Self::ONE;
        for bit in (0..64).rev() {
            result = result * result;
            let set = Choice::from(((exponent >> bit) & 1) as u8);
            result = Self::conditional_select(&result, &(result * self), set);
        }
        result
    }

    /// All ones if `choice`, else zero: what a masked addition needs.
    #[must_use]
    pub fn mask(choice: Choice) -> u128 {
        u128::from(choice.unwrap_u8()).wrapping_neg()
    }
}

/// Σ x^{i+1}·values\[i\].
#[must_use]
pub fn power_sum(backend: Backend, x: Gf128, values: &[Gf128]) -> Gf128 {
    #[cfg(target_arch = "x86_64")]
    if vector::runs(backend) {
        // SAFETY: the processor has the features.
        return unsafe { vector::power_sum(x, values) };
    }
    serial::power_sum(x, values)
}

/// `target[i] += factor·values[i]` for every i that both have.
pub fn add_scaled(backend: Backend, target: &mut [Gf128], factor: Gf128, values: &[Gf128]) {
    #[cfg(target_arch = "x86_64")]
    if vector::runs(backend) {
        // SAFETY: the processor has the features.
        return unsafe { vector::add_scaled(target, factor, values) };
    }
    serial::add_scaled(target, factor, values);
}

/// `target[i] += Σ_{j≥1} points[i]^j·coefficients[j−1]` for every i that both have.
pub fn add_polynomial(
    backend: Backend,
    target: &mut [Gf128],
    points: &[Gf128],
    coefficients: &[Gf128],
) {
    #[cfg(target_arch = "x86_64")]
    if vector::runs(backend) {
        // SAFETY: the processor has the features.
        return unsafe { vector::add_polynomial(target, points, coefficients) };
    }
    serial::add_polynomial(target, points, coefficients);
}

/// Entries after one that it may be added to in [`accumulate`], by a bit of its tap each.
pub const WINDOW: usize = 24;

/// Adds each entry from `start` on, as many as there are taps, to those of the next 24 that the
/// bits of its tap name, from the lowest on, and then to the 25th, which is multiplied by the
/// constant. After the last entry comes the first.
///
/// Taps are public; nothing else decides what is read or written.
pub fn accumulate(
    backend: Backend,
    entries: &mut [Gf128],
    start: usize,
    taps: &[u32],
    constant: u64,
) {
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if vector::runs(backend) {
        // SAFETY: the processor has the features.
        done = unsafe { vector::accumulate(entries, start, taps, constant) };
    }
    let rest = taps.get(done..).unwrap_or_default();
    serial::accumulate(entries, start + done, rest, constant);
}

/// Σ x^i·rows\[i\].
#[must_use]
pub fn combine(rows: &[Gf128]) -> Gf128 {
    rows.iter()
        .rev()
        .fold(Gf128::ZERO, |sum, &row| sum.mul_x() + row)
}

impl Add for Gf128 {
    type Output = Self;
    #[expect(
        clippy::suspicious_arithmetic_impl,
        reason = "addition of polynomials over GF(2)"
    )]
    fn add(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl AddAssign for Gf128 {
    #[expect(
        clippy::suspicious_op_assign_impl,
        reason = "addition of polynomials over GF(2)"
    )]
    fn add_assign(&mut self, other: Self) {
        self.0 ^= other.0;
    }
}

impl Mul for Gf128 {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        // Karatsuba: the middle product from the sums of the halves.
        let ([a0, a1], [b0, b1]) = (halves(self.0), halves(other.0));
        let (low, high) = (carryless(a0, b0), carryless(a1, b1));
        let middle = carryless(a0 ^ a1, b0 ^ b1) ^ low ^ high;
        Self(reduce(low ^ (middle << 64), high ^ (middle >> 64)))
    }
}

impl ConstantTimeEq for Gf128 {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl ConditionallySelectable for Gf128 {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(a.0 ^ ((a.0 ^ b.0) & Self::mask(choice)))
    }
}

impl DefaultIsZeroes for Gf128 {}

impl fmt::Debug for Gf128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gf128(<redacted>)")
    }
}

const fn halves(bits: u128) -> [u64; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "splits into halves")]
    [bits as u64, (bits >> 64) as u64]
}

/// Reduces `low + x^128·high`, a product of two elements.
const fn reduce(low: u128, high: u128) -> u128 {
    // What x^128·high sends past bit 127 when it folds: at most seven bits, folded once more.
    let past = (high >> 127) ^ (high >> 126) ^ (high >> 121);
    let high = high ^ past;
    low ^ high ^ (high << 1) ^ (high << 2) ^ (high << 7)
}

/// The product of two polynomials of degree below 64.
#[inline]
fn carryless(a: u64, b: u64) -> u128 {
    // Every fourth bit of `a` times every fourth bit of `b`: a column of such a product sums at
    // most as many ones as the shorter factor has. With the top four bits of `a` taken out that
    // is 15, which fits the four bits to the next column, so the lowest bit of each is the sum
    // modulo 2. (After BearSSL's `ghash_ctmul`, with wider factors.)
    const FOURTHS: u64 = 0x1111_1111_1111_1111;
    const WIDE: u128 = 0x1111_1111_1111_1111_1111_1111_1111_1111;
    let part = |bits: u64, class: u32| u128::from(bits & (FOURTHS << class));
    let short = a & (u64::MAX >> 4);
    let [a0, a1, a2, a3] = [0, 1, 2, 3].map(|class| part(short, class));
    let [b0, b1, b2, b3] = [0, 1, 2, 3].map(|class| part(b, class));
    let product = (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & WIDE)
        | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & (WIDE << 1))
        | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & (WIDE << 2))
        | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & (WIDE << 3));
    (60..64).fold(product, |product, bit| {
        let mask = u128::from((a >> bit) & 1).wrapping_neg();
        product ^ ((u128::from(b) << bit) & mask)
    })
}
