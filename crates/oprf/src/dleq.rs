//! The proof that one key made a whole batch (RFC 9497 §2.2).
//!
//! It shows log_G(pkS) = log_M(Z), where M and Z are random combinations of the blinded and the
//! evaluated elements.

use blindmatch_simd::expand_message_xmd;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::element::Batch;
use crate::hash::{Dst, Expander};
use crate::mode::{SEED_DST, VOPRF};
use crate::secret::decode_scalar;
use crate::{Error, Malformed, PublicKey, SecretKey};

#[cfg(test)]
mod tests;

/// The tag of the hedged nonce (spec/20 §5).
const NONCE_DST: Dst = Dst::new("blindmatch-oprf-v1 DLEQ nonce");

/// A proof that the elements of a batch were evaluated under one public key: 64 bytes, c and s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    c: Scalar,
    s: Scalar,
}

impl Proof {
    /// Decodes 64 bytes; refuses scalars that are zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes: &[u8; 64] = bytes.try_into().map_err(|_| Malformed::Length)?;
        let (c, s) = bytes.split_at(32);
        Ok(Self {
            c: *decode_scalar(c)?,
            s: *decode_scalar(s)?,
        })
    }

    /// The encoding: c, then s, 32 bytes each, little-endian.
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (c, s) = bytes.split_at_mut(32);
        c.copy_from_slice(self.c.as_bytes());
        s.copy_from_slice(self.s.as_bytes());
        bytes
    }
}

/// `GenerateProof`, RFC 9497 §2.2.1, with a hedged nonce for its `G.RandomScalar()`. The batch
/// has at most 65,535 elements.
pub(crate) fn generate_proof(
    key: &SecretKey,
    blinded: Batch<'_>,
    evaluated: &[[u8; 32]],
    fresh: &[u8; 32],
) -> Proof {
    let composites = Composites::compute_fast(key, blinded, evaluated);
    let r = composites.nonce(key, fresh);
    composites.prove(key, &r)
}

/// `VerifyProof`, RFC 9497 §2.2.2. The batch has at most 65,535 elements, and as many blinded as
/// evaluated. All it handles is public, so it takes the faster, variable-time operations.
pub(crate) fn verify_proof(
    key: &PublicKey,
    blinded: Batch<'_>,
    evaluated: Batch<'_>,
    proof: &Proof,
) -> Result<(), Error> {
    let composites = Composites::compute(key, blinded, evaluated);
    let Proof { c, s } = proof;
    // t2 = ((s * A) + (c * B))
    let b = &key.0.point;
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(c, b, s);
    // t3 = ((s * M) + (c * Z))
    let t3 = RistrettoPoint::vartime_multiscalar_mul([s, c], [&composites.m, &composites.z]);
    // expectedC = G.HashToScalar(challengeTranscript)
    // if expectedC == c: return true
    if composites.challenge(key, &t2, &t3) == *c {
        Ok(())
    } else {
        Err(Error::Verify)
    }
}

/// M and Z of `ComputeComposites`, RFC 9497 §2.2.1.
struct Composites {
    m: RistrettoPoint,
    z: RistrettoPoint,
    /// Their encodings, a0 and a1 of the challenge.
    bytes: [[u8; 32]; 2],
}

impl Composites {
    /// `ComputeComposites`: M = Σ di·C\[i\], Z = Σ di·D\[i\].
    fn compute(key: &PublicKey, c: Batch<'_>, d: Batch<'_>) -> Self {
        let weights = weights(key, c, d.bytes);
        let m = c.points.vartime_weighted_sum(&weights);
        let z = d.points.vartime_weighted_sum(&weights);
        Self::new(m, z)
    }

    /// `ComputeCompositesFast`: the same by Z = k·M, for who knows k.
    fn compute_fast(key: &SecretKey, c: Batch<'_>, d: &[[u8; 32]]) -> Self {
        let weights = weights(key.public_key(), c, d);
        let m = c.points.vartime_weighted_sum(&weights);
        Self::new(m, m * key.scalar())
    }

    fn new(m: RistrettoPoint, z: RistrettoPoint) -> Self {
        Self {
            m,
            z,
            bytes: [m, z].map(|point| point.compress().to_bytes()),
        }
    }

    /// What stands for r = `G.RandomScalar()`: a hash of the key, fresh bytes, and the statement.
    ///
    /// c depends on nothing but r, pkS, M and Z. So should the fresh bytes ever repeat, r repeats
    /// only where c does, and no second equation for the key appears (spec/20 §5).
    fn nonce(&self, key: &SecretKey, fresh: &[u8; 32]) -> Zeroizing<Scalar> {
        let [m, z] = &self.bytes;
        let parts: [&[u8]; 5] = [
            key.scalar().as_bytes(),
            fresh,
            key.public_key().as_bytes(),
            m,
            z,
        ];
        Zeroizing::new(Expander::new(NONCE_DST).hash_to_scalar(&parts))
    }

    /// The rest of `GenerateProof`, once r is chosen.
    fn prove(&self, key: &SecretKey, r: &Scalar) -> Proof {
        // t2 = r * A, t3 = r * M
        let t2 = RistrettoPoint::mul_base(r);
        let t3 = self.m * r;
        let c = self.challenge(key.public_key(), &t2, &t3);
        // s = (r - c * k) mod G.Order()
        let ck = Zeroizing::new(c * key.scalar());
        Proof { c, s: r - *ck }
    }

    fn challenge(&self, key: &PublicKey, t2: &RistrettoPoint, t3: &RistrettoPoint) -> Scalar {
        let [a0, a1] = &self.bytes;
        let [a2, a3] = [t2, t3].map(|point| point.compress().to_bytes());
        // challengeTranscript = I2OSP(len(Bm), 2) || Bm ||
        //                       I2OSP(len(a0), 2) || a0 || I2OSP(len(a1), 2) || a1 ||
        //                       I2OSP(len(a2), 2) || a2 || I2OSP(len(a3), 2) || a3 ||
        //                       "Challenge"
        let len = &[0, 32];
        let bm = key.as_bytes();
        let transcript: [&[u8]; 11] = [len, bm, len, a0, len, a1, len, &a2, len, &a3, b"Challenge"];
        // c = G.HashToScalar(challengeTranscript)
        Expander::new(VOPRF.hash_to_scalar).hash_to_scalar(&transcript)
    }
}

/// The weights di of `ComputeComposites`, RFC 9497 §2.2.1.
fn weights(key: &PublicKey, c: Batch<'_>, d: &[[u8; 32]]) -> Vec<Scalar> {
    // seedTranscript = I2OSP(len(Bm), 2) || Bm || I2OSP(len(seedDST), 2) || seedDST
    let [.., hi, lo] = SEED_DST.len().to_be_bytes();
    let mut seed = Sha512::new_with_prefix([0, 32]);
    seed.update(key.as_bytes());
    seed.update([hi, lo]);
    seed.update(SEED_DST);
    // seed = Hash(seedTranscript)
    let seed = seed.finalize();
    let indices = (0..=u16::MAX).map(u16::to_be_bytes);
    let indices = indices.take(c.bytes.len()).collect::<Vec<_>>();
    let transcripts = c.bytes.iter().zip(d).zip(&indices).map(|((ci, di), i)| {
        // compositeTranscript = I2OSP(len(seed), 2) || seed || I2OSP(i, 2) ||
        //                       I2OSP(len(Ci), 2) || Ci || I2OSP(len(Di), 2) || Di ||
        //                       "Composite"
        let len = &[0, 32];
        let transcript: [&[u8]; 8] = [&[0, 64], &seed, i, len, ci, len, di, b"Composite"];
        transcript
    });
    // di = G.HashToScalar(compositeTranscript)
    let dst = VOPRF.hash_to_scalar.as_bytes();
    expand_message_xmd(c.points.backend(), dst, transcripts)
        .iter()
        .map(Scalar::from_bytes_mod_order_wide)
        .collect()
}
