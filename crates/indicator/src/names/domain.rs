//! `domain`, `registrable_domain` and `url_host` (`spec/10-indicators.md` §4.7, §4.8, §4.10).
//!
//! Canonical bytes: the name in A-label form, lower case, without the dot of the root.

use std::borrow::Cow;
use std::net::IpAddr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::refuse_controls;
use crate::bytes::CanonicalBytes;
use crate::{PublicSuffixes, Refusal};

/// Everything in ASCII but letters, digits, hyphen, dot and the underscore, which service names
/// and many hosts in feeds have.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// RFC 1035 §2.3.4, without the dot of the root.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;
/// Every canonical name's spelling in characters of four bytes, dot of the root included. It
/// bounds what Punycode, quadratic in the length of a label, is given.
const LONGEST_TEXT: usize = 4 * (LONGEST_NAME + 1);

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    canonical(text).map(|name| CanonicalBytes::new(name.as_bytes()))
}

pub(crate) fn parse_registrable(
    text: &str,
    suffixes: &PublicSuffixes,
) -> Result<CanonicalBytes, Refusal> {
    let name = canonical(text)?;
    let registrable = suffixes
        .registrable(&name)
        .ok_or(Refusal::IsAPublicSuffix)?;
    if registrable.len() == name.len() {
        Ok(CanonicalBytes::new(name.as_bytes()))
    } else {
        Err(Refusal::BelowRegistrable)
    }
}

/// The registrable domain of a canonical `domain`; nothing for a public suffix.
pub(crate) fn registrable(bytes: &[u8], suffixes: &PublicSuffixes) -> Option<CanonicalBytes> {
    let name = std::str::from_utf8(bytes).ok()?;
    let registrable = suffixes.registrable(name)?;
    Some(CanonicalBytes::new(registrable.as_bytes()))
}

/// The canonical form of a domain name: UTS #46 ToASCII, non-transitional, with
/// CheckHyphens false (`r3---sn.example`, `-a.example` exist), and the checks of §4.7.
pub(super) fn canonical(text: &str) -> Result<Cow<'_, str>, Refusal> {
    refuse_controls(text)?;
    if is_ip_literal(text) {
        return Err(Refusal::IsAnIp);
    }
    if text.len() > LONGEST_TEXT {
        return Err(Refusal::TooLong);
    }
    let mapped = Uts46::new()
        .to_ascii(text.as_bytes(), DENIED, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| Refusal::NotADomain)?;
    let name = without_root(mapped);
    let labels = || name.split('.');
    if labels().any(str::is_empty) {
        Err(Refusal::EmptyLabel)
    } else if labels().any(|label| label.len() > LONGEST_LABEL) || name.len() > LONGEST_NAME {
        Err(Refusal::TooLong)
    } else if labels().next_back().is_some_and(is_number) {
        Err(Refusal::IsAnIp)
    } else if labels().nth(1).is_none() {
        Err(Refusal::SingleLabel)
    } else {
        Ok(name)
    }
}

fn is_ip_literal(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(text).parse::<IpAddr>().is_ok()
}

/// The WHATWG test for a host that can only be an IPv4 address: its last label is a number.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn without_root(name: Cow<'_, str>) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
        Cow::Owned(mut name) => {
            if name.ends_with('.') {
                name.pop();
            }
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}com", "abcdefg.".repeat(32));
        for (text, refusal) in [
            ("localhost", Refusal::SingleLabel),
            ("com.", Refusal::SingleLabel),
            ("a..com", Refusal::EmptyLabel),
            (".a.com", Refusal::EmptyLabel),
            ("a.com..", Refusal::EmptyLabel),
            ("1.2.3.4", Refusal::IsAnIp),
            ("[2001:db8::1]", Refusal::IsAnIp),
            ("1.2.3.256", Refusal::IsAnIp),
            ("a.0x1f", Refusal::IsAnIp),
            ("exa mple.com", Refusal::NotADomain),
            ("*.example.com", Refusal::NotADomain),
            ("xn--a-.com", Refusal::NotADomain),
            ("a\tb.com", Refusal::ControlCharacter),
            (long_label.as_str(), Refusal::TooLong),
            (long_name.as_str(), Refusal::TooLong),
        ] {
            assert_eq!(parse(text).err(), Some(refusal), "{text}");
        }
    }
}
