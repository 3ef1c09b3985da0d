//! Publication of a view and lookup in it (`spec/32-publication.md`), from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod attacks;
mod chain;
mod nights;
mod peer;
mod scale;
mod shape;

mod vectors;
mod world;
