//! The keys that the work of a run names, and how a run reaches its connection.

use std::sync::Arc;

use blindmatch_audit::{Signature, SigningKey};
use blindmatch_oprf::SecretKey;
use blindmatch_psi::session::{KeyId, Keys};
use blindmatch_transport::problem::Kind;
use blindmatch_transport::{CallError, Frames};
use ed25519_dalek::Signer;

use super::drive::{Frames as Driven, Lost};

/// Names the key that signs receipts.
pub const SIGNER: KeyId = KeyId([0; 32]);
/// Names the key of the view that a run is against.
pub const EVALUATION: KeyId = KeyId([1; 32]);

/// The keys of one run.
pub struct RunKeys {
    /// Signs receipts.
    pub signer: Arc<SigningKey>,
    /// Evaluates, on the side that serves.
    pub evaluation: Option<Arc<SecretKey>>,
}

impl Keys for RunKeys {
    fn evaluation_key(&self, id: &KeyId) -> Option<&SecretKey> {
        self.evaluation.as_deref().filter(|_| *id == EVALUATION)
    }

    fn sign(&self, id: &KeyId, message: &[u8]) -> Option<Signature> {
        (*id == SIGNER).then(|| self.signer.sign(message))
    }
}

impl Driven for Frames {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), Lost> {
        match self.send(frame.into()).await {
            Err(CallError::Failed(problem)) if problem.kind == Kind::Timeout => Err(Lost),
            // Where the stream has ended, what the peer said before that says why.
            _ => Ok(()),
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Lost> {
        let frame = self.receive().await.map_err(|_| Lost)?;
        frame.map(Vec::from).ok_or(Lost)
    }
}
