//! Addresses that name nobody on the Internet (`spec/10-indicators.md` §4.1).
//!
//! Exactly those for which `is_global` of Python 3.11.7's `ipaddress` is false, plus multicast.
//! That list is fixed here by value: a registry that moves on must not move a canonical form.

/// A CIDR block as (network bits, prefix length).
type Block<A> = (A, u32);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> Block<u32> {
    (u32::from_be_bytes([a, b, c, d]), length)
}

const SPECIAL_V4: [Block<u32>; 16] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 29),
    v4(192, 0, 0, 170, 31),
    v4(192, 0, 2, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

const SPECIAL_V6: [Block<u128>; 11] = [
    (0, 128),
    (1, 128),
    (0xffff << 32, 96),
    (0x0100 << 112, 64),
    (0x2001 << 112, 23),
    (0x2001_0002 << 96, 48),
    (0x2001_0db8 << 96, 32),
    (0x2001_0010 << 96, 28),
    (0xfc00 << 112, 7),
    (0xfe80 << 112, 10),
    (0xff00 << 112, 8),
];

/// Whether one special block holds every IPv4 address from `first` to `last`.
pub(super) fn is_special_v4(first: u32, last: u32) -> bool {
    SPECIAL_V4.iter().any(|&(network, length)| {
        let mask = u32::MAX << (32 - length);
        first & mask == network && last & mask == network
    })
}

/// Whether one special block holds every IPv6 address from `first` to `last`.
pub(super) fn is_special_v6(first: u128, last: u128) -> bool {
    SPECIAL_V6.iter().any(|&(network, length)| {
        let mask = u128::MAX << (128 - length);
        first & mask == network && last & mask == network
    })
}
