//! w = w_R + w_S, to which neither side can choose its part after the other's: the sender commits
//! in F1 and opens in F9, the receiver sends its share in F8. `spec/33-vole.md` §13.1.

use std::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::oracle::{Label, Oracle};
use crate::{Gf128, SessionId};

/// The sender's share and what opens its commitment.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SenderShare {
    share: Gf128,
    opening: [u8; 32],
}

impl SenderShare {
    /// Draws a share and commits to it.
    pub fn commit(session: &SessionId, rng: &mut (impl CryptoRng + ?Sized)) -> (Self, [u8; 32]) {
        let mut drawn = Self {
            share: Gf128::random(rng),
            opening: [0; 32],
        };
        rng.fill_bytes(&mut drawn.opening);
        let commitment = commitment(session, drawn.share, &drawn.opening);
        (drawn, commitment)
    }

    /// w_S, which the sender's own evaluations need.
    pub const fn share(&self) -> Gf128 {
        self.share
    }

    /// The 48 bytes that open F9; to be sent only after all of F8 has arrived.
    pub fn open(&self) -> [u8; 48] {
        let mut opened = [0; 48];
        let bytes = self.share.to_bytes().into_iter().chain(self.opening);
        opened
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, byte)| *to = byte);
        opened
    }

    /// Bytes to be sealed until then.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 48]> {
        Zeroizing::new(self.open())
    }

    /// A share that was sealed.
    pub fn from_bytes(bytes: &[u8; 48]) -> Self {
        let (share, opening) = split(bytes);
        Self { share, opening }
    }
}

impl fmt::Debug for SenderShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderShare(<redacted>)")
    }
}

/// w_S, if these 48 bytes open the commitment.
pub fn verify_share(session: &SessionId, expected: &[u8; 32], opened: &[u8; 48]) -> Option<Gf128> {
    let (share, opening) = split(opened);
    bool::from(commitment(session, share, &opening).ct_eq(expected)).then_some(share)
}

fn commitment(session: &SessionId, share: Gf128, opening: &[u8; 32]) -> [u8; 32] {
    let oracle = Oracle::new(Label::COMMIT_SHARE).absorb(session.as_bytes());
    oracle.absorb(&share.to_bytes()).absorb(opening).bytes()
}

fn split(bytes: &[u8; 48]) -> (Gf128, [u8; 32]) {
    let (mut share, mut opening) = ([0; 16], [0; 32]);
    let target = share.iter_mut().chain(&mut opening);
    target.zip(bytes).for_each(|(to, &byte)| *to = byte);
    (Gf128::from_bytes(share), opening)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn only_what_was_committed_to_opens() {
        let mut rng = StdRng::seed_from_u64(90);
        let session = SessionId::from_bytes([1; 32]);
        for _ in 0..1000 {
            let (share, commitment) = SenderShare::commit(&session, &mut rng);
            let opened = share.open();
            assert!(verify_share(&session, &commitment, &opened) == Some(share.share()));
            assert_eq!(SenderShare::from_bytes(&share.to_bytes()).open(), opened);
            for at in [0, 15, 16, 47] {
                let mut wrong = opened;
                wrong
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= 1);
                assert!(verify_share(&session, &commitment, &wrong).is_none());
            }
            assert!(verify_share(&session.chunk(0), &commitment, &opened).is_none());
        }
        let (share, _) = SenderShare::commit(&session, &mut rng);
        assert_eq!(format!("{share:?}"), "SenderShare(<redacted>)");
    }
}
