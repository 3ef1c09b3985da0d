//! The manifest: what a responder signs of a publication (`spec/32 §9`).

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use sha2::{Digest, Sha256};

use super::{domain::Domain, error::ManifestError, form::Edition, merkle::Hash, tag::TagLength};

const CONTEXT: &str = "blindmatch manifest v1";

/// The description of one publication of a view. Signing it is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Consortium, responder, view, type and epoch.
    pub domain: Domain,
    /// The version of the type's canonicalisation.
    pub canonicalisation: u32,
    /// The public OPRF key of the epoch. Decoding it is `oprf`'s.
    pub public_key: [u8; 32],
    /// The most that all queriers together may ask in the epoch.
    pub queries: u64,
    /// Class, tag length and sequence numbers.
    pub edition: Edition,
    /// The root of the file.
    pub root: Hash,
    /// The first second of its validity, since 1970-01-01 UTC.
    pub valid_from: u64,
    /// The first second after its validity.
    pub expires: u64,
}

impl Manifest {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(CONTEXT);
        self.domain.write(&mut writer);
        writer
            .u32(self.canonicalisation)
            .fixed(&self.public_key)
            .u64(self.queries);
        self.edition.write(&mut writer);
        writer
            .fixed(&self.root)
            .u64(self.valid_from)
            .u64(self.expires)
            .finish()
    }

    /// Reads canonical bytes and checks all that a manifest says of itself.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Encoding`], [`ManifestError::TagLength`], [`ManifestError::Validity`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut reader = Reader::new(CONTEXT, bytes)?;
        let manifest = Self {
            domain: Domain::read(&mut reader)?,
            canonicalisation: reader.u32()?,
            public_key: reader.fixed()?,
            queries: reader.u64()?,
            edition: Edition::read(&mut reader)?,
            root: reader.fixed()?,
            valid_from: reader.u64()?,
            expires: reader.u64()?,
        };
        reader.finish()?;
        let edition = &manifest.edition;
        if TagLength::for_budget(manifest.queries, edition.class) != Ok(edition.tag_length) {
            return Err(ManifestError::TagLength);
        }
        if manifest.valid_from >= manifest.expires {
            return Err(ManifestError::Validity);
        }
        Ok(manifest)
    }

    /// SHA-256 of the canonical bytes, by which agreements name it.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Sha256::digest(self.encode()).into()
    }

    /// Checks that the manifest is valid at a time, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// [`ManifestError::NotYetValid`], [`ManifestError::Expired`].
    pub const fn check_time(&self, now: u64) -> Result<(), ManifestError> {
        if now < self.valid_from {
            Err(ManifestError::NotYetValid)
        } else if now >= self.expires {
            Err(ManifestError::Expired)
        } else {
            Ok(())
        }
    }

    /// Checks that the manifest continues the newest one that was accepted of the same epoch.
    ///
    /// # Errors
    ///
    /// [`ManifestError::SequenceUsed`] where the sequence number is not above the newest
    /// accepted one, [`ManifestError::OtherView`] where anything else differs that an epoch
    /// fixes.
    pub fn check_succession(&self, newest: &Self) -> Result<(), ManifestError> {
        let same = Self {
            edition: Edition {
                sequence: self.edition.sequence,
                ..newest.edition
            },
            root: self.root,
            valid_from: self.valid_from,
            expires: self.expires,
            ..newest.clone()
        };
        if *self != same {
            Err(ManifestError::OtherView)
        } else if self.edition.sequence <= newest.edition.sequence {
            Err(ManifestError::SequenceUsed)
        } else {
            Ok(())
        }
    }

    /// Checks that the manifest begins a later epoch of the view of the newest accepted one.
    ///
    /// # Errors
    ///
    /// [`ManifestError::OtherView`], [`ManifestError::SequenceUsed`].
    pub fn check_next_epoch(&self, newest: &Self) -> Result<(), ManifestError> {
        let domain = Domain {
            epoch: self.domain.epoch,
            ..newest.domain.clone()
        };
        if self.domain != domain
            || self.domain.epoch <= newest.domain.epoch
            || self.public_key == newest.public_key
        {
            Err(ManifestError::OtherView)
        } else if self.edition.first_sequence <= newest.edition.sequence {
            Err(ManifestError::SequenceUsed)
        } else {
            Ok(())
        }
    }
}

impl From<DecodeError> for ManifestError {
    fn from(error: DecodeError) -> Self {
        Self::Encoding(error)
    }
}
