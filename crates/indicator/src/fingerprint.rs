//! Fingerprints of keys and clients (`spec/10-indicators.md` §4.17, §4.18).

pub(crate) mod ja4;
pub(crate) mod ssh_key;

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}
