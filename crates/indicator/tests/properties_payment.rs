//! Properties of payment, wallet, fingerprint and registry types over random values.

#![expect(clippy::unwrap_used, reason = "in a test a failure is the finding")]

use blindmatch_indicator::{
    Canonicaliser, Indicator, IndicatorType, PaymentKey, PublicSuffixes, Refusal,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const SUFFIXES: &str = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
const PAYMENT_KEY: [u8; 32] = [7; 32];

fn canonicaliser() -> Canonicaliser {
    Canonicaliser::new(PublicSuffixes::parse(SUFFIXES).unwrap())
        .with_payment_key(PaymentKey::new(&PAYMENT_KEY))
}

fn parse(kind: IndicatorType, text: &str) -> Result<Indicator, Refusal> {
    canonicaliser().parse(kind, text)
}

/// Parses `text`, whose text form must be itself and which must be detected.
fn parse_canonical(kind: IndicatorType, text: &str) -> Indicator {
    let indicator = parse(kind, text).unwrap();
    assert_eq!(*indicator.to_text(), text);
    assert!(canonicaliser().detect(text).unwrap() == indicator);
    indicator
}

fn base58check(version: u8, hash: [u8; 20]) -> String {
    let mut address = [&[version], hash.as_slice()].concat();
    let checksum = Sha256::digest(Sha256::digest(&address));
    address.extend(checksum.iter().take(4));
    bs58::encode(address).into_string()
}

/// ISO 7064 MOD 97-10 check digits of `text`.
fn check_digits(text: &str) -> String {
    let remainder = format!("{text}00").chars().fold(0, |n, c| {
        let value = c.to_digit(36).unwrap();
        (n * if value < 10 { 10 } else { 100 } + value) % 97
    });
    format!("{:02}", 98 - remainder)
}

/// The digit that makes `digits` hold under Luhn, by trying all ten.
fn luhn_digit(digits: &str) -> char {
    ('0'..='9')
        .find(|last| {
            let sum: u32 = format!("{digits}{last}")
                .chars()
                .rev()
                .enumerate()
                .map(|(at, c)| {
                    let digit = c.to_digit(10).unwrap();
                    if at % 2 == 0 {
                        digit
                    } else {
                        [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize]
                    }
                })
                .sum();
            sum.is_multiple_of(10)
        })
        .unwrap()
}

fn replaced(text: &str, at: usize, by: char) -> String {
    let replace = |(i, c)| if i == at { by } else { c };
    text.chars().enumerate().map(replace).collect()
}

/// Another character of the same class: digit for digit, letter for letter of the same case.
fn shifted(c: char, by: u8) -> char {
    let (first, size) = match c {
        '0'..='9' => (b'0', 10),
        'a'..='z' => (b'a', 26),
        _ => (b'A', 26),
    };
    char::from(first + (c as u8 - first + 1 + by % (size - 1)) % size)
}

/// Each bank account number structure: country, and the BBAN as a pattern.
fn iban_bban() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        ("[0-9]{18}").prop_map(|bban| ("DE", bban)),
        ("[A-Z]{4}[0-9]{14}").prop_map(|bban| ("GB", bban)),
        ("[0-9]{10}[0-9A-Z]{11}[0-9]{2}").prop_map(|bban| ("FR", bban)),
        ("[0-9]{11}").prop_map(|bban| ("NO", bban)),
        ("[A-Z]{4}[0-9]{5}[0-9A-Z]{18}").prop_map(|bban| ("MT", bban)),
    ]
}

fn pan_digits() -> impl Strategy<Value = String> {
    "[1-9][0-9]{10,17}".prop_map(|payload| {
        let last = luhn_digit(&payload);
        format!("{payload}{last}")
    })
}

proptest! {
    #[test]
    fn base58check_addresses_round_trip(hash: [u8; 20]) {
        let p2pkh = parse_canonical(IndicatorType::Btc, &base58check(0, hash));
        prop_assert_eq!(p2pkh.as_bytes().get(3..23), Some(hash.as_slice()));
        let p2sh = parse_canonical(IndicatorType::Btc, &base58check(5, hash));
        prop_assert_eq!(p2sh.as_bytes().get(2..22), Some(hash.as_slice()));
        let tron = parse_canonical(IndicatorType::Tron, &base58check(0x41, hash));
        prop_assert_eq!(tron.as_bytes().get(1..), Some(hash.as_slice()));
    }

    #[test]
    fn other_base58check_versions_are_refused(hash: [u8; 20], version: u8) {
        let text = base58check(version, hash);
        if ![0, 5].contains(&version) {
            // Some begin like a testnet's segregated witness and get that form's refusals.
            prop_assert!(parse(IndicatorType::Btc, &text).is_err());
        }
        if version != 0x41 {
            prop_assert_eq!(parse(IndicatorType::Tron, &text), Err(Refusal::WrongNetwork));
        }
    }

    #[test]
    fn segwit_addresses_round_trip(version in 0_u8..=16, program in prop::collection::vec(any::<u8>(), 2..=40)) {
        let program = match version {
            0 => [program.as_slice(), &[0; 20]].concat()[..20].to_vec(),
            _ => program,
        };
        let version = bech32::Fe32::try_from(version).unwrap();
        let text = bech32::segwit::encode(bech32::hrp::BC, version, &program).unwrap();
        let indicator = parse_canonical(IndicatorType::Btc, &text);
        prop_assert_eq!(indicator.as_bytes().get(2..), Some(program.as_slice()));
        prop_assert!(parse(IndicatorType::Btc, &text.to_ascii_uppercase()).unwrap() == indicator);
    }

    /// Sure for bech32 (its code tells any four errors); for base58check the odds are 2^-32.
    #[test]
    fn one_wrong_character_in_a_wallet_is_refused(hash: [u8; 20], at: prop::sample::Index, by: u8) {
        let zero = bech32::Fe32::Q;
        let segwit = bech32::segwit::encode(bech32::hrp::BC, zero, &hash).unwrap();
        for (kind, text) in [
            (IndicatorType::Btc, segwit),
            (IndicatorType::Btc, base58check(0, hash)),
            (IndicatorType::Btc, base58check(5, hash)),
            (IndicatorType::Tron, base58check(0x41, hash)),
        ] {
            let at = at.index(text.len());
            let wrong = replaced(&text, at, shifted(text.chars().nth(at).unwrap(), by));
            prop_assert!(parse(kind, &wrong).is_err());
        }
    }

    #[test]
    fn ethereum_addresses_round_trip(address: [u8; 20]) {
        let lower: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
        let indicator = parse(IndicatorType::Eth, &format!("0x{lower}")).unwrap();
        prop_assert_eq!(indicator.as_bytes(), address);
        let text = indicator.to_text();
        prop_assert_eq!(text.to_ascii_lowercase(), format!("0x{lower}"));
        prop_assert!(parse_canonical(IndicatorType::Eth, &text) == indicator);
        let upper = format!("0X{}", lower.to_ascii_uppercase());
        prop_assert!(parse(IndicatorType::Eth, &upper).unwrap() == indicator);
    }

    /// EIP-55 sees every letter of the wrong case, unless that makes the case uniform. A wrong
    /// digit it sees with the odds of its letters only, and in uniform case not at all.
    #[test]
    fn wrong_case_in_an_ethereum_address_is_refused(address: [u8; 20], at: prop::sample::Index) {
        let lower: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = parse(IndicatorType::Eth, &format!("0x{lower}")).unwrap().to_text().to_string();
        let letters: Vec<usize> = (2..text.len())
            .filter(|&at| text.as_bytes()[at].is_ascii_alphabetic())
            .collect();
        prop_assume!(!letters.is_empty());
        let at = letters[at.index(letters.len())];
        let letter = text.chars().nth(at).unwrap();
        let swapped = if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        let wrong = replaced(&text, at, swapped);
        let digits = &wrong[2..];
        prop_assume!(digits != digits.to_ascii_lowercase() && digits != digits.to_ascii_uppercase());
        prop_assert_eq!(parse(IndicatorType::Eth, &wrong), Err(Refusal::ChecksumMismatch));
    }

    #[test]
    fn ibans_round_trip((country, bban) in iban_bban()) {
        let iban = format!("{country}{}{bban}", check_digits(&format!("{bban}{country}")));
        let indicator = parse(IndicatorType::Iban, &iban).unwrap();
        prop_assert_eq!(indicator.as_bytes(), iban.as_bytes());
        prop_assert!(*indicator.to_text() == iban);
        let paper: String = iban
            .to_ascii_lowercase()
            .chars()
            .enumerate()
            .flat_map(|(at, c)| (at % 4 == 0 && at > 0).then_some(' ').into_iter().chain([c]))
            .collect();
        prop_assert!(parse(IndicatorType::Iban, &paper).unwrap() == indicator);
    }

    /// Sure within a class. A letter for a digit shifts all that follows and may go unseen.
    #[test]
    fn one_wrong_character_in_an_iban_is_refused((country, bban) in iban_bban(), at: prop::sample::Index, by: u8) {
        let iban = format!("{country}{}{bban}", check_digits(&format!("{bban}{country}")));
        let at = at.index(iban.len());
        let wrong = replaced(&iban, at, shifted(iban.chars().nth(at).unwrap(), by));
        prop_assert_eq!(parse(IndicatorType::Iban, &wrong), Err(Refusal::ChecksumMismatch));
    }

    #[test]
    fn leis_round_trip(payload in "[0-9A-Z]{18}", at: prop::sample::Index, by: u8) {
        let lei = format!("{payload}{}", check_digits(&payload));
        let indicator = parse(IndicatorType::Lei, &lei.to_ascii_lowercase()).unwrap();
        prop_assert_eq!(indicator.as_bytes(), lei.as_bytes());
        prop_assert!(*indicator.to_text() == lei);
        let at = at.index(lei.len());
        let wrong = replaced(&lei, at, shifted(lei.chars().nth(at).unwrap(), by));
        prop_assert_eq!(parse(IndicatorType::Lei, &wrong), Err(Refusal::ChecksumMismatch));
    }

    #[test]
    fn pans_leave_no_digits_behind(digits in pan_digits(), at: prop::sample::Index, by: u8) {
        prop_assume!(digits.chars().any(|digit| !digits.starts_with(digit)));
        let pan = parse(IndicatorType::Pan, &digits).unwrap();
        prop_assert_eq!(pan.as_bytes().len(), 32);
        prop_assert!(!pan.as_bytes().windows(digits.len()).any(|window| window == digits.as_bytes()));
        let text = pan.to_text();
        let debug = format!("{pan:?} {:?}", PaymentKey::new(&PAYMENT_KEY));
        prop_assert!(!text.contains(&digits) && !debug.contains(&digits));
        prop_assert_eq!(parse(IndicatorType::Pan, &text), Err(Refusal::AlreadyHashed));
        let grouped = digits.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap());
        let grouped = grouped.collect::<Vec<_>>().join("-");
        prop_assert!(parse(IndicatorType::Pan, &grouped).unwrap() == pan);

        let at = at.index(digits.len());
        let wrong = replaced(&digits, at, shifted(digits.chars().nth(at).unwrap(), by));
        prop_assert_eq!(parse(IndicatorType::Pan, &wrong), Err(Refusal::ChecksumMismatch));
        let other_key = canonicaliser().with_payment_key(PaymentKey::new(&[8; 32]));
        prop_assert!(other_key.parse(IndicatorType::Pan, &digits).unwrap() != pan);
    }

    /// However a full number is grouped, and whatever expiry follows it.
    #[test]
    fn no_full_pan_passes_as_a_weak_card(
        digits in pan_digits(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[ -]{1,2}"), 0..4),
        expiry in prop_oneof![Just(""), Just(" 12/27"), Just(" 2027-12")],
    ) {
        let mut text = digits;
        for (cut, separator) in cuts {
            text.insert_str(1 + cut.index(text.len() - 1), &separator);
        }
        text.push_str(expiry);
        prop_assert!(parse(IndicatorType::CardWeak, &text).is_err());
    }

    #[test]
    fn weak_cards_of_six_and_eight_digits_match(
        bin in "[0-9]{8}", ending in "[0-9]{4}", month in 1..=12, year in 0..=99,
    ) {
        let six = &bin[..6];
        let text = format!("{six}*{ending} 20{year:02}-{month:02}");
        let indicator = parse(IndicatorType::CardWeak, &text).unwrap();
        prop_assert!(*indicator.to_text() == text);
        prop_assert_eq!(indicator.as_bytes().len(), 7);
        for other in [
            format!("{bin}****{ending} {month:02}/{year:02}"),
            format!("{six}xxxxx{ending} {month:02}/20{year:02}"),
        ] {
            prop_assert!(parse(IndicatorType::CardWeak, &other).unwrap() == indicator);
        }
    }

    #[test]
    fn fingerprints_round_trip(hash: [u8; 32], head in "[tqd](1[0-3]|s[23]|d[123])[di][0-9]{4}[0-9A-Za-z]{2}", hashes in "_[0-9a-f]{12}_[0-9a-f]{12}") {
        let text = ssh_key::Fingerprint::Sha256(hash).to_string();
        let indicator = parse_canonical(IndicatorType::SshKey, &text);
        prop_assert_eq!(indicator.as_bytes(), hash);
        let text = format!("{head}{hashes}");
        let indicator = parse_canonical(IndicatorType::Ja4, &text);
        let upper = format!("{head}{}", hashes.to_ascii_uppercase());
        prop_assert!(parse(IndicatorType::Ja4, &upper).unwrap() == indicator);
    }

    #[test]
    fn as_numbers_round_trip(number: u32) {
        match parse(IndicatorType::Asn, &number.to_string()) {
            Ok(indicator) => {
                prop_assert_eq!(indicator.as_bytes(), number.to_be_bytes());
                parse_canonical(IndicatorType::Asn, &format!("AS{number}"));
            }
            Err(refusal) => prop_assert_eq!(refusal, Refusal::AsnReserved),
        }
    }

    /// Any text, random or near a valid value: never a panic, and what is accepted is a fixed
    /// point of text and parse.
    #[test]
    fn arbitrary_text_never_panics(
        text in prop_oneof![
            ".*",
            "\\PC{0,60}",
            "[0-9 xX*•-]{0,24}( [0-9/-]{4,7})?",
            "(bc|tb|bcrt|BC)1[02-9ac-hj-np-z]{0,90}",
            "[13T][1-9A-HJ-NP-Za-km-z]{24,36}",
            "0[xX][0-9a-fA-F]{39,41}",
            "[A-Z]{2}[0-9]{2}[A-Z0-9 ]{0,34}",
            "([a-z\"=,\\\\ ]{0,10} )?(ssh-rsa|ssh-dss|ssh-ed25519|ecdsa-sha2-nistp256|x@y) AAAA[A-Za-z0-9+/]{0,90}={0,2}( .*)?",
            "(AAAAB3NzaC1yc2E|AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY)[A-Za-z0-9+/]{0,64}={0,2}".prop_map(|blob| {
                let algorithm = if blob.starts_with("AAAAB") { "ssh-rsa" } else { "ecdsa-sha2-nistp256" };
                format!("{algorithm} {blob}")
            }),
            "SHA256:[A-Za-z0-9+/]{41,44}",
            "[tqd]1[0-3]d[0-9]{4}h[12](_[0-9a-fA-F,]{0,13}){0,4}",
            "(AS|as)?[0-9.]{0,12}",
        ],
    ) {
        let canonicaliser = canonicaliser();
        let _ = canonicaliser.detect(&text);
        for kind in IndicatorType::ALL {
            let Ok(indicator) = canonicaliser.parse(kind, &text) else {
                continue;
            };
            prop_assert!(!indicator.to_text().is_empty());
            if kind != IndicatorType::Pan {
                prop_assert!(canonicaliser.parse(kind, &indicator.to_text()).unwrap() == indicator);
            }
        }
    }
}
