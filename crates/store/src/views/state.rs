//! What an epoch of a view consists of, as its sealed `state` has it (`spec/46 §7`, §8).

use blindmatch_audit::codec::{DecodeError, Reader, Writer};
use blindmatch_oprf::SecretKey;
use blindmatch_psi::publication::{Domain, Epoch, Manifest};
use zeroize::Zeroizing;

use crate::keys::FileId;

const OWN: &str = "blindmatch own view v2";
const ACCEPTED: &str = "blindmatch accepted view v1";
/// The most bytes of a name.
const MAX_NAME: usize = 255;
/// More bytes than a manifest or the state of an epoch has.
const MAX_PART: usize = 4 << 10;
/// The most bytes of what proves that a manifest is recorded.
pub const MAX_PROOF: usize = 256 << 10;
/// The current publication and the one before are valid.
pub(super) const PUBLICATIONS: usize = 2;
/// The most files of cached outputs.
pub(super) const MAX_CACHES: usize = 16;

/// A publication of our own, with its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPublication {
    /// What is signed of it.
    pub manifest: Manifest,
    /// How many items it has, which no peer knows.
    pub items: u64,
    pub(super) file: FileId,
    /// What leads to it from the one before; the first of an epoch has none.
    pub(super) difference: Option<FileId>,
    /// Roll and rows are there of the newest only.
    pub(super) roll: Option<FileId>,
    pub(super) rows: Option<OwnRows>,
}

/// The rows beside a publication of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnRows {
    /// All that there were when they were last written.
    pub(super) whole: FileId,
    /// Those that changed since.
    pub(super) changed: Option<FileId>,
}

impl OwnRows {
    /// Of which none has changed.
    pub(super) const fn of(whole: FileId) -> Self {
        Self {
            whole,
            changed: None,
        }
    }
}

/// A publication of a peer that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What describes it.
    pub manifest: Manifest,
    /// What proved that it is in a cosigned ledger.
    pub proof: Vec<u8>,
    pub(super) file: FileId,
}

/// A view of our own in one epoch.
pub(super) struct OwnState {
    pub(super) domain: Domain,
    pub(super) secret: SecretKey,
    pub(super) seed: Zeroizing<[u8; 32]>,
    pub(super) epoch: Epoch,
    /// Newest first.
    pub(super) publications: Vec<OwnPublication>,
}

/// A peer's view in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerState {
    /// Newest first; at least one.
    pub(super) publications: Vec<Accepted>,
    pub(super) caches: Vec<FileId>,
}

/// The state of a view of our own, whose epoch is in this state.
pub(super) fn encode_own(
    domain: &Domain,
    secret: &SecretKey,
    seed: &[u8; 32],
    epoch: &[u8],
    publications: &[OwnPublication],
) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::new(OWN);
    for name in [
        &domain.consortium,
        &domain.responder,
        &domain.view,
        &domain.indicator_type,
    ] {
        writer.bytes(name);
    }
    writer.u64(domain.epoch);
    writer.fixed(secret.to_bytes().as_slice()).fixed(seed);
    writer.bytes(epoch);
    // At most two.
    writer.u8(u8::try_from(publications.len()).unwrap_or(u8::MAX));
    for publication in publications {
        writer.bytes(&publication.manifest.encode());
        writer.u64(publication.items).fixed(&publication.file.0);
        let rows = publication.rows;
        let (whole, changed) = (
            rows.map(|rows| rows.whole),
            rows.and_then(|rows| rows.changed),
        );
        for id in [publication.difference, publication.roll, whole, changed] {
            match id {
                Some(id) => writer.u8(1).fixed(&id.0),
                None => writer.u8(0),
            };
        }
    }
    Zeroizing::new(writer.finish())
}

impl OwnState {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(OWN, bytes)?;
        let mut name = || reader.bytes(MAX_NAME).map(<[u8]>::to_vec);
        let domain = Domain {
            consortium: name()?,
            responder: name()?,
            view: name()?,
            indicator_type: name()?,
            epoch: reader.u64()?,
        };
        let secret = Zeroizing::new(reader.fixed::<32>()?);
        let secret = SecretKey::from_bytes(secret.as_slice()).map_err(|_| DecodeError::Field)?;
        let seed = Zeroizing::new(reader.fixed()?);
        let epoch = Epoch::decode(reader.bytes(MAX_PART)?).map_err(|_| DecodeError::Field)?;
        let count = count(&mut reader, PUBLICATIONS)?;
        let publications = (0..count)
            .map(|_| {
                let manifest = manifest(&mut reader)?;
                let same = manifest.domain == domain
                    && manifest.public_key == *secret.public_key().as_bytes();
                if !same {
                    return Err(DecodeError::Field);
                }
                Ok(OwnPublication {
                    manifest,
                    items: reader.u64()?,
                    file: id(&mut reader)?,
                    difference: some_id(&mut reader)?,
                    roll: some_id(&mut reader)?,
                    rows: rows(&mut reader)?,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        // A publication may have been made whose files never came to be: then the epoch is ahead.
        let newest = publications.first().map(|p| p.manifest.edition);
        if newest != epoch.edition() {
            return Err(DecodeError::Field);
        }
        Ok(Self {
            domain,
            secret,
            seed,
            epoch,
            publications,
        })
    }
}

impl PeerState {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(ACCEPTED);
        // At most two, and sixteen.
        writer.u8(u8::try_from(self.publications.len()).unwrap_or(u8::MAX));
        for publication in &self.publications {
            writer
                .bytes(&publication.manifest.encode())
                .bytes(&publication.proof)
                .fixed(&publication.file.0);
        }
        writer.u8(u8::try_from(self.caches.len()).unwrap_or(u8::MAX));
        for cache in &self.caches {
            writer.fixed(&cache.0);
        }
        writer.finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ACCEPTED, bytes)?;
        let count_publications = count(&mut reader, PUBLICATIONS)?;
        let publications = (0..count_publications)
            .map(|_| {
                Ok(Accepted {
                    manifest: manifest(&mut reader)?,
                    proof: reader.bytes(MAX_PROOF)?.to_vec(),
                    file: id(&mut reader)?,
                })
            })
            .collect::<Result<Vec<_>, DecodeError>>()?;
        let caches = (0..count(&mut reader, MAX_CACHES)?)
            .map(|_| id(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let one_epoch = publications
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.manifest.domain == b.manifest.domain));
        if publications.is_empty() || !one_epoch {
            return Err(DecodeError::Field);
        }
        Ok(Self {
            publications,
            caches,
        })
    }

    /// All files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        let published = self.publications.iter().map(|publication| publication.file);
        published.chain(self.caches.iter().copied())
    }
}

impl OwnPublication {
    /// All files that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = FileId> {
        let rows = self.rows;
        let (whole, changed) = (
            rows.map(|rows| rows.whole),
            rows.and_then(|rows| rows.changed),
        );
        [Some(self.file), self.difference, self.roll, whole, changed]
            .into_iter()
            .flatten()
    }
}

/// Reads either state and writes it again. For the fuzzer.
#[doc(hidden)]
#[must_use]
pub fn read_state(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Ok(state) = PeerState::decode(bytes) {
        return Some(state.encode());
    }
    let own = OwnState::decode(bytes).ok()?;
    let epoch = own.epoch.encode();
    let (secret, seed) = (&own.secret, &own.seed);
    Some(encode_own(&own.domain, secret, seed, &epoch, &own.publications).to_vec())
}

fn count(reader: &mut Reader<'_>, limit: usize) -> Result<u8, DecodeError> {
    let count = reader.u8()?;
    if usize::from(count) > limit {
        return Err(DecodeError::TooLong);
    }
    Ok(count)
}

fn manifest(reader: &mut Reader<'_>) -> Result<Manifest, DecodeError> {
    Manifest::decode(reader.bytes(MAX_PART)?).map_err(|_| DecodeError::Field)
}

fn id(reader: &mut Reader<'_>) -> Result<FileId, DecodeError> {
    reader.fixed().map(FileId)
}

fn rows(reader: &mut Reader<'_>) -> Result<Option<OwnRows>, DecodeError> {
    match (some_id(reader)?, some_id(reader)?) {
        (Some(whole), changed) => Ok(Some(OwnRows { whole, changed })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(DecodeError::Field),
    }
}

fn some_id(reader: &mut Reader<'_>) -> Result<Option<FileId>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => id(reader).map(Some),
        _ => Err(DecodeError::Field),
    }
}
