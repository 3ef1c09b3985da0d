//! `ip`: one address (`spec/10-indicators.md` §4.1). Canonical bytes: 4 or 16, network order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::special::{is_special_v4, is_special_v6};
use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let address = parse_unchecked(text)?;
    let special = match address {
        IpAddr::V4(v4) => is_special_v4(v4.to_bits(), v4.to_bits()),
        IpAddr::V6(v6) => is_special_v6(v6.to_bits(), v6.to_bits()),
    };
    if special {
        Err(Refusal::NotGlobal)
    } else {
        Ok(bytes(address))
    }
}

/// Parses the text form alone; an IPv4-mapped IPv6 address becomes IPv4.
pub(super) fn parse_unchecked(text: &str) -> Result<IpAddr, Refusal> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) if text.contains('/') => Err(Refusal::IsANetwork),
        Err(_) if text.contains('%') => Err(Refusal::ZoneId),
        Err(_) if has_leading_zero(text) => Err(Refusal::LeadingZero),
        Err(_) => Err(Refusal::NotAnIp),
    }
}

/// Whether `text` is a dotted quad of decimal numbers of which one has a leading zero, which
/// some readers take for octal.
fn has_leading_zero(text: &str) -> bool {
    let octets = || text.split('.');
    octets().count() == 4
        && octets().all(|octet| !octet.is_empty() && octet.bytes().all(|b| b.is_ascii_digit()))
        && octets().any(|octet| octet.len() > 1 && octet.starts_with('0'))
}

fn bytes(address: IpAddr) -> CanonicalBytes {
    match address {
        IpAddr::V4(v4) => CanonicalBytes::new(&v4.octets()),
        IpAddr::V6(v6) => CanonicalBytes::new(&v6.octets()),
    }
}

/// RFC 5952 text of 4 or 16 canonical bytes.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        Some(Ipv4Addr::from(v4).to_string())
    } else {
        <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|v6| Ipv6Addr::from(v6).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        for (text, refusal) in [
            ("8.8.8", Refusal::NotAnIp),
            ("8.8.8.256", Refusal::NotAnIp),
            ("8.8.8.08", Refusal::LeadingZero),
            ("fe80::1%eth0", Refusal::ZoneId),
            ("8.8.8.0/24", Refusal::IsANetwork),
            ("::ffff:127.0.0.1", Refusal::NotGlobal),
            ("ff02::1", Refusal::NotGlobal),
        ] {
            assert_eq!(parse(text).err(), Some(refusal), "{text}");
        }
    }
}
