//! What the words of publishers say about reason and role.

use std::borrow::Cow;

use blindmatch_indicator::{IndicatorType, Reason, Role};

use crate::refang::refang;

const REASONS: [(Reason, &[&str]); 15] = [
    (Reason::Spam, &["spam", "spammer", "spam-bot", "malspam"]),
    (
        Reason::Phishing,
        &[
            "phishing",
            "phish",
            "spear-phishing",
            "spearphishing",
            "smishing",
            "vishing",
        ],
    ),
    (
        Reason::CommandAndControl,
        &[
            "c2",
            "c&c",
            "cnc",
            "c2-server",
            "command-and-control",
            "botnet",
            "botnet-cc",
            "botnet-c2",
        ],
    ),
    (
        Reason::Malware,
        &[
            "malware",
            "ransomware",
            "trojan",
            "backdoor",
            "worm",
            "virus",
            "dropper",
            "infostealer",
            "malware-distribution",
            "malware-hosting",
            "payload-delivery",
        ],
    ),
    (
        Reason::Intrusion,
        &[
            "intrusion",
            "scanner",
            "scanning",
            "scan",
            "bruteforce",
            "brute-force",
            "exploit",
            "exploitation",
            "attack",
            "hacking",
        ],
    ),
    (
        Reason::DenialOfService,
        &["ddos", "dos", "denial-of-service"],
    ),
    (
        Reason::PaymentFraud,
        &[
            "fraud",
            "payment-fraud",
            "carding",
            "chargeback",
            "card-fraud",
            "credit-card-fraud",
        ],
    ),
    (
        Reason::AccountTakeover,
        &[
            "account-takeover",
            "ato",
            "credential-stuffing",
            "compromised-account",
        ],
    ),
    (
        Reason::Scam,
        &[
            "scam",
            "investment-fraud",
            "romance-scam",
            "advance-fee-fraud",
            "pig-butchering",
        ],
    ),
    (
        Reason::MoneyLaundering,
        &["money-laundering", "money-mule", "mixer"],
    ),
    (
        Reason::Sanctions,
        &["sanctions", "sanctioned", "ofac", "sdn"],
    ),
    (
        Reason::FakeIdentity,
        &[
            "fake-identity",
            "fake-account",
            "disposable",
            "disposable-email",
            "synthetic-identity",
        ],
    ),
    (
        Reason::ResourceAbuse,
        &[
            "resource-abuse",
            "cryptomining",
            "cryptojacking",
            "coinminer",
            "miner",
        ],
    ),
    (
        Reason::Anonymiser,
        &[
            "anonymization",
            "anonymisation",
            "anonymizer",
            "anonymiser",
            "proxy",
            "vpn",
            "tor",
            "tor-exit",
            "tor-exit-node",
        ],
    ),
    (
        Reason::Spyware,
        &["spyware", "mercenary-spyware", "stalkerware"],
    ),
];

/// The reason that the first telling term gives: a term of an open vocabulary such as
/// `indicator_types`, or a machine tag such as `rsit:fraud="phishing"`.
pub(crate) fn reason<'t>(terms: impl IntoIterator<Item = &'t str>) -> Reason {
    let known = |term: &str| {
        let value = match term.split_once('"') {
            Some((_, quoted)) => quoted.trim_end_matches('"'),
            None => term.rsplit([':', '=']).next().unwrap_or(term),
        };
        let value = value.trim_ascii().to_lowercase().replace([' ', '_'], "-");
        REASONS
            .iter()
            .find(|(_, words)| words.contains(&value.as_str()))
            .map(|(reason, _)| *reason)
    };
    terms.into_iter().find_map(known).unwrap_or_default()
}

/// Before the name of a type, in tags of our own.
pub(crate) const TYPE_TAG: &str = "blindmatch:type=";

/// A text without what publishers do to it. What we wrote ourselves was left as it is, and may have
/// in it what looks like that.
pub(crate) fn undefanged<'t>(text: &'t str, tags: &[String]) -> Cow<'t, str> {
    if tags.iter().any(|tag| tag.starts_with(TYPE_TAG)) {
        Cow::Borrowed(text)
    } else {
        refang(text)
    }
}

/// The type that a tag of our own names, where several types of ours are `claimed`, one type of
/// others, or where others have none.
pub(crate) fn declared<'t>(
    terms: impl IntoIterator<Item = &'t str>,
    claimed: Option<IndicatorType>,
) -> Option<IndicatorType> {
    use IndicatorType::{
        Account, Btc, Domain, Email, EmailFolded, Eth, Ja4, Lei, RegistrableDomain, Tron, UrlHost,
    };
    let named = terms
        .into_iter()
        .find_map(|term| term.strip_prefix(TYPE_TAG));
    let named = named?.parse().ok()?;
    let is_so = matches!(
        (claimed, named),
        (Some(Email), EmailFolded)
            | (Some(Domain), RegistrableDomain | UrlHost)
            | (None, Account | Btc | Eth | Ja4 | Lei | Tron)
    );
    is_so.then_some(named)
}

/// Whose the identifier is, by the terms of STIX `indicator_types`.
pub(crate) fn role<'t>(terms: impl IntoIterator<Item = &'t str>) -> Role {
    for term in terms {
        match term {
            "compromised" | "blindmatch:role=victim" => return Role::Victim,
            "blindmatch:role=actor" => return Role::Actor,
            "blindmatch:role=reseller" => return Role::Reseller,
            _ => {}
        }
    }
    Role::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_vocabularies_and_tags() {
        for (terms, expected) in [
            (&["malicious-activity"] as &[_], Reason::Unspecified),
            (&["malicious-activity", "anonymization"], Reason::Anonymiser),
            (&["rsit:fraud=\"phishing\""], Reason::Phishing),
            (
                &[
                    "tlp:white",
                    "malware_classification:malware-category=\"Ransomware\"",
                ],
                Reason::Malware,
            ),
            (&["Command and Control"], Reason::CommandAndControl),
            (&["tlp:white"], Reason::Unspecified),
            (&[], Reason::Unspecified),
        ] {
            assert_eq!(reason(terms.iter().copied()), expected, "{terms:?}");
        }
    }
}
