//! Dummies: entries that stand for no item (`spec/32 §4`).

use std::fmt;

use blindmatch_audit::codec::Writer;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::label::{SEALED_LENGTH, SealedLabel};

/// The secret that an epoch's dummies come from.
///
/// Who knows it tells dummies from items, so it lives and dies with the epoch's key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DummySeed([u8; 32]);

impl DummySeed {
    /// Takes over 32 bytes that were drawn uniformly.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The dummies of a publication.
    ///
    /// The durable part of a dummy's number is the sequence, which is reserved before and never
    /// used twice: no two publications of an epoch draw the same dummy.
    pub(super) fn dummies(&self, sequence: u64) -> Dummies {
        let start = Writer::new("blindmatch dummy v1").u64(sequence).finish();
        // HMAC itself fills a short key up with zeros to one block.
        let mut key = Zeroizing::new([0; 128]);
        for (byte, seed) in key.iter_mut().zip(self.0) {
            *byte = seed;
        }
        let mut mac = Hmac::<Sha512>::new((&*key).into());
        mac.update(&start);
        Dummies(mac)
    }
}

/// All dummies of one publication.
pub(super) struct Dummies(Hmac<Sha512>);

impl Dummies {
    /// Dummy number `counter`, in the place of an OPRF output.
    pub(super) fn output(&self, counter: u64) -> Zeroizing<[u8; 64]> {
        let mac = self.0.clone().chain_update(counter.to_be_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

/// What stands in the place of a dummy's sealed label: the last 40 bytes of its number's hash,
/// of which the tag shows the first 15 at most.
pub(super) fn sealed(dummy: &[u8; 64]) -> SealedLabel {
    SealedLabel(dummy.last_chunk().copied().unwrap_or([0; SEALED_LENGTH]))
}

impl fmt::Debug for DummySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DummySeed(redacted)")
    }
}
