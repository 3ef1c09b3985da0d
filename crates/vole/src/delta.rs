//! The sender's key.

use std::fmt;

use rand_core::CryptoRng;
use subtle::Choice;
use zeroize::Zeroize;

use crate::Gf128;
use crate::parameters::NIBBLE;

/// Δ, by which the sender knows B = C + A·Δ. It lives on the heap and is wiped there.
///
/// ```compile_fail,E0277
/// fn copies<T: Copy>() {}
/// copies::<blindmatch_vole::Delta>();
/// ```
pub struct Delta(Box<Gf128>);

impl Delta {
    pub(crate) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_value(Gf128::random(rng))
    }

    pub(crate) fn from_value(value: Gf128) -> Self {
        Self(Box::new(value))
    }

    /// The element itself.
    pub(crate) fn value(&self) -> Gf128 {
        *self.0
    }

    /// Bit i, from the least significant on.
    pub(crate) fn bit(&self, index: usize) -> Choice {
        Choice::from(((self.0.to_bits() >> index) & 1) as u8)
    }

    /// Bits 4j to 4j+3, which choose the missing leaf of tree j.
    pub(crate) fn nibble(&self, tree: usize) -> usize {
        ((self.0.to_bits() >> (NIBBLE * tree)) & 15) as usize
    }

    /// `value` if bit i is set, else zero.
    pub(crate) fn times_bit(&self, index: usize, value: u128) -> u128 {
        value & Gf128::mask(self.bit(index))
    }
}

impl Drop for Delta {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delta(<redacted>)")
    }
}
