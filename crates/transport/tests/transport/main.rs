//! Members and attackers on real sockets of this machine.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod attacker;
mod calls;
mod certificates;
mod floods;
mod lifetime;
mod slow;
mod webhook;
mod world;
