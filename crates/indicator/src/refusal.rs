//! Why a value is not an indicator.

use std::fmt;

/// The offence of a value that was refused. It never carries the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing but white space.
    Empty,
    /// Longer than any value of the type can be.
    TooLong,
    /// A control character inside the value.
    ControlCharacter,
    /// No type recognises the value, and none was named.
    TypeUnknown,
    /// Several types could mean the value, and none was named.
    TypeAmbiguous,
    /// Not an IPv4 or IPv6 address.
    NotAnIp,
    /// A number with a leading zero, which some readers take for octal.
    LeadingZero,
    /// An address with a zone, which means something on one machine only.
    ZoneId,
    /// A network where an address is wanted.
    IsANetwork,
    /// A private, reserved, documentation or multicast address or network.
    NotGlobal,
    /// Not an address, a slash and a prefix length.
    NotANetwork,
    /// A network address with bits set behind the prefix.
    HostBitsSet,
    /// A network shorter than /16 (IPv4) or /32 (IPv6).
    PrefixTooShort,
    /// An IPv6 network from /65 to /127.
    PrefixTooLong,
}

impl Refusal {
    /// The reason code of reports and vectors: snake_case, stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code_and_explanation().0
    }

    /// What is wrong, in a phrase that ends a sentence.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        self.code_and_explanation().1
    }

    const fn code_and_explanation(self) -> (&'static str, &'static str) {
        match self {
            Self::Empty => ("empty", "nothing but white space"),
            Self::TooLong => ("too_long", "longer than any value of the type"),
            Self::ControlCharacter => ("control_character", "a control character inside"),
            Self::TypeUnknown => (
                "type_unknown",
                "no type recognises it; name one with --type",
            ),
            Self::TypeAmbiguous => (
                "type_ambiguous",
                "several types could mean it; name one with --type",
            ),
            Self::NotAnIp => ("not_an_ip", "not an IP address"),
            Self::LeadingZero => ("leading_zero", "a leading zero, which may mean octal"),
            Self::ZoneId => (
                "zone_id",
                "a zone id, which means something on one machine only",
            ),
            Self::IsANetwork => ("is_a_network", "a network; its type is `network`"),
            Self::NotGlobal => ("not_global", "private, reserved or multicast"),
            Self::NotANetwork => ("not_a_network", "not ADDRESS/LENGTH"),
            Self::HostBitsSet => ("host_bits_set", "bits set behind the prefix"),
            Self::PrefixTooShort => ("prefix_too_short", "shorter than /16 (IPv4) or /32 (IPv6)"),
            Self::PrefixTooLong => (
                "prefix_too_long",
                "an IPv6 prefix from /65 to /127; give the /64 or the address",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explanation())
    }
}

impl std::error::Error for Refusal {}
