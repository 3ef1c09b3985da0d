//! The source values of a STIX pattern.
//!
//! Each constant of an `=` or `IN` is one value, and so is the network of an address with `ISSUBSET`
//! and each comparison of another kind, which no single value answers. `AND` inside one `[…]` speaks of one object (STIX 2.1 §9.7), so its
//! parts are values like the parts of a MISP composite, except that a platform, a port, a protocol
//! or the type of a referenced object beside another part says more of that part and is no value.
//! `AND` and `FOLLOWEDBY` between observations make several events mean something together; one
//! of them alone may be harmless, so none is taken.

use blindmatch_indicator::IndicatorType;

use super::pattern::{Comparison, Demand, Observation, Test};
use crate::account::account;
use crate::row::RowFault;
use crate::terms;

/// One source value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) what: What,
}

/// What a value is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Typed(IndicatorType),
    Untyped,
    NotMatchable(String),
    Fault(RowFault),
}

impl What {
    /// Takes the type that a tag of our own among `labels` names.
    pub(super) fn narrow(&mut self, labels: &[String]) {
        let claimed = match self {
            Self::Typed(claimed) => Some(*claimed),
            Self::Untyped => None,
            Self::NotMatchable(_) | Self::Fault(_) => return,
        };
        let labels = labels.iter().map(String::as_str);
        if let Some(declared) = terms::declared(labels, claimed) {
            *self = Self::Typed(declared);
        }
    }
}

pub(super) fn values(observation: &Observation) -> Vec<Found> {
    let mut found = Vec::new();
    collect(observation, &mut found);
    found
}

fn collect(observation: &Observation, found: &mut Vec<Found>) {
    match observation {
        Observation::One(demand) => collect_demand(demand, &mut Vec::new(), found),
        Observation::Either(parts) => parts.iter().for_each(|part| collect(part, found)),
        Observation::Together(parts) => {
            let first = found.len();
            parts.iter().for_each(|part| collect(part, found));
            for value in found.iter_mut().skip(first) {
                if !matches!(value.what, What::NotMatchable(_)) {
                    value.what = What::Fault(RowFault::OnlyTogether);
                }
            }
        }
    }
}

/// `beside` holds the comparisons that say more of the values under `demand`.
fn collect_demand<'p>(
    demand: &'p Demand,
    beside: &mut Vec<&'p Comparison>,
    found: &mut Vec<Found>,
) {
    match demand {
        Demand::One(comparison) => comparison.values(beside, found),
        Demand::Either(parts) => {
            for part in parts {
                collect_demand(part, beside, found);
            }
        }
        Demand::All(parts) => {
            let says_more = |part: &'p Demand| match part {
                Demand::One(comparison) if comparison.says_more() => Some(comparison),
                _ => None,
            };
            if parts.iter().all(|part| says_more(part).is_some()) {
                parts
                    .iter()
                    .for_each(|part| collect_demand(part, beside, found));
                return;
            }
            let outer = beside.len();
            beside.extend(parts.iter().filter_map(says_more));
            for part in parts.iter().filter(|part| says_more(part).is_none()) {
                collect_demand(part, beside, found);
            }
            beside.truncate(outer);
        }
    }
}

impl Comparison {
    /// Whether it only says more of the comparisons beside it.
    fn says_more(&self) -> bool {
        matches!(
            (self.object.as_str(), self.path.as_str()),
            ("user-account", "account_type")
                | (
                    "network-traffic",
                    "src_port" | "dst_port" | "protocols" | "src_ref.type" | "dst_ref.type"
                )
        )
    }

    fn values(&self, beside: &[&Self], found: &mut Vec<Found>) {
        match &self.test {
            Test::Is(constants) => {
                for constant in constants {
                    found.push(self.value(constant.as_deref(), beside));
                }
            }
            Test::Within(Some(network)) if self.is_address() => found.push(Found {
                text: network.clone(),
                what: What::Typed(IndicatorType::Network),
            }),
            Test::Within(_) => found.push(self.unanswered("ISSUBSET")),
            Test::Other(word) => found.push(self.unanswered(word)),
        }
    }

    fn is_address(&self) -> bool {
        matches!(self.object.as_str(), "ipv4-addr" | "ipv6-addr") && self.path == "value"
    }

    fn unanswered(&self, word: &str) -> Found {
        Found {
            text: String::new(),
            what: What::NotMatchable(format!("{} {word}", self.kind())),
        }
    }

    fn value(&self, constant: Option<&str>, beside: &[&Self]) -> Found {
        use IndicatorType::{Account, Asn, Domain, Email, Iban, Ip, Network, Pan, Phone, Url};
        let text = constant.unwrap_or_default();
        let address = || match text.contains('/') {
            true => What::Typed(Network),
            false => What::Typed(Ip),
        };
        let says = |path: &str| {
            let mut beside = beside.iter().filter(|c| c.object == self.object);
            match &beside.find(|c| c.path == path)?.test {
                Test::Is(constants) => constants.first()?.as_deref(),
                Test::Within(_) | Test::Other(_) => None,
            }
        };
        let what = match (self.object.as_str(), self.path.as_str()) {
            _ if constant.is_none() => What::NotMatchable(self.kind()),
            ("email-addr", "value") | ("email-message", "from_ref.value" | "sender_ref.value") => {
                What::Typed(Email)
            }
            _ if self.is_address() => address(),
            ("domain-name" | "hostname", "value") => What::Typed(Domain),
            ("url", "value") => What::Typed(Url),
            // Names on one machine or in one company's directory say nothing elsewhere.
            ("user-account", _)
                if matches!(
                    says("account_type"),
                    Some(
                        "unix"
                            | "windows-local"
                            | "windows-domain"
                            | "ldap"
                            | "nis"
                            | "radius"
                            | "tacacs"
                    )
                ) =>
            {
                What::NotMatchable(self.kind())
            }
            ("user-account", "user_id" | "account_login") => {
                return Found {
                    text: account(says("account_type"), text),
                    what: What::Typed(Account),
                };
            }
            ("autonomous-system", "number") => What::Typed(Asn),
            ("network-traffic", path @ ("src_ref.value" | "dst_ref.value")) => {
                let type_path = if path.starts_with("src") {
                    "src_ref.type"
                } else {
                    "dst_ref.type"
                };
                match says(type_path) {
                    Some("domain-name") => What::Typed(Domain),
                    Some("ipv4-addr" | "ipv6-addr") => address(),
                    _ => What::Untyped,
                }
            }
            ("domain-name", "resolves_to_refs.value")
            | ("cryptocurrency-wallet", "value" | "address") => What::Untyped,
            ("bank-account", "iban" | "iban_number") => What::Typed(Iban),
            ("phone-number", "number" | "value") => What::Typed(Phone),
            ("payment-card" | "bank-card", "value" | "number" | "card_number") => What::Typed(Pan),
            (object, "value") => match own_object(object) {
                Some(indicator_type) => What::Typed(indicator_type),
                None => What::NotMatchable(self.kind()),
            },
            _ => What::NotMatchable(self.kind()),
        };
        Found {
            text: text.to_owned(),
            what,
        }
    }

    /// The type of object and its first property, such as `file:hashes`.
    fn kind(&self) -> String {
        let property = self.path.split('.').next().unwrap_or_default();
        format!("{}:{property}", self.object)
    }
}

/// The type whose name one of our own objects has, which STIX has none for.
fn own_object(object: &str) -> Option<IndicatorType> {
    let name = object.strip_prefix("x-blindmatch-")?;
    name.replace('-', "_").parse().ok()
}

#[cfg(test)]
mod tests;
