//! `tron`: a TRON address (`spec/10-indicators.md` §4.16).
//!
//! Canonical bytes: version 0x41 and the 20 bytes of the hash, as the protocol itself has them.

use crate::Refusal;
use crate::bytes::CanonicalBytes;

const VERSION: u8 = 0x41;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    match super::base58check(text, Refusal::NotATronAddress)? {
        (VERSION, hash) => Ok(CanonicalBytes::concat(&[&[VERSION], &hash])),
        _ => Err(Refusal::WrongNetwork),
    }
}

pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let (&version, hash) = bytes.split_first()?;
    Some(super::to_base58check(version, hash))
}
