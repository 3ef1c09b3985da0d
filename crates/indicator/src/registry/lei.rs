//! `lei`: a legal entity identifier (`spec/10-indicators.md` §4.20).
//!
//! Canonical bytes: its 20 ASCII characters, upper case.

use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let lei = text.to_ascii_uppercase();
    let check_digits = lei
        .get(18..)
        .filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
        .ok_or(Refusal::NotALei)?;
    if !lei.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Refusal::NotALei);
    }
    // ISO 7064 makes 02 to 98; 00, 01 and 99 have the remainders of 97, 98 and 02.
    if remainder(&lei) != 1 || ["00", "01", "99"].contains(&check_digits) {
        return Err(Refusal::ChecksumMismatch);
    }
    Ok(CanonicalBytes::new(lei.as_bytes()))
}

/// ISO 7064 MOD 97-10: a letter counts as the two digits 10 (A) to 35 (Z).
fn remainder(upper: &str) -> u32 {
    upper
        .chars()
        .filter_map(|c| c.to_digit(36))
        .fold(0, |n, value| {
            let shift = if value < 10 { 10 } else { 100 };
            (n * shift + value) % 97
        })
}

pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
