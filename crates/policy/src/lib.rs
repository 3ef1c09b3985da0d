//! Who may ask what, and how much of it: pure decisions.
//!
//! A [`Policy`] is read from TOML ([`Policy::parse`]), within floors and ceilings that are
//! compiled in. [`decide`] holds one run in one direction against it, the roster and the ledger;
//! whatever no rule allows is refused, and every [`Refusal`] says what to do next. [`explain`]
//! gives the whole of a decision, [`check`] what an author may not have meant. The file and the
//! decisions are defined in `spec/50-policy.md`.
//!
//! Nothing here reads a file, a clock or a roster: facts are handed in as plain structs, by
//! whoever has verified them.
//!
//! ```
//! use blindmatch_indicator::IndicatorType;
//! use blindmatch_policy::{
//!     Direction, LedgerFacts, Policy, Protocol, Refusal, Request, Role, RosterFacts, decide,
//! };
//!
//! let policy = Policy::parse(
//!     r#"
//!     [purpose.abuse-prevention]
//!     text = "Recognise returning abusers."
//!     [legal_basis.agreement]
//!     text = "Consortium agreement, schedule B."
//!     valid_until = 2027-06-30
//!     [[allow]]
//!     peers = ["fjord"]
//!     types = ["email"]
//!     directions = ["serve"]
//!     purposes = ["abuse-prevention"]
//!     protocols = ["lookup"]
//!     legal_basis = "agreement"
//!     "#,
//! )
//! .map_err(|faults| faults[0].to_string())?;
//! let roster = RosterFacts {
//!     number: 7,
//!     not_before: 1_780_000_000,
//!     expires: 1_800_000_000,
//!     own_role: Role::Provider,
//!     peer_role: Some(Role::Provider),
//!     canonicalisation: 1,
//!     own_canonicalisation: 1,
//!     peer_canonicalisation: 1,
//!     payment_key: &[],
//! };
//! let request = Request {
//!     peer: "fjord",
//!     direction: Direction::Serve,
//!     indicator_type: IndicatorType::Email,
//!     canonicalisation: 1,
//!     purpose: "abuse-prevention",
//!     protocol: Protocol::Lookup,
//!     roster: 7,
//!     query_class: 4_096,
//!     set_size: 250_000,
//!     sweep: false,
//!     payment_key: &[],
//! };
//! let (ledger, now) = (LedgerFacts::default(), 1_795_000_000);
//! let grant = decide(&roster, &policy, &request, &ledger, now).expect("rule 1 allows it");
//! assert_eq!(grant.reservation.map(|r| r.left.day), Some((1 << 23) - 4_096));
//!
//! let other = Request { peer: "dune", ..request };
//! let refusal = decide(&roster, &policy, &other, &ledger, now);
//! assert_eq!(refusal, Err(Refusal::NoRule { nearest: None }));
//! # Ok::<(), String>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

mod budget;
mod check;
mod condition;
mod decide;
mod explain;
mod fault;
mod parse;
mod policy;
mod probe;
mod refusal;
mod request;
mod reveal;
mod words;

pub use budget::{Budget, Charged, Over};
pub use check::{Finding, FindingKind, Member, Severity, check};
pub use condition::{Binding, Condition};
pub use decide::{Grant, Reservation, decide};
pub use explain::{Explanation, Outcome, Question, explain};
pub use fault::{Fault, FaultKind, NameOf, Place, Suggestion, Wanted};
pub use policy::{Caps, Conduct, Evidence, Lacks, LegalBasis, Peers, Policy, Purpose, Rule};
pub use probe::{
    Activity, Concern, LARGEST_OF_DAYS, Level, Levels, Probe, SLOW_OF_DAYS, Signal, WEEK_DAYS,
    concern, concern_of_density, concern_of_misses, dense_blocks,
};
pub use refusal::{Actor, Explained, Misses, NearMiss, Refusal, Whose};
pub use request::{Direction, LedgerFacts, Protocol, Request, Role, RosterFacts};
pub use reveal::{Reach, Space, spaces};
