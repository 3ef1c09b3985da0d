//! The commands of a node as a user meets them: the real binary in a temporary home.

mod init;
mod keys;
mod ledger;
mod place;
mod roster;
