//! Wallet addresses (`spec/10-indicators.md` §4.14 to §4.16).

pub(crate) mod btc;
pub(crate) mod eth;
pub(crate) mod tron;

use sha2::{Digest, Sha256};

use crate::Refusal;

/// Version and hash, without the checksum.
const VERSIONED: usize = 1 + 20;
const CHECKSUM: usize = 4;

/// The version byte of text that has the form of a base58check address, whatever its checksum.
pub(crate) fn base58_version(text: &str) -> Option<u8> {
    let ([version, ..], _) = base58(text)?;
    Some(version)
}

/// Version byte and hash of a base58check address; `malformed` where it is none by form.
fn base58check(text: &str, malformed: Refusal) -> Result<(u8, [u8; 20]), Refusal> {
    let (versioned, found) = base58(text).ok_or(malformed)?;
    if found != checksum(&versioned) {
        return Err(Refusal::ChecksumMismatch);
    }
    let [version, hash @ ..] = versioned;
    Ok((version, hash))
}

/// The base58check address of a version byte and a hash.
fn to_base58check(version: u8, hash: &[u8]) -> String {
    let versioned = [&[version], hash].concat();
    let checksum = checksum(&versioned);
    bs58::encode([versioned.as_slice(), &checksum].concat()).into_string()
}

fn base58(text: &str) -> Option<([u8; VERSIONED], [u8; CHECKSUM])> {
    let mut address = [0; VERSIONED + CHECKSUM];
    let length = bs58::decode(text).onto(&mut address).ok()?;
    let (versioned, checksum) = address.split_first_chunk()?;
    (length == address.len()).then_some((*versioned, checksum.try_into().ok()?))
}

/// The first bytes of SHA-256 applied twice. (The library's own check brings an older SHA-256.)
fn checksum(versioned: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(Sha256::digest(versioned)).into();
    [a, b, c, d]
}
