//! What works on many elements at once, on the backend of the thread.

use blindmatch_simd::backend;
pub(crate) use blindmatch_simd::gf128::combine;
use blindmatch_simd::{aes, gf128};

use crate::Gf128;

/// Σ x^{i+1}·values\[i\].
#[must_use]
pub fn power_sum(x: Gf128, values: &[Gf128]) -> Gf128 {
    gf128::power_sum(backend(), x, values)
}

/// `target[i] += factor·values[i]`.
pub(crate) fn add_scaled(target: &mut [Gf128], factor: Gf128, values: &[Gf128]) {
    gf128::add_scaled(backend(), target, factor, values);
}

/// `target[i] += Σ_{j≥1} points[i]^j·coefficients[j−1]`.
pub(crate) fn add_polynomial(target: &mut [Gf128], points: &[Gf128], coefficients: &[Gf128]) {
    gf128::add_polynomial(backend(), target, points, coefficients);
}

/// Some steps of an accumulation pass of the code.
pub(crate) fn accumulate(entries: &mut [Gf128], start: usize, taps: &[u32], constant: u64) {
    gf128::accumulate(backend(), entries, start, taps, constant);
}

/// π_u(x) + x of each pair.
pub(crate) fn feed_forward(us: &[Gf128], xs: &[Gf128], out: &mut Vec<u128>) {
    const BATCH: usize = 64;
    let [mut keys, mut blocks, mut sums] = [[[0; 16]; BATCH]; 3];
    for (us, xs) in us.chunks(BATCH).zip(xs.chunks(BATCH)) {
        let bytes = us.iter().zip(xs).map(|(u, x)| (u.to_bytes(), x.to_bytes()));
        for ((key, block), (u, x)) in keys.iter_mut().zip(&mut blocks).zip(bytes) {
            (*key, *block) = (u, x);
        }
        let used = us.len().min(xs.len());
        let (keys, blocks) = (keys.split_at(used).0, blocks.split_at(used).0);
        aes::feed_forward(backend(), keys, blocks, &mut sums);
        out.extend(sums.iter().take(used).map(|&sum| u128::from_le_bytes(sum)));
    }
    zeroize::Zeroize::zeroize(&mut keys);
    zeroize::Zeroize::zeroize(&mut blocks);
}

#[cfg(test)]
mod tests {
    use blindmatch_simd::{Backend, with_backend};

    use super::*;
    use crate::permutation::Permutation;

    #[test]
    fn feed_forward_is_that_of_one_permutation_after_the_other() {
        for count in [0, 1, 63, 64, 65, 200] {
            let us: Vec<_> = (0..count).map(|i| Gf128::from_bits(i * i + 7)).collect();
            let xs: Vec<_> = (0..count).map(|i| Gf128::from_bits(i + 1)).collect();
            let expected: Vec<_> = us
                .iter()
                .zip(&xs)
                .map(|(&u, &x)| Permutation::new(u).feed_forward(x).to_bits())
                .collect();
            for backend in Backend::available() {
                let mut out = Vec::new();
                with_backend(backend, || feed_forward(&us, &xs, &mut out));
                assert!(out == expected);
            }
        }
    }
}
