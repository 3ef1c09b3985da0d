//! `ja4`: a JA4 TLS client fingerprint (`spec/10-indicators.md` §4.18).
//!
//! Canonical bytes: its ASCII text, the two hashes in lower case. The ALPN pair keeps its case.

use super::is_hex;
use crate::Refusal;
use crate::bytes::CanonicalBytes;

pub(crate) fn parse(text: &str) -> Result<CanonicalBytes, Refusal> {
    let mut parts = text.split('_');
    let head = parts.next().unwrap_or_default();
    if !is_head(head) {
        return Err(other_refusal(text));
    }
    match (parts.next(), parts.next(), parts.next()) {
        (Some(ciphers), Some(extensions), None)
            if is_hex(ciphers, 12) && is_hex(extensions, 12) =>
        {
            let ciphers = ciphers.to_ascii_lowercase();
            let extensions = extensions.to_ascii_lowercase();
            Ok(CanonicalBytes::new(
                format!("{head}_{ciphers}_{extensions}").as_bytes(),
            ))
        }
        (Some(ciphers), ..) if ciphers.split(',').all(|value| is_hex(value, 4)) => {
            Err(Refusal::Ja4Raw)
        }
        _ => Err(Refusal::NotAJa4),
    }
}

/// Transport, TLS version, SNI, counts of ciphers and extensions, ALPN.
fn is_head(head: &str) -> bool {
    let &[b't' | b'q' | b'd', v, w, b'd' | b'i', c, d, e, f, x, y] = head.as_bytes() else {
        return false;
    };
    is_version(v, w)
        && [c, d, e, f].iter().all(u8::is_ascii_digit)
        && [x, y].iter().all(u8::is_ascii_alphanumeric)
}

fn is_version(v: u8, w: u8) -> bool {
    matches!(
        [v, w],
        [b'0'..=b'9', b'0'..=b'9'] | [b's', b'2' | b'3'] | [b'd', b'1'..=b'3']
    )
}

/// Tells the other fingerprints of the JA4+ family from what is none.
fn other_refusal(text: &str) -> Refusal {
    let parts: Vec<&str> = text.split('_').collect();
    let is_other = match *parts.as_slice() {
        // JA4X, JA4SSH, JA4S.
        [a, b, c]
            if [a, b, c].iter().all(|part| is_hex(part, 12))
                || [a, b, c].iter().all(|part| is_ssh_window(part))
                || is_server_head(a) && is_hex(b, 4) && is_hex(c, 12) =>
        {
            true
        }
        // JA4H, without cookies one or two parts shorter.
        [head, ref hashes @ ..] if !hashes.is_empty() && is_http_head(head) => {
            hashes.iter().all(|hash| is_hex(hash, 12))
        }
        // JA4T, JA4TS, JA4TScan.
        [window, options, segment, scale, ..] => {
            options.split('-').all(is_number) && [window, segment, scale].into_iter().all(is_number)
        }
        _ => false,
    };
    if is_other {
        Refusal::OtherJa4
    } else {
        Refusal::NotAJa4
    }
}

fn is_server_head(head: &str) -> bool {
    matches!(
        head.as_bytes(),
        &[b't' | b'q' | b'd', v, w, c, d, x, y]
            if is_version(v, w)
                && [c, d].iter().all(u8::is_ascii_digit)
                && [x, y].iter().all(u8::is_ascii_alphanumeric)
    )
}

fn is_http_head(head: &str) -> bool {
    matches!(
        head.as_bytes(),
        &[a, b, v, w, b'c' | b'n', b'r' | b'n', c, d, ..]
            if head.len() == 12
                && [a, b].iter().all(u8::is_ascii_lowercase)
                && [v, w, c, d].iter().all(u8::is_ascii_digit)
    )
}

fn is_ssh_window(part: &str) -> bool {
    part.strip_prefix('c')
        .and_then(|part| part.split_once('s'))
        .is_some_and(|(client, server)| is_number(client) && is_number(server))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
