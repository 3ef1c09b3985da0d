use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{
    Corrections, Planes, TREE, add_bytes, add_masked, base_ot, consistency_hash, ggm, leaves_hash,
    open_leaf, stream,
};
use crate::parameters::{LEAVES, OT_TREES};
use crate::{Dimensions, Gf128, SessionId};

/// The receiver's side: u, and τ in planes.
pub(crate) struct ReceiverExtension {
    pub(crate) u: Zeroizing<Vec<u128>>,
    pub(crate) planes: Planes,
}

impl ReceiverExtension {
    /// Grows the trees from fresh roots. u_j = Σ_x PRG(r_x), and plane b of tree j sums those x
    /// that have bit b.
    pub(crate) fn new(
        session: &SessionId,
        dimensions: &Dimensions,
        pairs: &[[Gf128; 2]],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, Corrections) {
        let columns = dimensions.columns();
        let ggm = ggm(session);
        let mut planes = Planes::new(columns);
        let mut corrections = Corrections {
            levels: vec![],
            leaves: vec![],
            rows: vec![],
        };
        let mut first: Option<Zeroizing<Vec<u128>>> = None;
        for tree in 0..OT_TREES {
            let mut leaves = Zeroizing::new([Gf128::ZERO; LEAVES]);
            let grown = ggm.grow(TREE, Gf128::random(rng), &mut *leaves);
            for (level, &[left, right]) in (1..).zip(grown.sums.iter()) {
                let [zero, one] = pairs.get(base_ot(tree, level)).copied().unwrap_or_default();
                corrections.levels.push([left + zero, right + one]);
            }
            let mut u = Zeroizing::new(vec![0; columns.div_ceil(128)]);
            let (mut total, mut checks) = ([0; 32], Vec::with_capacity(LEAVES));
            for (leaf, &node) in leaves.iter().enumerate() {
                let (check, seed) = open_leaf(session, tree, leaf, node);
                add_bytes(&mut total, &check);
                checks.push(check);
                let stream = stream(seed, columns);
                add_masked(&mut u, &stream, u128::MAX);
                for (b, plane) in planes.of_tree(tree).iter_mut().enumerate() {
                    let set = (leaf >> b & 1) as u128;
                    add_masked(plane, &stream, set.wrapping_neg());
                }
            }
            corrections
                .leaves
                .push([total, leaves_hash(session, tree, &checks)]);
            if let Some(first) = &first {
                add_masked(&mut u, first, u128::MAX);
                corrections.rows.push(std::mem::take(&mut *u));
            } else {
                first = Some(u);
            }
        }
        (
            Self {
                u: first.unwrap_or_default(),
                planes,
            },
            corrections,
        )
    }

    /// F4: the hashes of u and of every plane.
    pub(crate) fn respond(&self, dimensions: &Dimensions, challenge: Gf128) -> Vec<u8> {
        let hash = |words: &[u128]| consistency_hash(challenge, words, dimensions.positions());
        let hashes = [hash(&self.u)]
            .into_iter()
            .chain(self.planes.0.iter().map(|plane| hash(plane)));
        hashes.flat_map(Gf128::to_bytes).collect()
    }

    /// U_i: 128 of the choice bits as one field element.
    pub(crate) fn noise_value(&self, block: usize) -> Gf128 {
        Gf128::from_bits(self.u.get(block).copied().unwrap_or_default())
    }
}
