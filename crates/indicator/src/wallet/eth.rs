//! `eth`: an address on Ethereum and other EVM chains (`spec/10-indicators.md` §4.15).
//!
//! Canonical bytes: the 20 bytes. The chain is left out: one key has the same address on all.

use sha3::{Digest, Keccak256};

use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let digits = hex_digits(text).ok_or(Refusal::NotAnEthAddress)?;
    let mut address = [0; 20];
    for (byte, pair) in address.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = pair
            .iter()
            .fold(0, |high, &digit| high << 4 | nibble(digit));
    }
    let has_lower = digits.bytes().any(|digit| digit.is_ascii_lowercase());
    let has_upper = digits.bytes().any(|digit| digit.is_ascii_uppercase());
    // EIP-55: only mixed case carries a checksum.
    if has_lower && has_upper && checksummed(&address).strip_prefix("0x") != Some(digits) {
        return Err(Refusal::ChecksumMismatch);
    }
    Ok(CanonicalBytes::new(&address))
}

/// The 40 hex digits behind `0x` or `0X`. Without that prefix they may as well be a SHA-1.
pub(crate) fn hex_digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Value of an ASCII hex digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// EIP-55: a letter is upper case where the same nibble of the hash of the lower-case text is
/// 8 or more.
fn checksummed(address: &[u8]) -> String {
    let lower: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = Keccak256::digest(&lower);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let digits = lower.chars().zip(nibbles).map(|(digit, nibble)| {
        if nibble >= 8 {
            digit.to_ascii_uppercase()
        } else {
            digit
        }
    });
    "0x".chars().chain(digits).collect()
}

pub(crate) fn text(address: &[u8]) -> Option<String> {
    Some(checksummed(address))
}
