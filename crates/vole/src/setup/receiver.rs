//! The receiver: gets A and C, sends F2, F4 and F6.

use rand_core::CryptoRng;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::pprf::Puncture;
use super::{Context, Flight, SetupError, pprf};
use crate::base_ot::offer;
use crate::expand::expand;
use crate::kernels::power_sum;
use crate::soft_spoken::ReceiverExtension;
use crate::vole::ReceiverVole;
use crate::wire::{Reader, bit, put_bits};
use crate::{Dimensions, Gf128, SessionId};

/// Starts a setup: the sender moves first.
pub const fn start(session: SessionId, dimensions: Dimensions) -> AwaitingF1 {
    AwaitingF1 {
        context: Context {
            session,
            dimensions,
        },
    }
}

/// Waits for F1.
pub struct AwaitingF1 {
    context: Context,
}

impl AwaitingF1 {
    /// Takes F1 without the commitment, gives F2.
    ///
    /// # Errors
    /// [`SetupError::Length`], [`SetupError::GroupElement`].
    pub fn receive(
        self,
        f1: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(AwaitingF3, Vec<u8>), SetupError> {
        let Self { context } = self;
        let Context {
            session,
            dimensions,
        } = &context;
        let elements = Reader::new(f1, dimensions.f1_bytes())
            .and_then(|mut reader| reader.slice(dimensions.f1_bytes()))
            .ok_or(SetupError::Length(Flight::F1))?;
        let (reply, pairs) = offer(session, elements.as_chunks().0, rng)
            .ok_or(SetupError::GroupElement(Flight::F1))?;
        let alphas = random_alphas(dimensions, rng);
        Ok(extend(context, &reply, &pairs, alphas, rng))
    }
}

/// F2, the base OTs being done.
pub(super) fn extend(
    context: Context,
    reply: &[u8; 32],
    pairs: &[[Gf128; 2]],
    alphas: Zeroizing<Vec<usize>>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (AwaitingF3, Vec<u8>) {
    let Context {
        session,
        dimensions,
    } = &context;
    // A noise value of zero would be no noise. It is redrawn here, before anything leaves.
    let (extension, corrections) = loop {
        let drawn = ReceiverExtension::new(session, dimensions, pairs, rng);
        if (0..dimensions.trees).all(|tree| drawn.0.noise_value(tree) != Gf128::ZERO) {
            break drawn;
        }
    };
    let mut f2 = Vec::with_capacity(dimensions.f2_bytes());
    f2.extend(reply);
    corrections.write(dimensions, &mut f2);
    put_derandomisation(&context, &alphas, &extension.u, &mut f2);
    (
        AwaitingF3 {
            context,
            extension,
            alphas,
        },
        f2,
    )
}

/// The choice at each level of each tree is the complement of the bit of the path, masked by the
/// random choice that the OT extension made.
fn put_derandomisation(context: &Context, alphas: &[usize], u: &[u128], out: &mut Vec<u8>) {
    let choices = context.dimensions.trees * context.dimensions.depth;
    let mut words = vec![0u128; choices.div_ceil(128)];
    for (tree, &alpha) in alphas.iter().enumerate() {
        for level in 1..=context.dimensions.depth {
            let choice = !context.tree().path_bit(alpha, level);
            let masked = choice.unwrap_u8() ^ bit(u, context.position(tree, level));
            let at = context.choice(tree, level);
            if let Some(word) = words.get_mut(at / 128) {
                *word |= u128::from(masked) << (at % 128);
            }
        }
    }
    put_bits(out, &words, choices);
}

/// Where the noise is: one place in each block, uniform and independent.
pub(super) fn random_alphas(
    dimensions: &Dimensions,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Zeroizing<Vec<usize>> {
    let alphas = (0..dimensions.trees).map(|_| random_below(dimensions.block, rng));
    Zeroizing::new(alphas.collect())
}

/// Uniform below `bound`. How often it draws does not depend on what it returns.
fn random_below(bound: usize, rng: &mut (impl CryptoRng + ?Sized)) -> usize {
    let mask = usize::MAX >> (bound - 1).leading_zeros();
    loop {
        let mut bytes = [0; size_of::<usize>()];
        rng.fill_bytes(&mut bytes);
        let drawn = usize::from_le_bytes(bytes) & mask;
        if drawn < bound {
            return drawn;
        }
    }
}

/// Has sent F2.
pub struct AwaitingF3 {
    context: Context,
    extension: ReceiverExtension,
    alphas: Zeroizing<Vec<usize>>,
}

impl AwaitingF3 {
    /// Takes F3, gives F4.
    ///
    /// # Errors
    /// [`SetupError::Length`].
    pub fn receive(self, f3: &[u8]) -> Result<(AwaitingF5, Vec<u8>), SetupError> {
        let Self {
            context,
            extension,
            alphas,
        } = self;
        let challenge = Reader::new(f3, context.dimensions.f3_bytes())
            .and_then(|mut reader| reader.block())
            .ok_or(SetupError::Length(Flight::F3))?;
        let f4 = extension.respond(&context.dimensions, challenge);
        Ok((
            AwaitingF5 {
                context,
                extension,
                alphas,
            },
            f4,
        ))
    }
}

/// Has sent F4.
pub struct AwaitingF5 {
    context: Context,
    pub(super) extension: ReceiverExtension,
    alphas: Zeroizing<Vec<usize>>,
}

impl AwaitingF5 {
    /// Takes F5, gives F6. The challenge is drawn only now that F5 is fixed.
    ///
    /// # Errors
    /// [`SetupError::Length`].
    pub fn receive(
        self,
        f5: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(AwaitingF7, Vec<u8>), SetupError> {
        let Self {
            context,
            extension,
            alphas,
        } = self;
        let (mut punctures, thetas) =
            read_f5(&context, &extension, &alphas, f5).ok_or(SetupError::Length(Flight::F5))?;
        let c = pprf::grow_punctured(&context, &mut punctures, |tree, puncture, known| {
            // θ and what is known leave W and b at α, and W + V = UΔ: c = b + UΔ.
            let theta = thetas.get(tree).copied().unwrap_or_default();
            puncture.leaf = theta + extension.planes.value(tree) + known;
        });

        let challenge = loop {
            let drawn = Gf128::random(rng);
            if drawn != Gf128::ZERO {
                break drawn;
            }
        };
        let trees = context.dimensions.trees;
        let sum = punctures.iter().enumerate().fold(
            extension.noise_value(trees),
            |sum, (tree, puncture)| {
                let exponent = tree * context.dimensions.block + puncture.alpha + 1;
                sum + challenge.power(exponent as u64) * puncture.value
            },
        );
        let value = power_sum(challenge, &c) + extension.planes.value(trees);
        let expected = context.check(value);
        let f6 = [challenge, sum]
            .into_iter()
            .flat_map(Gf128::to_bytes)
            .collect();
        Ok((
            AwaitingF7 {
                context,
                punctures,
                c,
                expected,
            },
            f6,
        ))
    }
}

/// The sums that the receiver's choices open, and each tree's θ.
fn read_f5(
    context: &Context,
    extension: &ReceiverExtension,
    alphas: &[usize],
    f5: &[u8],
) -> Option<(Vec<Puncture>, Vec<Gf128>)> {
    let pads = context.pads();
    let mut reader = Reader::new(f5, context.dimensions.f5_bytes())?;
    let (mut punctures, mut thetas) = (Vec::new(), Vec::new());
    for (tree, &alpha) in alphas.iter().enumerate() {
        let mut sides = Vec::with_capacity(context.dimensions.depth);
        for level in 1..=context.dimensions.depth {
            let position = context.position(tree, level);
            let pad = pads.tweaked(extension.planes.position(position), position);
            let (left, right) = (reader.block()?, reader.block()?);
            let takes_right = context.tree().path_bit(alpha, level);
            sides.push(pad + Gf128::conditional_select(&right, &left, takes_right));
        }
        thetas.push(reader.block()?);
        let value = extension.noise_value(tree);
        punctures.push(Puncture {
            alpha,
            value,
            sides,
            leaf: Gf128::ZERO,
        });
    }
    Some((punctures, thetas))
}

/// Has sent F6.
pub struct AwaitingF7 {
    context: Context,
    pub(super) punctures: Vec<Puncture>,
    pub(super) c: Zeroizing<Vec<Gf128>>,
    expected: [u8; 32],
}

impl AwaitingF7 {
    /// Takes F7. Only with what this returns may the receiver touch its input.
    ///
    /// # Errors
    /// [`SetupError::Length`], [`SetupError::Check`].
    pub fn receive(self, f7: &[u8]) -> Result<Checked, SetupError> {
        let Self {
            context,
            punctures,
            c,
            expected,
        } = self;
        let hash: [u8; 32] = Reader::new(f7, context.dimensions.f7_bytes())
            .and_then(|mut reader| reader.bytes())
            .ok_or(SetupError::Length(Flight::F7))?;
        if !bool::from(hash.ct_eq(&expected)) {
            return Err(SetupError::Check);
        }
        Ok(Checked {
            context,
            punctures,
            c,
        })
    }
}

/// A setup that went through, before compression.
pub struct Checked {
    pub(super) context: Context,
    pub(super) punctures: Vec<Puncture>,
    pub(super) c: Zeroizing<Vec<Gf128>>,
}

impl Checked {
    /// Compresses. The noise of A is made only now, when that of C is gone.
    pub fn expand(self) -> ReceiverVole {
        let Self {
            context,
            punctures,
            c,
        } = self;
        let c = expand(&context.dimensions, c);
        let a = expand(&context.dimensions, pprf::sparse(&context, &punctures));
        ReceiverVole { a, c }
    }
}
