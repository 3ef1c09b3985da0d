//! What every hash of a setup or of a run is bound to.

use crate::Shape;
use crate::oracle::{Label, Oracle};

/// The 32-byte id of a setup or a run. Public.
///
/// It enters every hash, key and commitment, so that nothing of one session means anything in
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// The id of a setup: `agreed` is what both sides agreed on in their canonical encoding
    /// (profile, parties, roles, length of labels), the nonces are 32 random bytes of each,
    /// exchanged before F1. Every parameter enters, so that sides which computed different ones
    /// fail at the first check.
    pub fn new(
        agreed: &[u8],
        shape: &Shape,
        sender_nonce: &[u8; 32],
        receiver_nonce: &[u8; 32],
    ) -> Self {
        let oracle = Oracle::new(Label::SESSION)
            .absorb(agreed)
            .absorb(&shape.to_bytes());
        Self(oracle.absorb(sender_nonce).absorb(receiver_nonce).bytes())
    }

    /// An id that was computed elsewhere, such as the hash that names a run.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of the setup for one chunk of a session; chunk 0 has its own as well.
    pub fn chunk(&self, index: usize) -> Self {
        Self(
            Oracle::new(Label::CHUNK)
                .absorb(&self.0)
                .absorb_index(index)
                .bytes(),
        )
    }
}
