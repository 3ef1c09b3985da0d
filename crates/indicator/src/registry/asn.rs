//! `asn`: an autonomous system number (`spec/10-indicators.md` §4.19).
//!
//! Canonical bytes: four, network order.

use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let number = behind_prefix(text).unwrap_or(text);
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(if is_asdot(number) {
            Refusal::Asdot
        } else {
            Refusal::NotAnAsn
        });
    }
    if number.len() > 1 && number.starts_with('0') {
        return Err(Refusal::LeadingZero);
    }
    let number: u32 = number.parse().map_err(|_| Refusal::NotAnAsn)?;
    if is_reserved(number) {
        return Err(Refusal::AsnReserved);
    }
    Ok(CanonicalBytes::new(&number.to_be_bytes()))
}

/// What follows `AS`, in any case.
pub(crate) fn behind_prefix(text: &str) -> Option<&str> {
    let (prefix, number) = text.split_at_checked(2)?;
    prefix.eq_ignore_ascii_case("AS").then_some(number)
}

/// RFC 5396's `HIGH.LOW`. A spreadsheet makes `13335.0` of 13335, so the dot cannot be trusted.
fn is_asdot(text: &str) -> bool {
    text.split_once('.').is_some_and(|(high, low)| {
        let is_half = |half: &str| !half.is_empty() && half.bytes().all(|b| b.is_ascii_digit());
        is_half(high) && is_half(low)
    })
}

/// Numbers that no network announces.
fn is_reserved(number: u32) -> bool {
    matches!(
        number,
        0 // RFC 7607
        | 23456 // AS_TRANS, RFC 6793
        | 64496..=64511 // documentation, RFC 5398
        | 64512..=65534 // private use, RFC 6996
        | 65535 // RFC 7300
        | 65536..=65551 // documentation, RFC 5398
        | 4_200_000_000..=4_294_967_294 // private use, RFC 6996
        | 4_294_967_295 // RFC 7300
    )
}

/// RFC 5396's asplain behind `AS`.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let number = u32::from_be_bytes(bytes.try_into().ok()?);
    Some(format!("AS{number}"))
}
