//! What an operator gets to know of connections.

use std::net::SocketAddr;

use blindmatch_membership::{Delegation, DelegationError, MemberId};

use crate::refusal::Refusal;

/// Something that happened to a connection, for logs and metrics. It names no indicator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection that somebody opened is not served.
    Refused {
        /// Where it came from.
        address: SocketAddr,
        /// Whose it is, where that was known by then.
        member: Option<MemberId>,
        /// Why.
        refusal: Refusal,
    },
    /// A member opened a connection.
    Opened {
        /// The member.
        member: MemberId,
        /// Where it came from.
        address: SocketAddr,
    },
    /// A connection that a member had opened is closed.
    Closed {
        /// The member.
        member: MemberId,
        /// Why.
        end: End,
    },
    /// A call was not taken, since there were too many.
    Shed {
        /// The member that called.
        member: MemberId,
    },
    /// A member showed a delegation that was not known; the directory has it now, and whoever keeps
    /// the directory's content has to keep it.
    Introduced {
        /// The delegation.
        delegation: Box<Delegation>,
    },
    /// A member showed a delegation that the directory does not take.
    NotIntroduced {
        /// The member.
        member: MemberId,
        /// Why; a fork convicts the member.
        error: DelegationError,
    },
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The peer closed it, or was silent for too long, or the network failed.
    Peer,
    /// No call was made for long.
    Idle,
    /// It was old.
    Age,
    /// The member is none any more, or its key no longer its own.
    NoMember,
    /// The server ended.
    Drained,
}
