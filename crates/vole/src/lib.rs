//! VOLE
#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod base_ot;
mod delta;
mod expand;
pub mod gf128;
mod ggm;
mod item;
pub mod okvs;
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

pub use delta::Delta;
pub use gf128::Gf128;
pub use item::{Item, ItemHasher};
pub use okvs::{Okvs, OkvsError};
pub use parameters::{Dimensions, Shape};
pub use session::SessionId;
pub use share::{SenderShare, verify_share};
pub use vole::{Evaluation, ReceiverKey, ReceiverVole, SenderKey, SenderVole};
