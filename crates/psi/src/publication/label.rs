//! Sealed labels: what opens on a match only (`spec/32 §3`).

use std::fmt;

use blindmatch_audit::codec::Writer;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag, aead::AeadInOut};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::domain::Domain;

/// Length of a label in bytes.
pub const LABEL_LENGTH: usize = 24;

/// Length of a sealed label in bytes.
pub const SEALED_LENGTH: usize = LABEL_LENGTH + 16;

/// A label that is sealed, or 40 bytes that look like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedLabel(pub [u8; SEALED_LENGTH]);

/// A label that was opened. It is wiped when dropped and does not print.
///
/// ```compile_fail,E0277
/// fn copies<T: Copy>() {}
/// copies::<blindmatch_psi::publication::Label>();
/// ```
/// ```compile_fail,E0277
/// fn prints<T: std::fmt::Display>() {}
/// prints::<blindmatch_psi::publication::Label>();
/// ```
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct Label([u8; LABEL_LENGTH]);

/// A label that does not open: planted, damaged, or a dummy's.
///
/// The responder never learns that it did not open: the match stands, without a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLabel;

/// Seals and opens the labels of one view that one publication brought.
///
/// Every entry has its own key, from its OPRF output and the publication's sequence number.
/// The nonce is zero, because a key seals once: a sequence number is reserved for one
/// publication ([`super::Reservation`]), in which an output occurs once.
#[derive(Debug)]
pub struct LabelSeal {
    key_info: Vec<u8>,
    associated_data: Vec<u8>,
}

impl LabelSeal {
    /// For the entries of a view that the publication with this sequence number brought.
    #[must_use]
    pub fn new(domain: &Domain, sequence: u64) -> Self {
        let bound = |context| {
            let mut writer = Writer::new(context);
            domain.write(&mut writer);
            writer.u64(sequence).finish()
        };
        Self {
            key_info: bound("blindmatch label key v1"),
            associated_data: bound("blindmatch sealed label v1"),
        }
    }

    /// Seals the label of the item with this OPRF output.
    ///
    /// Within the crate only: who seals holds a reservation.
    pub(super) fn seal(&self, output: &[u8; 64], label: &[u8; LABEL_LENGTH]) -> SealedLabel {
        let mut sealed = [0; SEALED_LENGTH];
        let (text, tag) = sealed.split_at_mut(LABEL_LENGTH);
        text.copy_from_slice(label);
        // Fails for messages of more than 256 GiB only; the label must not go out in the clear.
        match self.cipher(output).encrypt_inout_detached(
            &Nonce::default(),
            &self.associated_data,
            text.into(),
        ) {
            Ok(computed) => tag.copy_from_slice(&computed),
            Err(_) => sealed.fill(0),
        }
        SealedLabel(sealed)
    }

    /// Opens the label of a match with the querier's own OPRF output.
    ///
    /// # Errors
    ///
    /// [`BadLabel`]. It changes nothing that the responder could see.
    pub fn open(&self, output: &[u8; 64], sealed: &SealedLabel) -> Result<Label, BadLabel> {
        let (text, tag) = sealed.0.split_first_chunk().ok_or(BadLabel)?;
        let tag = Tag::try_from(tag).map_err(|_| BadLabel)?;
        let mut label = Label(*text);
        self.cipher(output)
            .decrypt_inout_detached(
                &Nonce::default(),
                &self.associated_data,
                label.0.as_mut_slice().into(),
                &tag,
            )
            .map_err(|_| BadLabel)?;
        Ok(label)
    }

    fn cipher(&self, output: &[u8; 64]) -> ChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        // Fails for more than 255 hashes of output only.
        let expanded = Hkdf::<Sha256>::new(None, output).expand(&self.key_info, key.as_mut_slice());
        debug_assert!(expanded.is_ok(), "32 bytes are less than one hash");
        ChaCha20Poly1305::new((&*key).into())
    }
}

impl Label {
    /// The 24 bytes. Copies of them are the caller's to wipe.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; LABEL_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(<redacted>)")
    }
}

impl fmt::Display for BadLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the label does not open")
    }
}

impl std::error::Error for BadLabel {}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    fn domain() -> Domain {
        Domain {
            consortium: b"c".into(),
            responder: b"r".into(),
            view: b"v".into(),
            indicator_type: b"ip".into(),
            epoch: 3,
        }
    }

    #[test]
    fn opens_with_the_same_output_and_binding_only() {
        let output = [9; 64];
        let label = Label([7; LABEL_LENGTH]);
        let seal = LabelSeal::new(&domain(), 5);
        let sealed = seal.seal(&output, label.as_bytes());
        assert_eq!(seal.open(&output, &sealed), Ok(label));

        let mut other_output = output;
        other_output[63] ^= 1;
        assert_eq!(seal.open(&other_output, &sealed), Err(BadLabel));
        let sequence = LabelSeal::new(&domain(), 6);
        assert_eq!(sequence.open(&output, &sealed), Err(BadLabel));
        for change in [
            |d: &mut Domain| d.consortium.push(0),
            |d: &mut Domain| d.responder.push(0),
            |d: &mut Domain| d.view.push(0),
            |d: &mut Domain| d.indicator_type.push(0),
            |d: &mut Domain| d.epoch += 1,
        ] {
            let mut other = domain();
            change(&mut other);
            assert_eq!(
                LabelSeal::new(&other, 5).open(&output, &sealed),
                Err(BadLabel)
            );
        }
    }

    #[test]
    fn a_label_does_not_print() {
        let shown = format!("{:?}", Label(*b"label of an item for it."));
        assert_eq!(shown, "Label(<redacted>)");
    }

    #[test]
    fn every_changed_bit_is_a_bad_label() {
        let seal = LabelSeal::new(&domain(), 5);
        let sealed = seal.seal(&[9; 64], &[7; LABEL_LENGTH]);
        for bit in 0..SEALED_LENGTH * 8 {
            let mut planted = sealed;
            planted.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open(&[9; 64], &planted), Err(BadLabel));
        }
    }

    #[test]
    fn both_the_key_and_the_associated_data_bind() {
        // The key binds alone where the associated data is the same, and the other way round.
        let seal = LabelSeal::new(&domain(), 5);
        let sealed = seal.seal(&[9; 64], &[7; LABEL_LENGTH]);
        let other = LabelSeal::new(&domain(), 6);
        let key_only = LabelSeal {
            key_info: other.key_info.clone(),
            associated_data: seal.associated_data.clone(),
        };
        let data_only = LabelSeal {
            key_info: seal.key_info,
            associated_data: other.associated_data,
        };
        assert_eq!(key_only.open(&[9; 64], &sealed), Err(BadLabel));
        assert_eq!(data_only.open(&[9; 64], &sealed), Err(BadLabel));
    }
}
