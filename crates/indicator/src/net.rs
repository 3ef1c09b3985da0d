//! Addresses and networks (`spec/10-indicators.md` §4.1, §4.2).

pub(crate) mod address;
pub mod ladder;
pub(crate) mod network;
mod special;
