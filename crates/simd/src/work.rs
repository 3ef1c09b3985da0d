//! How much each backend did, for tests: since all give the same bytes, nothing else shows which ran.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Backend;
use crate::backend::Kind;

static SERIAL: AtomicU64 = AtomicU64::new(0);
#[cfg(target_arch = "x86_64")]
static AVX512: AtomicU64 = AtomicU64::new(0);

const fn counter(kind: Kind) -> &'static AtomicU64 {
    match kind {
        Kind::Serial => &SERIAL,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => &AVX512,
    }
}

/// Counts the items of a batch that a kernel of the group or of the hash was called with. Kernels
/// call it themselves: whoever chooses among them may err.
pub(crate) fn count(kind: Kind, items: usize) {
    counter(kind).fetch_add(items as u64, Ordering::Relaxed);
}

/// How many items this backend's kernels of the group and of the hash had so far, in all threads of
/// the process: an item counts once for each kernel that it went through.
#[doc(hidden)]
#[must_use]
pub fn items_done(backend: Backend) -> u64 {
    counter(backend.kind()).load(Ordering::Relaxed)
}
