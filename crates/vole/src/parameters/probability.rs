//! The two probabilities behind the shape of an OKVS, `spec/33-vole.md` §4.1 and §4.2.

/// log2 of an upper bound of P\[Bin(n, 1/bins) > most\]: the first term of the tail, times a
/// geometric series, since the ratio of neighbouring terms only falls.
pub(crate) fn overflow_log2(class: u32, bins: u32, most: u32) -> f64 {
    let (n, p, k) = (
        f64::from(class),
        1.0 / f64::from(bins),
        f64::from(most) + 1.0,
    );
    if k > n {
        return f64::NEG_INFINITY;
    }
    let ratio = (n - k) / (k + 1.0) * p / (1.0 - p);
    if ratio >= 1.0 {
        return 0.0;
    }
    let choose = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let term = choose + k * libm::log(p) + (n - k) * libm::log1p(-p);
    term / core::f64::consts::LN_2 - libm::log2(1.0 - ratio)
}

/// n_b: the least number of rows that no bin exceeds, but with probability 2^-error over all.
pub(crate) fn largest_bin(class: u32, bins: u32, error: f64) -> u32 {
    if bins == 1 {
        return class;
    }
    let holds = |most| overflow_log2(class, bins, most) + libm::log2(f64::from(bins)) <= -error;
    // The tail falls with `most`.
    let (mut fails, mut least) = (class / bins, class);
    while least - fails > 1 {
        let middle = fails + (least - fails) / 2;
        *(if holds(middle) {
            &mut least
        } else {
            &mut fails
        }) = middle;
    }
    least
}

/// e: sparse columns for each row, so that a bin of so many rows fails with probability 2^-error.
///
/// The fit of Raghuraman and Rindal for rows of weight 3: the logarithm of the error is linear in
/// e, and the slope grows with the number of rows.
pub(crate) fn expansion(bin_rows: u32, error: f64) -> f64 {
    let w = libm::log2(3.0);
    let exponent =
        0.55 * libm::log2(f64::from(bin_rows)) + 0.093 * w * w * w - 1.01 * w * w + 2.92 * w - 0.13;
    1.223 + (error + 9.2) / libm::exp2(exponent)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates"
)]
pub(crate) fn ceil(x: f64) -> u32 {
    libm::ceil(x) as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates"
)]
pub(crate) fn floor(x: f64) -> u32 {
    libm::floor(x) as u32
}
