//! 128 base oblivious transfers on ristretto255: Masny and Rindal's endemic OT, in which both
//! sides' keys are random and one element of the offering side serves all. `spec/33-vole.md` §10.
//!
//! The side that chooses holds Δ; it gets key\[i\]\[c_i\] for c_i = ¬Δ_i, and the offering side
//! gets both keys of each.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use crate::delta::Delta;
use crate::oracle::{Label, Oracle};
use crate::parameters::BASE_OTS;
use crate::{Gf128, SessionId};

#[cfg(test)]
mod tests;

type Encoded = [u8; 32];

/// What the choosing side keeps until the reply.
pub(crate) struct Chooser {
    session: SessionId,
    scalars: Zeroizing<Vec<Scalar>>,
    /// The hash of what was sent.
    sent: [u8; 32],
}

impl Chooser {
    /// Two elements for each bit of Δ: the unchosen one has a discrete logarithm that nobody
    /// knows, and together with its hash the chosen one has one that this side knows.
    pub(crate) fn new(
        session: &SessionId,
        delta: &Delta,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, Vec<Encoded>) {
        let mut scalars = Zeroizing::new(Vec::with_capacity(BASE_OTS));
        let mut elements = Vec::with_capacity(2 * BASE_OTS);
        for index in 0..BASE_OTS {
            let choice = !delta.bit(index);
            let scalar = random_scalar(rng);
            let unchosen = random_element(rng).compress().0;
            // r_c = aG - H_{i,c}(r_{1-c})
            let hash = hash_to_group(session, index, choice, &unchosen);
            let chosen = (RistrettoPoint::mul_base(&scalar) - hash).compress().0;
            elements.push(Encoded::conditional_select(&chosen, &unchosen, choice));
            elements.push(Encoded::conditional_select(&unchosen, &chosen, choice));
            scalars.push(*scalar);
        }
        (
            Self {
                session: *session,
                scalars,
                sent: digest(session, &elements),
            },
            elements,
        )
    }

    /// The chosen key of each transfer, or `None` if the reply is not a canonical element other
    /// than the identity.
    pub(crate) fn finish(&self, delta: &Delta, reply: &Encoded) -> Option<Zeroizing<Vec<Gf128>>> {
        let element = decode(reply)?;
        let keys = Keys::new(&self.session, &self.sent, reply);
        let chosen = self
            .scalars
            .iter()
            .enumerate()
            .map(|(index, scalar)| keys.key(index, !delta.bit(index), &(scalar * element)));
        Some(Zeroizing::new(chosen.collect()))
    }
}

/// Answers a chooser: this side's element and both keys of each transfer, or `None` if an
/// element is not canonical or is the identity.
pub(crate) fn offer(
    session: &SessionId,
    elements: &[Encoded],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Option<(Encoded, Zeroizing<Vec<[Gf128; 2]>>)> {
    let scalar = random_scalar(rng);
    let reply = RistrettoPoint::mul_base(&scalar).compress().0;
    let keys = Keys::new(session, &digest(session, elements), &reply);
    let mut pairs = Zeroizing::new(Vec::with_capacity(BASE_OTS));
    for (index, [zero, one]) in elements.as_chunks().0.iter().enumerate() {
        let key = |choice: Choice, own: &Encoded, other: &Encoded| {
            // key_j = KDF(b(r_j + H_{i,j}(r_{1-j})))
            let point = decode(own)? + hash_to_group(session, index, choice, other);
            Some(keys.key(index, choice, &(*scalar * point)))
        };
        pairs.push([
            key(Choice::from(0), zero, one)?,
            key(Choice::from(1), one, zero)?,
        ]);
    }
    Some((reply, pairs))
}

/// Derives keys bound to the session, to every element of both sides, and to the place.
struct Keys([u8; 32]);

impl Keys {
    fn new(session: &SessionId, sent: &[u8; 32], reply: &Encoded) -> Self {
        let oracle = Oracle::new(Label::BASE_OT_SESSION).absorb(session.as_bytes());
        Self(oracle.absorb(sent).absorb(reply).bytes())
    }

    fn key(&self, index: usize, choice: Choice, point: &RistrettoPoint) -> Gf128 {
        let point = Zeroizing::new(point.compress().0);
        let oracle = Oracle::new(Label::BASE_OT_KEY)
            .absorb(&self.0)
            .absorb_index(index);
        oracle.absorb(&[choice.unwrap_u8()]).absorb(&*point).block()
    }
}

fn digest(session: &SessionId, elements: &[Encoded]) -> [u8; 32] {
    let oracle = Oracle::new(Label::BASE_OT_SENT).absorb(session.as_bytes());
    oracle.absorb(elements.as_flattened()).bytes()
}

fn hash_to_group(
    session: &SessionId,
    index: usize,
    choice: Choice,
    element: &Encoded,
) -> RistrettoPoint {
    let oracle = Oracle::new(Label::BASE_OT_POINT).absorb(session.as_bytes());
    let oracle = oracle.absorb_index(index).absorb(&[choice.unwrap_u8()]);
    RistrettoPoint::from_uniform_bytes(&oracle.absorb(element).bytes())
}

fn decode(encoded: &Encoded) -> Option<RistrettoPoint> {
    CompressedRistretto(*encoded)
        .decompress()
        .filter(|element| !element.is_identity())
}

fn random_scalar(rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Scalar> {
    let mut wide = Zeroizing::new([0; 64]);
    rng.fill_bytes(&mut *wide);
    Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide))
}

fn random_element(rng: &mut (impl CryptoRng + ?Sized)) -> RistrettoPoint {
    let mut wide = [0; 64];
    rng.fill_bytes(&mut wide);
    RistrettoPoint::from_uniform_bytes(&wide)
}
