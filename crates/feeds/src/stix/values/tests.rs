use super::super::pattern::parse;
use super::*;

/// Values as `CLAIM TEXT`.
fn found(pattern: &str) -> Vec<String> {
    let parsed = parse(pattern).unwrap_or_else(|_| panic!("{pattern}"));
    let shown = |found: Found| match found.what {
        What::Typed(indicator_type) => format!("{indicator_type} {}", found.text),
        What::Untyped => format!("- {}", found.text),
        What::NotMatchable(kind) => format!("<{kind}>"),
        What::Fault(fault) => format!("!{} {}", fault.code(), found.text),
    };
    values(&parsed).into_iter().map(shown).collect()
}

#[test]
fn each_constant_is_a_value() {
    for (pattern, expected) in [
        ("[email-addr:value = 'a']", vec!["email a"]),
        ("[email-message:from_ref.value = 'a']", vec!["email a"]),
        ("[ipv4-addr:value = '8.8.8.8']", vec!["ip 8.8.8.8"]),
        (
            "[ipv4-addr:value = '8.8.0.0/16']",
            vec!["network 8.8.0.0/16"],
        ),
        (
            "[ipv6-addr:value IN ('::1', '::/64')]",
            vec!["ip ::1", "network ::/64"],
        ),
        (
            "[ipv4-addr:value ISSUBSET '8.8.0.0/16']",
            vec!["network 8.8.0.0/16"],
        ),
        (
            "[ipv4-addr:value ISSUPERSET '8.8.0.0/16']",
            vec!["<ipv4-addr:value ISSUPERSET>"],
        ),
        (
            "[domain-name:value ISSUBSET '8.8.0.0/16']",
            vec!["<domain-name:value ISSUBSET>"],
        ),
        ("[url:value = 'a']", vec!["url a"]),
        ("[autonomous-system:number = 7]", vec!["asn 7"]),
        ("[cryptocurrency-wallet:value = 'a']", vec!["- a"]),
        ("[cryptocurrency-wallet:address = 'a']", vec!["- a"]),
        ("[bank-account:iban = 'a']", vec!["iban a"]),
        ("[phone-number:number = 'a']", vec!["phone a"]),
        ("[payment-card:value = 'a']", vec!["pan a"]),
        ("[network-traffic:dst_ref.value = 'a']", vec!["- a"]),
        (
            "[domain-name:value = 'a' OR domain-name:value = 'b']",
            vec!["domain a", "domain b"],
        ),
        (
            "[domain-name:value = 'a'] OR [url:value = 'b']",
            vec!["domain a", "url b"],
        ),
        (
            "[domain-name:value LIKE 'a%']",
            vec!["<domain-name:value LIKE>"],
        ),
        (
            "[domain-name:value != 'a']",
            vec!["<domain-name:value NOT>"],
        ),
        ("[ipv4-addr:value = 5.5]", vec!["<ipv4-addr:value>"]),
        (
            "[file:hashes.MD5 = 'a' OR file:name = 'b']",
            vec!["<file:hashes>", "<file:name>"],
        ),
        (
            "[x509-certificate:hashes.'SHA-256' = 'a']",
            vec!["<x509-certificate:hashes>"],
        ),
    ] {
        assert_eq!(found(pattern), expected, "{pattern}");
    }
}

#[test]
fn parts_of_one_object_are_values_unless_they_say_more_of_another() {
    for (pattern, expected) in [
        (
            "[domain-name:value = 'a' AND ipv4-addr:value = '8.8.8.8']",
            vec!["domain a", "ip 8.8.8.8"],
        ),
        (
            "[domain-name:value = 'a' AND domain-name:resolves_to_refs[*].value = '8.8.8.8']",
            vec!["domain a", "- 8.8.8.8"],
        ),
        ("[user-account:user_id = 'a']", vec!["account a"]),
        (
            "[user-account:account_type = 'github' AND user-account:account_login = 'a']",
            vec!["account github:a"],
        ),
        (
            "[user-account:account_type = 'unix' AND user-account:user_id = 'root']",
            vec!["<user-account:user_id>"],
        ),
        (
            "[user-account:account_type = 'x' AND (user-account:user_id = 'a' OR user-account:user_id = 'b')]",
            vec!["account x:a", "account x:b"],
        ),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '8.8.8.8' \
             AND network-traffic:dst_port = 443 AND network-traffic:protocols[*] = 'tcp']",
            vec!["ip 8.8.8.8"],
        ),
        (
            "[network-traffic:dst_ref.type = 'domain-name' AND network-traffic:dst_ref.value = 'a']",
            vec!["domain a"],
        ),
        (
            "[network-traffic:dst_port = 443]",
            vec!["<network-traffic:dst_port>"],
        ),
        (
            "[network-traffic:dst_port = 443 AND network-traffic:protocols[*] = 'tcp']",
            vec!["<network-traffic:dst_port>", "<network-traffic:protocols>"],
        ),
    ] {
        assert_eq!(found(pattern), expected, "{pattern}");
    }
}

#[test]
fn observations_that_belong_together_give_nothing() {
    assert_eq!(
        found("[domain-name:value = 'a'] FOLLOWEDBY [file:name = 'b']"),
        ["!only_together a", "<file:name>"]
    );
    assert_eq!(
        found("[url:value = 'a'] AND [url:value = 'b'] OR [url:value = 'c']"),
        ["!only_together a", "!only_together b", "url c"]
    );
}
