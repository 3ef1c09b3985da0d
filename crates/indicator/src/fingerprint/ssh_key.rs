//! `ssh_key`: the SHA-256 fingerprint of an SSH public key (`spec/10-indicators.md` §4.17).
//!
//! Canonical bytes: the 32 bytes of the hash over the key's wire form (RFC 4253 §6.6).

use ssh_key::public::KeyData;
use ssh_key::{Fingerprint, HashAlg, PublicKey};

use super::is_hex;
use crate::Refusal;
use crate::bytes::CanonicalBytes;

const PREFIX: &str = "SHA256:";
const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let fingerprint = if text.starts_with(PREFIX) {
        text.parse().map_err(|_| Refusal::NotAnSshKey)?
    } else if is_other_fingerprint(text) {
        return Err(Refusal::FingerprintHash);
    } else {
        of_line(text)?
    };
    let sha256 = Fingerprint::sha256(fingerprint).ok_or(Refusal::NotAnSshKey)?;
    Ok(CanonicalBytes::new(&sha256))
}

/// Whether `text` is a fingerprint by another hash: `MD5:…`, sixteen bare hex pairs, `SHA1:…`,
/// `SHA512:…`.
pub(crate) fn is_other_fingerprint(text: &str) -> bool {
    ["MD5:", "SHA1:", "SHA384:", "SHA512:"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
        || text.split(':').count() == 16 && text.split(':').all(|pair| is_hex(pair, 2))
}

/// Whether `text` is a fingerprint or a key line, as far as the form shows.
pub(crate) fn is_shown_by(text: &str) -> bool {
    let is_key_line = || {
        let mut fields = text.split_ascii_whitespace();
        fields
            .clone()
            .skip(1)
            .any(|field| field.starts_with("AAAA"))
            && fields.any(|field| {
                ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
                    .iter()
                    .any(|algorithm| field.starts_with(algorithm))
            })
    };
    text.starts_with(PREFIX) || is_other_fingerprint(text) || is_key_line()
}

/// The fingerprint of `ALGORITHM BASE64 [COMMENT]`. One field before that is dropped: the
/// options of `authorized_keys` or the hosts of `known_hosts`.
fn of_line(line: &str) -> Result<Fingerprint, Refusal> {
    of_key(line).or_else(|refusal| match refusal {
        Refusal::NotAnSshKey => of_key(behind_first_field(line)),
        other => Err(other),
    })
}

fn of_key(line: &str) -> Result<Fingerprint, Refusal> {
    let mut fields = line.split_ascii_whitespace();
    let (Some(algorithm), Some(base64)) = (fields.next(), fields.next()) else {
        return Err(Refusal::NotAnSshKey);
    };
    if algorithm.ends_with(CERTIFICATE_SUFFIX) {
        return Err(Refusal::SshCertificate);
    }
    let key = PublicKey::from_openssh(&format!("{algorithm} {base64}"))
        .map_err(|_| Refusal::NotAnSshKey)?;
    match key.key_data() {
        // Unknown algorithms: nothing says that the blob is a key.
        KeyData::Other(_) => Err(Refusal::NotAnSshKey),
        data => Ok(data.fingerprint(HashAlg::Sha256)),
    }
}

/// What follows the first field of a line of `authorized_keys` (sshd(8)), in which double
/// quotes keep spaces together and a backslash keeps a quote.
fn behind_first_field(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    line.split_once(|c: char| {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        !quoted && c.is_ascii_whitespace()
    })
    .map_or("", |(_, rest)| rest)
}

/// `SHA256:` and unpadded base64, as OpenSSH prints it.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let sha256 = bytes.try_into().ok()?;
    Some(Fingerprint::Sha256(sha256).to_string())
}
