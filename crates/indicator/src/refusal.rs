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
    /// Not a domain name: UTS #46 refuses it, or a character that no host name has.
    NotADomain,
    /// A domain name with nothing between two dots, or nothing at all.
    EmptyLabel,
    /// A name of one label, which means something in one network only.
    SingleLabel,
    /// An IP address, or a last label that is a number, where a name is wanted.
    IsAnIp,
    /// A public suffix, under which anybody may register.
    IsAPublicSuffix,
    /// A name below a registrable domain.
    BelowRegistrable,
    /// An e-mail address without `@`.
    NotAnEmail,
    /// A local part that is empty or has what RFC 5321 does not allow outside quotes.
    BadLocalPart,
    /// A quoted local part, which has many spellings.
    QuotedLocalPart,
    /// Not a telephone number: letters or other characters, or no digits.
    NotAPhone,
    /// A telephone number without country code, and no default region.
    NationalNumber,
    /// A telephone number with an extension.
    Extension,
    /// A telephone number that no numbering plan has.
    NoSuchNumber,
    /// A telephone number that a regulator keeps for fiction.
    Fictitious,
    /// An account name without platform, and no default platform.
    NoPlatform,
    /// A platform with other characters than letters, digits, `.` and `-`.
    BadPlatform,
    /// An account name that PRECIS UsernameCaseMapped refuses.
    NotAUsername,
    /// Not an absolute URL.
    NotAUrl,
    /// A URL whose scheme is not http, https or ftp.
    UnsupportedScheme,
    /// Check digits or a checksum that do not fit the rest.
    ChecksumMismatch,
    /// An address of a test network or of another chain.
    WrongNetwork,
    /// The keyed hash of a PAN where the PAN is wanted.
    AlreadyHashed,
    /// Not 12 to 19 digits with at most one space or hyphen between two.
    NotAPan,
    /// A card number of one digit repeated.
    Placeholder,
    /// A PAN, and no payment key to hash it under.
    PaymentKeyMissing,
    /// Not a BIN, the last four digits and an expiry.
    NotAWeakCard,
    /// So many digits of a card that they may be the whole number.
    FullPan,
    /// An expiry that is neither MM/YY, MM/YYYY nor YYYY-MM.
    MalformedExpiry,
    /// Not two letters, two digits and up to 30 letters and digits.
    NotAnIban,
    /// A country that is not in the IBAN registry.
    IbanCountryUnknown,
    /// An account number that is not built as its country prescribes.
    BbanStructure,
    /// Not a Bitcoin address.
    NotABtcAddress,
    /// A bech32 address in upper and lower case at once.
    MixedCase,
    /// A segregated witness version or length that does not exist.
    WitnessProgram,
    /// Not `0x` and 40 hex digits.
    NotAnEthAddress,
    /// Not a TRON address in base58check.
    NotATronAddress,
    /// Neither a SHA-256 fingerprint nor an SSH public key.
    NotAnSshKey,
    /// An SSH certificate, which changes while its key stays.
    SshCertificate,
    /// An SSH fingerprint by another hash than SHA-256.
    FingerprintHash,
    /// Not a JA4 fingerprint.
    NotAJa4,
    /// A raw JA4 (`_r`), with lists where the hashes belong.
    Ja4Raw,
    /// Another fingerprint of the JA4+ family.
    OtherJa4,
    /// Not an autonomous system number of 32 bits.
    NotAnAsn,
    /// An AS number in asdot, which looks like a decimal fraction.
    Asdot,
    /// A reserved, private or documentation AS number.
    AsnReserved,
    /// Not 18 letters and digits and two check digits.
    NotALei,
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
            Self::NotADomain => ("not_a_domain", "not a domain name"),
            Self::EmptyLabel => ("empty_label", "a domain name with nothing between two dots"),
            Self::SingleLabel => (
                "single_label",
                "a name of one label, such as `localhost` or `com`",
            ),
            Self::IsAnIp => (
                "is_an_ip",
                "an IP address or a numeric last label; the type of an address is `ip`",
            ),
            Self::IsAPublicSuffix => (
                "is_a_public_suffix",
                "a public suffix, which names no registrant",
            ),
            Self::BelowRegistrable => (
                "below_registrable",
                "a name below a registrable domain; its type is `domain`",
            ),
            Self::NotAnEmail => ("not_an_email", "no `@`"),
            Self::BadLocalPart => (
                "bad_local_part",
                "a local part that is empty or has spaces, stray dots or other characters that need quotes",
            ),
            Self::QuotedLocalPart => (
                "quoted_local_part",
                "a quoted local part, which has many spellings",
            ),
            Self::NotAPhone => ("not_a_phone", "not a telephone number"),
            Self::NationalNumber => (
                "national_number",
                "no country code; write it with `+` or name a --default-region",
            ),
            Self::Extension => (
                "extension",
                "an extension, which is not part of a telephone number",
            ),
            Self::NoSuchNumber => ("no_such_number", "a number that no numbering plan has"),
            Self::Fictitious => ("fictitious", "a number that a regulator keeps for fiction"),
            Self::NoPlatform => ("no_platform", "no platform; write PLATFORM:NAME"),
            Self::BadPlatform => (
                "bad_platform",
                "a platform with other characters than letters, digits, `.` and `-`",
            ),
            Self::NotAUsername => (
                "not_a_username",
                "a name that is empty, has spaces or characters that user names do not have (RFC 8265)",
            ),
            Self::NotAUrl => ("not_a_url", "not an absolute URL"),
            Self::UnsupportedScheme => (
                "unsupported_scheme",
                "a scheme other than http, https and ftp",
            ),
            Self::ChecksumMismatch => (
                "checksum_mismatch",
                "the checksum does not fit; a typing error",
            ),
            Self::WrongNetwork => (
                "wrong_network",
                "an address of a test network or another chain",
            ),
            Self::AlreadyHashed => (
                "already_hashed",
                "a keyed hash; give the card number itself",
            ),
            Self::NotAPan => ("not_a_pan", "not 12 to 19 digits"),
            Self::Placeholder => ("placeholder", "one digit repeated, which is no card"),
            Self::PaymentKeyMissing => (
                "payment_key_missing",
                "the consortium's payment key is not installed here",
            ),
            Self::NotAWeakCard => (
                "not_a_weak_card",
                "not BIN, last four digits and expiry, such as 411111*1111 12/27",
            ),
            Self::FullPan => (
                "full_pan",
                "may be a full card number; mask it: 41111111*1111 12/27",
            ),
            Self::MalformedExpiry => (
                "malformed_expiry",
                "an expiry other than MM/YY, MM/YYYY or YYYY-MM",
            ),
            Self::NotAnIban => ("not_an_iban", "not an IBAN"),
            Self::IbanCountryUnknown => ("iban_country_unknown", "its country has no IBANs"),
            Self::BbanStructure => ("bban_structure", "not built as its country prescribes"),
            Self::NotABtcAddress => ("not_a_btc_address", "not a Bitcoin address"),
            Self::MixedCase => ("mixed_case", "bech32 in upper and lower case at once"),
            Self::WitnessProgram => (
                "witness_program",
                "no such witness version or program length",
            ),
            Self::NotAnEthAddress => ("not_an_eth_address", "not 0x and 40 hex digits"),
            Self::NotATronAddress => ("not_a_tron_address", "not a TRON address"),
            Self::NotAnSshKey => (
                "not_an_ssh_key",
                "neither SHA256:BASE64 nor an SSH public key",
            ),
            Self::SshCertificate => ("ssh_certificate", "an SSH certificate; give its key"),
            Self::FingerprintHash => (
                "fingerprint_hash",
                "a fingerprint by another hash than SHA-256; give the key",
            ),
            Self::NotAJa4 => ("not_a_ja4", "not a JA4 fingerprint"),
            Self::Ja4Raw => ("ja4_raw", "the raw form of a JA4; give the hashed one"),
            Self::OtherJa4 => (
                "other_ja4",
                "another JA4+ fingerprint, which does not name a TLS client",
            ),
            Self::NotAnAsn => ("not_an_asn", "not an AS number"),
            Self::Asdot => ("asdot", "an AS number with a dot; write it as one number"),
            Self::AsnReserved => ("asn_reserved", "reserved, private or for documentation"),
            Self::NotALei => (
                "not_a_lei",
                "not 18 letters and digits and two check digits",
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
