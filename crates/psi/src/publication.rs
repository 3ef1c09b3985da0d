//! The published form of a view: what a querier downloads once and looks its items up in.
//!
//! A responder evaluates the OPRF on each of its items. The first bits of an output are the
//! item's tag; the key that seals its label comes from the output too. A publication is a file
//! of sorted tags and sealed labels, filled up with dummies to a size class, so that it shows
//! neither the set nor its exact size. `spec/32-publication.md` has every byte.
//!
//! - The responder keeps an [`Epoch`], makes the [`FirstPublication`] of it, and publishes
//!   [`Changes`] after that. Each publication takes a [`Reservation`] of a sequence number.
//! - A [`Manifest`] describes a publication; `audit` signs and records it.
//! - The querier [verifies](Publication::verify) a file, [applies](apply) differences, [looks
//!   up](Publication::lookup) its own outputs and [opens](LabelSeal::open) labels.
//!
//! Files come in through [`Stored`], go out through [`std::io::Write`] and wait in [`Scratch`]:
//! memory follows a working set that the caller sets, not the size of the view.
//!
//! OPRF outputs are lent, as the 64 bytes that [`blindmatch_oprf::Output`] or a session's state
//! holds; what is copied of outputs and labels is wiped.

mod bits;
mod block;
mod changes;
mod class;
mod difference;
mod domain;
mod dummy;
mod encode;
mod entries;
mod epoch;
mod error;
mod first;
mod form;
mod item;
mod join;
mod label;
mod lookup;
mod manifest;
mod merkle;
mod plan;
mod proof;
mod read;
mod rice;
mod roll;
mod scratch;
mod sort;
mod tag;

pub use changes::{Changes, Newest, Outputs};
pub use class::{QueryClass, SetClass};
pub use difference::apply;
pub use domain::Domain;
pub use dummy::DummySeed;
pub use epoch::{Epoch, Reservation, Reserving};
pub use error::{FileError, ManifestError, PublishError};
pub use first::{FirstPublication, Published};
pub use form::{Edition, PUBLICATIONS, SEQUENCES};
pub use label::{BadLabel, LABEL_LENGTH, Label, LabelSeal, SEALED_LENGTH, SealedLabel};
pub use lookup::Match;
pub use manifest::Manifest;
pub use plan::{Change, Wait, Waiting};
pub use proof::BlockProof;
pub use read::Publication;
pub use scratch::{InMemory, MemoryReader, MemoryRun, Scratch, Stored};
pub use sort::SMALLEST_WORKING_SET;
pub use tag::TagLength;
pub(crate) use tag::first_bits;
