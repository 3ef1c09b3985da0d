//! The roster: [`ceremony`] is for administrators and needs no node, [`installed`] is about the one
//! that a node holds, [`known`] about what it knows of the members, [`gone`] about those that it has to
//! rotate views for.

pub mod ceremony;
pub mod gone;
pub mod installed;
pub mod known;
