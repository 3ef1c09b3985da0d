//! How values of each type look.

use std::net::Ipv4Addr;

use blindmatch_indicator::IndicatorType;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use sha2::{Digest, Sha256};

const FIRST_NAMES: [&str; 24] = [
    "ana", "boris", "carla", "dmitri", "elena", "farid", "grace", "hugo", "ines", "jonas", "kofi",
    "lena", "marek", "nadia", "omar", "petra", "quentin", "rosa", "samir", "tove", "ugo", "vera",
    "wanda", "yusuf",
];
const LAST_NAMES: [&str; 24] = [
    "abebe", "berg", "costa", "duarte", "eriksen", "fontaine", "garcia", "horvat", "ivanov",
    "jansen", "kowalski", "lindt", "moreau", "novak", "okafor", "petrov", "quispe", "rossi",
    "schmidt", "tanaka", "ulrich", "vargas", "weber", "zhang",
];
const WORDS: [&str; 32] = [
    "account", "alert", "billing", "bonus", "cargo", "claim", "cloud", "coin", "delivery",
    "direct", "express", "fast", "gift", "invoice", "login", "market", "mobile", "online",
    "parcel", "pay", "portal", "prize", "refund", "safe", "secure", "service", "shop", "support",
    "tax", "update", "verify", "wallet",
];
const MAIL_HOSTS: [&str; 6] = [
    "mailbox.example",
    "quickpost.example",
    "inbox.example",
    "freemail.example",
    "postino.example",
    "letterbox.example",
];
const PLATFORMS: [&str; 4] = ["github", "telegram", "discord", "mastodon.example"];
/// The first bytes of networks; single addresses begin with others.
const NETWORK_BYTES: [u8; 8] = [31, 37, 45, 91, 103, 141, 185, 193];
const LENGTHS: [u8; 8] = [16, 18, 20, 22, 23, 24, 26, 28];
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A text of this type that is mostly valid; empty where the demonstration has none of the type.
pub(super) fn draw(kind: IndicatorType, rng: &mut StdRng) -> String {
    match kind {
        IndicatorType::Account => {
            let platform = one(&PLATFORMS, rng);
            let (first, last) = (one(&FIRST_NAMES, rng), one(&LAST_NAMES, rng));
            format!("{platform}:{first}_{last}{}", rng.random_range(1..9_999))
        }
        IndicatorType::Email => {
            let (first, last) = (one(&FIRST_NAMES, rng), one(&LAST_NAMES, rng));
            let number = rng.random_range(1..999);
            format!("{first}.{last}{number}@{}", one(&MAIL_HOSTS, rng))
        }
        IndicatorType::Ip => loop {
            let address = Ipv4Addr::from(rng.next_u32());
            let [first, ..] = address.octets();
            if !NETWORK_BYTES.contains(&first) {
                break address.to_string();
            }
        },
        IndicatorType::Network => network(rng),
        IndicatorType::Domain => host(rng),
        IndicatorType::Url => {
            let (first, last) = (one(&WORDS, rng), one(&WORDS, rng));
            format!(
                "https://{}/{first}/{last}?id={}",
                host(rng),
                rng.random_range(1..99_999)
            )
        }
        IndicatorType::Phone => phone(rng),
        IndicatorType::Btc => base58_check(&hash(&[0], rng)),
        IndicatorType::Eth => format!("0x{}", hex(&hash(&[], rng))),
        IndicatorType::Iban => iban(rng),
        _ => String::new(),
    }
}

/// An address inside a network; nothing where `network` is none.
pub(super) fn address_in(network: &str, rng: &mut StdRng) -> Option<String> {
    let (first, length) = network.split_once('/')?;
    let first = u32::from(first.parse::<Ipv4Addr>().ok()?);
    let mask = u32::MAX.unbounded_shl(32 - length.parse::<u32>().ok()?);
    Some(Ipv4Addr::from(first | rng.next_u32() & !mask).to_string())
}

/// The only network that can be drawn in its /16, so that none lies in another.
fn network(rng: &mut StdRng) -> String {
    let first = *NETWORK_BYTES.choose(rng).unwrap_or(&45);
    let second: u8 = rng.random();
    let length = LENGTHS.iter().cycle().nth(usize::from(first ^ second));
    let length = length.copied().unwrap_or(24);
    let third = u32::from(first.wrapping_mul(31) ^ second) << 8;
    let bits = u32::from(first) << 24 | u32::from(second) << 16 | third;
    let mask = u32::MAX.unbounded_shl(32 - u32::from(length));
    format!("{}/{length}", Ipv4Addr::from(bits & mask))
}

fn host(rng: &mut StdRng) -> String {
    let (first, last) = (one(&WORDS, rng), one(&WORDS, rng));
    format!("{first}-{last}{}.example", rng.random_range(1..9_999))
}

/// A mobile number of one of five countries.
fn phone(rng: &mut StdRng) -> String {
    const PLANS: [(&str, u32); 5] = [
        ("+3247", 7),
        ("+4477", 8),
        ("+33612", 6),
        ("+49151", 8),
        ("+34612", 6),
    ];
    let (prefix, digits) = PLANS.choose(rng).copied().unwrap_or(("", 0));
    let number = rng.random_range(0..10_u32.pow(digits));
    format!(
        "{prefix}{number:0width$}",
        width = usize::try_from(digits).unwrap_or(0)
    )
}

/// A German account number behind its check digits (ISO 13616 §6).
fn iban(rng: &mut StdRng) -> String {
    let number = format!(
        "{:08}{:010}",
        rng.random_range(10_000_000..99_999_999_u32),
        rng.random_range(0..10_000_000_000_u64)
    );
    // `DE00` behind it, letters as numbers from A = 10 on.
    let digits = format!("{number}131400");
    let rest = digits.bytes().fold(0_u32, |rest, digit| {
        (rest * 10 + u32::from(digit - b'0')) % 97
    });
    format!("DE{:02}{number}", 98 - rest)
}

/// 20 random bytes behind `prefix`: a wallet is the hash of a key.
fn hash(prefix: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; prefix.len() + 20];
    rng.fill_bytes(&mut bytes);
    bytes.splice(..prefix.len(), prefix.iter().copied());
    bytes
}

/// base58 with the checksum behind it, as Bitcoin writes addresses.
fn base58_check(payload: &[u8]) -> String {
    let checksum = Sha256::digest(Sha256::digest(payload));
    let bytes: Vec<u8> = payload
        .iter()
        .chain(checksum.iter().take(4))
        .copied()
        .collect();
    let mut digits: Vec<u8> = Vec::new();
    for byte in &bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = u8::try_from(carry % 58).unwrap_or(0);
            carry /= 58;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 58).unwrap_or(0));
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).map(|_| 0);
    let digits = zeros.chain(digits.into_iter().rev());
    let digits = digits.filter_map(|digit| BASE58.get(usize::from(digit)));
    digits.map(|digit| char::from(*digit)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn one(words: &[&'static str], rng: &mut StdRng) -> &'static str {
    words.choose(rng).copied().unwrap_or_default()
}
