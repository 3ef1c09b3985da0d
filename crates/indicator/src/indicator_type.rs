//! The types of indicator, frozen by name and by code (`spec/10-indicators.md` §2).

use std::fmt;
use std::str::FromStr;

/// A type of indicator. The discriminant is its code in the encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum IndicatorType {
    /// IPv4 or IPv6 address (RFC 791, RFC 4291).
    Ip = 1,
    /// CIDR block (RFC 4632).
    Network = 2,
    /// E-mail address, as it is written (RFC 5321, RFC 6531).
    Email = 3,
    /// E-mail address with its provider's aliases folded away.
    EmailFolded = 4,
    /// Telephone number (ITU-T E.164).
    Phone = 5,
    /// Account name on a named platform (RFC 8265).
    Account = 6,
    /// Fully qualified domain name (UTS #46).
    Domain = 7,
    /// Public suffix and one label (the public suffix list).
    RegistrableDomain = 8,
    /// URL (WHATWG).
    Url = 9,
    /// Host name of a URL (WHATWG).
    UrlHost = 10,
    /// Primary account number, as a keyed hash (ISO/IEC 7812, PCI DSS 3.5.1.1).
    Pan = 11,
    /// Issuer's BIN, last four digits and expiry of a card.
    CardWeak = 12,
    /// International bank account number (ISO 13616).
    Iban = 13,
    /// Bitcoin address (base58check, BIP-173, BIP-350).
    Btc = 14,
    /// Address on Ethereum and other EVM chains (EIP-55).
    Eth = 15,
    /// TRON address.
    Tron = 16,
    /// SHA-256 fingerprint of an SSH public key (RFC 4253).
    SshKey = 17,
    /// JA4 TLS client fingerprint.
    Ja4 = 18,
    /// Autonomous system number (RFC 6793).
    Asn = 19,
    /// Legal entity identifier (ISO 17442).
    Lei = 20,
}

/// How much a type gives away to somebody who may ask; it sets the default budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// The whole space can be asked for: hiding holds only up to the budget.
    Enumerable,
    /// Likely values can be guessed, or many customers share one.
    Weak,
    /// Neither enumerable nor shared by chance.
    Strong,
}

impl IndicatorType {
    /// Every type, in the order of the codes.
    pub const ALL: [Self; 20] = [
        Self::Ip,
        Self::Network,
        Self::Email,
        Self::EmailFolded,
        Self::Phone,
        Self::Account,
        Self::Domain,
        Self::RegistrableDomain,
        Self::Url,
        Self::UrlHost,
        Self::Pan,
        Self::CardWeak,
        Self::Iban,
        Self::Btc,
        Self::Eth,
        Self::Tron,
        Self::SshKey,
        Self::Ja4,
        Self::Asn,
        Self::Lei,
    ];

    /// The frozen name, as in options, JSON and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Network => "network",
            Self::Email => "email",
            Self::EmailFolded => "email_folded",
            Self::Phone => "phone",
            Self::Account => "account",
            Self::Domain => "domain",
            Self::RegistrableDomain => "registrable_domain",
            Self::Url => "url",
            Self::UrlHost => "url_host",
            Self::Pan => "pan",
            Self::CardWeak => "card_weak",
            Self::Iban => "iban",
            Self::Btc => "btc",
            Self::Eth => "eth",
            Self::Tron => "tron",
            Self::SshKey => "ssh_key",
            Self::Ja4 => "ja4",
            Self::Asn => "asn",
            Self::Lei => "lei",
        }
    }

    /// The code that begins every encoded indicator of this type.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The type with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Version of this type's canonical form, every table that it uses included
    /// (`spec/10-indicators.md` §3). Any change to the bytes of any value raises it.
    #[must_use]
    pub const fn canonicalisation_version(self) -> u8 {
        1
    }

    /// How much an answer about a value of this type gives away.
    #[must_use]
    pub const fn strength(self) -> Strength {
        self.strength_and_reason().0
    }

    /// Why [`Self::strength`] is what it is, in a sentence for an operator.
    #[must_use]
    pub const fn strength_reason(self) -> &'static str {
        self.strength_and_reason().1
    }

    const fn strength_and_reason(self) -> (Strength, &'static str) {
        use Strength::{Enumerable, Strong, Weak};
        match self {
            Self::Ip => (Enumerable, "there are 2^32 IPv4 addresses"),
            Self::Network => (Enumerable, "there are fewer networks than addresses"),
            Self::Phone => (
                Enumerable,
                "a national numbering plan has about 10^9 numbers",
            ),
            Self::CardWeak => (
                Enumerable,
                "a BIN leaves 10^4 endings and about 120 expiry dates",
            ),
            Self::Asn => (Enumerable, "some 10^5 autonomous systems are in use"),
            Self::Account => (
                Weak,
                "account names are chosen by people and can be guessed",
            ),
            Self::Domain => (Weak, "registered names are published in zone files"),
            Self::RegistrableDomain => (Weak, "registered names are published in zone files"),
            Self::UrlHost => (Weak, "most host names are in public DNS data"),
            Self::Ja4 => (
                Weak,
                "everybody with the same TLS client has the same fingerprint",
            ),
            Self::Email => (Strong, "an address names one mailbox and is seldom guessed"),
            Self::EmailFolded => (Strong, "an address names one mailbox and is seldom guessed"),
            Self::Url => (Strong, "a full URL is seldom guessed"),
            Self::Pan => (Strong, "keyed: guessing needs the consortium's payment key"),
            Self::Iban => (Strong, "an account number is long and seldom guessed"),
            Self::Btc | Self::Eth | Self::Tron => (Strong, "an address is the hash of a key"),
            Self::SshKey => (Strong, "a fingerprint is the hash of a key"),
            Self::Lei => (
                Strong,
                "names one company; the register is public, the match is not",
            ),
        }
    }
}

impl fmt::Display for IndicatorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No type has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownType;

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such type; the types are")?;
        IndicatorType::ALL
            .iter()
            .try_for_each(|kind| write!(f, " {kind}"))
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for IndicatorType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(UnknownType)
    }
}

impl Strength {
    /// The name, as in policies and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enumerable => "enumerable",
            Self::Weak => "weak",
            Self::Strong => "strong",
        }
    }
}
