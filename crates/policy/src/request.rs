//! What is decided about, and the facts that a decision rests on. All of it is handed in.

use blindmatch_indicator::IndicatorType;

use crate::budget::Charged;
use crate::probe::Activity;

/// Who asks whom, seen from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// We are the querier and learn the matches.
    Ask,
    /// We are the responder and serve our set.
    Serve,
}

/// How the sets are intersected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// OPRF against a published view.
    Lookup,
    /// VOLE-based balanced PSI.
    Batch,
}

/// The role that the roster gives a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Asks and serves.
    Provider,
    /// Reads released matches, and nothing else.
    Liaison,
}

/// One run in one direction, as it is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The other member.
    pub peer: &'a str,
    /// Whether we would ask or serve.
    pub direction: Direction,
    /// The type of the indicators.
    pub indicator_type: IndicatorType,
    /// The version of that type's canonicalisation.
    pub canonicalisation: u32,
    /// The id of the purpose.
    pub purpose: &'a str,
    /// The protocol.
    pub protocol: Protocol,
    /// The number of the roster that the proposal names.
    pub roster: u64,
    /// Items that the querier puts in, padding and ladder tokens included: a size class.
    pub query_class: u64,
    /// Where we serve, the distinct items of our view; where we ask, the size class that the
    /// responder names.
    pub set_size: u64,
    /// Whether this asks for rows that did not change since the last run. Only our own asking
    /// shows it: from a peer it is always false.
    pub sweep: bool,
    /// The id of the payment key that the proposal names; empty where it names none.
    pub payment_key: &'a [u8],
}

/// What the roster and our own keys say about both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterFacts<'a> {
    /// The number of the roster in force.
    pub number: u64,
    /// When it begins to hold, in seconds since 1970.
    pub not_before: u64,
    /// When it stops to hold, in seconds since 1970.
    pub expires: u64,
    /// Our own role.
    pub own_role: Role,
    /// The peer's role; nothing where the roster does not have it.
    pub peer_role: Option<Role>,
    /// The version of the type's canonicalisation that the roster puts in force; it and the one
    /// before are allowed.
    pub canonicalisation: u32,
    /// The newest version that we carry; we carry the one before too.
    pub own_canonicalisation: u32,
    /// The newest version that the peer carries; it carries the one before too.
    pub peer_canonicalisation: u32,
    /// The id of the payment key that we hold; empty where we hold none.
    pub payment_key: &'a [u8],
}

/// What the ledger says about the peer and the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerFacts {
    /// What the peer was charged for this view; of no account where we ask.
    pub charged: Charged,
    /// Runs in a row that the peer broke off when it had its evaluations and before it signed.
    pub one_sided_aborts: u32,
    /// What the peer asked of this view before; of no account where we ask.
    pub activity: Activity,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ask, Self::Serve];

    /// The name, as in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Serve => "serve",
        }
    }
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Lookup, Self::Batch];

    /// The name, as in policies and agreements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Batch => "batch",
        }
    }

    /// The smallest size class of a querier's input.
    #[must_use]
    pub const fn smallest_class(self) -> u64 {
        match self {
            Self::Lookup => 8,
            Self::Batch => 1_024,
        }
    }

    /// Whether this is a size class of a querier's input: {4, 5, 6, 7}·2^k from the smallest on.
    #[must_use]
    pub const fn is_class(self, items: u64) -> bool {
        items >= self.smallest_class() && {
            // Of three significant bits.
            items.trailing_zeros() + 3 > items.ilog2()
        }
    }
}
