//! What a decision looks at, and whom each of these things binds.

use crate::Direction;

/// One thing that a decision looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The roster is in force, and both sides name the same one.
    Roster,
    /// Both sides are providers of the roster.
    Enrolment,
    /// A rule names the peer.
    Peer,
    /// The same rule names the type.
    Type,
    /// The same rule names the direction.
    Direction,
    /// The same rule names the purpose.
    Purpose,
    /// The same rule names the protocol.
    Protocol,
    /// A sweep is allowed.
    Sweep,
    /// The legal basis has not expired.
    LegalBasis,
    /// Roster and both sides have the version of the canonicalisation.
    Canonicalisation,
    /// Both sides hold the same payment key, where the type needs one.
    PaymentKey,
    /// The querier's input is padded to a size class.
    SizeClass,
    /// The responder's set is large enough.
    MinimumSetSize,
    /// The peer signs what it receives.
    Suspension,
    /// What the peer asks does not look like probing.
    Probing,
    /// The view has runs left today.
    Runs,
    /// The budget covers the run.
    Budget,
}

/// Whom a condition binds, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// It holds whatever the peer does: we see all that it depends on.
    Enforced,
    /// It holds as far as the peer is honest: it depends on what the peer does not show.
    HonestPeer,
}

impl Condition {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Roster => "roster",
            Self::Enrolment => "enrolment",
            Self::Peer => "peer",
            Self::Type => "type",
            Self::Direction => "direction",
            Self::Purpose => "purpose",
            Self::Protocol => "protocol",
            Self::Sweep => "sweep",
            Self::LegalBasis => "legal_basis",
            Self::Canonicalisation => "canonicalisation",
            Self::PaymentKey => "payment_key",
            Self::SizeClass => "size_class",
            Self::MinimumSetSize => "minimum_set_size",
            Self::Suspension => "suspension",
            Self::Probing => "probing",
            Self::Runs => "runs_a_day",
            Self::Budget => "budget",
        }
    }

    /// Whom it binds where we act in this direction, and why (`spec/50-policy.md` §4).
    #[must_use]
    pub const fn binding(self, direction: Direction) -> (Binding, &'static str) {
        use Binding::{Enforced, HonestPeer};
        match (self, direction) {
            (Self::Roster, _) => (Enforced, "the roster is signed and the clock is ours"),
            (Self::Enrolment, _) => (Enforced, "the connection proves who the peer is"),
            (Self::Peer, _) => (Enforced, "the connection proves who the peer is"),
            (Self::Type, _) => (
                Enforced,
                "a value's type is part of what is evaluated: another type matches nothing",
            ),
            (Self::Direction, _) => (Enforced, "we open no run in the other direction"),
            (Self::Protocol, _) => (Enforced, "we speak the agreed protocol and no other"),
            (Self::Purpose, Direction::Ask) => {
                (Enforced, "it is our own use that the purpose limits")
            }
            (Self::Purpose, Direction::Serve) => (
                HonestPeer,
                "what the peer does with a match is out of sight",
            ),
            (Self::Sweep, Direction::Ask) => (Enforced, "our own node chooses what it asks"),
            (Self::Sweep, Direction::Serve) => (
                HonestPeer,
                "blinded values do not show whether they were asked before; the budget limits it",
            ),
            (Self::LegalBasis, _) => (Enforced, "the date and the clock are ours"),
            (Self::Canonicalisation, _) => (
                HonestPeer,
                "a peer that writes values otherwise finds fewer matches",
            ),
            (Self::PaymentKey, _) => (
                HonestPeer,
                "a peer with another key finds no matches; the id is all that it shows",
            ),
            (Self::SizeClass, _) => (Enforced, "the number of values on the wire is counted"),
            (Self::MinimumSetSize, Direction::Serve) => (Enforced, "we count our own set"),
            (Self::MinimumSetSize, Direction::Ask) => (
                HonestPeer,
                "the peer may fill its set up with values of nobody",
            ),
            (Self::Suspension, _) => (Enforced, "the count is in our own ledger"),
            (Self::Probing, Direction::Serve) => (
                Enforced,
                "evaluations and runs are counted in our own ledger; what is asked for is hidden",
            ),
            (Self::Probing, Direction::Ask) => (
                HonestPeer,
                "the node that asks alone sees what it asks for, and looks at it",
            ),
            (Self::Runs, Direction::Serve) => (Enforced, "the runs are counted in our own ledger"),
            (Self::Runs, Direction::Ask) => (Enforced, "the peer counts the runs"),
            (Self::Budget, Direction::Serve) => {
                (Enforced, "every evaluation is charged before it is made")
            }
            (Self::Budget, Direction::Ask) => (Enforced, "the peer charges its own budget"),
        }
    }
}

impl Binding {
    /// The name, as in JSON and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::HonestPeer => "honest-peer",
        }
    }
}
