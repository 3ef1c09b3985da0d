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
//!
//! ```
//! use blindmatch_membership::{
//!     Acceptance, Card, Draft, HpkeKey, KeySet, Member, Role, Roster, SignedRoster, Signer, Trust,
//! };
//! # use blindmatch_audit::SigningKey;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A provider makes its card and reads the fingerprint out to the administrator.
//! let identity = SigningKey::from_bytes(&[7; 32]);
//! let member = Member {
//!     name: "alpha".parse()?,
//!     role: Role::Provider,
//!     witness: false,
//!     address: "alpha.example:7443".parse()?,
//!     identity: identity.verifying_key(),
//!     hpke: HpkeKey([9; 32]),
//! };
//! let card = Card::sign(&member, &identity)?;
//!
//! // The administrator makes the first roster and reads out its fingerprint.
//! let (admin, spare) = (Signer::new("admin", &[1; 32])?, Signer::new("spare", &[2; 32])?);
//! let [keys, next_keys] = [&admin, &spare].map(|signer| KeySet {
//!     threshold: 1,
//!     keys: vec![signer.note_key()],
//! });
//! let now = 1_795_334_400;
//! let in_force = (now, now + 90 * 86_400);
//! let mut draft = Draft::first("example".parse()?, in_force, keys, next_keys);
//! draft.add(&card, true)?;
//! let mut roster = SignedRoster::unsigned(Roster::new(&draft)?)?;
//! roster.sign(&admin);
//! let words = roster.roster().fingerprint().to_string();
//!
//! // A node that was told the words takes the roster.
//! let mut trust = Trust::default();
//! trust.confirm(words.parse()?);
//! let accepted = trust.accept(roster.to_string().as_bytes(), now)?;
//! assert!(matches!(accepted, Acceptance::New(_)));
//! # Ok(())
//! # }
//! ```

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
    delegation::{Delegation, DelegationError, NodeKeys, Terms, ed25519_spki},
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
