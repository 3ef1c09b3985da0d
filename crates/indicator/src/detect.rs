//! The one type that the form of a value shows (`spec/10-indicators.md` §8).
//!
//! A form shows a type where no other type has values like it. It need not be valid: then the
//! type's own refusal says what is wrong, which helps more than that nothing recognised it.

use std::net::IpAddr;

use crate::fingerprint::{ja4, ssh_key};
use crate::payment::iban;
use crate::registry::{asn, lei};
use crate::wallet::{self, btc, eth};
use crate::{Canonicaliser, Indicator, IndicatorType, Refusal};

impl Canonicaliser {
    /// Canonicalises `text` as a value of the one type that its form shows.
    ///
    /// # Errors
    ///
    /// [`Refusal::TypeUnknown`] where no type recognises it, [`Refusal::TypeAmbiguous`] where
    /// several do, and the type's own [`Refusal`] where the form shows the type and the value
    /// breaks its rules.
    pub fn detect(&self, text: &str) -> Result<Indicator, Refusal> {
        let text = text.trim_ascii();
        // Addresses are most of what is imported, so they come before any look at the form.
        match self.parse(IndicatorType::Ip, text) {
            Err(refusal) if refusal != Refusal::Empty => self.parse(shown_type(text)?, text),
            done => done,
        }
    }
}

fn shown_type(text: &str) -> Result<IndicatorType, Refusal> {
    let is_iban = is_upper_case(text) && iban::parse(text).is_ok();
    let is_lei = is_upper_case(text) && lei::parse(text).is_ok();
    let shown = if is_address(text) {
        IndicatorType::Ip
    } else if is_network(text) {
        IndicatorType::Network
    } else if is_digits_in_groups(text) || is_iban && is_lei {
        return Err(Refusal::TypeAmbiguous);
    } else if ssh_key::is_shown_by(text) {
        IndicatorType::SshKey
    } else if is_url(text) {
        IndicatorType::Url
    } else if is_email(text) {
        IndicatorType::Email
    } else if text.starts_with('+') && is_digit(text.as_bytes().get(1)) {
        IndicatorType::Phone
    } else if eth::hex_digits(text).is_some() {
        IndicatorType::Eth
    } else if let Some(wallet) = shown_wallet(text) {
        wallet
    } else if is_iban {
        IndicatorType::Iban
    } else if is_lei {
        IndicatorType::Lei
    } else if is_asn(text) {
        IndicatorType::Asn
    } else if !matches!(ja4::parse(text), Err(Refusal::NotAJa4)) {
        IndicatorType::Ja4
    } else if is_domain(text) {
        IndicatorType::Domain
    } else {
        return Err(Refusal::TypeUnknown);
    };
    Ok(shown)
}

/// An address, also with a zone, or four numbers with dots between.
fn is_address(text: &str) -> bool {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<IpAddr>().is_ok()
        || address.split('.').count() == 4 && address.split('.').all(is_number)
}

fn is_network(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(address, length)| is_address(address) && is_number(length))
}

/// A telephone, card, account or AS number, or none of them.
fn is_digits_in_groups(text: &str) -> bool {
    is_digit(text.as_bytes().first())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b' ' || b == b'-')
}

/// `SCHEME://`, the scheme as in RFC 3986 §3.1.
fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn is_email(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.contains(char::is_whitespace)
}

fn shown_wallet(text: &str) -> Option<IndicatorType> {
    /// Shortest address that BIP-173 and BIP-350 allow: a program of two bytes.
    const SHORTEST_SEGWIT: usize = "bc1pfeessrawgf".len();
    // Before segregated witness: TRON addresses may begin with TB1, like a testnet's.
    match wallet::base58_version(text) {
        // Mainnet and testnet, P2PKH and P2SH each.
        Some(0x00 | 0x05 | 0x6f | 0xc4) => Some(IndicatorType::Btc),
        Some(0x41) => Some(IndicatorType::Tron),
        _ => {
            let is_segwit = text.len() >= SHORTEST_SEGWIT
                && btc::has_segwit_prefix(text)
                && text.bytes().all(|b| b.is_ascii_alphanumeric());
            is_segwit.then_some(IndicatorType::Btc)
        }
    }
}

fn is_asn(text: &str) -> bool {
    asn::behind_prefix(text).is_some_and(|number| {
        is_digit(number.as_bytes().first())
            && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

/// Labels of letters, digits, hyphens and underscores, the last of which can be a top-level
/// domain: letters alone, or an A-label. Which characters beyond ASCII may stand in a label is
/// for the type to say.
fn is_domain(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_letter = |c: char| c.is_ascii_alphabetic() || !c.is_ascii() && !c.is_whitespace();
    let is_label = |label: &str| {
        let is_inside = |c| is_letter(c) || c.is_ascii_digit() || c == '-' || c == '_';
        !label.is_empty() && label.chars().all(is_inside)
    };
    let is_top = |label: &str| {
        let a_label = label
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
        a_label || label.chars().count() > 1 && label.chars().all(is_letter)
    };
    name.rsplit_once('.').is_some_and(|(labels, top)| {
        labels.split('.').all(is_label) && is_label(top) && is_top(top)
    })
}

fn is_upper_case(text: &str) -> bool {
    !text.bytes().any(|b| b.is_ascii_lowercase())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_digit(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_names_and_numbers() {
        use IndicatorType::{Domain, Email, Phone, Url};
        for (text, shown) in [
            ("jane@example.com", Ok(Email)),
            ("Jane+work@EXAMPLE.com", Ok(Email)),
            ("a%b@example.com", Ok(Email)),
            ("+14155552671@example.com", Ok(Email)),
            ("jane@", Err(Refusal::TypeUnknown)),
            ("@jane", Err(Refusal::TypeUnknown)),
            ("write to jane@example.com", Err(Refusal::TypeUnknown)),
            ("https://example.com/", Ok(Url)),
            ("https://jane@example.com/", Ok(Url)),
            ("http://8.8.8.8/a", Ok(Url)),
            ("hxxp://example.com", Ok(Url)),
            ("://example.com", Err(Refusal::TypeUnknown)),
            ("+14155552671", Ok(Phone)),
            ("+1 (415) 555-2671", Ok(Phone)),
            ("+", Err(Refusal::TypeUnknown)),
            ("example.com", Ok(Domain)),
            ("EXAMPLE.com.", Ok(Domain)),
            ("_dmarc.example.com", Ok(Domain)),
            ("bücher.example", Ok(Domain)),
            ("例え.テスト", Ok(Domain)),
            ("example.xn--zckzah", Ok(Domain)),
            ("bc1.example.com", Ok(Domain)),
            ("example", Err(Refusal::TypeUnknown)),
            ("example..com", Err(Refusal::TypeUnknown)),
            ("example.c", Err(Refusal::TypeUnknown)),
            ("example.123", Err(Refusal::TypeUnknown)),
            ("example.com/path", Err(Refusal::TypeUnknown)),
            ("example.com:443", Err(Refusal::TypeUnknown)),
            ("a name with.spaces", Err(Refusal::TypeUnknown)),
            ("no\u{a0}break.example", Err(Refusal::TypeUnknown)),
            ("example.x1", Err(Refusal::TypeUnknown)),
            ("4155552671", Err(Refusal::TypeAmbiguous)),
            ("4111 1111 1111 1111", Err(Refusal::TypeAmbiguous)),
        ] {
            assert_eq!(shown_type(text), shown, "{text}");
        }
    }
}
