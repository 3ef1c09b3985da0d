//! A finished setup in a few kilobytes: what the noise grows from, to be sealed until its run.

use zeroize::Zeroizing;

use super::pprf::{self, Puncture};
use super::{Context, receiver, sender};
use crate::wire::Reader;
use crate::{Delta, Dimensions, Gf128, SessionId};

impl sender::Checked {
    /// Δ and the roots of the trees: 16(t + 1) bytes. Whoever stores them marks them spent before
    /// a byte that depends on them leaves.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let blocks = [self.seeds.delta.value()]
            .into_iter()
            .chain(self.seeds.roots.iter().copied());
        Zeroizing::new(blocks.flat_map(Gf128::to_bytes).collect())
    }

    /// The setup that was stored, for the same session and dimensions, or `None` if the bytes are
    /// not as many as they must be.
    pub fn from_bytes(session: SessionId, dimensions: Dimensions, bytes: &[u8]) -> Option<Self> {
        let context = Context {
            session,
            dimensions,
        };
        let mut reader = Reader::new(bytes, 16 * (dimensions.trees + 1))?;
        let delta = Delta::from_value(reader.block()?);
        let roots = Zeroizing::new(reader.blocks(dimensions.trees)?);
        let b = pprf::grow(&context, &roots, |_, _, _| {});
        Some(Self {
            context,
            seeds: sender::Seeds { delta, roots },
            b,
        })
    }
}

impl receiver::Checked {
    /// For each tree α in 8 bytes, U, a sum for each level, and c at α: t(8 + 16(D + 2)) bytes.
    /// Whoever stores them marks them spent before a byte that depends on them leaves.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(stored_bytes(&self.context.dimensions)));
        for puncture in &self.punctures {
            bytes.extend((puncture.alpha as u64).to_le_bytes());
            bytes.extend(puncture.value.to_bytes());
            bytes.extend(puncture.sides.iter().flat_map(|side| side.to_bytes()));
            bytes.extend(puncture.leaf.to_bytes());
        }
        bytes
    }

    /// The setup that was stored, for the same session and dimensions, or `None` if the bytes
    /// cannot be one.
    pub fn from_bytes(session: SessionId, dimensions: Dimensions, bytes: &[u8]) -> Option<Self> {
        let context = Context {
            session,
            dimensions,
        };
        let mut reader = Reader::new(bytes, stored_bytes(&dimensions))?;
        let mut punctures = Vec::with_capacity(dimensions.trees);
        for _ in 0..dimensions.trees {
            let alpha = usize::try_from(u64::from_le_bytes(reader.bytes()?)).ok()?;
            if alpha >= dimensions.block {
                return None;
            }
            let value = reader.block()?;
            let sides = reader.blocks(dimensions.depth)?;
            punctures.push(Puncture {
                alpha,
                value,
                sides,
                leaf: reader.block()?,
            });
        }
        let c = pprf::grow_punctured(&context, &mut punctures, |_, _, _| {});
        Some(Self {
            context,
            punctures,
            c,
        })
    }
}

const fn stored_bytes(dimensions: &Dimensions) -> usize {
    dimensions.trees * (8 + 16 * (dimensions.depth + 2))
}
