//! `pan`: a primary account number, as a keyed hash (`spec/10-indicators.md` §4.11).
//!
//! Canonical bytes: HMAC-SHA-256 of the ASCII digits under the consortium's payment key, as PCI
//! DSS 3.5.1.1 asks for: a keyed hash of the entire PAN. The digits live in one buffer that is
//! wiped when parsing ends.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// ISO/IEC 7812-1: at most 19 digits. No scheme issues fewer than 12.
const SHORTEST: usize = 12;
const LONGEST: usize = 19;

/// Begins the text form, so that a keyed hash is never taken for anything else.
const TEXT_PREFIX: &str = "hmac-sha256:";

/// The consortium's key for PANs: 32 bytes, wiped on drop.
///
/// It can be neither copied, compared nor printed.
pub struct PaymentKey(
    /// Zero-padded to the hash's block, as RFC 2104 §2 does first of all.
    Zeroizing<[u8; 64]>,
);

impl PaymentKey {
    /// Takes a copy of the key's 32 bytes; wiping `bytes` is the caller's.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        block
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, &from)| *to = from);
        Self(block)
    }

    fn hash(&self, digits: &[u8]) -> [u8; 32] {
        let block: &[u8; 64] = &self.0;
        let mut hmac = Hmac::<Sha256>::new(block.into());
        hmac.update(digits);
        hmac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for PaymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentKey(<redacted>)")
    }
}

pub(crate) fn parse(text: &str, key: Option<&PaymentKey>) -> Result<CanonicalBytes, Refusal> {
    if text.starts_with(TEXT_PREFIX) {
        return Err(Refusal::AlreadyHashed);
    }
    let digits = digits(text)?;
    if !luhn_holds(&digits) {
        return Err(Refusal::ChecksumMismatch);
    }
    if digits.iter().all(|digit| digits.first() == Some(digit)) {
        return Err(Refusal::Placeholder);
    }
    let key = key.ok_or(Refusal::PaymentKeyMissing)?;
    Ok(CanonicalBytes::new(&key.hash(&digits)))
}

/// The ASCII digits of `text`, in which one space or hyphen may part two digits.
fn digits(text: &str) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    // Never grows: a reallocation would leave digits behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut after_digit = false;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if digits.len() < LONGEST => {
                digits.push(byte);
                after_digit = true;
            }
            b' ' | b'-' if after_digit => after_digit = false,
            _ => return Err(Refusal::NotAPan),
        }
    }
    if after_digit && digits.len() >= SHORTEST {
        Ok(digits)
    } else {
        Err(Refusal::NotAPan)
    }
}

/// ISO/IEC 7812-1 annex B: from the right, every second digit counts double.
fn luhn_holds(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(&digit, doubled)| {
            let value = u32::from(digit - b'0') << u32::from(doubled);
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether these can be canonical bytes.
pub(crate) fn is_hash(bytes: &[u8]) -> bool {
    bytes.len() == 32
}

/// Prefix and lower-case hex of the keyed hash.
pub(crate) fn text(hash: &[u8]) -> Option<String> {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{TEXT_PREFIX}{hex}"))
}
