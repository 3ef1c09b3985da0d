//! The setup of a VOLE, flights F1 to F7: pure functions from the peer's bytes to the next
//! state and this side's bytes. `spec/33-vole.md` §5 and §9 to §12.
//!
//! A state is used up by the flight that it waits for, so no flight can be skipped, repeated or
//! taken out of order. After an error nothing of either side may be used again, base OTs
//! included: what is left is dropped, and wiped by that.
//!
//! ```
//! use blindmatch_vole::{SessionId, Shape};
//! use blindmatch_vole::setup::{receiver, sender};
//! # use rand::SeedableRng;
//! # let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//!
//! let shape = Shape::for_class(1024).ok_or("no such class")?;
//! let dimensions = shape.dimensions(&(0..shape.bins()));
//! let session = SessionId::new(b"what was agreed", &shape, &[1; 32], &[2; 32]).chunk(0);
//! let (sender, f1) = sender::start(session, dimensions, &mut rng);
//! let (receiver, f2) = receiver::start(session, dimensions).receive(&f1, &mut rng)?;
//! let (sender, f3) = sender.receive(&f2, &mut rng)?;
//! let (receiver, f4) = receiver.receive(&f3)?;
//! let (sender, f5) = sender.receive(&f4, &mut rng)?;
//! let (receiver, f6) = receiver.receive(&f5, &mut rng)?;
//! let (sender, f7) = sender.receive(&f6)?;
//! let receiver = receiver.receive(&f7)?;
//! // Both expand when they have time for it; B + C = A·Δ then holds in every entry.
//! let (sender, receiver) = (sender.expand(), receiver.expand());
//! # let _ = (sender, receiver);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::ggm::{Ggm, Tree};
use crate::oracle::{Label, Oracle};
use crate::permutation::Permutation;
use crate::{Dimensions, Gf128, SessionId};

mod pprf;
pub mod receiver;
pub mod sender;
mod stored;
#[cfg(test)]
mod tests;

/// A flight of the setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the specification")]
pub enum Flight {
    F1,
    F2,
    F3,
    F4,
    F5,
    F6,
    F7,
}

/// What the peer did wrong. An honest peer does none of it, whatever an outsider on an
/// authenticated channel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// A flight is not as long as it must be.
    Length(Flight),
    /// F1 or F2 holds what is no group element, or the identity.
    GroupElement(Flight),
    /// F4 does not fit, or the trees of F2 do not: the receiver guessed at Δ. Which of the two
    /// is not told apart, as that would tell more of Δ.
    Correlation,
    /// F6 has the challenge zero.
    Challenge,
    /// F7 does not fit: the sender guessed at the receiver's noise.
    Check,
}

impl SetupError {
    /// The flight that was refused; its sender is to blame.
    pub const fn flight(self) -> Flight {
        match self {
            Self::Length(flight) | Self::GroupElement(flight) => flight,
            Self::Correlation => Flight::F4,
            Self::Challenge => Flight::F6,
            Self::Check => Flight::F7,
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(flight) => write!(f, "{flight:?} has a wrong length"),
            Self::GroupElement(flight) => write!(f, "{flight:?} has what is no group element"),
            Self::Correlation => f.write_str("the correlation check fails"),
            Self::Challenge => f.write_str("the challenge is zero"),
            Self::Check => f.write_str("the VOLE check fails"),
        }
    }
}

impl std::error::Error for SetupError {}

/// What both sides of a setup know.
#[derive(Clone, Copy)]
struct Context {
    session: SessionId,
    dimensions: Dimensions,
}

impl Context {
    /// The trees of the PPRF, one for each block of noise.
    const fn tree(&self) -> Tree {
        Tree {
            leaves: self.dimensions.block,
            depth: self.dimensions.depth,
        }
    }

    fn ggm(&self) -> Ggm {
        Ggm::new(&self.session, [Label::PPRF_LEFT, Label::PPRF_RIGHT])
    }

    /// π of the hash that turns correlated OTs into pads.
    fn pads(&self) -> Permutation {
        Permutation::for_session(Label::OT_PAD, self.session.as_bytes())
    }

    /// The position of the OT extension for a level, counted from 1, of a tree of the PPRF. It
    /// also is the tweak of its pads.
    const fn position(&self, tree: usize, level: usize) -> usize {
        self.dimensions.choices_start() + self.choice(tree, level)
    }

    /// The same, counted from the first choice.
    const fn choice(&self, tree: usize, level: usize) -> usize {
        tree * self.dimensions.depth + level - 1
    }

    /// F7: the hash of the check value.
    fn check(&self, value: Gf128) -> [u8; 32] {
        let oracle = Oracle::new(Label::VOLE_CHECK).absorb(self.session.as_bytes());
        oracle.absorb(&value.to_bytes()).bytes()
    }
}
