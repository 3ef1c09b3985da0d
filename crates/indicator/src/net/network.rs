//! `network`: one CIDR block (`spec/10-indicators.md` §4.2).
//!
//! Canonical bytes: prefix length ‖ 4 or 16 address bytes with the host bits zero.

use std::net::IpAddr;

use super::address;
use super::special::{is_special_v4, is_special_v6};
use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// Shorter prefixes hold so many customers that a match says nothing about one of them.
const SHORTEST_V4: u8 = 16;
const SHORTEST_V6: u8 = 32;
/// Between a LAN and one address, splitting would take up to 2^63 tokens.
const LONGEST_V6_BUT_HOST: u8 = 64;

/// A CIDR block whose host bits are zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cidr {
    V4 { bits: u32, length: u8 },
    V6 { bits: u128, length: u8 },
}

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let (address, length) = match text.split_once('/') {
        None => (text, None),
        Some((address, length)) => (address, Some(parse_length(length)?)),
    };
    let address_is_v6 = address.contains(':');
    let address = address::parse_unchecked(address).map_err(|refusal| match refusal {
        Refusal::NotAnIp | Refusal::IsANetwork => Refusal::NotANetwork,
        other => other,
    })?;
    let cidr = match address {
        IpAddr::V4(v4) => {
            // `::ffff:a.b.c.d/n` counts its length from the front of the IPv6 address.
            let mapped = if address_is_v6 { 96 } else { 0 };
            let length = length.unwrap_or(32 + mapped);
            let length = length.checked_sub(mapped).ok_or(Refusal::NotGlobal)?;
            Cidr::v4(v4.to_bits(), length)?
        }
        IpAddr::V6(v6) => Cidr::v6(v6.to_bits(), length.unwrap_or(128))?,
    };
    cidr.check()?;
    Ok(cidr.bytes())
}

/// A decimal prefix length up to 128 without sign or leading zeros.
fn parse_length(text: &str) -> Result<u8, Refusal> {
    let plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    let length = text.parse().ok().filter(|&length| plain && length <= 128);
    length.ok_or(Refusal::NotANetwork)
}

impl Cidr {
    pub(super) fn v4(bits: u32, length: u8) -> Result<Self, Refusal> {
        match bits & !mask_v4(length) {
            _ if length > 32 => Err(Refusal::NotANetwork),
            0 => Ok(Self::V4 { bits, length }),
            _ => Err(Refusal::HostBitsSet),
        }
    }

    pub(super) fn v6(bits: u128, length: u8) -> Result<Self, Refusal> {
        match bits & !mask_v6(length) {
            _ if length > 128 => Err(Refusal::NotANetwork),
            0 => Ok(Self::V6 { bits, length }),
            _ => Err(Refusal::HostBitsSet),
        }
    }

    /// Reads canonical bytes back.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&length, address) = bytes.split_first()?;
        if let Ok(v4) = address.try_into() {
            Self::v4(u32::from_be_bytes(v4), length).ok()
        } else {
            Self::v6(u128::from_be_bytes(address.try_into().ok()?), length).ok()
        }
    }

    pub(super) fn bytes(self) -> CanonicalBytes {
        match self {
            Self::V4 { bits, length } => CanonicalBytes::concat(&[&[length], &bits.to_be_bytes()]),
            Self::V6 { bits, length } => CanonicalBytes::concat(&[&[length], &bits.to_be_bytes()]),
        }
    }

    /// An address of 4 or 16 bytes as the block that holds it alone.
    pub(super) fn from_address(bytes: &[u8]) -> Option<Self> {
        if let Ok(v4) = bytes.try_into() {
            Some(Self::V4 {
                bits: u32::from_be_bytes(v4),
                length: 32,
            })
        } else {
            Some(Self::V6 {
                bits: u128::from_be_bytes(bytes.try_into().ok()?),
                length: 128,
            })
        }
    }

    pub(super) fn length(self) -> u8 {
        match self {
            Self::V4 { length, .. } | Self::V6 { length, .. } => length,
        }
    }

    /// The block of the shorter prefix `length` around this one.
    pub(super) fn widened(self, length: u8) -> Self {
        match self {
            Self::V4 { bits, .. } => Self::V4 {
                bits: bits & mask_v4(length),
                length,
            },
            Self::V6 { bits, .. } => Self::V6 {
                bits: bits & mask_v6(length),
                length,
            },
        }
    }

    /// The `i`-th block of the longer prefix `length` inside this one.
    pub(super) fn part(self, length: u8, i: u32) -> Self {
        match self {
            Self::V4 { bits, .. } => Self::V4 {
                bits: bits | i.unbounded_shl(32 - u32::from(length)),
                length,
            },
            Self::V6 { bits, .. } => Self::V6 {
                bits: bits | u128::from(i).unbounded_shl(128 - u32::from(length)),
                length,
            },
        }
    }

    /// Whether one special block holds all of it.
    pub(super) fn is_special(self) -> bool {
        match self {
            Self::V4 { bits, length } => is_special_v4(bits, bits | !mask_v4(length)),
            Self::V6 { bits, length } => is_special_v6(bits, bits | !mask_v6(length)),
        }
    }

    fn check(self) -> Result<(), Refusal> {
        match self {
            Self::V4 { length, .. } if length < SHORTEST_V4 => Err(Refusal::PrefixTooShort),
            Self::V6 { length, .. } if length < SHORTEST_V6 => Err(Refusal::PrefixTooShort),
            Self::V6 { length, .. } if length > LONGEST_V6_BUT_HOST && length < 128 => {
                Err(Refusal::PrefixTooLong)
            }
            _ if self.is_special() => Err(Refusal::NotGlobal),
            _ => Ok(()),
        }
    }
}

fn mask_v4(length: u8) -> u32 {
    u32::MAX.unbounded_shl(32_u32.saturating_sub(length.into()))
}

fn mask_v6(length: u8) -> u128 {
    u128::MAX.unbounded_shl(128_u32.saturating_sub(length.into()))
}

/// Text of canonical bytes: RFC 5952 address, a slash, the prefix length.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let (length, address) = bytes.split_first()?;
    Some(format!("{}/{length}", address::text(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        for (text, refusal) in [
            ("1.2.0.0/33", Refusal::NotANetwork),
            ("1.2.0.0/+16", Refusal::NotANetwork),
            ("1.2.0.0/016", Refusal::NotANetwork),
            ("1.2.0.0/", Refusal::NotANetwork),
            ("1.2.3.4/24", Refusal::HostBitsSet),
            ("1.2.0.0/15", Refusal::PrefixTooShort),
            ("192.0.2.0/24", Refusal::NotGlobal),
            ("2a00::/31", Refusal::PrefixTooShort),
            ("2a00::/65", Refusal::PrefixTooLong),
            ("01.2.0.0/16", Refusal::LeadingZero),
        ] {
            assert_eq!(parse(text).err(), Some(refusal), "{text}");
        }
    }

    #[test]
    fn mapped_networks_are_ipv4() {
        let canonical = |text| parse(text).map(|bytes| super::text(bytes.as_slice()));
        assert_eq!(
            canonical("::ffff:8.8.8.0/120"),
            Ok(Some("8.8.8.0/24".to_owned()))
        );
        assert_eq!(canonical("::ffff:0:0/95").err(), Some(Refusal::NotGlobal));
        assert_eq!(canonical("8.8.8.8"), Ok(Some("8.8.8.8/32".to_owned())));
    }
}
