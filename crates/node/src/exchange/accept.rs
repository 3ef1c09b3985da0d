//! Whether a peer's publication is the one that all others are shown (`spec/32 §9`).
//!
//! A manifest is accepted only as a record of its owner's ledger, in a checkpoint that a quorum of
//! witnesses cosigned and that goes on from the last one accepted. So nobody can be given a key or
//! a set of his own without the witnesses' help.

use std::fmt;

use blindmatch_audit::checkpoint::{Checkpoint, Continuation, SuccessionError};
use blindmatch_audit::cosignature::Quorum;
use blindmatch_audit::note::NoteKey;
use blindmatch_audit::proof::{RecordProof, RecordProofError};
use blindmatch_audit::record::Event;
use blindmatch_psi::publication::{Manifest, ManifestError};

use super::view::View;

/// Whose publication it should be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The consortium.
    pub consortium: &'a str,
    /// The responder's identity, as in `blindmatch://CONSORTIUM/MEMBER`.
    pub responder: &'a str,
    /// The view.
    pub view: &'a View,
    /// The keys that sign checkpoints of the responder's ledger.
    pub ledger: &'a [NoteKey],
    /// Who has to have cosigned it.
    pub quorum: &'a Quorum,
}

/// What was accepted of the responder before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The newest checkpoint of its ledger.
    pub checkpoint: Option<Checkpoint>,
    /// The newest manifest of the view.
    pub manifest: Option<Manifest>,
}

/// A publication that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it is.
    pub manifest: Manifest,
    /// The checkpoint in which it stands: the newest of that ledger that this node accepted.
    pub checkpoint: Checkpoint,
}

/// Why a publication is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAccepted {
    /// The manifest, or how it follows on the one before.
    Manifest(ManifestError),
    /// It is of another member, view or type than the one that was asked for.
    Other,
    /// The proof that it stands in the ledger.
    Proof(RecordProofError),
    /// The record that is proven is not that of this manifest.
    Record,
    /// The ledger does not go on from what this node accepted before.
    Ledger(SuccessionError),
}

/// Decides about a manifest, given with the proof that it stands in the ledger and with how the
/// ledger goes on from the last checkpoint accepted, at `now` in seconds of Unix time.
///
/// # Errors
///
/// [`NotAccepted`], by the first thing that does not hold.
pub fn accept(
    manifest: &[u8],
    proof: &[u8],
    continuation: &Continuation,
    expected: &Expected<'_>,
    before: &Before,
    now: u64,
) -> Result<Accepted, NotAccepted> {
    let manifest = Manifest::decode(manifest).map_err(NotAccepted::Manifest)?;
    let domain = &manifest.domain;
    let asked = domain.consortium == expected.consortium.as_bytes()
        && domain.responder == expected.responder.as_bytes()
        && domain.view == expected.view.to_string().as_bytes()
        && domain.indicator_type == expected.view.indicator_type.name().as_bytes();
    if !asked {
        return Err(NotAccepted::Other);
    }

    let proof = RecordProof::parse(proof).map_err(NotAccepted::Proof)?;
    let proven = proof.verify(expected.ledger, expected.quorum);
    let proven = proven.map_err(NotAccepted::Proof)?;
    if let Some(last) = &before.checkpoint {
        let succession = proven.checkpoint.verify_succession(last, continuation);
        succession.map_err(NotAccepted::Ledger)?;
    }
    let recorded = match &proven.record.event {
        Event::Publication {
            view,
            sequence,
            manifest: digest,
            root,
            ..
        } => {
            view.as_str().as_bytes() == domain.view
                && *sequence == manifest.edition.sequence()
                && *digest == manifest.digest()
                && *root == manifest.root
        }
        _ => false,
    };
    if !recorded {
        return Err(NotAccepted::Record);
    }

    manifest.check_time(now).map_err(NotAccepted::Manifest)?;
    if let Some(newest) = before
        .manifest
        .as_ref()
        .filter(|newest| **newest != manifest)
    {
        let follows = if manifest.domain.epoch == newest.domain.epoch {
            manifest.check_succession(newest)
        } else {
            manifest.check_next_epoch(newest)
        };
        follows.map_err(NotAccepted::Manifest)?;
    }
    Ok(Accepted {
        manifest,
        checkpoint: proven.checkpoint,
    })
}

impl NotAccepted {
    /// Whether both of what was accepted before and what is shown now cannot be true: the peer, or
    /// somebody with its keys, tells two stories.
    #[must_use]
    pub const fn is_equivocation(self) -> bool {
        matches!(
            self,
            Self::Ledger(SuccessionError::Fork(_) | SuccessionError::Proof(_))
                | Self::Manifest(ManifestError::OtherView | ManifestError::SequenceUsed)
        )
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(error) => error.fmt(f),
            Self::Other => f.write_str("the manifest is of another member, view or type"),
            Self::Proof(error) => {
                write!(f, "the manifest is not proven to be in the ledger: {error}")
            }
            Self::Record => f.write_str("the record that was proven is not that of the manifest"),
            Self::Ledger(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotAccepted {}

#[cfg(test)]
mod tests;
