//! One element at a time.

use super::{Gf128, WINDOW};

pub(super) fn power_sum(x: Gf128, values: &[Gf128]) -> Gf128 {
    values
        .iter()
        .rev()
        .fold(Gf128::ZERO, |sum, &value| (sum + value) * x)
}

pub(super) fn add_scaled(target: &mut [Gf128], factor: Gf128, values: &[Gf128]) {
    for (target, &value) in target.iter_mut().zip(values) {
        *target += factor * value;
    }
}

pub(super) fn add_polynomial(target: &mut [Gf128], points: &[Gf128], coefficients: &[Gf128]) {
    for (target, &point) in target.iter_mut().zip(points) {
        *target += power_sum(point, coefficients);
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "indices are taken modulo the length"
)]
pub(super) fn accumulate(entries: &mut [Gf128], start: usize, taps: &[u32], constant: u64) {
    let length = entries.len();
    for (at, &tap) in (start..length).zip(taps) {
        if let Some([first, window @ .., last]) = entries.get_mut(at..=at + WINDOW + 1) {
            let entry = *first;
            for (bit, target) in window.iter_mut().enumerate() {
                *target += masked(entry, tap, bit);
            }
            *last = (*last + entry).mul_low(constant);
        } else {
            let entry = entries[at];
            for bit in 0..WINDOW {
                entries[(at + 1 + bit) % length] += masked(entry, tap, bit);
            }
            let last = &mut entries[(at + 1 + WINDOW) % length];
            *last = (*last + entry).mul_low(constant);
        }
    }
}

/// `entry` if that bit of the public tap is set.
fn masked(entry: Gf128, tap: u32, bit: usize) -> Gf128 {
    let mask = u128::from((tap >> bit) & 1).wrapping_neg();
    Gf128::from_bits(entry.to_bits() & mask)
}
