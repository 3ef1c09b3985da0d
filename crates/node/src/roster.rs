//! The roster: [`ceremony`] is for administrators and needs no node, [`installed`] is about the one
//! that a node holds, [`known`] about what it knows of the members.

pub mod ceremony;
pub mod installed;
pub mod known;
