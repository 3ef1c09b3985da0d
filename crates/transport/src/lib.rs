//! Connections between members: TLS, certificates, limits, servers and channels
//! (`spec/60-transport.md`).
//!
//! - [`endpoint`]: one's own side of all connections: [`Endpoint::serve`], [`Endpoint::dial`].
//! - [`certificate`]: what a certificate has to be.
//! - [`credentials`]: the delegated TLS key and the certificates under it.
//! - [`directory`]: who is a member at present; changing it ends connections of who no longer is.
//! - [`exchange`]: what a node answers, as a trait.
//! - [`admin`]: probes and metrics, for this machine; [`control`]: commands beside a node that serves.
//! - [`server`]: the accept loop; [`channel`]: a connection that was dialled.
//! - [`peer`]: who is at the other end, and the connection's exporter.
//! - [`frames`], [`chunks`], [`witness`]: the calls that are streams.
//! - `memory`: connections without sockets, for simulations (feature `memory`).
//! - [`limits`]: how much of everything, and for how long.
//! - [`refusal`]: why a connection is not made; [`event`]: what an operator gets to know of it.
//!
//! Nothing here knows what a frame, an agreement or a manifest says.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod admin;
pub mod certificate;
pub mod channel;
pub mod chunks;
pub mod control;
pub mod credentials;
pub mod directory;
pub mod endpoint;
pub mod event;
pub mod exchange;
pub mod frames;
mod gate;
mod health;
mod io;
pub mod limits;
#[cfg(feature = "memory")]
pub mod memory;
pub mod peer;
pub mod refusal;
pub mod server;
mod service;
mod tasks;
mod tls;
pub mod webhook;
pub mod witness;

pub use self::{
    admin::Admin,
    channel::{CallError, Channel},
    chunks::{ChunkSender, Chunks},
    credentials::{Credentials, CredentialsError},
    directory::Directory,
    endpoint::{Clock, DialError, Endpoint, Events},
    event::Event,
    exchange::Exchange,
    frames::{FrameReceiver, FrameSender, Frames},
    limits::{Limits, LimitsError},
    peer::Peer,
    refusal::{CertificateError, PeerAlert, Refusal},
    server::Server,
    witness::Witness,
};
pub use blindmatch_wire::{message, problem};
