//! The exchange: what nodes do with each other.

pub mod accept;
mod drive;
mod rows;
pub mod view;

pub use drive::{Frames, Journal, Lost, drive};
pub use rows::Reading;
