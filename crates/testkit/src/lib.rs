//! What tests of the protocols share; never part of the product.
//!
//! - [`scripted`] randomness and a [`Clock`] that tests set.
//! - [`pump`]: runs two sessions against each other over a link, with each side's keys and
//!   durable records in a [`Host`].
//! - [`link`]: what may happen to frames on their way, scheduled from a seed, or by an
//!   interceptor that plays a malicious peer at a named step.
//! - [`batch`]: two sides with a setup between them.
//! - [`world`]: a consortium of two with one view between them.
//! - [`sizes`]: who asks for nothing but how many, again and again.
//! - [`TemporaryFiles`]: publications too large for memory.
//! - [`guess`]: who tells two worlds apart by what they show.
//! - [`in_the_clear`]: what any protocol must find.
//! - [`forms`]: what a value looks like where it must not stand.
//! - `crash`: processes that are killed and disks that fail, for tests of `store` and `node`
//!   (feature `crash`, since it needs the store).

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod batch;
mod clock;
#[cfg(feature = "crash")]
pub mod crash;
mod forms;
pub mod guess;
mod host;
pub mod link;
mod pump;
mod random;
pub mod sizes;
mod temporary;
pub mod world;

pub use blindmatch_psi::conformance::in_the_clear;

pub use self::{
    clock::Clock,
    forms::forms,
    host::{Host, Keyring},
    pump::{Pumped, pump},
    random::{Scripted, scripted},
    temporary::{FromStart, OnDisk, TemporaryFiles},
};
