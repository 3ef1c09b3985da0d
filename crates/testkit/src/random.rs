use rand::{SeedableRng, rngs::ChaCha20Rng};

/// Randomness that repeats: ChaCha20 under a seed, nonce and counter zero.
pub type Scripted = ChaCha20Rng;

/// The randomness of a seed: the ChaCha20 key stream under the seed's eight big-endian bytes and
/// 24 zeros, so that other languages can repeat it.
#[must_use]
pub fn scripted(seed: u64) -> Scripted {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_be_bytes());
    ChaCha20Rng::from_seed(key)
}
