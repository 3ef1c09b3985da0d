//! The exchange: what nodes do with each other.

mod drive;
pub mod view;

pub use drive::{Frames, Journal, Lost, drive};
