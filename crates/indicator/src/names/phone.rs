//! `phone`: a telephone number (`spec/10-indicators.md` §4.5).
//!
//! Canonical bytes: country code and national number in ASCII digits, without the `+`.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums};
use zeroize::Zeroizing;

use super::{fictitious, refuse_controls};
use crate::Refusal;
use crate::bytes::CanonicalBytes;

/// No number, however it is punctuated, is longer in bytes.
const LONGEST_TEXT: usize = 64;
/// E.164 §6.2.1.
const LONGEST: usize = 15;

/// The region whose numbering plan numbers in national form belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region(enums::Region);

/// No numbering plan is known for this region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRegion;

impl FromStr for Region {
    type Err = UnknownRegion;

    /// Reads a two-letter code (ISO 3166-1 alpha-2, `XK` for Kosovo) in either case.
    fn from_str(code: &str) -> Result<Self, UnknownRegion> {
        let region = code.to_ascii_uppercase().parse();
        let region: enums::Region = region.map_err(|_| UnknownRegion)?;
        let known = PHONE_NUMBER_UTIL.get_country_code_for_region(region);
        known.map(|_| Self(region)).ok_or(UnknownRegion)
    }
}

impl fmt::Display for UnknownRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the two-letter code of a region with a numbering plan")
    }
}

impl std::error::Error for UnknownRegion {}

pub(crate) fn parse(text: &str, default: Option<Region>) -> Result<CanonicalBytes, Refusal> {
    refuse_controls(text)?;
    let dialled = dialled(text)?;
    let region = match (dialled.starts_with('+'), default) {
        (true, _) => None,
        (false, Some(Region(region))) => Some(region),
        (false, None) => return Err(Refusal::NationalNumber),
    };
    let number = e164(&dialled, region)?;
    // What reads a second time as something else (a national prefix behind the country code,
    // taken off once) has no canonical form.
    if dialled.as_str() != number.as_str() && e164(&number, None)? != number {
        return Err(Refusal::NoSuchNumber);
    }
    let digits = number.strip_prefix('+').ok_or(Refusal::NoSuchNumber)?;
    Ok(CanonicalBytes::new(digits.as_bytes()))
}

/// Text of canonical bytes: `+` and the digits.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes)
        .ok()
        .map(|digits| format!("+{digits}"))
}

/// The digits of a number, with the `+` that may lead them and without punctuation.
fn dialled(text: &str) -> Result<Zeroizing<String>, Refusal> {
    if text.len() > LONGEST_TEXT {
        return Err(Refusal::TooLong);
    }
    // The URI of RFC 3966; its parameters are refused below.
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => text.get(4..).unwrap_or_default(),
        _ => text,
    };
    let mut dialled = Zeroizing::new(String::with_capacity(text.len()));
    for c in text.chars() {
        match c {
            '0'..='9' => dialled.push(c),
            '+' if dialled.is_empty() => dialled.push(c),
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{202f}' => {}
            '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            'x' | 'X' | 'e' | 'E' | '#' | ';' | ',' if !dialled.is_empty() => {
                return Err(Refusal::Extension);
            }
            _ => return Err(Refusal::NotAPhone),
        }
    }
    match dialled.trim_start_matches('+').len() {
        0 => Err(Refusal::NotAPhone),
        // A national prefix may stand behind the country code.
        digits if digits > LONGEST + 2 => Err(Refusal::TooLong),
        _ => Ok(dialled),
    }
}

/// The E.164 form of digits, where a numbering plan has that number and nobody reserved it for
/// fiction.
fn e164(dialled: &str, region: Option<enums::Region>) -> Result<Zeroizing<String>, Refusal> {
    let number = PHONE_NUMBER_UTIL
        .parse(dialled, region)
        .map_err(|_| Refusal::NoSuchNumber)?;
    let text = number.format_as(PhoneNumberFormat::E164).into_owned();
    let text = Zeroizing::new(text);
    if fictitious::is_fictitious(&text) {
        Err(Refusal::Fictitious)
    } else if !number.is_valid() || text.len() > LONGEST + 1 {
        Err(Refusal::NoSuchNumber)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str, region: &str) -> Result<String, Refusal> {
        let bytes = parse(text, region.parse().ok())?;
        Ok(super::text(bytes.as_slice()).unwrap_or_default())
    }

    #[test]
    fn names_the_offence() {
        for (text, refusal) in [
            ("0812 123 4567", Refusal::NationalNumber),
            ("+7 812 123-45-67 ext. 5", Refusal::Extension),
            ("+7 812 123-45-67x5", Refusal::Extension),
            ("tel:+78121234567;ext=5", Refusal::Extension),
            ("+1 800 FLOWERS", Refusal::NotAPhone),
            ("+", Refusal::NotAPhone),
            ("7+8121234567", Refusal::NotAPhone),
            ("+999 1234567", Refusal::NoSuchNumber),
            ("+1 212 555 0123", Refusal::Fictitious),
            ("+123456789012345678", Refusal::TooLong),
        ] {
            assert_eq!(canonical(text, ""), Err(refusal), "{text}");
        }
    }

    #[test]
    fn a_region_reads_national_numbers() {
        assert_eq!(
            canonical("8 (812) 123-45-67", "ru"),
            Ok("+78121234567".to_owned())
        );
        assert_eq!(
            canonical("+44 (0)20 7183 8750", "RU"),
            Ok("+442071838750".to_owned())
        );
        assert_eq!("ZZ".parse::<Region>(), Err(UnknownRegion));
        assert_eq!("001".parse::<Region>(), Err(UnknownRegion));
    }
}
