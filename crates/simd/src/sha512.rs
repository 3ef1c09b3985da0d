//! SHA-512 of many short messages, and the expander of RFC 9380 on it.
//!
//! A message is an array of parts that are hashed one after the other, so that nobody has to
//! concatenate secrets in buffers of their own.

mod serial;
#[cfg(target_arch = "x86_64")]
mod vector;

use zeroize::Zeroizing;

use crate::backend::{Backend, Kind};
use crate::stack::wiped;

/// The digests of all messages, in order.
pub fn sha512<'a, const PARTS: usize>(
    backend: Backend,
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    wiped(|| match backend.kind() {
        Kind::Serial => serial::sha512(messages),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => vector::sha512(messages),
    })
}

/// RFC 9380 §5.3.1 `expand_message_xmd` with SHA-512 to 64 bytes, of all messages, in order.
///
/// # Panics
/// If `dst` is longer than the 255 bytes that may stand there as they are.
pub fn expand_message_xmd<'a, const PARTS: usize>(
    backend: Backend,
    dst: &[u8],
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    let suffix = Suffix::of(dst);
    wiped(|| match backend.kind() {
        Kind::Serial => serial::expand_message_xmd(&suffix, messages),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => vector::expand_message_xmd(&suffix, messages),
    })
}

/// What stands at the end of both hashes of the expander.
struct Suffix {
    /// `l_i_b_str || I2OSP(0, 1) || DST_prime`, with 64 bytes asked for.
    first: Vec<u8>,
    /// `I2OSP(1, 1) || DST_prime`.
    second: Vec<u8>,
}

impl Suffix {
    fn of(dst: &[u8]) -> Self {
        let len = u8::try_from(dst.len());
        assert!(len.is_ok(), "a domain separation tag has at most 255 bytes");
        let len = len.unwrap_or_default();
        Self {
            first: [&[0, 64, 0], dst, &[len]].concat(),
            second: [&[1], dst, &[len]].concat(),
        }
    }
}

/// `Z_pad`: the first block of the expander's first hash is all zeros.
const Z_PAD: [u8; 128] = [0; 128];

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure is the test's"
)]
mod tests;
