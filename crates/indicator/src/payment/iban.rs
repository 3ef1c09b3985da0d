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
