//! What the words of publishers say about reason and role.

use blindmatch_indicator::{Reason, Role};

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

/// Whose the identifier is, by the terms of STIX `indicator_types`.
pub(crate) fn role<'t>(terms: impl IntoIterator<Item = &'t str>) -> Role {
    if terms.into_iter().any(|term| term == "compromised") {
        Role::Victim
    } else {
        Role::Unknown
    }
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
