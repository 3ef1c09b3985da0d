//! Hashing to bytes, to the group and to scalars (RFC 9380 §5.3.1 and Appendix B, RFC 9497 §4.1).

use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// SHA-512's block, `s_in_bytes` of RFC 9380.
const BLOCK: usize = 128;
/// SHA-512's output, `b_in_bytes` of RFC 9380.
const DIGEST: usize = 64;

/// A domain separation tag and its length. Only constants, so that none can be too long.
#[derive(Clone, Copy)]
pub(crate) struct Dst {
    bytes: &'static [u8],
    len: u8,
}

impl Dst {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "asserted on the line above"
    )]
    pub(crate) const fn new(tag: &'static str) -> Self {
        assert!(tag.len() <= 255, "RFC 9380 §5.3.3 would hash a longer tag");
        Self {
            bytes: tag.as_bytes(),
            len: tag.len() as u8,
        }
    }

    pub(crate) const fn as_bytes(&self) -> &'static [u8] {
        self.bytes
    }
}

/// `expand_message_xmd` with SHA-512 under one tag.
///
/// It has absorbed `Z_pad`, a whole block of zeros, once for all messages.
pub(crate) struct Expander {
    z_pad: Sha512,
    dst: Dst,
}

impl Expander {
    pub(crate) fn new(dst: Dst) -> Self {
        Self {
            z_pad: Sha512::new_with_prefix([0; BLOCK]),
            dst,
        }
    }

    /// `expand_message_xmd(msg, DST, len_in_bytes)`, RFC 9380 §5.3.1: `N` uniform bytes from the
    /// concatenated parts of a message.
    pub(crate) fn expand<const N: usize>(&self, message: &[&[u8]]) -> Zeroizing<[u8; N]> {
        // 2.  ABORT if ell > 255 or len_in_bytes > 65535 or len(DST) > 255
        const { assert!(N <= 255 * DIGEST) };
        // 3.  DST_prime = DST || I2OSP(len(DST), 1)
        // 4.  Z_pad = I2OSP(0, s_in_bytes)
        // 5.  l_i_b_str = I2OSP(len_in_bytes, 2)
        // 6.  msg_prime = Z_pad || msg || l_i_b_str || I2OSP(0, 1) || DST_prime
        let mut msg_prime = self.z_pad.clone();
        for part in message {
            msg_prime.update(part);
        }
        let [.., hi, lo] = N.to_be_bytes();
        msg_prime.update([hi, lo, 0]);
        msg_prime.update(self.dst.bytes);
        msg_prime.update([self.dst.len]);
        // 7.  b_0 = H(msg_prime)
        let mut b_0 = Zeroizing::new([0; DIGEST]);
        msg_prime.finalize_into((&mut *b_0).into());
        // 8.  b_1 = H(b_0 || I2OSP(1, 1) || DST_prime)
        // 9.  for i in (2, ..., ell):
        // 10.    b_i = H(strxor(b_0, b_(i - 1)) || I2OSP(i, 1) || DST_prime)
        let mut uniform_bytes = Zeroizing::new([0; N]);
        let mut b_i = Zeroizing::new([0; DIGEST]);
        for (i, chunk) in (1u8..).zip(uniform_bytes.chunks_mut(DIGEST)) {
            for (b, first) in b_i.iter_mut().zip(b_0.iter()) {
                *b ^= first;
            }
            let mut hash = Sha512::new();
            hash.update(b_i.as_slice());
            hash.update([i]);
            hash.update(self.dst.bytes);
            hash.update([self.dst.len]);
            hash.finalize_into((&mut *b_i).into());
            // 11. uniform_bytes = b_1 || ... || b_ell
            // 12. return substr(uniform_bytes, 0, len_in_bytes)
            for (to, from) in chunk.iter_mut().zip(b_i.iter()) {
                *to = *from;
            }
        }
        uniform_bytes
    }

    /// `HashToGroup`: RFC 9497 §4.1 by `hash_to_ristretto255`, RFC 9380 Appendix B.
    pub(crate) fn hash_to_group(&self, input: &[u8]) -> RistrettoPoint {
        RistrettoPoint::from_uniform_bytes(&self.expand(&[input]))
    }

    /// `HashToScalar`, RFC 9497 §4.1: 64 uniform bytes, little-endian, modulo the group's order.
    pub(crate) fn hash_to_scalar(&self, input: &[&[u8]]) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.expand(input))
    }
}
