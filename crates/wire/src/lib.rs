//! What nodes say to each other: the services of `proto/`, and plain values of ours for their
//! messages, in which every length and number has been checked (`spec/60-transport.md` §4).
//!
//! Nothing here is signed or hashed: what is stands in these messages as opaque bytes, in the
//! project's own encoding.
//!
//! - [`message`]: requests and answers.
//! - [`problem`]: why a call failed, and what gRPC makes of it.
//! - [`limits`]: how long the parts of a message may be.
//! - [`exchange`], [`control`]: the generated clients and servers.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod limits;
pub mod message;
pub mod problem;

/// Generated from `proto/blindmatch/exchange/v1/exchange.proto`.
#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    reason = "generated"
)]
#[path = "generated/blindmatch.exchange.v1.rs"]
pub mod exchange;

/// Generated from `proto/blindmatch/control/v1/control.proto`.
#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    reason = "generated"
)]
#[path = "generated/blindmatch.control.v1.rs"]
pub mod control;

pub use self::{message::Malformed, problem::Problem};
