//! `iban`: an international bank account number (`spec/10-indicators.md` §4.13).
//!
//! Canonical bytes: ASCII of the electronic form (ISO 13616-1), upper case, no spaces.

use iban::{Iban, IbanLike, ParseBaseIbanError, ParseIbanError};
use zeroize::Zeroizing;

use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let mut electronic = Zeroizing::new(String::with_capacity(text.len()));
    electronic.extend(text.chars().filter(|&c| c != ' '));
    electronic.make_ascii_uppercase();
    let iban: Iban = electronic.parse().map_err(|error| match error {
        ParseIbanError::InvalidBaseIban { source } => match source {
            ParseBaseIbanError::InvalidFormat => Refusal::NotAnIban,
            ParseBaseIbanError::InvalidChecksum => Refusal::ChecksumMismatch,
        },
        ParseIbanError::InvalidBban(_) => Refusal::BbanStructure,
        ParseIbanError::UnknownCountry(_) => Refusal::IbanCountryUnknown,
    })?;
    // ISO 7064 makes 02 to 98. The library refuses 00 and 01; 99 has the remainder of 02, and
    // one account must not have two forms.
    if iban.check_digits_str() == "99" {
        return Err(Refusal::ChecksumMismatch);
    }
    Ok(CanonicalBytes::new(iban.electronic_str().as_bytes()))
}

pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry is a table of this type: a change raises the canonicalisation version.
    #[test]
    fn countries_are_those_of_the_specification() {
        let letters = || 'A'..='Z';
        let known: Vec<String> = letters()
            .flat_map(|first| letters().map(move |second| format!("{first}{second}")))
            .filter(|country| {
                (2..=98).any(|digits| {
                    parse(&format!("{country}{digits:02}0")).err() == Some(Refusal::BbanStructure)
                })
            })
            .collect();
        assert_eq!(
            known.join(" "),
            "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB \
             GE GI GL GR GT HR HU IE IL IQ IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR \
             MT MU NI NL NO OM PL PS PT QA RO RS RU SA SC SD SE SI SK SM SO ST SV TL TN TR UA VA \
             VG XK YE"
        );
    }
}
