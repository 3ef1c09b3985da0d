//! The exchange: what nodes do with each other.

mod drive;
mod rows;
pub mod view;

pub use drive::{Frames, Journal, Lost, drive};
pub use rows::Reading;
