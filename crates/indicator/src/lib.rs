//! Abuse indicators in canonical form.
//!
//! Two members match only what both write the same way, so this crate is the only constructor
//! of an [`Indicator`]: [`Canonicaliser::parse`] turns the text of one identifier into the
//! canonical bytes that `spec/10-indicators.md` defines, or into a [`Refusal`] that names the
//! offence. It knows text forms of single identifiers; file formats belong to `feeds`.
//!
//! It reads no file, no clock and no randomness: tables and keys are handed in.
//!
//! ```
//! use blindmatch_indicator::{Canonicaliser, IndicatorType, PublicSuffixes, Refusal};
//!
//! let list = "// ===BEGIN ICANN DOMAINS===\ncom\nco.uk\n// ===END ICANN DOMAINS===\n";
//! let canonicaliser = Canonicaliser::new(PublicSuffixes::parse(list)?);
//! let ip = canonicaliser.parse(IndicatorType::Ip, "::ffff:8.8.8.8")?;
//! assert_eq!(*ip.to_text(), "8.8.8.8");
//! assert_eq!(*ip.encode(), [1, 1, 8, 8, 8, 8]);
//! assert_eq!(canonicaliser.parse(IndicatorType::Ip, "10.0.0.1").err(), Some(Refusal::NotGlobal));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

mod bytes;
mod canonicaliser;
mod detect;
mod fingerprint;
mod indicator;
mod indicator_type;
mod label;
mod names;
mod net;
mod payment;
mod public_suffixes;
mod refusal;
mod registry;
mod wallet;

pub use canonicaliser::Canonicaliser;
pub use indicator::Indicator;
pub use indicator_type::{IndicatorType, Strength, UnknownType};
pub use label::{Day, Label, LabelError, LabelFields, Reason, Role, Severity};
pub use names::account::Platform;
pub use names::phone::{Region, UnknownRegion};
pub use net::ladder;
pub use payment::PaymentKey;
pub use public_suffixes::{NotASuffixList, PublicSuffixes};
pub use refusal::Refusal;
