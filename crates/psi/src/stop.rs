//! Why a session ends before its end, and whose doing that is (`spec/30-session.md` §6).

use std::fmt;

/// Why a session broke off, as the peer is told: one byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Abort {
    /// A frame that is not the canonical encoding of any kind.
    Malformed,
    /// A frame that has no place at this point.
    UnexpectedFrame,
    /// A frame of another run.
    WrongRun,
    /// An attach frame of another connection.
    WrongConnection,
    /// An attach counter that was used before.
    StaleAttach,
    /// A signature that does not hold.
    Signature,
    /// A digest of the exchange so far that is not ours.
    Transcript,
    /// A batch out of its order, or beyond the last.
    BatchNumber,
    /// A batch of another size than was agreed.
    BatchSize,
    /// More batches in flight than the window holds.
    Window,
    /// An element that is the identity or not canonical, or a proof that is not two scalars.
    Element,
    /// A proof that does not hold for the published key.
    Proof,
    /// A receipt about something else than this run.
    Receipt,
    /// The view's key is no longer in use.
    EpochOver,
    /// The budget does not cover the batch.
    Budget,
    /// A fault of the side that says so.
    Internal,
    /// The setup is used up, and its run has no stored answer to send again.
    Spent,
    /// A check of the batch protocol that does not hold: a wrong guess at a secret of ours, or an
    /// answer that is not what was committed to.
    Check,
}

/// What went wrong on our own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The key that a piece of work names is not there.
    UnknownKey,
    /// The agreement is not one that this protocol can run on.
    Terms,
    /// More items than were agreed, an item that cannot be hashed, or items that ran out.
    Items,
    /// Records that this run did not write, or not in this order.
    Journal,
    /// A record could not be stored.
    Storage,
    /// A completion of something that was not asked for.
    Completion,
    /// A completion of what another session asked for.
    OtherSession,
}

/// Why a session stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stop {
    /// We broke off.
    Abort(Abort),
    /// The peer broke off, and says why.
    PeerAborted(Abort),
    /// We could not go on.
    Fault(Fault),
}

/// Whose doing a stop is, as far as one side can know. It convinces nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer broke the protocol or failed.
    Peer,
    /// We failed.
    Ourselves,
    /// A rule that both sides know ended the run.
    Nobody,
    /// The peer says that we broke the protocol; either of us may be wrong.
    Disputed,
}

impl Stop {
    /// Whose doing this is.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::Fault(_) => Blame::Ourselves,
            Self::Abort(abort) => abort.blame(),
            // What one side blames on its peer, the peer may see otherwise.
            Self::PeerAborted(abort) => match abort.blame() {
                Blame::Peer => Blame::Disputed,
                Blame::Ourselves => Blame::Peer,
                blame => blame,
            },
        }
    }

    /// What the peer is told, if anything.
    pub(crate) const fn told(self) -> Option<Abort> {
        match self {
            Self::Abort(abort) => Some(abort),
            Self::Fault(_) => Some(Abort::Internal),
            Self::PeerAborted(_) => None,
        }
    }
}

/// Every abort with its byte.
const CODES: [(Abort, u8); 18] = [
    (Abort::Malformed, 1),
    (Abort::UnexpectedFrame, 2),
    (Abort::WrongRun, 3),
    (Abort::WrongConnection, 4),
    (Abort::StaleAttach, 5),
    (Abort::Signature, 6),
    (Abort::Transcript, 7),
    (Abort::BatchNumber, 8),
    (Abort::BatchSize, 9),
    (Abort::Window, 10),
    (Abort::Element, 11),
    (Abort::Proof, 12),
    (Abort::Receipt, 13),
    (Abort::EpochOver, 14),
    (Abort::Budget, 15),
    (Abort::Internal, 16),
    (Abort::Spent, 17),
    (Abort::Check, 18),
];

impl Abort {
    /// The byte that stands for it on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        CODES
            .iter()
            .find(|(abort, _)| *abort == self)
            .map_or(0, |(_, code)| *code)
    }

    /// The abort that a byte stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        CODES
            .iter()
            .find(|(_, known)| *known == code)
            .map(|(abort, _)| *abort)
    }

    /// Whom it blames in the eyes of the side that broke off.
    const fn blame(self) -> Blame {
        match self {
            Self::Malformed
            | Self::UnexpectedFrame
            | Self::WrongRun
            | Self::WrongConnection
            | Self::StaleAttach
            | Self::Signature
            | Self::Transcript
            | Self::BatchNumber
            | Self::BatchSize
            | Self::Window
            | Self::Element
            | Self::Proof
            | Self::Receipt
            | Self::Check => Blame::Peer,
            Self::EpochOver | Self::Budget | Self::Spent => Blame::Nobody,
            Self::Internal => Blame::Ourselves,
        }
    }
}

impl From<Abort> for Stop {
    fn from(abort: Abort) -> Self {
        Self::Abort(abort)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a malformed frame",
            Self::UnexpectedFrame => "a frame out of place",
            Self::WrongRun => "a frame of another run",
            Self::WrongConnection => "an attach frame of another connection",
            Self::StaleAttach => "an attach counter that was used before",
            Self::Signature => "a signature that does not hold",
            Self::Transcript => "another account of the exchange so far",
            Self::BatchNumber => "a batch out of order",
            Self::BatchSize => "a batch of another size than agreed",
            Self::Window => "too many batches in flight",
            Self::Element => "an invalid element or proof encoding",
            Self::Proof => "a proof that does not hold for the published key",
            Self::Receipt => "a receipt about something else",
            Self::EpochOver => "the view's epoch is over",
            Self::Budget => "the budget is exhausted",
            Self::Internal => "an internal fault",
            Self::Spent => "the setup of this run is used up",
            Self::Check => "a check that does not hold",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "a key is missing",
            Self::Terms => "the agreement does not fit the protocol",
            Self::Items => "the items are not those that were agreed",
            Self::Journal => "the stored records are not those of this run",
            Self::Storage => "a record could not be stored",
            Self::Completion => "a completion of something that was not asked for",
            Self::OtherSession => "a completion of what another session asked for",
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort(abort) => write!(f, "broke off: {abort}"),
            Self::PeerAborted(abort) => write!(f, "the peer broke off: {abort}"),
            Self::Fault(fault) => write!(f, "could not go on: {fault}"),
        }
    }
}

impl std::error::Error for Abort {}
impl std::error::Error for Fault {}
impl std::error::Error for Stop {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own() {
        for (number, (abort, code)) in (1..).zip(CODES) {
            assert_eq!((abort.code(), code), (number, number));
            assert_eq!(Abort::from_code(code), Some(abort));
        }
        for code in [0, 19, 255] {
            assert_eq!(Abort::from_code(code), None);
        }
    }
}
