//! The exchange: what nodes do with each other.

pub mod accept;
mod daemon;
mod drive;
mod keys;
mod publish;
mod respond;
mod rows;
pub mod view;
mod witness;

pub use daemon::Daemon;
pub use drive::{Frames, Journal, Lost, drive};
pub use keys::{EVALUATION, RunKeys, SIGNER};
pub use publish::EPOCH;
pub use respond::{Serving, VERSION};
pub use rows::Reading;
