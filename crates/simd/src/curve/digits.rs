//! Scalars as signed digits in radix 16, the form that the multiplications consume.

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// How many digits a scalar has.
pub(super) const DIGITS: usize = 64;

/// Digits in −8..=8, least significant first.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Digits(pub(super) [i8; DIGITS]);

impl Digits {
    pub(super) fn of(scalar: &Scalar) -> Self {
        let mut digits = Self([0; DIGITS]);
        let bytes = Zeroizing::new(scalar.to_bytes());
        let (pairs, _) = digits.0.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(bytes.iter()) {
            *pair = [(byte & 15).cast_signed(), (byte >> 4).cast_signed()];
        }
        // 8..=16 become −8..=0 and a carry. A scalar is below 2^253, so the last digit is at
        // most 2 and needs none.
        let mut carry = 0;
        for digit in &mut digits.0 {
            *digit += carry;
            carry = (*digit + 8) >> 4;
            *digit -= carry << 4;
        }
        digits
    }

    /// The digits of half the scalar, for results that are doubled when they are encoded.
    pub(super) fn of_half(scalar: &Scalar) -> Self {
        Self::of(&Zeroizing::new(scalar.div_by_2()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_sum_to_the_scalar() {
        let minus_one = -Scalar::ONE;
        let eights = Scalar::from_bytes_mod_order([0x88; 32]);
        for scalar in [Scalar::ZERO, Scalar::ONE, minus_one, eights] {
            for (digits, times) in [(Digits::of(&scalar), 1_u8), (Digits::of_half(&scalar), 2)] {
                assert!(digits.0.iter().all(|digit| (-8..=8).contains(digit)));
                let sum = digits.0.iter().rev().fold(Scalar::ZERO, |sum, digit| {
                    let magnitude = Scalar::from(digit.unsigned_abs());
                    let signed = if *digit < 0 { -magnitude } else { magnitude };
                    sum * Scalar::from(16_u8) + signed
                });
                assert_eq!(sum * Scalar::from(times), scalar);
            }
        }
    }
}
