//! What the usual names of columns mean.

use blindmatch_indicator::IndicatorType;

/// What a header says about its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Identifiers of a type.
    Typed(IndicatorType),
    /// Mostly identifiers of a type; each value shows its own, as addresses and networks share
    /// columns.
    Mostly(IndicatorType),
    /// Identifiers, and their form has to show the type.
    Identifier,
    /// No identifiers, but surely a header.
    Other,
}

/// Names per type, lower case, anything but letters and digits as `_`.
const TYPED: [(Meaning, &[&str]); 14] = [
    (
        Meaning::Mostly(IndicatorType::Ip),
        &[
            "ip",
            "ips",
            "ip_address",
            "ipaddress",
            "ip_addr",
            "ipaddr",
            "ipv4",
            "ipv6",
            "ipv4_address",
            "ipv6_address",
            "src_ip",
            "source_ip",
            "dst_ip",
            "dest_ip",
            "destination_ip",
            "client_ip",
            "remote_ip",
            "remote_addr",
            "attacker_ip",
            "login_ip",
            "signup_ip",
            "last_ip",
            "user_ip",
            "host_ip",
        ],
    ),
    (
        Meaning::Mostly(IndicatorType::Network),
        &[
            "network",
            "networks",
            "cidr",
            "subnet",
            "prefix",
            "netblock",
            "ip_prefix",
            "ip_network",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Email),
        &[
            "email",
            "emails",
            "e_mail",
            "mail",
            "email_address",
            "mail_address",
            "user_email",
            "customer_email",
            "contact_email",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Phone),
        &[
            "phone",
            "phones",
            "phone_number",
            "phonenumber",
            "msisdn",
            "mobile",
            "mobile_number",
            "telephone",
            "tel",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Account),
        &[
            "account",
            "accounts",
            "account_name",
            "username",
            "user_name",
            "login",
            "handle",
            "screen_name",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Domain),
        &["domain", "domains", "domain_name", "domainname", "fqdn"],
    ),
    (
        Meaning::Mostly(IndicatorType::Domain),
        &["host", "hosts", "hostname", "host_name"],
    ),
    (
        Meaning::Typed(IndicatorType::Url),
        &[
            "url",
            "urls",
            "uri",
            "phish_url",
            "phishing_url",
            "malicious_url",
            "malware_url",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Pan),
        &[
            "pan",
            "card",
            "card_number",
            "cardnumber",
            "cc_number",
            "credit_card",
            "credit_card_number",
        ],
    ),
    (
        Meaning::Typed(IndicatorType::Iban),
        &["iban", "ibans", "iban_number"],
    ),
    (
        Meaning::Typed(IndicatorType::SshKey),
        &["ssh_key", "ssh_fingerprint", "ssh_key_fingerprint"],
    ),
    (
        Meaning::Typed(IndicatorType::Ja4),
        &["ja4", "ja4_fingerprint"],
    ),
    (
        Meaning::Typed(IndicatorType::Asn),
        &["asn", "as_number", "asnum"],
    ),
    (Meaning::Typed(IndicatorType::Lei), &["lei", "lei_code"]),
];

const WALLETS: [(IndicatorType, &[&str]); 3] = [
    (
        IndicatorType::Btc,
        &["btc", "btc_address", "bitcoin", "bitcoin_address"],
    ),
    (
        IndicatorType::Eth,
        &[
            "eth",
            "eth_address",
            "ethereum",
            "ethereum_address",
            "evm_address",
        ],
    ),
    (
        IndicatorType::Tron,
        &["tron", "trx", "tron_address", "trx_address"],
    ),
];

const IDENTIFIER: &[&str] = &[
    "address",
    "addresses",
    "addr",
    "banned_address",
    "wallet",
    "wallets",
    "wallet_address",
    "crypto_address",
    "indicator",
    "indicators",
    "ioc",
    "iocs",
    "ioc_value",
    "indicator_value",
    "value",
    "identifier",
    "observable",
];

const OTHER: &[&str] = &[
    "id",
    "type",
    "ioc_type",
    "indicator_type",
    "date",
    "dateadded",
    "date_added",
    "time",
    "timestamp",
    "created",
    "created_at",
    "updated_at",
    "first_seen",
    "firstseen",
    "first_seen_utc",
    "last_seen",
    "lastseen",
    "last_seen_utc",
    "last_online",
    "seen",
    "count",
    "reports",
    "tag",
    "tags",
    "label",
    "labels",
    "comment",
    "comments",
    "note",
    "notes",
    "description",
    "source",
    "reporter",
    "reference",
    "ref",
    "name",
    "country",
    "category",
    "reason",
    "threat",
    "malware",
    "confidence",
    "severity",
    "score",
    "status",
    "url_status",
];

/// What `name` means, or nothing where it is not a usual one.
pub(crate) fn meaning(name: &str) -> Option<Meaning> {
    let name = normalise(name);
    let is = |names: &[&str]| names.contains(&name.as_str());
    let typed = TYPED.iter().find(|(_, names)| is(names));
    let wallet = WALLETS.iter().find(|(_, names)| is(names));
    typed
        .map(|(meaning, _)| *meaning)
        .or_else(|| wallet.map(|(wallet, _)| Meaning::Typed(*wallet)))
        .or_else(|| is(IDENTIFIER).then_some(Meaning::Identifier))
        .or_else(|| is(OTHER).then_some(Meaning::Other))
}

fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_alphanumeric() {
            normal.extend(character.to_lowercase());
        } else if !normal.is_empty() && !normal.ends_with('_') {
            normal.push('_');
        }
    }
    normal.truncate(normal.trim_end_matches('_').len());
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_usual_names_in_any_writing() {
        for (name, expected) in [
            ("IP", Some(Meaning::Mostly(IndicatorType::Ip))),
            ("Source IP", Some(Meaning::Mostly(IndicatorType::Ip))),
            ("E-Mail", Some(Meaning::Typed(IndicatorType::Email))),
            ("# url", Some(Meaning::Typed(IndicatorType::Url))),
            ("banned_address", Some(Meaning::Identifier)),
            ("First seen", Some(Meaning::Other)),
            ("etherscan_tag", None),
            ("", None),
        ] {
            assert_eq!(meaning(name), expected, "{name}");
        }
    }

    #[test]
    fn no_name_means_two_things() {
        let typed = TYPED.iter().flat_map(|(_, names)| names.iter());
        let wallets = WALLETS.iter().flat_map(|(_, names)| names.iter());
        let mut all: Vec<_> = typed
            .chain(wallets)
            .chain(IDENTIFIER)
            .chain(OTHER)
            .collect();
        all.sort_unstable();
        let twice = all.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None);
        assert!(all.iter().all(|name| normalise(name) == ***name));
    }
}
