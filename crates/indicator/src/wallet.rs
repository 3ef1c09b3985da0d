//! Wallet addresses (`spec/10-indicators.md` §4.14 to §4.16).

pub(crate) mod btc;
pub(crate) mod eth;
pub(crate) mod tron;

use crate::Refusal;

/// Version, hash, checksum.
const BASE58_ADDRESS: usize = 1 + 20 + 4;

/// The version byte of text that has the form of a base58check address, whatever its checksum.
pub(crate) fn base58_version(text: &str) -> Option<u8> {
    let mut address = [0; BASE58_ADDRESS];
    let length = bs58::decode(text).onto(&mut address).ok()?;
    let [version, ..] = address;
    (length == BASE58_ADDRESS).then_some(version)
}

/// Version byte and hash of a base58check address; `malformed` where it is none by form.
fn base58check(text: &str, malformed: Refusal) -> Result<(u8, [u8; 20]), Refusal> {
    base58_version(text).ok_or(malformed)?;
    let mut address = [0; BASE58_ADDRESS];
    bs58::decode(text)
        .with_check(None)
        .onto(&mut address)
        .map_err(|_| Refusal::ChecksumMismatch)?;
    let [version, hash @ .., _, _, _, _] = address;
    Ok((version, hash))
}

/// The base58check address of a version byte and a hash.
fn to_base58check(version: u8, hash: &[u8]) -> String {
    let versioned = [&[version], hash].concat();
    bs58::encode(versioned).with_check().into_string()
}
