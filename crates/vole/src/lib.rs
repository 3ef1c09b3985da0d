//! Vector oblivious linear evaluation (VOLE) and an oblivious key-value store (OKVS): what the batch
//! protocol is made of, in the malicious-secure profile. `spec/33-vole.md` is normative.
//!
//! Two parties [set up](setup) a VOLE: the sender ends with Δ and B, the receiver with A and C, and
//! B + C = A·Δ in every entry of a vector over [GF(2^128)](Gf128). That needs no input and can be
//! done long before a run. In the run, the receiver [encodes](Okvs) its items into a vector P and
//! sends A + P; from then on both can evaluate one pseudo-random function, the receiver at its own
//! items only. How many entries that takes, and how long each flight is, is [computed](parameters)
//! from the size class.
//!
//! There is no IO, no clock and no randomness here, and nothing of a session: lengths and checks of
//! one flight at a time, as pure functions of bytes. Sets, tags on the wire, labels and budgets
//! belong to `psi`.
//!
//! ```
//! use blindmatch_vole::setup::{receiver, sender};
//! use blindmatch_vole::{Gf128, ItemHasher, Okvs, SessionId, Shape};
//! # use rand::SeedableRng;
//! # let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//! # fn run(rng: &mut rand::rngs::StdRng) -> Option<()> {
//!
//! let shape = Shape::for_class(1024)?;
//! let run = SessionId::new(b"what was agreed", &shape, &[1; 32], &[2; 32]);
//! let bins = 0..shape.bins();
//! # let dimensions = shape.dimensions(&bins);
//! # let (s, f1) = sender::start(run, dimensions, rng);
//! # let (r, f2) = receiver::start(run, dimensions).receive(&f1, rng).ok()?;
//! # let (s, f3) = s.receive(&f2, rng).ok()?;
//! # let (r, f4) = r.receive(&f3).ok()?;
//! # let (s, f5) = s.receive(&f4, rng).ok()?;
//! # let (r, f6) = r.receive(&f5, rng).ok()?;
//! # let (s, f7) = s.receive(&f6).ok()?;
//! # let (sender, receiver) = (s.expand(), r.receive(&f7).ok()?.expand());
//! // `sender` and `receiver` come from a setup. The receiver encodes and masks its items:
//! let hasher = ItemHasher::new(&[3; 32], &run);
//! let items = [hasher.hash(b"one"), hasher.hash(b"two")];
//! let (seed, vector) = Okvs::encode_fresh(shape, &run, &items, rng).ok()?;
//! let receiver = receiver.into_bins(&shape, bins.clone())?.pop()?;
//! let (receiver, masked) = receiver.mask(&shape, &vector)?;
//! // The sender evaluates any item. Both add w, the sum of two shares, and agree on what both have.
//! let sender = sender.into_bins(&shape, bins)?.pop()?.unmask(&shape, &masked)?;
//! let (okvs, w) = (Okvs::new(shape, &run, &seed), Gf128::ZERO);
//! let tags = |item: &blindmatch_vole::Item| {
//!     let xs = [item.x()];
//!     let ours = receiver.decode(&okvs, &xs)?.evaluate(w).tags(&xs)?;
//!     Some((ours, sender.evaluate(&okvs, &xs, &[item.v()], w)?.tags(&xs)?))
//! };
//! let (ours, theirs) = tags(&items[0])?;
//! assert_eq!(ours, theirs);
//! let (ours, theirs) = tags(&hasher.hash(b"three"))?;
//! assert_ne!(ours, theirs);
//! # Some(())
//! # }
//! # run(&mut rng).unwrap();
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod base_ot;
mod delta;
mod draws;
mod expand;
mod ggm;
mod item;
mod kernels;
pub mod okvs;
pub mod online;
mod oracle;
pub mod parameters;
mod permutation;
mod session;
pub mod setup;
mod share;
mod soft_spoken;
#[cfg(test)]
mod vectors;
mod vole;
mod wire;

pub use blindmatch_simd::gf128::Gf128;
pub use delta::Delta;
pub use draws::Draws;
pub use item::{Item, ItemHasher};
pub use kernels::power_sum;
pub use okvs::{Okvs, OkvsError};
pub use parameters::{Dimensions, Shape};
pub use session::SessionId;
pub use share::{SenderShare, verify_share};
pub use vole::{
    Decoded, Evaluations, ReceiverBin, ReceiverKey, ReceiverVole, SenderBin, SenderKey, SenderVole,
};
