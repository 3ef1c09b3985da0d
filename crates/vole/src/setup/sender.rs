//! The sender: holds Δ, sends F1, F3, F5 and F7.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Context, Flight, SetupError, pprf};
use crate::base_ot::Chooser;
use crate::expand::expand;
use crate::kernels::power_sum;
use crate::soft_spoken::{Corrections, SenderExtension};
use crate::vole::SenderVole;
use crate::wire::{Reader, bit};
use crate::{Delta, Dimensions, Gf128, SessionId};

/// Starts a setup. A run's first F1 is preceded by the commitment to the sender's share.
pub fn start(
    session: SessionId,
    dimensions: Dimensions,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (AwaitingF2, Vec<u8>) {
    let delta = Delta::random(rng);
    let (chooser, elements) = Chooser::new(&session, &delta, rng);
    let state = AwaitingF2 {
        context: Context {
            session,
            dimensions,
        },
        delta,
        chooser,
    };
    (state, elements.into_flattened())
}

/// Has sent F1.
pub struct AwaitingF2 {
    context: Context,
    delta: Delta,
    chooser: Chooser,
}

impl AwaitingF2 {
    /// Takes F2, gives F3. The challenge is drawn only now that F2 is fixed: who knew it before
    /// could pass the check with any Δ. Trees that do not hold are remembered, not refused: an
    /// error at this point would tell of Δ before F4 costs the receiver its guess.
    ///
    /// # Errors
    /// [`SetupError::Length`], [`SetupError::GroupElement`].
    pub fn receive(
        self,
        f2: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(AwaitingF4, Vec<u8>), SetupError> {
        let Self {
            context,
            delta,
            chooser,
        } = self;
        let (reply, corrections, derandomise) =
            read_f2(&context.dimensions, f2).ok_or(SetupError::Length(Flight::F2))?;
        let keys = chooser.finish(&delta, &reply);
        let keys = keys.ok_or(SetupError::GroupElement(Flight::F2))?;
        Ok(challenge(
            context,
            delta,
            &keys,
            &corrections,
            derandomise,
            rng,
        ))
    }
}

/// F3, the base OTs being done.
pub(super) fn challenge(
    context: Context,
    delta: Delta,
    keys: &[Gf128],
    corrections: &Corrections,
    derandomise: Vec<u128>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (AwaitingF4, Vec<u8>) {
    let Context {
        session,
        dimensions,
    } = &context;
    let extension = SenderExtension::new(session, dimensions, &delta, keys, corrections);
    let challenge = Gf128::random(rng);
    let f3 = challenge.to_bytes().to_vec();
    (
        AwaitingF4 {
            context,
            delta,
            extension,
            derandomise,
            challenge,
        },
        f3,
    )
}

/// The reply of the base OTs, the corrections of the OT extension, the bits that derandomise the
/// choices of the PPRF.
pub(super) fn read_f2(
    dimensions: &Dimensions,
    f2: &[u8],
) -> Option<([u8; 32], Corrections, Vec<u128>)> {
    let mut reader = Reader::new(f2, dimensions.f2_bytes())?;
    let reply = reader.bytes()?;
    let corrections = Corrections::read(dimensions, &mut reader)?;
    Some((
        reply,
        corrections,
        reader.bits(dimensions.trees * dimensions.depth)?,
    ))
}

/// Has sent F3.
pub struct AwaitingF4 {
    context: Context,
    delta: Delta,
    extension: SenderExtension,
    /// For each choice of the PPRF, whether the pads change places.
    derandomise: Vec<u128>,
    challenge: Gf128,
}

impl AwaitingF4 {
    /// Takes F4, gives F5. Nothing of the OT extension is used before F4 is verified.
    ///
    /// # Errors
    /// [`SetupError::Length`], [`SetupError::Correlation`].
    pub fn receive(
        self,
        f4: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(AwaitingF6, Vec<u8>), SetupError> {
        let Self {
            context,
            delta,
            extension,
            derandomise,
            challenge,
        } = self;
        let dimensions = &context.dimensions;
        let hashes = Reader::new(f4, dimensions.f4_bytes())
            .and_then(|mut reader| reader.blocks(dimensions.f4_bytes() / 16))
            .ok_or(SetupError::Length(Flight::F4))?;
        if !extension.verify(dimensions, &delta, challenge, &hashes) {
            return Err(SetupError::Correlation);
        }
        let roots = (0..dimensions.trees).map(|_| Gf128::random(rng)).collect();
        let seeds = Seeds {
            delta,
            roots: Zeroizing::new(roots),
        };
        let pads = context.pads();
        let mut f5 = Vec::with_capacity(dimensions.f5_bytes());
        let b = pprf::grow(&context, &seeds.roots, |tree, grown, leaves| {
            for (level, &[left, right]) in (1..).zip(grown.sums.iter()) {
                let position = context.position(tree, level);
                let q = extension.planes.position(position);
                let zero = pads.tweaked(q, position);
                let one = pads.tweaked(q + seeds.delta.value(), position);
                let (first, second) = match bit(&derandomise, context.choice(tree, level)) {
                    0 => (zero, one),
                    _ => (one, zero),
                };
                f5.extend((left + first).to_bytes());
                f5.extend((right + second).to_bytes());
            }
            // θ hides W behind every leaf and every phantom: whatever path the receiver took,
            // one of them is missing to it.
            let hidden = extension.planes.value(tree) + grown.phantoms;
            let theta = leaves.iter().fold(hidden, |sum, &leaf| sum + leaf);
            f5.extend(theta.to_bytes());
        });
        let spare = Zeroizing::new(extension.planes.value(dimensions.trees));
        Ok((
            AwaitingF6 {
                context,
                seeds,
                b,
                spare,
            },
            f5,
        ))
    }
}

/// What b can be grown from again.
pub(super) struct Seeds {
    pub(super) delta: Delta,
    pub(super) roots: Zeroizing<Vec<Gf128>>,
}

/// Has sent F5.
pub struct AwaitingF6 {
    pub(super) context: Context,
    pub(super) seeds: Seeds,
    pub(super) b: Zeroizing<Vec<Gf128>>,
    /// W_t, the correlation that masks the receiver's sum.
    spare: Zeroizing<Gf128>,
}

impl AwaitingF6 {
    /// Takes F6, gives F7. The sender has nothing to verify here; the VOLE is its own from now.
    ///
    /// # Errors
    /// [`SetupError::Length`], [`SetupError::Challenge`].
    pub fn receive(self, f6: &[u8]) -> Result<(Checked, Vec<u8>), SetupError> {
        let (challenge, sum) = Reader::new(f6, self.context.dimensions.f6_bytes())
            .and_then(|mut reader| Some((reader.block()?, reader.block()?)))
            .ok_or(SetupError::Length(Flight::F6))?;
        if challenge == Gf128::ZERO {
            return Err(SetupError::Challenge);
        }
        let f7 = self
            .context
            .check(self.check_value(challenge, sum))
            .to_vec();
        let Self {
            context,
            seeds,
            b,
            spare: _,
        } = self;
        Ok((Checked { context, seeds, b }, f7))
    }

    /// Σ X^{pos+1}·b\[pos\] + W_t + d·Δ.
    pub(super) fn check_value(&self, challenge: Gf128, sum: Gf128) -> Gf128 {
        power_sum(challenge, &self.b) + *self.spare + sum * self.seeds.delta.value()
    }
}

/// A setup that went through, before compression.
pub struct Checked {
    pub(super) context: Context,
    pub(super) seeds: Seeds,
    pub(super) b: Zeroizing<Vec<Gf128>>,
}

impl Checked {
    /// Compresses.
    pub fn expand(self) -> SenderVole {
        let Self { context, seeds, b } = self;
        SenderVole {
            delta: seeds.delta,
            b: expand(&context.dimensions, b),
        }
    }
}
