//! AES-128 under a key of its own for every block, fed forward: π_k(x) + x of many pairs.
//!
//! One key and many blocks is what the `aes` crate does well. Here the key schedule is most of the
//! work: sixteen schedules side by side on VAES, or one at a time on the `aes` crate.

mod serial;
#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a failure is the test's")]
mod tests;
#[cfg(target_arch = "x86_64")]
mod vector;

use crate::backend::Backend;

/// `out[i]` = AES-128 under `keys[i]` of `blocks[i]`, + `blocks[i]`, for every i that all three
/// have.
pub fn feed_forward(
    backend: Backend,
    keys: &[[u8; 16]],
    blocks: &[[u8; 16]],
    out: &mut [[u8; 16]],
) {
    let count = keys.len().min(blocks.len()).min(out.len());
    let (keys, blocks) = (keys.split_at(count).0, blocks.split_at(count).0);
    let out = out.split_at_mut(count).0;
    #[cfg(target_arch = "x86_64")]
    if vector::runs(backend) {
        // SAFETY: the processor has the features.
        return unsafe { vector::feed_forward(keys, blocks, out) };
    }
    serial::feed_forward(keys, blocks, out);
}
