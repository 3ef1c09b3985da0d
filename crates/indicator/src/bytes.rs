//! Canonical bytes of one indicator: inline where they are short, wiped on drop.

use smallvec::SmallVec;
use zeroize::Zeroize;

/// The bytes that a type's canonical form consists of, without type code and version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CanonicalBytes(SmallVec<[u8; 40]>);

impl CanonicalBytes {
    /// Copies `bytes`, in one allocation of the exact size where they do not fit inline, so that
    /// no growth leaves a copy behind.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// Copies `parts` one behind the other, likewise.
    pub(crate) fn concat(parts: &[&[u8]]) -> Self {
        let mut bytes = SmallVec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Self(bytes)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for CanonicalBytes {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}
