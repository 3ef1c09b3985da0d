//! The CIDR ladder (`spec/10-indicators.md` §4.2): how networks meet addresses under PSI.
//!
//! PSI compares for equality only, so both sides agree on a few prefix lengths, the rungs. The
//! publisher of a network splits it down to the next rung ([`split`]); the querier of an address
//! or a network asks for itself and for every rung above it ([`ancestors`]). The two sets meet
//! exactly where the one lies inside the other.

use super::network::Cidr;
use crate::IndicatorType;
use crate::indicator::Indicator;

/// IPv4 rungs.
pub const RUNGS_V4: [u8; 5] = [16, 20, 22, 24, 32];
/// IPv6 rungs: RIPE-690 gives a business a /48, a home a /56, a LAN a /64.
pub const RUNGS_V6: [u8; 6] = [32, 40, 48, 56, 64, 128];

/// The `network` tokens that a publisher serves for `indicator`: the blocks of the next rung
/// that make it up, at most 128, without those that are special as a whole and that nobody could
/// ask for (192.0.2.0/24 of 192.0.2.0/23). Nothing where it is no `network`.
pub fn split(indicator: &Indicator) -> impl Iterator<Item = Indicator> + use<> {
    let cidr = match indicator.indicator_type() {
        IndicatorType::Network => Cidr::from_bytes(indicator.as_bytes()),
        _ => None,
    };
    cidr.into_iter().flat_map(|cidr| {
        let length = cidr.length();
        let rungs = rungs(cidr).iter().copied();
        let next = rungs.filter(|&rung| rung >= length).min();
        let rung = next.unwrap_or(length);
        (0..1 << (rung - length))
            .map(move |i| cidr.part(rung, i))
            .filter(|part| !part.is_special())
            .map(token)
    })
}

/// The `network` tokens that a querier asks for `indicator`: itself, where its length is a rung,
/// and every rung above it: 5 for an IPv4 address, 6 for IPv6. Nothing where it is neither an
/// `ip` nor a `network`.
pub fn ancestors(indicator: &Indicator) -> impl Iterator<Item = Indicator> + use<> {
    let cidr = match indicator.indicator_type() {
        IndicatorType::Ip => Cidr::from_address(indicator.as_bytes()),
        IndicatorType::Network => Cidr::from_bytes(indicator.as_bytes()),
        _ => None,
    };
    cidr.into_iter().flat_map(|cidr| {
        let above = rungs(cidr)
            .iter()
            .filter(move |&&rung| rung <= cidr.length());
        above.map(move |&rung| token(cidr.widened(rung)))
    })
}

fn rungs(cidr: Cidr) -> &'static [u8] {
    match cidr {
        Cidr::V4 { .. } => &RUNGS_V4,
        Cidr::V6 { .. } => &RUNGS_V6,
    }
}

fn token(cidr: Cidr) -> Indicator {
    Indicator::from_canonical(IndicatorType::Network, cidr.bytes())
}
