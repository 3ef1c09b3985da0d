//! One message at a time, on the `sha2` crate.

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::{Suffix, Z_PAD};
use crate::backend::Kind;
use crate::work::count;

pub(super) fn sha512<'a, const PARTS: usize>(
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    count(Kind::Serial, messages.len());
    let digests = messages.map(|parts| {
        let hash = parts.iter().fold(Sha512::new(), Digest::chain_update);
        hash.finalize().into()
    });
    Zeroizing::new(digests.collect())
}

pub(super) fn expand_message_xmd<'a, const PARTS: usize>(
    suffix: &Suffix,
    messages: impl ExactSizeIterator<Item = [&'a [u8]; PARTS]>,
) -> Zeroizing<Vec<[u8; 64]>> {
    count(Kind::Serial, messages.len());
    let padded = Sha512::new_with_prefix(Z_PAD);
    let expanded = messages.map(|parts| {
        // b_0 = H(Z_pad || msg || l_i_b_str || I2OSP(0, 1) || DST_prime)
        let hash = parts.iter().fold(padded.clone(), Digest::chain_update);
        let b_0 = hash.chain_update(&suffix.first).finalize();
        let b_0 = Zeroizing::new(<[u8; 64]>::from(b_0));
        // b_1 = H(b_0 || I2OSP(1, 1) || DST_prime)
        Sha512::new_with_prefix(*b_0)
            .chain_update(&suffix.second)
            .finalize()
            .into()
    });
    Zeroizing::new(expanded.collect())
}
