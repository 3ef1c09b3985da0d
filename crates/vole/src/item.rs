//! Items as the protocol sees them: two hashes of the canonical bytes, `spec/33-vole.md` §6.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::oracle::{Label, Oracle};
use crate::{Gf128, SessionId};

/// The two hashes of one item.
///
/// x places it (and must be distinct among the items of a party), v is what the OKVS maps x to.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Item {
    pub(crate) x: Gf128,
    pub(crate) v: Gf128,
}

impl Item {
    /// An item whose x was computed before.
    pub const fn new(x: Gf128, v: Gf128) -> Self {
        Self { x, v }
    }

    /// The placing hash, by which a party removes duplicates.
    pub const fn x(&self) -> Gf128 {
        self.x
    }

    /// The value hash.
    pub const fn v(&self) -> Gf128 {
        self.v
    }
}

/// Hashes items for one run.
#[derive(ZeroizeOnDrop)]
pub struct ItemHasher {
    x_key: [u8; 32],
    v_key: [u8; 32],
}

impl ItemHasher {
    /// `salt` is the same for all runs of a consortium and a canonicalisation version; `run`
    /// makes v new in each.
    pub fn new(salt: &[u8; 32], run: &SessionId) -> Self {
        Self {
            x_key: Oracle::new(Label::ITEM).absorb(salt).bytes(),
            v_key: Oracle::new(Label::ITEM_VALUE)
                .absorb(run.as_bytes())
                .bytes(),
        }
    }

    /// x alone, which may be kept between runs.
    pub fn x(&self, item: &[u8]) -> Gf128 {
        keyed(&self.x_key, item)
    }

    /// v alone.
    pub fn v(&self, item: &[u8]) -> Gf128 {
        keyed(&self.v_key, item)
    }

    /// Both hashes of an item's full canonical encoding, its type included.
    pub fn hash(&self, item: &[u8]) -> Item {
        Item {
            x: self.x(item),
            v: self.v(item),
        }
    }
}

fn keyed(key: &[u8; 32], item: &[u8]) -> Gf128 {
    let mut hash = *blake3::keyed_hash(key, item).as_bytes();
    let mut half = [0; 16];
    for (half, byte) in half.iter_mut().zip(hash) {
        *half = byte;
    }
    hash.zeroize();
    Gf128::from_bytes(half)
}
