//! The roster, member cards, identities and delegations: who belongs to a consortium, by whose
//! word, and which key is whose. `spec/41-membership.md` defines all of it.
//!
//! - [`roster`]: the signed, numbered, expiring list of members; [`draft`] makes the next one.
//! - [`trust`]: which roster a node holds, and which one it takes next.
//! - [`member`]: members and their cards; [`words`] are the fingerprints that people compare.
//! - [`delegation`], [`delegations`]: which keys a member's node uses, for at most 30 days.
//! - [`identity`]: from a verified certificate to a [`MemberId`].
//! - [`witnesses`]: who has to cosign a ledger.
//!
//! Texts are signed notes whose lines are read strictly: a roster, card or delegation has exactly
//! one text, errors name the line, and whoever signs has read all that counts. Whether a member may
//! do something is not said here but by the policy.

#![forbid(unsafe_code)]
#![warn(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

pub mod delegation;
pub mod delegations;
pub mod draft;
pub mod identity;
pub mod member;
pub mod roster;
mod signer;
pub mod text;
pub mod trust;
mod values;
pub mod witnesses;
pub mod words;

pub use self::{
    delegation::{Delegation, DelegationError, NodeKeys, Terms},
    delegations::Delegations,
    draft::{Draft, DraftError},
    identity::{IdentityError, MemberId, identify},
    member::{Card, Member},
    roster::{Changes, KeySet, Roster, SignedRoster, WitnessQuorum},
    signer::Signer,
    text::{LineError, ReadError},
    trust::{Acceptance, Accepted, Authority, RosterError, Trust},
    values::{Address, Digest, FormError, HpkeKey, MAX_NAME, Name, Role},
    witnesses::Witnesses,
    words::{Fingerprint, WordsError},
};

/// How far ahead of this clock that of a signer may be, in seconds: what comes into force within
/// an hour counts already. Nothing is added to the time at which something expires.
pub const CLOCK_TOLERANCE: u64 = 3_600;
