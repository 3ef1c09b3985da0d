//! The one way from text to an [`Indicator`].

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::bytes::CanonicalBytes;
use crate::fingerprint::{ja4, ssh_key};
use crate::names::account::{self, Platform};
use crate::names::phone::{self, Region};
use crate::names::url::{self, UrlHost};
use crate::names::{self, domain, email};
use crate::net::{address, ladder, network};
use crate::payment::{card, iban, pan};
use crate::registry::{asn, lei};
use crate::wallet::{btc, eth, tron};
use crate::{Indicator, IndicatorType, PaymentKey, PublicSuffixes, Refusal};

/// Turns text into indicators, with the tables, defaults and keys that this needs.
#[derive(Clone)]
pub struct Canonicaliser {
    suffixes: PublicSuffixes,
    default_region: Option<Region>,
    default_platform: Option<Platform>,
    payment_key: Option<Arc<PaymentKey>>,
}

impl Canonicaliser {
    /// A canonicaliser with a public suffix list and no defaults.
    #[must_use]
    pub fn new(suffixes: PublicSuffixes) -> Self {
        Self {
            suffixes,
            default_region: None,
            default_platform: None,
            payment_key: None,
        }
    }

    /// Reads telephone numbers without country code as numbers of `region`.
    #[must_use]
    pub fn with_default_region(mut self, region: Region) -> Self {
        self.default_region = Some(region);
        self
    }

    /// Reads account names without platform as names on `platform`.
    #[must_use]
    pub fn with_default_platform(mut self, platform: Platform) -> Self {
        self.default_platform = Some(platform);
        self
    }

    /// Hashes every `pan` under `key`. Clones share the key.
    #[must_use]
    pub fn with_payment_key(mut self, key: PaymentKey) -> Self {
        self.payment_key = Some(Arc::new(key));
        self
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
            IndicatorType::Email => email::parse(text),
            IndicatorType::EmailFolded => email::parse_folded(text),
            IndicatorType::Phone => phone::parse(text, self.default_region),
            IndicatorType::Account => account::parse(text, self.default_platform.as_ref()),
            IndicatorType::Domain | IndicatorType::UrlHost => domain::parse(text),
            IndicatorType::RegistrableDomain => domain::parse_registrable(text, &self.suffixes),
            IndicatorType::Url => url::parse(text),
            IndicatorType::Pan => pan::parse(text, self.payment_key.as_deref()),
            IndicatorType::CardWeak => card::parse(text),
            IndicatorType::Iban => iban::parse(text),
            IndicatorType::Btc => btc::parse(text),
            IndicatorType::Eth => eth::parse(text),
            IndicatorType::Tron => tron::parse(text),
            IndicatorType::SshKey => ssh_key::parse(text),
            IndicatorType::Ja4 => ja4::parse(text),
            IndicatorType::Asn => asn::parse(text),
            IndicatorType::Lei => lei::parse(text),
        }?;
        Ok(Indicator::from_canonical(indicator_type, bytes))
    }

    /// The indicator that [`Indicator::encode`] encoded: what is kept elsewhere comes back through
    /// the same checks, by its text. A `pan` has none, so of it only the length is checked. Nothing
    /// where `encoded` is of another version or no indicator's.
    #[must_use]
    pub fn decode(&self, encoded: &[u8]) -> Option<Indicator> {
        let (&[code, version], bytes) = encoded.split_first_chunk()?;
        let kind = IndicatorType::from_code(code)?;
        if version != kind.canonicalisation_version() {
            return None;
        }
        if kind == IndicatorType::Pan {
            return pan::is_hash(bytes)
                .then(|| Indicator::from_canonical(kind, CanonicalBytes::new(bytes)));
        }
        let indicator = self.parse(kind, &text(kind, bytes)).ok()?;
        (indicator.as_bytes() == bytes).then_some(indicator)
    }

    /// The indicator, in the version in force, that an encoding of an earlier version stands for: it
    /// is read again by its text. Nothing where its bytes do not say it, as those of a `pan`, or
    /// where the rules in force refuse it.
    #[must_use]
    pub fn recode(&self, encoded: &[u8]) -> Option<Indicator> {
        let (&[code, _], bytes) = encoded.split_first_chunk()?;
        let kind = IndicatorType::from_code(code)?;
        // Its bytes are a hash, of which `parse` would make another.
        if kind == IndicatorType::Pan {
            return None;
        }
        self.parse(kind, &text(kind, bytes)).ok()
    }

    /// The public suffix list.
    #[must_use]
    pub const fn suffixes(&self) -> &PublicSuffixes {
        &self.suffixes
    }

    /// The indicators that follow from `indicator` (`spec/10-indicators.md` §5): the folded form of
    /// an e-mail address, the registrable domain of a domain, the host of a URL as `url_host` or
    /// `ip`, the ladder tokens of a network between two rungs. Empty for everything else.
    #[must_use]
    pub fn derive(&self, indicator: &Indicator) -> Vec<Indicator> {
        let bytes = indicator.as_bytes();
        let one = |kind, bytes| vec![Indicator::from_canonical(kind, bytes)];
        match indicator.indicator_type() {
            IndicatorType::Email => {
                email::fold(bytes).map(|folded| one(IndicatorType::EmailFolded, folded))
            }
            IndicatorType::Domain => domain::registrable(bytes, &self.suffixes)
                .map(|name| one(IndicatorType::RegistrableDomain, name)),
            IndicatorType::Url => url::host(bytes).map(|host| match host {
                UrlHost::Name(name) => one(IndicatorType::UrlHost, name),
                UrlHost::Ip(address) => one(IndicatorType::Ip, address),
            }),
            IndicatorType::Network => Some(
                ladder::split(indicator)
                    .filter(|token| token != indicator)
                    .collect(),
            ),
            _ => None,
        }
        .unwrap_or_default()
    }
}

/// The text of canonical bytes, which only [`Canonicaliser`] and the ladder make.
pub(crate) fn text(indicator_type: IndicatorType, bytes: &[u8]) -> Zeroizing<String> {
    let text = match indicator_type {
        IndicatorType::Ip => address::text(bytes),
        IndicatorType::Network => network::text(bytes),
        IndicatorType::Phone => phone::text(bytes),
        IndicatorType::Email
        | IndicatorType::EmailFolded
        | IndicatorType::Account
        | IndicatorType::Domain
        | IndicatorType::RegistrableDomain
        | IndicatorType::Url
        | IndicatorType::UrlHost => names::text(bytes),
        IndicatorType::Pan => pan::text(bytes),
        IndicatorType::CardWeak => card::text(bytes),
        IndicatorType::Iban => iban::text(bytes),
        IndicatorType::Btc => btc::text(bytes),
        IndicatorType::Eth => eth::text(bytes),
        IndicatorType::Tron => tron::text(bytes),
        IndicatorType::SshKey => ssh_key::text(bytes),
        IndicatorType::Ja4 => ja4::text(bytes),
        IndicatorType::Asn => asn::text(bytes),
        IndicatorType::Lei => lei::text(bytes),
    };
    Zeroizing::new(text.unwrap_or_default())
}
