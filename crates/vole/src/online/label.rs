//! Labels, sealed under keys that who has the item can compute. `spec/33-vole.md` §13.4.

use std::fmt;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};

/// The bytes that sealing adds.
pub const LABEL_TAG: usize = 16;

/// A label that does not open: planted or damaged. The sender never learns that it did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLabel;

impl fmt::Display for BadLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the label does not open")
    }
}

impl std::error::Error for BadLabel {}

/// Appends the sealed label. The nonce is zero, since a key seals once: it is that of one item in
/// one run.
pub fn seal(key: &[u8; 32], label: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(label);
    let text = out.get_mut(start..).unwrap_or_default();
    let sealed = ChaCha20Poly1305::new(key.into()).encrypt_inout_detached(
        &Nonce::default(),
        &[],
        text.into(),
    );
    match sealed {
        Ok(tag) => out.extend(tag),
        // For messages of more than 256 GiB only; the label must not go out in the clear.
        Err(_) => out.truncate(start),
    }
}

/// Opens a label in its place and gives it without its tag.
///
/// # Errors
/// [`BadLabel`].
pub fn open<'a>(key: &[u8; 32], sealed: &'a mut [u8]) -> Result<&'a mut [u8], BadLabel> {
    let (text, tag) = sealed.split_last_chunk_mut::<LABEL_TAG>().ok_or(BadLabel)?;
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(
            &Nonce::default(),
            &[],
            (&mut *text).into(),
            &Tag::from(*tag),
        )
        .map_err(|_| BadLabel)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn opens_under_its_key_only_and_whole_only() {
        let mut sealed = vec![9];
        seal(&[1; 32], b"a label of 24 bytes here", &mut sealed);
        assert_eq!(sealed.len(), 1 + 24 + LABEL_TAG);
        let opened = open(&[1; 32], &mut sealed.clone()[1..]).map(|text| text.to_vec());
        assert_eq!(
            opened.as_deref(),
            Ok(b"a label of 24 bytes here".as_slice())
        );
        assert_eq!(open(&[2; 32], &mut sealed.clone()[1..]), Err(BadLabel));
        for bit in 8..8 * sealed.len() {
            let mut wrong = sealed.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&[1; 32], &mut wrong[1..]), Err(BadLabel));
        }
        assert_eq!(open(&[1; 32], &mut [0; 15]), Err(BadLabel));
    }
}
