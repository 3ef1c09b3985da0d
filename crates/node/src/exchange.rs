//! The exchange: what nodes do with each other.

pub mod accept;
pub mod ask;
pub mod batch;
mod daemon;
pub mod demo;
mod download;
mod drive;
mod equivocation;
mod footing;
mod foresee;
mod history;
mod keys;
mod peers;
mod prepare;
mod publish;
pub mod query;
mod respond;
mod rows;
mod service;
mod standing;
mod tidy;
mod versions;
pub mod view;
mod witness;

pub use daemon::Daemon;
pub use drive::{Frames, Journal, Lost, drive};
pub use footing::{Footing, Shown};
pub use foresee::Foreseen;
pub use keys::{EVALUATION, RunKeys, SIGNER};
pub use publish::EPOCH;
pub use respond::Serving;
pub use rows::Reading;
pub use service::{Service, listener};
pub use standing::Standing;
pub use tidy::{Rotated, Tidied};
pub use versions::VERSION;
