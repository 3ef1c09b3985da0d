//! The length of every flight, `spec/33-vole.md` §5. A message of another length is refused
//! before anything is read from it.

use super::{Dimensions, Shape};
use crate::online::{AnswerForm, TagCode};

/// log2 of the leaves of an OT-extension tree: k of SoftSpoken.
pub(crate) const NIBBLE: usize = 4;
/// Leaves of an OT-extension tree.
pub(crate) const LEAVES: usize = 1 << NIBBLE;
/// Base OTs, one for each bit of Δ.
pub(crate) const BASE_OTS: usize = 128;
/// Trees of the OT extension, one for each nibble of Δ.
pub(crate) const OT_TREES: usize = BASE_OTS / NIBBLE;

impl Dimensions {
    /// Bytes of a row of the OT extension: ⌈L/8⌉.
    pub(crate) const fn row_bytes(&self) -> usize {
        self.columns().div_ceil(8)
    }

    /// Bytes of the derandomisation bits: ⌈tD/8⌉.
    pub(crate) const fn derandomise_bytes(&self) -> usize {
        (self.trees * self.depth).div_ceil(8)
    }

    /// F1: two group elements for each base OT. The commitment that opens a run's F1 is not
    /// counted here, since only the first of several setups has it.
    pub const fn f1_bytes(&self) -> usize {
        BASE_OTS * 64
    }

    /// F2: a group element, tree corrections, leaf checks, rows of the OT extension, choices.
    pub const fn f2_bytes(&self) -> usize {
        32 + OT_TREES * NIBBLE * 32
            + OT_TREES * 64
            + (OT_TREES - 1) * self.row_bytes()
            + self.derandomise_bytes()
    }

    /// F3: the challenge of the OT extension.
    pub const fn f3_bytes(&self) -> usize {
        16
    }

    /// F4: the hashes of the choices and of 128 bit-planes.
    pub const fn f4_bytes(&self) -> usize {
        16 + 128 * 16
    }

    /// F5: for each tree two values a level, and θ.
    pub const fn f5_bytes(&self) -> usize {
        self.trees * (32 * self.depth + 16)
    }

    /// F6: the challenge of the VOLE check and the masked sum.
    pub const fn f6_bytes(&self) -> usize {
        32
    }

    /// F7: the hash of the check value.
    pub const fn f7_bytes(&self) -> usize {
        32
    }
}

impl Shape {
    /// The commitment to the sender's share, which opens a run's F1.
    pub const COMMITMENT_BYTES: usize = 32;

    /// F1 to F7 of every chunk together, and the commitment.
    pub fn setup_bytes(&self) -> usize {
        let chunk = |bins| {
            let d = self.dimensions(&bins);
            let sender = d.f1_bytes() + d.f3_bytes() + d.f5_bytes() + d.f7_bytes();
            sender + d.f2_bytes() + d.f4_bytes() + d.f6_bytes()
        };
        Self::COMMITMENT_BYTES + self.chunks().map(chunk).sum::<usize>()
    }

    /// F8: the OKVS seed, the receiver's share, 16 bytes for each entry.
    pub const fn f8_bytes(&self) -> usize {
        16 + 16 + 16 * self.entries()
    }

    /// F9 of a sender whose set has the same class and no labels.
    pub fn f9_bytes(&self) -> usize {
        self.tag_code().map_or(0, |tags| {
            let label = 0;
            AnswerForm { tags, label }.bytes()
        })
    }

    /// How the tags of a set of the same class are coded.
    pub(crate) const fn tag_code(&self) -> Option<TagCode> {
        TagCode::new(self.class)
    }
}
