//! The roster: [`ceremony`] is for administrators and needs no node, [`installed`] is about the one
//! that a node holds.

pub mod ceremony;
pub mod installed;
