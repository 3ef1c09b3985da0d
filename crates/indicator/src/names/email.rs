//! `email` and `email_folded` (`spec/10-indicators.md` §4.3, §4.4).
//!
//! Canonical bytes: local part, `@`, domain in A-label form.

use icu_casemap::CaseMapper;
use icu_locale_core::LanguageIdentifier;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{domain, refuse_controls};
use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// RFC 5321 §4.5.3.1.1 in octets; a path of 256 (§4.5.3.1.3) leaves 254 between its brackets.
const LONGEST_LOCAL: usize = 64;
const LONGEST: usize = 254;

/// The two domains of one provider whose aliases are documented and free to everybody.
const GMAIL: [&str; 2] = ["gmail.com", "googlemail.com"];

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let (local, domain) = canonical(text)?;
    Ok(join(&local, &domain))
}

pub(crate) fn parse_folded(text: &str) -> Result<CanonicalBytes, Refusal> {
    let (local, domain) = canonical(text)?;
    fold_parts(&local, &domain).ok_or(Refusal::BadLocalPart)
}

/// The folded form of a canonical `email`; nothing where folding leaves no local part.
pub(crate) fn fold(bytes: &[u8]) -> Option<CanonicalBytes> {
    let (local, domain) = std::str::from_utf8(bytes).ok()?.rsplit_once('@')?;
    fold_parts(local, domain)
}

fn fold_parts(local: &str, domain: &str) -> Option<CanonicalBytes> {
    if !GMAIL.contains(&domain) {
        return Some(join(local, domain));
    }
    let untagged = local.split('+').next().unwrap_or(local);
    let folded: Zeroizing<String> = Zeroizing::new(untagged.replace('.', ""));
    if folded.is_empty() {
        None
    } else {
        Some(join(&folded, "gmail.com"))
    }
}

fn join(local: &str, domain: &str) -> CanonicalBytes {
    CanonicalBytes::concat(&[local.as_bytes(), b"@", domain.as_bytes()])
}

/// Canonical local part and domain.
fn canonical(text: &str) -> Result<(Zeroizing<String>, Zeroizing<String>), Refusal> {
    refuse_controls(text)?;
    let (local, domain) = text.rsplit_once('@').ok_or(Refusal::NotAnEmail)?;
    let domain: Zeroizing<String> = Zeroizing::new(domain::canonical(domain)?.into_owned());
    let local = canonical_local(local)?;
    if local.len() + 1 + domain.len() > LONGEST {
        Err(Refusal::TooLong)
    } else {
        Ok((local, domain))
    }
}

/// NFC, lower case, NFC: lower-casing can leave characters that compose, and a second round
/// changes nothing more, since NFC brings no upper case back.
fn canonical_local(text: &str) -> Result<Zeroizing<String>, Refusal> {
    // A quoted string spells one mailbox in many ways, and no provider hands such names out.
    if text.starts_with('"') {
        return Err(Refusal::QuotedLocalPart);
    }
    let composed: Zeroizing<String> = Zeroizing::new(text.nfc().collect());
    // By a library's table and not by the standard library's, which moves with the compiler.
    let lower = CaseMapper::new().lowercase_to_string(&composed, &LanguageIdentifier::UNKNOWN);
    let lower = Zeroizing::new(lower.into_owned());
    let local: Zeroizing<String> = Zeroizing::new(lower.nfc().collect());
    if local.len() > LONGEST_LOCAL {
        Err(Refusal::TooLong)
    } else if local.split('.').all(is_atom) {
        Ok(local)
    } else {
        Err(Refusal::BadLocalPart)
    }
}

/// RFC 5321 `Atom`, with RFC 6531's non-ASCII but for what nobody sees.
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~".contains(c)
                || (!c.is_ascii() && !c.is_whitespace() && !is_invisible(c))
        })
}

/// Soft hyphen, zero-width and bidirectional controls, tags: two addresses that differ in these
/// alone look the same. The joiners U+200C and U+200D stay, since words are spelt with them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_offence() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}example.com", "abcdefg.".repeat(31));
        for (text, refusal) in [
            ("jane", Refusal::NotAnEmail),
            ("@example.com", Refusal::BadLocalPart),
            ("jane@", Refusal::EmptyLabel),
            ("jane@localhost", Refusal::SingleLabel),
            ("jane@[8.8.8.8]", Refusal::IsAnIp),
            ("\"jane\"@example.com", Refusal::QuotedLocalPart),
            ("jane doe@example.com", Refusal::BadLocalPart),
            (".jane@example.com", Refusal::BadLocalPart),
            ("j..ane@example.com", Refusal::BadLocalPart),
            ("a@b@example.com", Refusal::BadLocalPart),
            ("ja\u{200b}ne@example.com", Refusal::BadLocalPart),
            ("ja\u{7f}ne@example.com", Refusal::ControlCharacter),
            (long_local.as_str(), Refusal::TooLong),
            (long.as_str(), Refusal::TooLong),
        ] {
            assert_eq!(parse(text).err(), Some(refusal), "{text}");
        }
        assert_eq!(
            parse_folded("+a@gmail.com").err(),
            Some(Refusal::BadLocalPart)
        );
    }
}
