//! What kernels leave below them on the stack.

use std::hint::black_box;

/// More than any kernel and what it calls take.
const DEPTH: usize = 96 << 10;

/// Runs a kernel and then writes over the part of the stack that it used.
///
/// What a kernel spills has no name to wipe it by, and does not stay on the stack: whatever comes
/// to lie there next and has gaps that nothing is written to, such as an enum of small and large
/// variants, takes it along to wherever it is moved.
pub(crate) fn wiped<T>(kernel: impl FnOnce() -> T) -> T {
    #[inline(never)]
    fn call<T>(kernel: impl FnOnce() -> T) -> T {
        kernel()
    }
    #[inline(never)]
    fn overwrite() {
        black_box(&mut [0_u8; DEPTH]);
    }
    let made = call(kernel);
    overwrite();
    made
}

#[cfg(all(test, target_os = "linux"))]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failure is the test's"
)]
mod tests;
