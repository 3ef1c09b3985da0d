//! The one way from text to an [`Indicator`].

use zeroize::Zeroizing;

use crate::net::{address, network};
use crate::{Indicator, IndicatorType, PublicSuffixes, Refusal};

/// Turns text into indicators, with the tables, defaults and keys that this needs.
#[derive(Clone)]
pub struct Canonicaliser {
    pub(crate) suffixes: PublicSuffixes,
}

impl Canonicaliser {
    /// A canonicaliser with a public suffix list and no defaults.
    #[must_use]
    pub fn new(suffixes: PublicSuffixes) -> Self {
        Self { suffixes }
    }

    /// Canonicalises `text`, white space around it aside, as a value of `indicator_type`.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that names the first offence.
    pub fn parse(&self, indicator_type: IndicatorType, text: &str) -> Result<Indicator, Refusal> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(Refusal::Empty);
        }
        let bytes = match indicator_type {
            IndicatorType::Ip => address::parse(text),
            IndicatorType::Network => network::parse(text),
            _ => Err(Refusal::TypeUnknown),
        }?;
        Ok(Indicator::from_canonical(indicator_type, bytes))
    }

    /// Canonicalises `text` as a value of the one type that its form shows.
    ///
    /// # Errors
    ///
    /// [`Refusal::TypeUnknown`] where no type recognises it, [`Refusal::TypeAmbiguous`] where
    /// several do, and the type's own [`Refusal`] where the form shows the type and the value
    /// breaks its rules.
    pub fn detect(&self, text: &str) -> Result<Indicator, Refusal> {
        let text = text.trim_ascii();
        match self.parse(IndicatorType::Ip, text) {
            Err(Refusal::IsANetwork) => self.parse(IndicatorType::Network, text),
            Err(Refusal::NotAnIp) => Err(Refusal::TypeUnknown),
            other => other,
        }
    }
}

/// The text of canonical bytes, which only [`Canonicaliser`] and the ladder make.
pub(crate) fn text(indicator_type: IndicatorType, bytes: &[u8]) -> Zeroizing<String> {
    let text = match indicator_type {
        IndicatorType::Ip => address::text(bytes),
        IndicatorType::Network => network::text(bytes),
        _ => None,
    };
    Zeroizing::new(text.unwrap_or_default())
}
