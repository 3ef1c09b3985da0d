//! What the types of MISP attributes are to the exchange.

use blindmatch_indicator::IndicatorType;

/// What one part of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Typed(IndicatorType),
    /// An address, or a network where it has a prefix length.
    Address,
    /// An account on this platform.
    Account(&'static str),
    /// Its form has to show the type.
    Untyped,
    /// Says more of the other part, as a port does, and is no value.
    Aside,
}

/// The parts of an attribute of this type; nothing where the exchange does not match it.
pub(super) fn parts(attribute_type: &str) -> Option<&'static [Part]> {
    use IndicatorType::{Asn, Btc, Domain, Email, Iban, Ja4, Pan, Phone, SshKey, Url};
    use Part::{Account, Address, Aside, Typed};
    Some(match attribute_type {
        "ip-src" | "ip-dst" => &[Address],
        "ip-src|port" | "ip-dst|port" => &[Address, Aside],
        "domain" | "hostname" => &[Typed(Domain)],
        "hostname|port" => &[Typed(Domain), Aside],
        "domain|ip" => &[Typed(Domain), Address],
        "url" | "uri" => &[Typed(Url)],
        "email"
        | "email-src"
        | "email-dst"
        | "email-reply-to"
        | "target-email"
        | "dns-soa-email"
        | "whois-registrant-email" => &[Typed(Email)],
        "phone-number" | "prtn" | "whois-registrant-phone" => &[Typed(Phone)],
        "iban" => &[Typed(Iban)],
        "cc-number" => &[Typed(Pan)],
        "btc" => &[Typed(Btc)],
        "AS" => &[Typed(Asn)],
        "ssh-fingerprint" => &[Typed(SshKey)],
        "ja4-plus" => &[Typed(Ja4)],
        "github-username" => &[Account("github")],
        "twitter-id" => &[Account("twitter")],
        "jabber-id" => &[Account("jabber")],
        _ => return None,
    })
}

/// The types of indicator that an attribute of this type may hold, accounts aside.
pub(crate) fn indicator_types(attribute_type: &str) -> impl Iterator<Item = IndicatorType> {
    let parts = parts(attribute_type).unwrap_or_default().iter();
    parts.filter_map(|part| match part {
        Part::Typed(indicator_type) => Some(*indicator_type),
        Part::Address => Some(IndicatorType::Ip),
        Part::Account(_) | Part::Untyped | Part::Aside => None,
    })
}

/// What an attribute of type `text` is by its place in an object.
pub(super) fn text_part(object: &str, relation: &str, symbol: Option<&str>) -> Option<Part> {
    match (object, relation) {
        ("coin-address", "address-crypto") => {
            match symbol.map(str::to_ascii_uppercase).as_deref() {
                Some("BTC" | "XBT") => Some(Part::Typed(IndicatorType::Btc)),
                Some("ETH") => Some(Part::Typed(IndicatorType::Eth)),
                Some("TRX" | "TRON") => Some(Part::Typed(IndicatorType::Tron)),
                // Tokens live on several chains.
                None | Some("USDT" | "USDC") => Some(Part::Untyped),
                Some(_) => None,
            }
        }
        (
            "facebook-account" | "github-user" | "instagram-account" | "telegram-account"
            | "twitter-account",
            "username" | "account-name" | "name",
        ) => {
            let platform = match object {
                "facebook-account" => "facebook",
                "github-user" => "github",
                "instagram-account" => "instagram",
                "telegram-account" => "telegram",
                _ => "twitter",
            };
            Some(Part::Account(platform))
        }
        _ => None,
    }
}
