//! Randomness for a piece of work that has no generator of its own: the BLAKE3 stream of a seed.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroize;

/// A generator from a seed that is drawn for it and used for nothing else. It is wiped.
pub struct Draws(blake3::OutputReader);

impl Draws {
    /// The stream of a seed.
    pub fn new(seed: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        let reader = hasher.update(seed).finalize_xof();
        hasher.zeroize();
        Self(reader)
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Draws {}

impl Drop for Draws {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
