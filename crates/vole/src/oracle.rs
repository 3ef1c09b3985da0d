//! Labelled random oracles from BLAKE3, `spec/33-vole.md` §3.

use zeroize::Zeroize;

use crate::Gf128;

#[cfg(test)]
mod tests;

/// What a hash is for: BLAKE3's `derive_key` context, one for each use.
#[derive(Clone, Copy)]
pub(crate) struct Label(&'static str);

impl Label {
    pub(crate) const SESSION: Self = Self("blindmatch vole v1 session");
    pub(crate) const CHUNK: Self = Self("blindmatch vole v1 chunk");
    pub(crate) const COMMIT_SHARE: Self = Self("blindmatch vole v1 commit share");
    pub(crate) const BASE_OT_POINT: Self = Self("blindmatch vole v1 base ot point");
    pub(crate) const BASE_OT_SENT: Self = Self("blindmatch vole v1 base ot sent");
    pub(crate) const BASE_OT_SESSION: Self = Self("blindmatch vole v1 base ot session");
    pub(crate) const BASE_OT_KEY: Self = Self("blindmatch vole v1 base ot key");
    pub(crate) const OT_TREE_LEFT: Self = Self("blindmatch vole v1 ot tree left");
    pub(crate) const OT_TREE_RIGHT: Self = Self("blindmatch vole v1 ot tree right");
    pub(crate) const OT_LEAF: Self = Self("blindmatch vole v1 ot leaf");
    pub(crate) const OT_LEAVES: Self = Self("blindmatch vole v1 ot leaves");
    pub(crate) const OT_PAD: Self = Self("blindmatch vole v1 ot pad");
    pub(crate) const PPRF_LEFT: Self = Self("blindmatch vole v1 pprf left");
    pub(crate) const PPRF_RIGHT: Self = Self("blindmatch vole v1 pprf right");
    pub(crate) const VOLE_CHECK: Self = Self("blindmatch vole v1 check");
    pub(crate) const OKVS_COLUMNS: Self = Self("blindmatch vole v1 okvs columns");
    pub(crate) const OKVS_DENSE: Self = Self("blindmatch vole v1 okvs dense");
    pub(crate) const ITEM: Self = Self("blindmatch vole v1 item");
    pub(crate) const ITEM_VALUE: Self = Self("blindmatch vole v1 item value");
    #[cfg(test)]
    pub(crate) const TEST: Self = Self("BLAKE3 2019-12-27 16:29:52 test vectors context");
}

/// A hash in the making. Every part is preceded by its length, so that no two lists of parts
/// hash alike. The state is wiped.
pub(crate) struct Oracle(blake3::Hasher);

impl Oracle {
    pub(crate) fn new(label: Label) -> Self {
        Self(blake3::Hasher::new_derive_key(label.0))
    }

    pub(crate) fn absorb(mut self, part: &[u8]) -> Self {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    pub(crate) fn absorb_index(self, index: usize) -> Self {
        self.absorb(&(index as u64).to_le_bytes())
    }

    pub(crate) fn bytes<const N: usize>(self) -> [u8; N] {
        let mut out = [0; N];
        let mut reader = self.0.finalize_xof();
        reader.fill(&mut out);
        reader.zeroize();
        out
    }

    pub(crate) fn block(self) -> Gf128 {
        Gf128::from_bytes(self.bytes())
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
