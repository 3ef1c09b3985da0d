//! Private set intersection without IO: bytes in, bytes out.
//!
//! Both sides of a run are [sessions](session::Session): they take frames and give frames, and
//! leave CPU work, storage, randomness and time to whoever runs them. Nothing here opens a socket
//! or a file, reads a clock, awaits, decides what a peer may ask, or knows what an indicator is.
//!
//! - [`agreement`]: what both sides agree on before a run.
//! - [`attach`]: what begins every connection of a run.
//! - [`batch`]: two large sets against each other, over a VOLE.
//! - [`conformance`]: what any protocol must do, as checks for tests.
//! - [`lookup`]: an OPRF against a published view.
//! - [`session`]: the seam between a protocol and whoever runs it.
//! - [`stop`]: why a session ends before its end, and whose doing that is.
//! - [`publication`]: the form in which a responder publishes a view and a querier looks its
//!   items up.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod agreement;
pub mod attach;
pub mod batch;
mod conclude;
pub mod conformance;
mod frame;
pub mod lookup;
pub mod publication;
pub mod session;
pub mod stop;
mod transcript;
